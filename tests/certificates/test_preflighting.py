"""Preflights as rows: begun, carried out once, ended whatever happens, and pruned."""

from __future__ import annotations

import dataclasses
import datetime
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from certificates import disk, preflighting, readiness
from certificates.leases import LEASE
from certificates.models import Event, Gateway, Preflight, Trigger
from certificates.policy.issuance import State
from challenges import preflight
from challenges.preflight import directory, dns, names, own_port, reach
from challenges.preflight.report import Established, Fact, Report
from challenges.problems import Problem, Severity
from tests.certificates.engine import MINUTE, SECOND, SmallCas, advanced, ask
from tests.console import make_gateway, make_issuance, make_preflight

INFO = Problem("port-info", Severity.INFO, "Something is good to know.")
ERROR = Problem("port-error", Severity.ERROR, "Something will not work.", ("Mend it.",))
SEEN = Established(Fact.DNS_PUBLIC, "mail.example.com leads to 203.0.113.7.")

Answer = Callable[..., Report]


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch, cas: SmallCas) -> list[Answer]:
    """What the checks of the surroundings come to: the last one of the list is asked."""
    answers: list[Answer] = [lambda *_, **__: Report((INFO, ERROR), (SEEN,))]

    def run(around: preflight.Surroundings, seconds: float, **options: object) -> Report:
        assert 0 < seconds <= preflight.SECONDS
        return answers[-1](around, **options)

    monkeypatch.setattr(preflight, "run", run)
    return answers


def codes(row: Preflight) -> list[str]:
    """Of its findings, worst first."""
    row.refresh_from_db()
    return [problem.code for problem in row.problems]


@pytest.mark.usefixtures("answer")
def test_what_a_preflight_comes_to_is_kept_with_its_times(gateway: Gateway) -> None:
    row = preflighting.begin(gateway, timezone.now())
    assert (row.taken_at, row.finished_at, row.seconds) == (None, None, None)

    assert preflighting.carry_out(row.pk)
    assert codes(row) == ["port-error", "port-info"]
    assert ["dns-public", SEEN.sentence] in row.established
    assert {"storage-ready", "order-allowed"} <= {fact for fact, _ in row.established}
    assert row.finished_at is not None
    assert row.seconds is not None
    line = Event.objects.get(code="preflight-done")
    assert line.gateway == gateway
    assert ERROR.explanation in line.detail
    assert SEEN.sentence in line.detail


def test_who_watches_is_told_every_step_and_the_row_says_the_present_one(
    gateway: Gateway, answer: list[Answer]
) -> None:
    told: list[tuple[int, int, str]] = []
    stored: list[tuple[int, int, str]] = []
    row = preflighting.begin(gateway, timezone.now())

    def look(_: object, progress: Callable[[int, int, str], None]) -> Report:
        for step in (1, 2, 3):
            progress(step, 3, f"Looking at {step}")
            row.refresh_from_db()
            stored.append((row.step, row.steps, row.progress))
        return Report()

    answer.append(look)
    preflighting.carry_out(row.pk, lambda *said: told.append(said))
    steps = [(step, 3, f"Looking at {step}") for step in (1, 2, 3)]
    assert told[1:] == stored == steps
    assert told[0][2].startswith("Looking at the disk")


def test_progress_is_written_in_bounded_number(gateway: Gateway, answer: list[Answer]) -> None:
    def chatter(_: object, progress: Callable[[int, int, str], None]) -> Report:
        for step in range(500):
            progress(step, 500, "x" * 1000)
        return Report()

    answer.append(chatter)
    row = preflighting.begin(gateway, timezone.now())
    with CaptureQueriesContext(connection) as captured:
        preflighting.carry_out(row.pk)
    updates = [query for query in captured if "UPDATE" in query["sql"]]
    assert len(updates) <= preflighting.MOST_WRITES + 2
    row.refresh_from_db()
    assert len(row.progress) == 200


@pytest.mark.usefixtures("answer")
def test_only_one_runs_for_a_gateway_and_nobody_does_it_twice(gateway: Gateway) -> None:
    now = timezone.now()
    first = preflighting.begin(gateway, now)
    assert preflighting.begin(gateway, now) == first
    assert preflighting.begin(make_gateway("other", "other.example.com"), now) != first
    assert [preflighting.carry_out(first.pk) for _ in range(2)] == [True, False]
    assert preflighting.begin(gateway, now) != first


