from __future__ import annotations

import datetime
import json
import logging

import pytest
from django.db import transaction
from pytest_django import DjangoCaptureOnCommitCallbacks

from certificates import events
from certificates.models import Event, Gateway, Level
from gateway_admin.logs import UtcJsonFormatter
from tests.console import make_issuance

AT = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)
HOSTILE = 'said the CA: "\n{"level": "INFO"}\x1b[31m'


def lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "gateway_admin.events"]


def test_an_event_is_a_row_with_everything_that_was_said(gateway: Gateway) -> None:
    issuance = make_issuance(gateway)
    events.record(
        "something",
        "Something happened.",
        level=Level.WARNING,
        gateway=gateway,
        issuance=issuance,
        detail=HOSTILE,
        at=AT,
    )
    event = Event.objects.get()
    assert (event.code, event.message, event.level) == (
        "something",
        "Something happened.",
        "warning",
    )
    assert (event.gateway, event.issuance, event.detail, event.at) == (
        gateway,
        issuance,
        HOSTILE,
        AT,
    )


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (Level.INFO, logging.INFO),
        (Level.WARNING, logging.WARNING),
        (Level.ERROR, logging.ERROR),
    ],
)
def test_the_same_is_a_structured_line_once_it_is_committed(
    gateway: Gateway,
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    level: Level,
    expected: int,
) -> None:
    with caplog.at_level(logging.INFO, "gateway_admin"):
        with django_capture_on_commit_callbacks(execute=True):
            events.record("something", "100 % done.", level=level, gateway=gateway, detail=HOSTILE)
            assert lines(caplog) == []
        (record,) = lines(caplog)
    assert record.levelno == expected
    text = UtcJsonFormatter("%(message)s").format(record)
    assert "\n" not in text
    assert json.loads(text) == {
        "message": "100 % done.",
        "event": "something",
        "gateway": "default",
        "issuance": None,
        "detail": HOSTILE,
    }


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_neither_a_row_nor_a_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "gateway_admin"):
        with transaction.atomic():
            events.record("something", "It happened.")
            transaction.set_rollback(True)
        assert not Event.objects.exists()
        assert lines(caplog) == []


def test_an_event_outlives_its_gateway(gateway: Gateway) -> None:
    events.record("something", "It happened.", gateway=gateway, issuance=make_issuance(gateway))
    gateway.delete()
    event = Event.objects.get()
    assert (event.gateway, event.issuance, event.message) == (None, None, "It happened.")


@pytest.mark.django_db
def test_an_event_without_a_moment_is_now() -> None:
    before = datetime.datetime.now(datetime.UTC)
    event = events.record("something", "It happened.")
    assert before <= event.at <= datetime.datetime.now(datetime.UTC)
