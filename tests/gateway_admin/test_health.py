"""The page for monitoring: 200 only while everything necessary is alive."""

from __future__ import annotations

import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from certificates import heartbeats, queries
from certificates.models import Component
from challenges.models import ChallengeListener
from gateway_admin import health
from gateway_admin.celery import app

NOW = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)


@pytest.fixture
def broker_folder(tmp_path: Path, settings: Settings) -> Path:
    """The embedded broker's folder."""
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"data_folder_in": str(tmp_path / "queue")}
    (tmp_path / "queue").mkdir()
    return tmp_path / "queue"


@pytest.fixture
def alive(db: None, broker_folder: Path) -> None:
    """Every part has just given a sign of life."""
    now = timezone.now()
    heartbeats.beat(Component.WORKER, now)
    heartbeats.beat(Component.BEAT, now)
    ChallengeListener.objects.create(
        host="here", pid=1, port=8080, wanted_port=8080, started_at=now, seen_at=now
    )
    assert broker_folder.exists()


def ask(client: Client) -> tuple[int, dict[str, Any]]:
    answer = client.get("/healthz")
    assert answer.headers["Content-Type"] == "application/json"
    assert "no-store" in answer.headers["Cache-Control"]
    return answer.status_code, answer.json()


@pytest.mark.usefixtures("alive")
def test_all_is_well(client: Client) -> None:
    status, body = ask(client)

    assert status == HTTPStatus.OK
    assert body == {
        "status": "ok",
        "components": {
            "database": "ok",
            "broker": "ok",
            "worker": "ok",
            "beat": "ok",
            "challenge_port": "ok",
        },
        "explanations": [],
    }


@pytest.mark.usefixtures("alive")
@pytest.mark.parametrize("part", [Component.WORKER, Component.BEAT])
def test_a_part_that_fell_silent_is_named(client: Client, part: Component) -> None:
    heartbeats.beat(part, timezone.now() - datetime.timedelta(minutes=3))
    status, body = ask(client)

    assert status == HTTPStatus.SERVICE_UNAVAILABLE
    assert body["status"] == "down"
    assert [name for name, state in body["components"].items() if state == "down"] == [part.value]
    assert body["explanations"] == [f"The {part.value} has been silent for 3 minutes."]


@pytest.mark.usefixtures("broker_folder", "db")
def test_parts_that_never_reported_are_down(client: Client) -> None:
    status, body = ask(client)

    assert status == HTTPStatus.SERVICE_UNAVAILABLE
    assert body["components"]["worker"] == body["components"]["beat"] == "down"


@pytest.mark.usefixtures("alive")
def test_the_challenge_port_is_told_but_not_counted(client: Client) -> None:
    ChallengeListener.objects.update(port=None, error="Port 80 is already in use.")
    status, body = ask(client)

    assert status == HTTPStatus.OK
    assert body["components"]["challenge_port"] == "down"
    assert body["explanations"] == ["Port 80 is already in use."]


@pytest.mark.usefixtures("alive")
def test_a_broker_without_its_folder_is_down(client: Client, broker_folder: Path) -> None:
    broker_folder.rmdir()
    status, body = ask(client)

    assert status == HTTPStatus.SERVICE_UNAVAILABLE
    assert body["components"]["broker"] == "down"


def test_a_broker_that_refuses_the_connection_is_down_soon(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 1}
    monkeypatch.setattr(app.conf, "broker_url", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(app.conf, "broker_write_url", "redis://127.0.0.1:1/0")

    assert health.broker_answers() is False


@pytest.mark.usefixtures("alive")
def test_a_database_that_is_away_is_told_even_to_somebody_with_a_session(
    administrator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr(queries, "part_statuses", fail)
    monkeypatch.setattr("gateway_admin.health.connection.close", lambda: None)
    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", fail)
    status, body = ask(administrator)

    assert status == HTTPStatus.SERVICE_UNAVAILABLE
    assert body["components"]["database"] == "down"
    assert "the database is away" not in str(body)


@pytest.mark.usefixtures("alive")
def test_health_tells_nothing_that_is_private(client: Client) -> None:
    assert set(ask(client)[1]) == {"status", "components", "explanations"}
