"""Signing in and out, adding people, one's own password."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from django.test import Client

from certificates.models import Event
from gateway_admin.models import Role, User
from tests.console import PASSWORD, make_user

ANOTHER = "another sentence that nobody guesses"


@pytest.mark.django_db
def test_signing_in_leads_to_the_page_that_was_wanted(client: Client) -> None:
    make_user("ada", Role.ADMINISTRATOR)
    wanted = client.get("/log/?level=info").headers["Location"]
    form = client.get(wanted)
    answer = client.post(wanted, {"username": "ada", "password": PASSWORD})

    assert ">Sign in</button>" in form.content.decode()
    assert answer.headers["Location"] == "/log/?level=info"
    assert client.get("/log/").status_code == HTTPStatus.OK


@pytest.mark.django_db
@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:1"])
def test_signing_in_never_leads_elsewhere(client: Client, elsewhere: str) -> None:
    make_user("ada", Role.ADMINISTRATOR)
    credentials = {"username": "ada", "password": PASSWORD, "next": elsewhere}

    assert client.post("/sign-in/", credentials).headers["Location"] == "/"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "password"), [("ada", "wrong"), ("nobody", PASSWORD), ("", ""), ("ada", "")]
)
def test_a_wrong_name_or_password_is_refused(client: Client, name: str, password: str) -> None:
    make_user("ada", Role.ADMINISTRATOR)
    answer = client.post("/sign-in/", {"username": name, "password": password})

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert answer.context["form"].errors
    assert not answer.wsgi_request.user.is_authenticated
    if password:
        assert password not in answer.content.decode()


@pytest.mark.django_db
def test_while_nobody_can_sign_in_the_page_says_where_to_begin(client: Client) -> None:
    assert client.get("/sign-in/").context["unclaimed"] is True
    make_user("ada", Role.ADMINISTRATOR)
    assert client.get("/sign-in/").context["unclaimed"] is False


def test_somebody_signed_in_is_sent_on(administrator: Client) -> None:
    assert administrator.get("/sign-in/").headers["Location"] == "/"


def test_signing_out_ends_the_session(operator: Client) -> None:
    answer = operator.post("/sign-out/")

    assert answer.status_code == HTTPStatus.SEE_OTHER
    assert answer.headers["Location"] == "/sign-in/"
    assert operator.get("/").status_code == HTTPStatus.FOUND


@pytest.mark.parametrize(
    "address", ["/sign-out/", "/users/add/", "/gateways/add/", "/users/me/password/"]
)
def test_a_form_from_elsewhere_is_refused(administrator: Client, address: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = administrator.cookies
    answer = strict.post(address, {})

    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert "This form has expired" in answer.content.decode()
    assert strict.get("/").status_code == HTTPStatus.OK


def test_an_administrator_adds_people_with_a_role(administrator: Client) -> None:
    form = administrator.get("/users/add/")
    typed = {"username": "otto", "role": "operator", "password1": PASSWORD, "password2": PASSWORD}
    answer = administrator.post("/users/add/", typed)
    user = User.objects.get(username="otto")

    assert all(field.help_text for field in form.context["form"])
    assert answer.headers["Location"] == "/users/"
    assert user.role == Role.OPERATOR
    assert user.check_password(PASSWORD)
    assert Event.objects.get().message == "otto was added as Operator by ada."
    assert "otto" in administrator.get("/users/").content.decode()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"username": "ada"}, "username"),
        ({"role": "owner"}, "role"),
        ({"role": ""}, "role"),
        ({"password2": "different"}, "password2"),
        ({"password1": "otto12345678", "password2": "otto12345678"}, "password2"),
    ],
)
def test_bad_input_about_people_is_answered_at_its_field(
    administrator: Client, changes: dict[str, str], field: str
) -> None:
    typed = {
        "username": "otto1234567",
        "role": "operator",
        "password1": ANOTHER,
        "password2": ANOTHER,
    }
    answer = administrator.post("/users/add/", {**typed, **changes})

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert list(answer.context["form"].errors) == [field]
    assert User.objects.count() == 1


def test_everybody_changes_their_own_password_and_stays_signed_in(operator: Client) -> None:
    typed = {"old_password": PASSWORD, "new_password1": ANOTHER, "new_password2": ANOTHER}
    wrong = operator.post("/users/me/password/", {**typed, "old_password": "wrong"})
    right = operator.post("/users/me/password/", typed)

    assert wrong.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert right.status_code == HTTPStatus.SEE_OTHER
    assert operator.get("/").status_code == HTTPStatus.OK
    assert User.objects.get(username="otto").check_password(ANOTHER)


def test_the_role_of_ones_own_cannot_be_changed_along_the_way(operator: Client) -> None:
    operator.post(
        "/users/me/password/",
        {
            "old_password": PASSWORD,
            "new_password1": ANOTHER,
            "new_password2": ANOTHER,
            "role": "administrator",
        },
    )

    assert User.objects.get(username="otto").role == Role.OPERATOR
