"""What the challenge process writes down: evidence, in bounds, and its own row."""

from __future__ import annotations

import datetime

import pytest
from django.db import OperationalError

from challenges import reporting, whereabouts
from challenges.following import Report
from challenges.models import ChallengeListener, ValidationRequest
from challenges.reporting import Availability, Reporter
from challenges.visits import visit

pytestmark = pytest.mark.django_db(transaction=True)
TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"


@pytest.fixture
def reporter() -> Reporter:
    return Reporter(Availability())


def keep(
    reporter: Reporter, *, age: float = 0, is_known: bool | None = True, number: int = 1
) -> None:
    now = datetime.datetime.now(tz=datetime.UTC) - datetime.timedelta(days=age)
    visits = [
        visit(
            f"{TOKEN}{n}",
            is_known=is_known,
            now=now + datetime.timedelta(microseconds=n),
            address="2001:db8::1",
            host="gateway.test",
            user_agent="ä\x7f",
        )
        for n in range(number)
    ]
    assert reporter.keep(visits)


def test_a_visit_becomes_a_row(reporter: Reporter) -> None:
    keep(reporter)
    row = ValidationRequest.objects.get()
    assert (row.token, row.is_known, row.address) == (f"{TOKEN}0", True, "2001:db8::1")
    assert (row.host, row.user_agent) == ("gateway.test", "ä\x7f")


def test_evidence_goes_when_it_is_old_and_unknown_tokens_go_sooner(reporter: Reporter) -> None:
    for age in (1, 8, 89, 91):
        for is_known in (True, False, None):
            keep(reporter, age=age, is_known=is_known)
    reporter.prune()
    known = ValidationRequest.objects.filter(is_known=True)
    assert known.count() == 3
    for is_known in (False, None):
        assert ValidationRequest.objects.filter(is_known=is_known).count() == 1


def test_of_unknown_tokens_the_newest_are_kept_and_no_published_one_goes(
    reporter: Reporter,
) -> None:
    keep(reporter, number=3, age=2)
    keep(reporter, is_known=None, number=2, age=2)
    keep(reporter, is_known=False, number=reporting.MOST_UNKNOWN + 7)
    reporter.prune()
    unknown = ValidationRequest.objects.filter(is_known=False).order_by("received_at")
    assert unknown.count() == reporting.MOST_UNKNOWN
    assert unknown[0].token == f"{TOKEN}7"
    assert ValidationRequest.objects.filter(is_known=True).count() == 3
    assert ValidationRequest.objects.filter(is_known=None).count() == 2


def test_two_processes_with_one_hostname_have_a_row_each(reporter: Reporter) -> None:
    """Cloned machines, and containers whose name somebody has set."""
    namesake, successor = Reporter(Availability()), Reporter(Availability())
    namesake.place = "another system"
    namesake.tell(Report(wanted_port=80, port=None, error="Port 80 is in use."), "")
    for each in (reporter, successor):
        each.tell(Report(wanted_port=80, port=80, error=""), "0.0.0.0")
    rows = {row.place: row for row in ChallengeListener.objects.all()}
    assert {row.host for row in rows.values()} == {reporter.host}
    assert rows.keys() == {"another system", whereabouts.place()}
    assert rows["another system"].port is None
    # Of the one that was started last in this place, as after a crash.
    assert rows[whereabouts.place()].started_at == successor.started_at


def test_the_row_is_written_again_when_the_addresses_have_changed(reporter: Reporter) -> None:
    report = Report(wanted_port=80, port=80, error="")
    for addresses in ("0.0.0.0,[::]", "0.0.0.0"):
        reporter.tell(report, addresses)
        assert ChallengeListener.objects.get().addresses == addresses


def test_a_database_that_is_away_is_logged_once_and_so_is_its_return(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def away() -> None:
        raise OperationalError("no route")

    availability = Availability()
    with caplog.at_level("INFO", logger="challenges"):
        for _ in range(3):
            assert availability.ask(away) is None
        for _ in range(3):
            assert availability.ask(lambda: 1) == 1
    assert [record.getMessage() for record in caplog.records] == [
        "The database does not answer; trying again: no route",
        "The database answers again.",
    ]
