"""What cannot be pressed now, what waits, and giving something up."""

from __future__ import annotations

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from certificates.models import Account, Issuance, Order, OrderStatus
from certificates.policy.issuance import Environment, State
from tests.browser import scenes
from tests.browser.conftest import OpenAs

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_disabled_button_is_described_by_the_reason_beside_it(open_as: OpenAs) -> None:
    page = open_as(scenes.held_back().viewer)
    page.goto("/gateways/default/")
    renew = page.get_by_role("button", name="Renew now")
    expect(renew).to_be_disabled()
    described = page.locator(f"#{renew.get_attribute('aria-describedby')}")
    expect(described).to_contain_text("This console has obtained 4 certificates")
    expect(described).to_be_visible()
    expect(page.get_by_role("button", name="Rehearse renewal")).to_be_enabled()
    expect(page.get_by_text("0 of 4")).to_be_visible()


@pytest.mark.parametrize("java_script", [True, False])
def test_a_running_rehearsal_is_cancelled(open_as: OpenAs, java_script: bool) -> None:
    scene = scenes.held_back()
    running = Issuance.objects.get(state=State.STAGING_TEST)
    page = open_as(scene.viewer, java_script_enabled=java_script)
    page.goto(f"/issuances/{running.pk}/")
    expect(page.get_by_text("This is a rehearsal:")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#issuance")).to_have_attribute("data-state", "cancelled")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_the_button_stays_the_same_one_while_the_page_follows_the_issuance(
    open_as: OpenAs,
) -> None:
    scene = scenes.held_back()
    running = Issuance.objects.get(state=State.STAGING_TEST)
    page = open_as(scene.viewer)
    page.goto(f"/issuances/{running.pk}/")
    cancel = page.get_by_role("button", name="Cancel")
    cancel.focus()
    for _ in range(2):
        with page.expect_response(lambda response: "/issuances/" in response.url):
            pass
    expect(cancel).to_be_focused()


def test_the_button_goes_once_the_ca_issues(open_as: OpenAs) -> None:
    scene = scenes.held_back()
    running = Issuance.objects.get(state=State.STAGING_TEST)
    page = open_as(scene.viewer)
    page.goto(f"/issuances/{running.pk}/")
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    Issuance.objects.filter(pk=running.pk).update(state=State.PRODUCTION)
    account = Account.objects.create(directory_url="https://ca.example/dir", sealed_key="x")
    Order.objects.create(
        issuance=running,
        account=account,
        environment=Environment.PRODUCTION.value,
        status=OrderStatus.PROCESSING,
        sealed_key="x",
        csr_pem="x",
    )
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)


def test_one_that_waits_looks_at_once_when_it_is_told_to(open_as: OpenAs) -> None:
    scene = scenes.held_back()
    waiting = Issuance.objects.get(state=State.PRODUCTION)
    page = open_as(scene.viewer)
    page.goto("/gateways/waiting/")
    expect(page.get_by_text("goes on by itself")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    page.wait_for_url(f"**/issuances/{waiting.pk}/")
    waiting.refresh_from_db()
    assert waiting.next_step_at is not None
    assert waiting.next_step_at <= timezone.now()


def test_a_profile_is_chosen_by_its_name_and_explained(open_as: OpenAs) -> None:
    page = open_as(scenes.held_back().viewer)
    page.goto("/gateways/default/settings/")
    group = page.get_by_role("group", name="Certificate profile")
    expect(group.get_by_role("radio", name="The CA's default")).to_be_checked()
    expect(group.get_by_text("about six days")).to_be_visible()
    group.get_by_role("radio", name="Short-lived").check()
    page.get_by_label("Rehearse the renewal every two weeks").uncheck()
    page.get_by_label("I agree to the Let's Encrypt terms of service").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The settings were saved.")).to_be_visible()
    expect(page.get_by_text("Rehearsing is switched off in the settings.")).to_be_visible()
