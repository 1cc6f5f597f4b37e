"""The consumer's way back to the broker; that it is found is tested with a real one elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from gateway_admin.celery import app
from gateway_admin.consumer import LONGEST_PAUSE, Consumer


class Lost:
    """A connection that is made at the third attempt, as Kombu's would be."""

    def __init__(self, attempts: int) -> None:
        self.attempts = attempts
        self.arguments: dict[str, Any] = {}

    def ensure_connection(
        self, errback: Callable[[Exception, float], None], max_retries: int | None, **more: Any
    ) -> None:
        self.arguments = {"max_retries": max_retries, **more}
        for _ in range(self.attempts):
            errback(OSError("refused"), more["interval_max"])


def connect(attempts: int) -> Lost:
    lost = Lost(attempts)
    Consumer.__new__(Consumer).ensure_connected(lost)
    return lost


def test_it_tries_without_end_and_never_pauses_for_long() -> None:
    arguments = connect(1).arguments
    assert arguments["max_retries"] is None
    assert arguments["interval_max"] == LONGEST_PAUSE <= 5
    # Asked each second whether the worker is to stop.
    assert arguments["callback"]() is None


def test_an_outage_is_told_once_in_a_while_and_so_is_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        connect(500)
    lost, found = (record.getMessage() for record in caplog.records)
    assert lost.startswith("The message broker cannot be reached (refused); the worker goes on")
    assert found == "The message broker is there again."


def test_a_connection_that_is_made_at_once_is_not_worth_a_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        connect(0)
    assert caplog.records == []


def test_it_is_the_consumer_that_workers_use() -> None:
    assert app.conf.worker_consumer == f"{Consumer.__module__}:{Consumer.__name__}"
