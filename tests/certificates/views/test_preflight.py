"""The button that begins a preflight, its progress and its results on the pages."""

from __future__ import annotations

import datetime
from http import HTTPStatus
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from kombu.exceptions import OperationalError
from pytest_django import DjangoCaptureOnCommitCallbacks

from certificates import tasks
from certificates.models import Gateway, Issuance, Preflight
from certificates.policy.issuance import State
from challenges.problems import Problem, Severity
from tests.certificates.views.test_gateway_page import PREFLIGHT, PROBLEM
from tests.console import HTMX, make_issuance, make_preflight

PAGE = "/gateways/default/"
MINUTE = datetime.timedelta(minutes=1)
SEEN = ["dns-public", "In the public DNS <b>mail.example.com</b> leads to 203.0.113.7."]
HINT = Problem("hint", Severity.INFO, "Something is good to know.")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The preflights that a worker was told of; no broker is asked."""
    told: list[int] = []
    monkeypatch.setattr(tasks.preflight, "delay", told.append)
    return told


def running(gateway: Gateway, **fields: object) -> Preflight:
    """One that a worker has just begun."""
    now = timezone.now()
    begun: dict[str, object] = {"started_at": now, "taken_at": now, "finished_at": None}
    return make_preflight(gateway, (), **(begun | fields))


@pytest.mark.usefixtures("gateway")
def test_the_button_has_a_worker_begin_one_and_leads_to_it(
    administrator: Client,
    sent: list[int],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = administrator.post(PREFLIGHT)
        assert sent == []
    row = Preflight.objects.get()

    assert answer.status_code == HTTPStatus.SEE_OTHER
    assert answer.headers["Location"] == f"{PAGE}#findings"
    assert sent == [row.pk]
    assert not Issuance.objects.exists()
    assert administrator.get(PAGE).context["preflight"].state == "queued"


@pytest.mark.usefixtures("gateway")
def test_a_second_press_leads_to_the_one_that_is_running(
    administrator: Client, sent: list[int]
) -> None:
    for _ in range(2):
        assert administrator.post(PREFLIGHT).status_code == HTTPStatus.SEE_OTHER
    assert Preflight.objects.count() == 1


@pytest.mark.usefixtures("gateway")
def test_without_a_broker_the_page_says_so_at_once(
    administrator: Client,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    def fail(_: int) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr(tasks.preflight, "delay", fail)
    with django_capture_on_commit_callbacks(execute=True):
        administrator.post(PREFLIGHT)
    (problem,) = administrator.get(PAGE).context["preflight"].problems
    assert problem.code == "preflight-not-sent"
    assert "no broker" in problem.detail


def test_while_it_runs_the_part_asks_for_itself_and_says_how_far_it_is(
    administrator: Client, gateway: Gateway
) -> None:
    running(gateway, step=2, steps=3, progress="Asking the <DNS>")
    page = administrator.get(PAGE).content.decode()
    part = administrator.get(PAGE, headers=HTMX)
    text = part.content.decode()

    assert part.templates[0].name == "_preflight.html"
    assert "<html" not in text
    for each in (page, text):
        assert 'hx-trigger="every 1s"' in each
        assert "Step 2 of 3:" in each
        assert "Asking the &lt;DNS&gt;" in each
        assert '<progress class="progress" max="6" value="3"' in each
    # Without JavaScript the whole page reloads itself, and there is a link.
    assert '<meta http-equiv="refresh" content="2">' in page
    assert "Refresh</a>" in page


def test_only_a_change_is_read_aloud(administrator: Client, gateway: Gateway) -> None:
    row = running(gateway, step=1, steps=3, progress="Asking the DNS")
    first = administrator.get(PAGE, headers=HTMX)
    sight = first.context["preflight"].sight
    assert "hx-swap-oob" in first.content.decode()
    assert "hx-swap-oob" not in _part(administrator, sight)
    Preflight.objects.filter(pk=row.pk).update(step=2)
    assert "hx-swap-oob" in _part(administrator, sight)


def _part(client: Client, seen: str) -> str:
    return client.get(PAGE, {"seen": seen}, headers=HTMX).content.decode()


def test_at_its_end_it_shows_the_worst_first_what_is_right_and_when_that_was(
    operator: Client, gateway: Gateway
) -> None:
    make_preflight(gateway, [HINT, PROBLEM], established=[SEEN])
    page = operator.get(PAGE)
    text = page.content.decode()

    assert page.context["preflight"].problems == [PROBLEM, HINT]
    assert text.index(PROBLEM.explanation) < text.index(HINT.explanation)
    assert "One thing was seen to be right" in text
    assert "&lt;b&gt;mail.example.com" in text
    assert "it took 2.0 s" in text
    assert 'http-equiv="refresh"' not in text
    assert "hx-trigger" not in operator.get(PAGE, headers=HTMX).content.decode()


def test_one_that_found_nothing_says_so(administrator: Client, gateway: Gateway) -> None:
    make_preflight(gateway)
    page = administrator.get(PAGE)

    assert page.context["preflight"].problems == []
    assert "Nothing was found" in page.content.decode()


def test_many_findings_are_folded_after_the_worst_five(
    administrator: Client, gateway: Gateway
) -> None:
    findings = [Problem(f"f{n}", Severity.WARNING, f"Finding {n}.") for n in range(30)]
    make_preflight(gateway, findings)
    text = administrator.get(PAGE).content.decode()

    assert "25 more findings" in text
    assert text.count('<article class="problem"') >= 30
    folded = text[text.index("25 more findings") :]
    assert "Finding 4." not in folded
    assert "Finding 29." in folded


def test_one_without_a_worker_says_so_soon_and_ends_after_a_minute(
    administrator: Client, gateway: Gateway
) -> None:
    row = running(gateway, taken_at=None)
    assert not administrator.get(PAGE).context["preflight"].is_kept_waiting

    for seconds, state in ((10, "queued"), (60, "abandoned")):
        began = timezone.now() - datetime.timedelta(seconds=seconds)
        Preflight.objects.filter(pk=row.pk).update(started_at=began)
        page = administrator.get(PAGE)
        assert page.context["preflight"].state == state
        assert page.context["preflight"].is_kept_waiting is (state == "queued")
    page = administrator.get(PAGE)
    assert [each.code for each in page.context["preflight"].problems] == ["preflight-abandoned"]
    assert 'hx-trigger="every 1s"' not in page.content.decode()


def test_an_edit_of_the_names_since_then_is_told(administrator: Client, gateway: Gateway) -> None:
    make_preflight(gateway)
    told = "The hostnames have been changed since then."
    assert told not in administrator.get(PAGE).content.decode()
    Gateway.objects.update(hostname="other.example.com")
    assert told in administrator.get(PAGE).content.decode()


def test_the_newest_one_that_has_ended_is_shown_even_if_an_issuance_began_it(
    administrator: Client, gateway: Gateway
) -> None:
    own = make_preflight(gateway, started_at=timezone.now() - MINUTE)
    issuance = make_issuance(gateway, State.PREFLIGHT)
    of_issuance = running(gateway, issuance=issuance)
    assert administrator.get(PAGE).context["preflight"].preflight == own

    Preflight.objects.filter(pk=of_issuance.pk).update(finished_at=timezone.now())
    page = administrator.get(PAGE)
    assert page.context["preflight"].preflight == of_issuance
    assert f"issuance {issuance.pk}</a>" in page.content.decode()


def test_without_any_the_page_says_nothing_of_it(administrator: Client, gateway: Gateway) -> None:
    page = administrator.get(PAGE)
    assert page.context["preflight"] is None
    assert 'id="findings"' not in page.content.decode()
    assert str(gateway) in page.content.decode()
    # A part that was asked for while the row was deleted.
    assert administrator.get(PAGE, headers=HTMX).status_code == HTTPStatus.OK


@pytest.mark.usefixtures("gateway")
def test_an_operator_begins_none(operator: Client) -> None:
    assert operator.post(PREFLIGHT).status_code == HTTPStatus.FORBIDDEN
    assert not Preflight.objects.exists()


@pytest.mark.usefixtures("administrator")
def test_the_part_of_a_gateway_that_does_not_exist_is_not_found(administrator: Client) -> None:
    answer = administrator.get("/gateways/nobody/", headers=HTMX)
    assert answer.status_code == HTTPStatus.NOT_FOUND


def test_the_page_of_an_issuance_shows_its_own_while_it_runs_and_afterwards(
    administrator: Client, gateway: Gateway
) -> None:
    issuance = make_issuance(gateway, State.PREFLIGHT)
    row = running(gateway, issuance=issuance, step=1, steps=3, progress="Asking the DNS")
    address = f"/issuances/{issuance.pk}/"
    assert "Step 1 of 3:" in administrator.get(address).content.decode()

    Preflight.objects.filter(pk=row.pk).update(
        finished_at=timezone.now(), findings=[PROBLEM.to_json()], established=[SEEN]
    )
    text = administrator.get(address).content.decode()
    assert "Step 1 of 3:" not in text
    assert PROBLEM.explanation in text
    assert "&lt;b&gt;mail.example.com" in text


@pytest.mark.parametrize(
    ("state", "seconds"), [(State.CANCELLED, 0), (State.PREFLIGHT, 61)], ids=["cancelled", "killed"]
)
def test_one_that_was_interrupted_shows_no_progress(
    administrator: Client, gateway: Gateway, state: State, seconds: int
) -> None:
    issuance = make_issuance(gateway, state)
    began = timezone.now() - datetime.timedelta(seconds=seconds)
    running(gateway, issuance=issuance, taken_at=began, step=1, steps=3, progress="Asking the DNS")
    page: Any = administrator.get(f"/issuances/{issuance.pk}/")
    assert page.context["preflight"] is None
    assert "Asking the DNS" not in page.content.decode()