@pytest.mark.usefixtures("answer")
@pytest.mark.parametrize("was_taken", [False, True])
def test_one_whose_worker_is_gone_ends_after_a_minute_and_says_so(
    gateway: Gateway, travel: time_machine.Traveller, was_taken: bool
) -> None:
    row = preflighting.begin(gateway, timezone.now())
    if was_taken:
        Preflight.objects.update(taken_at=timezone.now())
    travel.shift(59 * SECOND)
    preflighting.end_abandoned(timezone.now())
    assert preflighting.begin(gateway, timezone.now()) == row

    travel.shift(SECOND)
    preflighting.end_abandoned(timezone.now())
    assert codes(row) == ["preflight-abandoned"]
    assert ("no worker has taken it" in row.problems[0].explanation) is not was_taken
    assert not preflighting.carry_out(row.pk)


@pytest.mark.usefixtures("answer")
@pytest.mark.parametrize("ago", [MINUTE, -MINUTE])
def test_a_new_one_takes_the_place_of_an_abandoned_one_at_once(
    gateway: Gateway, travel: time_machine.Traveller, ago: datetime.timedelta
) -> None:
    now = timezone.now()
    left = make_preflight(
        gateway, started_at=now - ago, taken_at=now - ago, finished_at=None, step=2, steps=3
    )
    fresh = preflighting.begin(gateway, now)
    assert fresh != left
    assert codes(left) == ["preflight-abandoned"]
    assert preflighting.carry_out(fresh.pk)


def test_who_comes_to_his_end_too_late_changes_nothing(
    gateway: Gateway, answer: list[Answer], travel: time_machine.Traveller
) -> None:
    def dawdle(*_: object, **__: object) -> Report:
        travel.shift(2 * MINUTE)
        preflighting.end_abandoned(timezone.now())
        return Report((ERROR,))

    answer.append(dawdle)
    row = preflighting.begin(gateway, timezone.now())
    preflighting.carry_out(row.pk)
    assert codes(row) == ["preflight-abandoned"]
    assert not Event.objects.exists()


def test_a_defect_in_a_check_is_a_finding_and_stops_nothing(
    gateway: Gateway, answer: list[Answer]
) -> None:
    def break_down(*_: object, **__: object) -> Report:
        raise ZeroDivisionError

    answer.append(break_down)
    row = preflighting.begin(gateway, timezone.now())
    assert preflighting.carry_out(row.pk)
    assert codes(row) == ["preflight-incomplete"]
    assert "storage-ready" in {fact for fact, _ in row.established}

    issuance = advanced(ask(gateway))
    assert issuance.current is State.DONE
    assert [each.code for each in issuance.preflight_findings] == ["preflight-incomplete"]


@pytest.fixture
def hang() -> Iterator[Callable[..., bool]]:
    """Hangs until the test is over."""
    over = threading.Event()
    yield lambda *_, **__: over.wait(60)
    over.set()


def test_all_of_it_ends_in_time_whatever_hangs(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, hang: Callable[..., bool]
) -> None:
    monkeypatch.setattr(disk, "require_space", hang)
    for part, check in ((names, "check"), (dns, "check"), (directory, "check"), (reach, "check")):
        monkeypatch.setattr(part, check, hang)
    monkeypatch.setattr(own_port, "ask", hang)
    monkeypatch.setattr(readiness, "DISK_PATIENCE", 1.0)
    monkeypatch.setattr(preflighting, "SECONDS", 1.5)
    row = preflighting.begin(gateway, timezone.now())
    started = time.monotonic()
    assert preflighting.carry_out(row.pk)
    assert time.monotonic() - started < 8, "and not the 20 seconds after those of the disk"
    assert {"data-directory-not-writable", "preflight-incomplete"} <= set(codes(row))


def test_an_issuance_holds_its_lease_for_longer_than_its_preflight_takes() -> None:
    assert LEASE.total_seconds() > preflighting.SECONDS + 20


