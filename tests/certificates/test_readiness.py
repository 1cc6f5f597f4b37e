"""What only this console knows before an order: its disk, its budget, the pauses, its failures."""

from __future__ import annotations

import datetime
import time
from pathlib import Path

import pytest
from django.utils import timezone

from certificates import backoffs, directories, disk, pauses, preflighting, readiness
from certificates.models import Backoff, Directory, Gateway, LimitUse
from certificates.policy.acme_problems import Scope
from certificates.policy.issuance import Environment
from certificates.policy.limits import Limit
from certificates.policy.names import identifier_set
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
    monkeypatch.setattr(disk, "require_space", lambda: time.sleep(1))
    report = readiness.room()
    assert codes(report) == ["data-directory-not-writable"]
    assert "No answer in time" in report.findings[0].explanation


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
