"""The first run: only the link from the terminal makes the first administrator."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

import pytest
from django.test import Client

from certificates.models import Event, Gateway
from gateway_admin import claiming
from gateway_admin.models import Role, User
from tests.console import PASSWORD, make_gateway, make_user

SETUP = "/setup/"
FILLED = {"username": "ada", "password1": PASSWORD, "password2": PASSWORD}


@pytest.fixture
def token(db: None, data_dir: Path) -> str:
    """The one-time token of a console that nobody has claimed."""
    token = claiming.ensure_setup_token()
    assert token is not None
    assert (data_dir / "setup-token").stat().st_mode & 0o777 == 0o600
    return token


@pytest.fixture
def with_link(client: Client, token: str) -> Client:
    """A browser in which the link has been opened."""
    client.get(SETUP, {"token": token})
    return client


def test_the_link_leads_to_an_address_without_the_token(client: Client, token: str) -> None:
    answer = client.get(SETUP, {"token": token})

    assert answer.status_code == HTTPStatus.SEE_OTHER
    assert answer.headers["Location"] == SETUP


def test_with_the_link_the_first_administrator_is_made_and_led_to_the_first_gateway(
    with_link: Client, data_dir: Path
) -> None:
    form = with_link.get(SETUP)
    answer = with_link.post(SETUP, FILLED)
    user = User.objects.get()

    assert form.context["allowed"] is True
    assert all(field.help_text for field in form.context["form"])
    assert answer.status_code == HTTPStatus.SEE_OTHER
    assert answer.headers["Location"] == "/gateways/add/"
    assert user.role == Role.ADMINISTRATOR
    assert user.check_password(PASSWORD)
    assert not (data_dir / "setup-token").exists()
    assert with_link.get("/gateways/add/").context["first_steps"] is True
    assert "ada" in Event.objects.get().message


def test_a_gateway_that_was_configured_before_is_where_it_goes_on(with_link: Client) -> None:
    make_gateway(Gateway.DEFAULT_SLUG, "mail.example.com")

    assert with_link.post(SETUP, FILLED).headers["Location"] == "/gateways/default/"


@pytest.mark.usefixtures("token")
def test_without_the_link_nobody_can(client: Client) -> None:
    shown = client.get(SETUP)
    posted = client.post(SETUP, FILLED)

    for answer in (shown, posted):
        assert answer.status_code == HTTPStatus.FORBIDDEN
        assert answer.context["allowed"] is False
        assert answer.context["problem"] is None
    assert not User.objects.exists()


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize("wrong", ["x", "x" * 5000, "ä", "\0"])
def test_a_wrong_link_is_refused_and_says_where_the_right_one_is(
    client: Client, wrong: str
) -> None:
    answer = client.get(SETUP, {"token": wrong}, follow=True)

    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert answer.context["problem"].code == "setup-link-invalid"
    assert client.post(SETUP, FILLED).status_code == HTTPStatus.FORBIDDEN
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"username": ""}, "username"),
        ({"username": "a b"}, "username"),
        ({"password1": ""}, "password1"),
        ({"password2": ""}, "password2"),
        ({"password2": "another sentence"}, "password2"),
        ({"password1": "short", "password2": "short"}, "password2"),
        ({"password1": "1234567890", "password2": "1234567890"}, "password2"),
    ],
)
def test_bad_input_is_answered_at_its_field(
    with_link: Client, changes: dict[str, str], field: str
) -> None:
    answer = with_link.post(SETUP, {**FILLED, **changes})

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert list(answer.context["form"].errors) == [field]
    assert not User.objects.exists()
    assert claiming.ensure_setup_token() is not None


def test_the_link_is_worth_nothing_once_used(with_link: Client, token: str) -> None:
    with_link.post(SETUP, FILLED)
    stranger = Client()
    opened = stranger.get(SETUP, {"token": token})
    posted = stranger.post(SETUP, {**FILLED, "username": "eve"})

    for answer in (opened, posted):
        assert answer.status_code == HTTPStatus.SEE_OTHER
        assert answer.headers["Location"] == "/"
    assert User.objects.count() == 1


def test_of_two_who_opened_the_link_one_succeeds(with_link: Client, token: str) -> None:
    second = Client()
    second.get(SETUP, {"token": token})
    with_link.post(SETUP, FILLED)
    second.post(SETUP, {**FILLED, "username": "eve"})

    assert [user.username for user in User.objects.all()] == ["ada"]


@pytest.mark.django_db
def test_a_claimed_console_cannot_be_set_up_again(client: Client, data_dir: Path) -> None:
    make_user("ada", Role.ADMINISTRATOR)
    (data_dir / "setup-token").write_text("left over")
    client.get(SETUP, {"token": "left over"})

    assert client.post(SETUP, FILLED).status_code == HTTPStatus.SEE_OTHER
    assert User.objects.count() == 1
