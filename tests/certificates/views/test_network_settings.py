"""The network's settings: scenario and challenge port."""

from __future__ import annotations

import datetime
import socket
from contextlib import closing
from http import HTTPStatus

import pytest
from django.test import Client
from django.utils import timezone

from certificates.models import Event
from challenges.models import ChallengeListener, NetworkSettings
from tests.console import HTMX

ADDRESS = "/settings/network/"


@pytest.fixture(autouse=True)
def network(db: None) -> NetworkSettings:
    """The settings as the first start leaves them."""
    return NetworkSettings.objects.create(pk=1, challenge_port=8080)


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def test_the_form_shows_what_is_stored_in_the_contracts_words(administrator: Client) -> None:
    page = administrator.get(ADDRESS)
    text = page.content.decode().replace("&#x27;", "'")

    for words in (
        "Network scenario",
        "Local area network (behind a router with NAT)",
        "External network (public IP address)",
        "Let's Encrypt HTTP-01 challenge port",
        "Save",
    ):
        assert words in text
    assert page.context["form"]["challenge_port"].value() == 8080
    assert all(field.help_text for field in page.context["form"])


def test_a_change_is_stored_with_its_event(administrator: Client) -> None:
    port = free_port()
    typed = {"network_scenario": "external", "challenge_port": str(port)}
    answer = administrator.post(ADDRESS, typed)
    stored = NetworkSettings.load()

    assert answer.status_code == HTTPStatus.SEE_OTHER
    assert (stored.scenario, stored.challenge_port) == ("external", port)
    assert Event.objects.get().message == "The network settings were changed by ada."
    assert f"challenge_port: 8080 → {port}" in Event.objects.get().detail


@pytest.mark.parametrize("typed", ["", "0", "65536", "http", "8080.5", "1" * 50])
def test_what_is_no_port_is_answered_at_its_field(administrator: Client, typed: str) -> None:
    page = administrator.post(ADDRESS, {"network_scenario": "lan", "challenge_port": typed})

    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert list(page.context["form"].errors) == ["challenge_port"]
    assert page.context["form"]["challenge_port"].value() == typed
    assert NetworkSettings.load().challenge_port == 8080


def test_the_port_in_trouble_can_stay_while_something_else_changes(administrator: Client) -> None:
    now = timezone.now()
    ChallengeListener.objects.create(
        host="here",
        pid=1,
        port=None,
        wanted_port=8080,
        lowest_port=9000,
        error="Port 8080 is already in use.",
        started_at=now,
        seen_at=now,
    )
    page = administrator.get(ADDRESS)
    typed = {"network_scenario": "external", "challenge_port": "8080"}

    assert "Port 8080 is already in use." in page.content.decode()
    assert administrator.post(ADDRESS, typed).status_code == HTTPStatus.SEE_OTHER
    assert NetworkSettings.load().scenario == "external"


@pytest.mark.parametrize(
    ("port", "wanted_port", "error", "age", "is_moving"),
    [
        (8080, 8080, "", 0, False),
        # The settings have changed, and the process has not looked yet.
        (9090, 9090, "", 0, True),
        (9090, 9090, "Port 9090 is already in use.", 0, True),
        (None, 8080, "", 0, True),
        # It has looked and could not.
        (9090, 8080, "Port 8080 is already in use.", 0, False),
        # Nobody is there to move it.
        (9090, 9090, "", 60, False),
    ],
)
def test_the_port_is_looked_at_again_until_the_process_has_said_what_became_of_it(
    administrator: Client,
    port: int | None,
    wanted_port: int,
    error: str,
    age: int,
    is_moving: bool,
) -> None:
    now = timezone.now()
    ChallengeListener.objects.create(
        host="here",
        pid=1,
        port=port,
        wanted_port=wanted_port,
        error=error,
        started_at=now,
        seen_at=now - datetime.timedelta(seconds=age),
    )
    page = administrator.get(ADDRESS).content.decode()
    part = administrator.get(ADDRESS, headers=HTMX).content.decode()

    assert ("every 1s" in page) is ("every 1s" in part) is is_moving
    assert "<form" not in part
    assert (bool(error) and error in part) is (bool(error) and not is_moving)
