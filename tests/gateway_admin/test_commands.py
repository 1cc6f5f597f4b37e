"""The operator's commands in this process: what they answer and how they end."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management.base import CommandError
from django.utils import timezone

from certificates import backoffs, clock, directories, tasks
from certificates.models import (
    Certificate,
    Directory,
    Event,
    Gateway,
    Issuance,
    LimitUse,
    Preflight,
)
from certificates.policy.issuance import Environment, State
from certificates.policy.limits import Limit
from certificates.policy.names import identifier_set
from challenges.preflight.report import Established, Fact, Report
from challenges.problems import Problem, ProblemError, Severity
from gateway_admin.management.commands import (
    accept_clock,
    cancel_issuance,
    configure,
    issue,
    preflight,
    rehearse,
    renew,
    status,
    warnings,
)
from gateway_admin.management.operating import OperatorCommand
from tests.certificates.engine import (
    DAY,
    MINUTE,
    SmallCas,
    cas,
    forgetful_clock,
    serving_cas,
    travel,
    use,
)
from tests.console import make_certificate, make_gateway, make_issuance

__all__ = ["cas", "forgetful_clock", "serving_cas", "travel"]

HINT = Problem("hint", Severity.INFO, "Something is good to know.")
PERMANENT = Problem("acme-caa", Severity.ERROR, "A CAA record forbids it.", ("Remove it.",))


@pytest.fixture(autouse=True)
def nudged(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The issuances that a worker was nudged towards; no broker is asked."""
    nudges: list[int] = []
    monkeypatch.setattr(tasks.advance, "delay", nudges.append)
    return nudges


def carried_out(
    command: type[OperatorCommand], *arguments: str, fails: bool = False
) -> tuple[dict[str, Any], str]:
    """The JSON document and what was said on standard error; ``fails`` with exit status 1."""
    out, err = StringIO(), StringIO()
    running = command(stdout=out, stderr=err, no_color=True)
    name = command.__module__.rpartition(".")[2]
    options = vars(running.create_parser("manage.py", name).parse_args([*arguments, "--json"]))
    if fails:
        with pytest.raises((SystemExit, CommandError)) as caught:
            running.carry_out(options)
        if isinstance(caught.value, SystemExit):
            assert caught.value.code == 1
        else:
            err.write(str(caught.value))
    else:
        running.carry_out(options)
    return (json.loads(out.getvalue()) if out.getvalue() else {}), err.getvalue()


# rehearse