def test_strangers_words_that_no_database_takes_and_too_many_findings_fail_nothing(
    gateway: Gateway, answer: list[Answer]
) -> None:
    hostile = "GIF89a\0\ud800 é"
    strange = dataclasses.replace(INFO, explanation=hostile, remedy=(hostile,), detail=hostile)
    said = Report((*[strange] * 500, ERROR), (dataclasses.replace(SEEN, sentence=hostile),))

    def look(_: object, progress: Callable[[int, int, str], None]) -> Report:
        progress(1, 3, hostile)
        return said

    answer.append(look)
    row = preflighting.begin(gateway, timezone.now())
    assert preflighting.carry_out(row.pk)
    row.refresh_from_db()
    assert len(row.findings) == preflighting.MOST_FINDINGS
    assert row.problems[0] == ERROR
    texts = [row.problems[1].explanation, *row.problems[1].remedy, row.problems[1].detail]
    assert texts == ["GIF89a\ufffd\ufffd é"] * 3
    assert row.progress == "GIF89a\ufffd\ufffd é"
    assert ["dns-public", "GIF89a\ufffd\ufffd é"] in row.established


@pytest.mark.usefixtures("answer")
def test_an_issuance_keeps_its_own_and_begins_it_anew_when_it_is_resumed(gateway: Gateway) -> None:
    issuance = make_issuance(gateway, State.PREFLIGHT)
    preflighting.of_issuance(issuance)
    Preflight.objects.update(step=3, steps=3, progress="old", finished_at=None)
    report = preflighting.of_issuance(issuance)
    row = Preflight.objects.get()
    assert row.issuance == issuance
    assert row.has_ended
    assert [each.code for each in report.findings] == ["port-error", "port-info"]
    assert codes(row) == ["port-error", "port-info"]


@pytest.mark.usefixtures("answer")
def test_that_of_an_issuance_is_in_nobodys_way(gateway: Gateway) -> None:
    issuance = make_issuance(gateway, State.PREFLIGHT)
    running = make_preflight(gateway, issuance=issuance, finished_at=None)
    assert preflighting.begin(gateway, timezone.now()) != running
    preflighting.end_abandoned(timezone.now() + 2 * MINUTE)
    running.refresh_from_db()
    assert not running.has_ended, "its issuance begins it anew"


@pytest.mark.usefixtures("answer")
def test_the_newest_twenty_are_kept_and_those_of_issuances_all(gateway: Gateway) -> None:
    other = make_gateway("other", "other.example.com")
    make_preflight(other)
    for age in range(30):
        begun = timezone.now() - (age + 1) * MINUTE
        make_preflight(gateway, started_at=begun, taken_at=begun, finished_at=begun)
    kept = make_preflight(
        gateway,
        issuance=make_issuance(gateway),
        started_at=timezone.now() - datetime.timedelta(days=400),
    )
    row = preflighting.begin(gateway, timezone.now())
    preflighting.carry_out(row.pk)
    own = Preflight.objects.filter(gateway=gateway, issuance=None)
    assert own.count() == preflighting.MOST_KEPT
    assert own.first() == row
    assert {each.gateway for each in Preflight.objects.exclude(pk__in=own)} == {gateway, other}
    assert Preflight.objects.filter(pk=kept.pk).exists()


@pytest.mark.usefixtures("answer")
def test_a_command_does_what_waits_for_a_worker_itself(gateway: Gateway) -> None:
    waiting = preflighting.begin(gateway, timezone.now())
    assert preflighting.at_once(gateway) == waiting
    assert codes(waiting) == ["port-error", "port-info"]


@pytest.mark.usefixtures("answer", "travel")
def test_a_command_begins_anew_where_a_worker_has_died_over_it(gateway: Gateway) -> None:
    begun = timezone.now()
    dead = make_preflight(gateway, started_at=begun, taken_at=begun, finished_at=None)
    # The clock moves while it waits.
    row = preflighting.at_once(gateway)
    assert row != dead
    assert codes(dead) == ["preflight-abandoned"]
    assert codes(row) == ["port-error", "port-info"]
    assert timezone.now() - begun >= MINUTE


def test_a_command_waits_for_the_end_of_what_a_worker_does(
    gateway: Gateway, answer: list[Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    running = make_preflight(gateway, started_at=now, taken_at=now, finished_at=None)
    monkeypatch.setattr(
        "time.sleep", lambda _: Preflight.objects.update(finished_at=timezone.now())
    )
    assert preflighting.at_once(gateway) == running
    assert Preflight.objects.count() == 1


def test_an_issuance_goes_on_whatever_the_preflight_finds(
    gateway: Gateway, answer: list[Answer]
) -> None:
    issuance = advanced(ask(gateway, Trigger.MANUAL))
    assert issuance.current is State.DONE
    assert [each.code for each in issuance.preflight_findings] == ["port-error", "port-info"]
    line = Event.objects.get(code="preflight-done")
    assert line.issuance == issuance
    assert "2 things" in line.message
