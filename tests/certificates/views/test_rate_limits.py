"""What the pages say of the CA's rate limits and pauses before somebody presses a button."""

from __future__ import annotations

import datetime
import re
from http import HTTPStatus

import pytest
from django.test import Client
from django.utils import timezone

from certificates import clock, directories, pauses
from certificates.models import Gateway, Issuance, LimitUse
from certificates.policy.issuance import Environment, State
from certificates.policy.limits import Limit
from certificates.policy.names import identifier_set
from certificates.policy.refusal import Scope
from tests.certificates.views.test_gateway_page import ISSUE, PAGE, PROBLEM
from tests.console import make_certificate, make_issuance

BUTTON = re.compile(r"<button type=\"submit\"([^>]*)>(?:<svg.*?</svg>)?([^<]+)</button>", re.DOTALL)


def disabled(page: str) -> dict[str, bool]:
    """The buttons of the page by their words, and whether each is disabled."""
    return {words.strip(): " disabled" in attributes for attributes, words in BUTTON.findall(page)}


def spend(limit: Limit, subject: str, count: int) -> None:
    """So many uses at the production CA, an hour ago."""
    at = timezone.now() - datetime.timedelta(hours=1)
    url = directories.url_of(Environment.PRODUCTION)
    LimitUse.objects.bulk_create(
        LimitUse(directory_url=url, limit=limit.value, subject=subject, at=at) for _ in range(count)
    )


def spend_all(gateway: Gateway) -> None:
    """Nothing is left for this set of names."""
    spend(Limit.CERTIFICATES_PER_SET, identifier_set(gateway.names), 4)


def test_the_page_shows_what_is_left_of_each_limit_and_when_it_frees(
    administrator: Client, gateway: Gateway
) -> None:
    spend(Limit.CERTIFICATES_PER_SET, identifier_set(gateway.names), 1)
    spend(Limit.CERTIFICATES_PER_DOMAIN, "example.com", 2)
    page = administrator.get(PAGE)
    rows = {row.label: row for row in page.context["allowances"]}
    text = page.content.decode()

    assert [(row.subject, row.left, row.most) for row in rows.values()] == [
        ("", 295, 295),
        ("example.com", 47, 49),
        ("the names of this gateway", 3, 4),
        ("", 4, 4),
    ]
    for row in rows.values():
        assert row.label in text
        assert f"{row.left} of {row.most}" in text
    assert "in 6 days" in text
    assert '<details class="card-body fold" data-size="large">' in text


def test_a_hundred_names_are_not_a_hundred_rows_and_the_tightest_is_shown(
    administrator: Client, gateway: Gateway
) -> None:
    gateway.additional_hostnames = [f"mx{number}.example.com" for number in range(99)]
    gateway.save()
    at = timezone.now() - datetime.timedelta(minutes=5)
    LimitUse.objects.bulk_create(
        LimitUse(
            directory_url=directories.url_of(Environment.PRODUCTION),
            limit=Limit.FAILED_AUTHORIZATIONS.value,
            subject=name,
            at=at,
        )
        for name in ("mx7.example.com", "mx9.example.com", "mx9.example.com")
    )
    rows = administrator.get(PAGE).context["allowances"]

    assert len(rows) == 4
    assert (rows[-1].subject, rows[-1].left) == ("mx9.example.com", 2)


def test_a_button_that_would_overdraw_is_disabled_with_the_reason(
    administrator: Client, gateway: Gateway
) -> None:
    make_certificate(gateway, select=True)
    make_issuance(gateway, State.FAILED, problem_facts=PROBLEM.to_json())
    assert disabled(administrator.get(PAGE).content.decode())["Renew now"] is False
    spend_all(gateway)
    page = administrator.get(PAGE)
    text, reason = page.content.decode(), page.context["why_not"]

    assert reason.code == "rate-budget-set"
    buttons = disabled(text)
    assert buttons["Renew now"] is buttons["Try again"] is True
    # The production CA's limit is nothing to a rehearsal, which asks staging alone.
    assert buttons["Rehearse renewal"] is False
    assert 'aria-describedby="why-not"' in text
    assert reason.explanation in text
    assert '<details class="card-body fold" data-size="large" open>' in text


def test_pressed_all_the_same_it_is_refused_with_the_reason(
    administrator: Client, gateway: Gateway
) -> None:
    spend_all(gateway)
    page = administrator.post(ISSUE, follow=True)

    assert page.redirect_chain == [(PAGE, HTTPStatus.SEE_OTHER)]
    assert "exactly the same names" in str(next(iter(page.context["messages"])))
    assert not Issuance.objects.exists()


def test_what_the_staging_ca_has_forbidden_disables_the_rehearsal_too(
    administrator: Client, gateway: Gateway
) -> None:
    make_certificate(gateway, select=True)
    until = timezone.now() + datetime.timedelta(hours=2)
    staging = directories.url_of(Environment.STAGING)
    pauses.note(staging, Scope.ACCOUNT, gateway.names, until, PROBLEM)
    page = administrator.get(PAGE)
    buttons = disabled(page.content.decode())

    assert buttons["Renew now"] is buttons["Rehearse renewal"] is True
    assert page.context["why_no_rehearsal"].code == "ca-asked-to-wait"


def test_try_again_on_the_issuances_page_is_disabled_for_the_same_reason(
    administrator: Client, gateway: Gateway
) -> None:
    issuance = make_issuance(gateway, State.FAILED, problem_facts=PROBLEM.to_json())
    address = f"/issuances/{issuance.pk}/"
    assert disabled(administrator.get(address).content.decode())["Try again"] is False
    spend_all(gateway)
    text = administrator.get(address).content.decode()

    assert disabled(text)["Try again"] is True
    assert 'aria-describedby="why-no-retry"' in text
    assert "exactly the same names" in text


@pytest.mark.parametrize("address", ["/", PAGE])
def test_without_agreement_to_the_terms_the_first_button_is_disabled(
    administrator: Client, gateway: Gateway, address: str
) -> None:
    Gateway.objects.filter(pk=gateway.pk).update(terms_agreed_at=None)
    text = administrator.get(address).content.decode()

    assert disabled(text)["Test and obtain certificate"] is True
    assert "The terms of service of Let&#x27;s Encrypt have not been agreed to." in text


def test_with_a_clock_that_cannot_be_right_nothing_can_be_pressed_and_the_remedy_is_named(
    administrator: Client, gateway: Gateway
) -> None:
    make_certificate(gateway, select=True)
    clock.accept(timezone.now() + datetime.timedelta(days=2))
    text = administrator.get(PAGE).content.decode()
    buttons = disabled(text)

    assert buttons["Renew now"] is buttons["Rehearse renewal"] is True
    assert "manage.py accept_clock" in text
    codes = {each.problem.code for each in administrator.get("/warnings/").context["problems"]}
    assert "clock-implausible" in codes


def test_an_operator_sees_the_limits_and_no_buttons(operator: Client, gateway: Gateway) -> None:
    spend_all(gateway)
    text = operator.get(PAGE).content.decode()

    assert "Rate limits of the CA" in text
    assert "Test and obtain certificate" not in disabled(text)


def test_with_the_manual_source_there_are_no_limits_to_show(
    administrator: Client, gateway: Gateway
) -> None:
    Gateway.objects.filter(pk=gateway.pk).update(certificate_source="manual")
    assert "Rate limits" not in administrator.get(PAGE).content.decode()