def test_a_rehearsal_is_answered_like_an_issuance_and_touches_nothing(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    in_use = use(gateway, age=DAY)
    # No worker takes it, so the command works on it itself; the clock jumps past the wait.
    answer, _ = carried_out(rehearse.Command, "default", "--wait")

    assert answer["state"] == "done"
    assert answer["trigger"] == "rehearsal"
    assert [(each["stage"], each["state"]) for each in answer["stages"]] == [
        ("preflight", "done"),
        ("staging_test", "done"),
    ]
    assert answer["certificate"] is answer["problem"] is None
    assert cas.production.asked == []
    assert Gateway.objects.get().selected_certificate == in_use
    assert Certificate.objects.count() == 1


def test_without_waiting_a_rehearsal_is_only_begun(gateway: Gateway, nudged: list[int]) -> None:
    make_certificate(gateway, select=True)
    answer, _ = carried_out(rehearse.Command)

    assert answer["state"] == "waiting"
    assert nudged == []  # Told on commit; this test's transaction is never committed.
    assert Issuance.objects.get().is_rehearsal


def test_a_rehearsal_that_may_not_start_says_why(gateway: Gateway) -> None:
    Gateway.objects.filter(pk=gateway.pk).update(terms_agreed_at=None)
    with pytest.raises(ProblemError) as caught:
        carried_out(rehearse.Command)
    assert caught.value.problem.code == "terms-not-agreed"


# preflight


def test_a_preflight_at_a_wrong_time_says_so_and_asks_no_ca(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    clock.note(timezone.now())
    answer, _ = carried_out(preflight.Command, gateway.slug)
    before = cas.asked
    assert "clock-implausible" not in {each["code"] for each in answer["findings"]}

    travel.shift(-2 * DAY)
    answer, _ = carried_out(preflight.Command, gateway.slug)
    assert answer["findings"][0]["code"] == "clock-implausible"
    assert cas.asked == before


def test_a_preflight_says_what_it_found_and_what_is_right(
    gateway: Gateway, cas: SmallCas, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Established(Fact.DNS_PUBLIC, "The name leads here.")
    said = Report((HINT, PERMANENT), (seen,))
    monkeypatch.setattr("challenges.preflight.run", lambda *_, **__: said)
    answer, errors = carried_out(preflight.Command, gateway.slug)

    assert [each["code"] for each in answer["findings"]] == ["acme-caa", "hint"]
    assert {"fact": "dns-public", "sentence": "The name leads here."} in answer["established"]
    assert answer["finished_at"].endswith("Z")
    assert errors == ""
    assert Preflight.objects.get().has_ended


def test_a_preflight_on_a_terminal_shows_its_progress_and_remedies(
    gateway: Gateway, cas: SmallCas, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(_: object, progress: Callable[[int, int, str], None], **__: object) -> Report:
        progress(1, 3, "Asking the DNS")
        return Report((PERMANENT,))

    monkeypatch.setattr("challenges.preflight.run", run)
    out, err = StringIO(), StringIO()
    err.isatty = lambda: True  # type: ignore[method-assign]
    command = preflight.Command(stdout=out, stderr=err)
    command.carry_out({"gateway": None, "json": False})

    assert "1 of 3: Asking the DNS\n" in err.getvalue()
    assert "\x1b" not in err.getvalue()
    assert out.getvalue().startswith("error: A CAA record forbids it.\n  1. Remove it.\nok: ")


# cancel_issuance


def test_what_runs_is_cancelled(gateway: Gateway) -> None:
    make_issuance(gateway, State.STAGING_TEST)
    answer, _ = carried_out(cancel_issuance.Command, "default")
    assert answer["state"] == "cancelled"
    assert Issuance.objects.get().current is State.CANCELLED


def test_where_nothing_runs_there_is_nothing_to_cancel(gateway: Gateway) -> None:
    make_issuance(gateway, State.DONE)
    _, said = carried_out(cancel_issuance.Command, fails=True)
    assert said == "No issuance is running for the gateway default."


def test_what_is_being_installed_is_not_cancelled(gateway: Gateway) -> None:
    make_issuance(gateway, State.INSTALLING)
    with pytest.raises(ProblemError) as caught:
        carried_out(cancel_issuance.Command)
    assert caught.value.problem.code == "cannot-cancel"


# renew --due


@pytest.fixture
def due(gateway: Gateway) -> Gateway:
    """A gateway whose renewal is due."""
    certificate = make_certificate(gateway, select=True)
    Certificate.objects.filter(pk=certificate.pk).update(
        not_before=timezone.now() - 70 * DAY,
        not_after=timezone.now() + 20 * DAY,
        renewal_at=timezone.now() - 10 * DAY,
    )
    return gateway


def test_what_is_due_is_begun_and_nothing_is_held_back(due: Gateway) -> None:
    answer, said = carried_out(renew.Command, "--due")
    assert [each["gateway"] for each in answer["issuances"]] == [due.slug]
    assert answer["held_back"] is None
    assert said == ""


def test_where_nothing_is_due_nothing_is_held_back(gateway: Gateway) -> None:
    make_certificate(gateway, select=True)
    answer, _ = carried_out(renew.Command, "--due")
    assert answer == {"issuances": [], "held_back": None}


def test_a_ca_that_is_away_holds_back_what_is_due(due: Gateway) -> None:
    now = timezone.now()
    Directory.objects.create(
        url=directories.url_of(Environment.PRODUCTION),
        away_since=now - MINUTE,
        next_probe_at=now + MINUTE,
    )
    answer, said = carried_out(renew.Command, "--due", fails=True)
    assert due.pk
    assert answer["issuances"] == []
    assert answer["held_back"]["code"] == "ca-away"
    assert said.startswith("The production environment of the CA cannot be reached since")


def test_a_clock_that_cannot_be_right_holds_everything_back(due: Gateway) -> None:
    clock.accept(timezone.now() + 2 * DAY)
    answer, said = carried_out(renew.Command, "--due", fails=True)
    assert due.pk
    assert answer["held_back"]["code"] == "clock-implausible"
    assert len(said.splitlines()) == 1


def test_orders_that_are_used_up_hold_back_what_is_due(due: Gateway) -> None:
    _use_up(Limit.NEW_ORDERS, "", 295)
    answer, said = carried_out(renew.Command, "--due", fails=True)
    assert due.pk
    assert answer["held_back"]["code"] == "rate-budget-new-orders"
    assert "This console has placed 295 orders" in said


def test_what_could_be_begun_is_a_success_though_another_is_held_back(due: Gateway) -> None:
    other = make_gateway("other", "other.example.org")
    certificate = make_certificate(other, select=True)
    begin = timezone.now() - 65 * DAY
    Certificate.objects.filter(pk=certificate.pk).update(
        not_before=begin, not_after=begin + 90 * DAY, renewal_at=begin + 60 * DAY
    )
    _use_up(Limit.CERTIFICATES_PER_SET, identifier_set(other.names), 4)
    answer, said = carried_out(renew.Command, "--due")
    assert [each["gateway"] for each in answer["issuances"]] == [due.slug]
    assert answer["held_back"]["code"] == "rate-budget-set"
    assert "exactly the same names" in said


def test_orders_that_running_issuances_need_are_not_given_away(due: Gateway) -> None:
    busy = make_gateway("busy", "busy.example.org")
    make_issuance(busy, State.STAGING_TEST)
    _use_up(Limit.NEW_ORDERS, "", 294)
    answer, said = carried_out(renew.Command, "--due", fails=True)
    assert due.pk
    assert answer["held_back"]["code"] == "rate-budget-new-orders"
    assert said.startswith("An issuance that is running needs the last order")


# configure


def test_profile_and_rehearsing_are_set_by_options_and_else_stay(gateway: Gateway) -> None:
    Directory.objects.create(
        url=directories.url_of(Environment.PRODUCTION),
        profiles={"shortlived": ""},
        read_at=timezone.now(),
    )
    steps: list[tuple[list[str], tuple[str, bool]]] = [
        (["--profile", "shortlived"], ("shortlived", True)),
        (["--rehearse", "off"], ("shortlived", False)),
        (["--profile", "default", "--rehearse", "on"], ("", True)),
    ]
    for arguments, expected in steps:
        carried_out(configure.Command, *arguments)
        gateway.refresh_from_db()
        assert (gateway.profile, gateway.rehearses) == expected


def test_a_profile_that_is_not_listed_is_one_line_that_names_the_option(gateway: Gateway) -> None:
    Directory.objects.create(url=directories.url_of(Environment.PRODUCTION), read_at=timezone.now())
    _, said = carried_out(configure.Command, "--profile", "tlsserver", fails=True)
    assert gateway.pk
    assert said.startswith("--profile: The certificate authority offers no profile “tlsserver”.")


# accept_clock


def test_the_clock_is_accepted_with_an_event_and_issuances_may_begin(gateway: Gateway) -> None:
    clock.accept(timezone.now() + 400 * DAY)
    clock.forget()
    _, _ = carried_out(accept_clock.Command)
    answer, _ = carried_out(issue.Command)

    assert answer["gateway"] == gateway.slug
    event = Event.objects.get(code="clock-accepted")
    assert "already shown" in event.detail
    assert carried_out(accept_clock.Command)[0]["was_doubted"] is False
    assert Event.objects.filter(code="clock-accepted").count() == 1


@pytest.mark.usefixtures("gateway")
def test_a_time_before_this_version_was_made_is_not_accepted() -> None:
    with time_machine.travel(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), tick=False):
        _, said = carried_out(accept_clock.Command, fails=True)
    assert "it cannot be right" in said
    assert not Event.objects.exists()


# status and warnings


def test_the_status_tells_of_rehearsals_profiles_and_a_stopped_renewal(gateway: Gateway) -> None:
    make_certificate(gateway, select=True)
    rehearsal = make_issuance(gateway, State.DONE, course="rehearsal", trigger="rehearsal")
    backoffs.failed(identifier_set(gateway.names), PERMANENT, timezone.now(), lifetime=90 * DAY)
    (told,) = carried_out(status.Command)[0]["gateways"]

    assert told["last_issuance"] is None
    assert told["last_rehearsal"]["id"] == rehearsal.pk
    assert (told["profile"], told["rehearses"]) == ("", True)
    assert told["next_renewal"] is None
    assert told["renewal_stopped"]["code"] == "acme-caa"


def test_the_warnings_tell_of_the_clock_the_ca_the_files_and_the_rehearsal(
    gateway: Gateway,
) -> None:
    now = timezone.now()
    make_certificate(gateway, select=True)
    make_issuance(
        gateway,
        State.FAILED,
        course="rehearsal",
        trigger="rehearsal",
        problem_facts=PERMANENT.to_json(),
    )
    Gateway.objects.update(files_problem=PERMANENT.to_json())
    Directory.objects.create(
        url=directories.url_of(Environment.STAGING),
        away_since=now - 20 * MINUTE,
        next_probe_at=now + MINUTE,
    )
    clock.accept(now + 2 * DAY)
    told = carried_out(warnings.Command)[0]["warnings"]
    placed = {each["code"]: each["gateway"] for each in told}

    assert placed["clock-implausible"] is None
    assert placed["ca-away"] is None
    assert placed["rehearsal-failed"] == gateway.slug
    assert placed["acme-caa"] == gateway.slug


def _use_up(limit: Limit, subject: str, count: int) -> None:
    at = timezone.now() - MINUTE
    url = directories.url_of(Environment.PRODUCTION)
    LimitUse.objects.bulk_create(
        LimitUse(directory_url=url, limit=limit.value, subject=subject, at=at) for _ in range(count)
    )


def test_waiting_for_an_issuance_that_waits_itself_ends_with_its_reason(
    gateway: Gateway,
) -> None:
    make_issuance(gateway, State.WAITING)
    # The clock is behind what was seen, so nothing may be asked of a CA.
    clock.accept(timezone.now() + 2 * 60 * MINUTE)

    answer, said = carried_out(issue.Command, "--wait", fails=True)

    assert (answer["state"], answer["problem"]["code"]) == ("waiting", "clock-implausible")
    assert said.startswith("The clock of this machine shows")
    assert said.strip().endswith("It waits, and goes on by itself.")
