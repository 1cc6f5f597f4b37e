"""What only this console knows before an order: its disk, its budget, the pauses, its failures."""

from __future__ import annotations

import datetime
import os
import threading
import time
import warnings
from pathlib import Path

import pytest
from django.utils import timezone

from certificates import backoffs, directories, disk, pauses, preflighting, readiness
from certificates.models import Backoff, Directory, Gateway, LimitUse
from certificates.policy.issuance import Environment
from certificates.policy.limits import Limit
from certificates.policy.names import identifier_set
from certificates.policy.refusal import Scope
from challenges.preflight.report import Fact, Report
from challenges.problems import Problem, Severity
from tests.certificates.engine import DAY, HOUR
from tests.console import make_issuance

CAUSE = Problem("acme-connection", Severity.ERROR, "It was not reached.", ("Open it.",))
BOTH = tuple(Environment)

pytestmark = pytest.mark.django_db


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]


def test_room_on_the_disk_is_established(data_dir: Path) -> None:
    report = readiness.room()
    assert report.findings == ()
    assert report.established[0].fact is Fact.STORAGE_READY
    assert str(data_dir) in report.established[0].sentence


def test_a_disk_without_room_is_a_finding(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_dir.rename(data_dir.with_name("gone"))
    assert codes(readiness.room()) == ["data-directory-not-writable"]


def test_a_disk_that_hangs_is_not_waited_for(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "DISK_PATIENCE", 0.05)
    works_again = threading.Event()
    monkeypatch.setattr(disk, "require_space", lambda: works_again.wait(60))
    before = threading.active_count()
    try:
        for _ in range(60):
            report = readiness.room()
            assert codes(report) == ["data-directory-not-writable"]
            assert "No answer in time" in report.findings[0].explanation
        assert threading.active_count() <= before + 1, "one that hangs is enough"
    finally:
        works_again.set()
    monkeypatch.setattr(readiness, "DISK_PATIENCE", 60)
    assert codes(readiness.room()) == [], "what has come back is seen"


def test_who_asks_while_another_asks_shares_the_answer() -> None:
    one, asked, goes_on = readiness.OneAtATime(), [], threading.Event()

    def question() -> bool:
        asked.append(1)
        return goes_on.wait(60)

    started = time.monotonic()
    assert one.ask(question, 0.01) is None
    assert one.ask(question, 0.01) is None, "its time is over, so it is not waited for again"
    goes_on.set()
    assert one.ask(question, 60) is True
    assert time.monotonic() - started < 30
    assert one.ask(lambda: False, 60) is False, "the next question is asked anew"
    assert len(asked) <= 2


def test_a_defect_of_the_question_reaches_whoever_asks_and_ends_nothing() -> None:
    def defective() -> bool:
        raise RuntimeError("a defect")

    one = readiness.OneAtATime()
    with pytest.raises(RuntimeError, match="a defect"):
        one.ask(defective, 60)
    assert one.ask(lambda: False, 60) is False


def test_a_process_that_has_been_forked_asks_for_itself() -> None:
    one, goes_on = readiness.OneAtATime(), threading.Event()
    assert one.ask(lambda: goes_on.wait(60), 0.01) is None
    with warnings.catch_warnings():
        # That a fork leaves threads behind, which later versions of Python warn of, is the point.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if one.ask(lambda: False, 10) is False else 1
        finally:
            os._exit(code)
    goes_on.set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_an_order_that_may_be_placed_is_established(gateway: Gateway) -> None:
    report = readiness.orders(gateway, gateway.names, BOTH)
    assert report.findings == ()
    assert report.established[0].fact is Fact.ORDER_ALLOWED


def test_a_budget_that_is_used_up_and_a_pause_are_findings(gateway: Gateway) -> None:
    now, production = timezone.now(), directories.url_of(Environment.PRODUCTION)
    for _ in range(4):
        LimitUse.objects.create(
            directory_url=production,
            limit=Limit.CERTIFICATES_PER_SET.value,
            subject=identifier_set(gateway.names),
            at=now,
        )
    assert codes(readiness.orders(gateway, gateway.names, BOTH)) == ["rate-budget-set"]
    assert codes(readiness.orders(gateway, gateway.names, (Environment.STAGING,))) == []

    staging = directories.url_of(Environment.STAGING)
    pauses.note(staging, Scope.CA, gateway.names, now + HOUR, CAUSE)
    found = readiness.orders(gateway, gateway.names, BOTH)
    assert sorted(codes(found)) == ["ca-asked-to-wait", "rate-budget-set"]
    assert found.established == ()


def test_other_names_than_the_gateways_present_ones_are_counted_on_their_own(
    gateway: Gateway,
) -> None:
    now, production = timezone.now(), directories.url_of(Environment.PRODUCTION)
    pauses.note(production, Scope.IDENTIFIER, ["old.example.com"], now + HOUR, CAUSE)
    assert codes(readiness.orders(gateway, gateway.names, BOTH)) == []
    assert codes(readiness.orders(gateway, ["old.example.com"], BOTH)) == ["ca-asked-to-wait"]


def test_a_backoff_is_good_to_know_and_an_end_of_all_attempts_a_warning(gateway: Gateway) -> None:
    assert codes(readiness.automatic(gateway.names)) == []
    key = identifier_set(gateway.names)
    passing = Problem("acme-connection", Severity.ERROR, "Not reached.", retryable=True)
    backoffs.failed(key, passing, timezone.now(), lifetime=None)
    (waits,) = readiness.automatic(gateway.names).findings
    assert (waits.code, waits.severity) == ("automatic-attempts-wait", Severity.INFO)

    Backoff.objects.update(not_before=timezone.now() - HOUR)
    assert codes(readiness.automatic(gateway.names)) == []

    backoffs.failed(key, CAUSE, timezone.now(), lifetime=None)
    (stopped,) = readiness.automatic(gateway.names).findings
    assert (stopped.code, stopped.severity) == ("automatic-attempts-stopped", Severity.WARNING)
    assert CAUSE.remedy[0] in stopped.remedy


def test_a_ca_that_is_away_is_a_finding(gateway: Gateway) -> None:
    now = timezone.now()
    Directory.objects.create(
        url=directories.url_of(Environment.PRODUCTION),
        away_since=now - DAY,
        next_probe_at=now + HOUR,
        detail="timeout",
    )
    (away,) = readiness.automatic(gateway.names).findings
    assert away.code == "ca-away"


def test_what_keeps_others_from_beginning_is_nothing_to_an_issuance_that_runs(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def look(names: object) -> Report:
        asked.append(names)
        return Report()

    monkeypatch.setattr(readiness, "automatic", look)
    monkeypatch.setattr("certificates.surroundings.report", lambda *_, **__: Report())
    preflighting.of_issuance(make_issuance(gateway))
    assert asked == []
    preflighting.at_once(gateway)
    assert asked == [gateway.names]


def test_an_absence_that_has_ended_is_none(gateway: Gateway) -> None:
    now = timezone.now()
    Directory.objects.create(
        url=directories.url_of(Environment.PRODUCTION), returned_at=now - datetime.timedelta(days=1)
    )
    assert codes(readiness.automatic(gateway.names)) == []
