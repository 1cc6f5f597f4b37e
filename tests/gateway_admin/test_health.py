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
    for component in Component:
        heartbeats.beat(component, now)
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
    swept_at = datetime.datetime.fromisoformat(body.pop("last_sweep_at"))
    assert timezone.now() - swept_at < datetime.timedelta(minutes=1)
    assert 0 <= body.pop("last_sweep_age_seconds") < 60
    assert body == {
        "status": "ok",
        "components": {
            "database": "ok",
            "broker": "ok",
            "worker": "ok",
            "beat": "ok",
            "sweep": "ok",
            "challenge_port": "ok",
        },
        "explanations": [],
        "silent_since": {},
        "remedy": {},
    }


@pytest.mark.usefixtures("alive")
@pytest.mark.parametrize("part", [Component.WORKER, Component.BEAT])
def test_a_part_that_fell_silent_is_named_with_since_when_and_what_to_do(
    client: Client, part: Component
) -> None:
    heard = timezone.now() - datetime.timedelta(minutes=3)
    heartbeats.beat(part, heard)
    status, body = ask(client)

    assert status == HTTPStatus.SERVICE_UNAVAILABLE
    assert body["status"] == "down"
    assert [name for name, state in body["components"].items() if state == "down"] == [part.value]
    (explanation,) = body["explanations"]
    assert f"silent for 3 minutes, since {heard:%Y-%m-%d %H:%M} UTC." in explanation
    assert body["silent_since"] == {part.value: f"{heard:%Y-%m-%dT%H:%M:%SZ}"}
    assert list(body["remedy"]) == [part.value]
    assert all(step.endswith(".") for step in body["remedy"][part.value])


@pytest.mark.usefixtures("alive")
def test_worker_and_beat_that_live_and_sweep_nothing_are_not_well(client: Client) -> None:
    ended = timezone.now() - datetime.timedelta(minutes=4)
    heartbeats.beat(Component.SWEEP, ended)
    status, body = ask(client)

    assert status == HTTPStatus.SERVICE_UNAVAILABLE
    assert [name for name, state in body["components"].items() if state == "down"] == ["sweep"]
    assert body["last_sweep_at"] == f"{ended:%Y-%m-%dT%H:%M:%SZ}"
    assert 240 <= body["last_sweep_age_seconds"] < 300


@pytest.mark.usefixtures("alive")
def test_the_pages_say_the_same_as_the_page_for_monitoring(administrator: Client) -> None:
    heard = timezone.now() - datetime.timedelta(minutes=3)
    heartbeats.beat(Component.WORKER, heard)
    (explanation,) = ask(administrator)[1]["explanations"]

    for path in ("/", "/warnings/"):
        text = administrator.get(path).content.decode()
        assert explanation in text
        assert f'<time datetime="{heard:%Y-%m-%dT%H:%M:%SZ}"' in text
        assert "The last one ended:" in text


@pytest.mark.usefixtures("broker_folder", "db")
def test_parts_that_never_reported_are_down(client: Client) -> None:
    status, body = ask(client)

    assert status == HTTPStatus.SERVICE_UNAVAILABLE
    assert {body["components"][name] for name in ("worker", "beat", "sweep")} == {"down"}
    assert body["silent_since"] == {}
    assert body["last_sweep_at"] is body["last_sweep_age_seconds"] is None


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
    assert set(ask(client)[1]) == {
        "status",
        "components",
        "explanations",
        "silent_since",
        "remedy",
        "last_sweep_at",
        "last_sweep_age_seconds",
    }
