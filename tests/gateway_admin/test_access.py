"""Who may use which page: a walk over every address that there is."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from certificates.models import Certificate, CertificateRequest, Gateway
from gateway_admin import access
from gateway_admin.access import Verdict, judge
from gateway_admin.models import Role, User
from tests.console import HTMX, make_certificate, make_issuance, make_request

TABLES = {
    "public": access.PUBLIC,
    "personal": access.PERSONAL,
    "readable": access.READABLE,
    "administration": access.ADMINISTRATION,
}


def every_pattern(resolver: URLResolver | None = None) -> Iterator[URLPattern]:
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLResolver):
            yield from every_pattern(entry)
        else:
            yield entry


EVERY_NAME = sorted(str(pattern.name) for pattern in every_pattern())
BEHIND_THE_DOOR = sorted(set(EVERY_NAME) - access.PUBLIC)


@pytest.fixture
def addresses(gateway: Gateway) -> dict[str, str]:
    """A real address for every name."""
    certificate, issuance = make_certificate(gateway), make_issuance(gateway)
    request = make_request(gateway)
    addresses = {}
    for pattern in every_pattern():
        values = {"slug": gateway.slug, "pk": certificate.pk, "name": "cert.pem"}
        if str(pattern.name).startswith("issuance"):
            values["pk"] = issuance.pk
        if str(pattern.name).startswith(("certificate_request", "request_")):
            values["pk"] = request.pk
        wanted = {name: values[name] for name in pattern.pattern.converters}
        addresses[str(pattern.name)] = reverse(str(pattern.name), kwargs=wanted)
    return addresses


def test_every_address_has_a_name_of_its_own() -> None:
    assert all(pattern.name for pattern in every_pattern())
    assert len(EVERY_NAME) == len(set(EVERY_NAME))


@pytest.mark.parametrize("name", EVERY_NAME)
def test_every_page_is_in_one_table_on_purpose(name: str) -> None:
    assert [table for table, names in TABLES.items() if name in names] != []
    assert sum(name in names for names in TABLES.values()) == 1


def test_no_table_names_a_page_that_does_not_exist() -> None:
    assert set().union(*TABLES.values()) == set(EVERY_NAME)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("name", [*EVERY_NAME, None, "a page that nobody put into a table"])
def test_the_rules_for_every_page_and_method(name: str | None, method: str) -> None:
    nobody = judge(name, method, None)
    operator = judge(name, method, User(role=Role.OPERATOR))
    administrator = judge(name, method, User(role=Role.ADMINISTRATOR))

    assert nobody is (Verdict.ALLOWED if name in access.PUBLIC else Verdict.SIGN_IN)
    assert administrator is Verdict.ALLOWED
    reads = method == "GET" and name in access.READABLE
    own = name in access.PUBLIC | access.PERSONAL
    assert operator is (Verdict.ALLOWED if reads or own else Verdict.FORBIDDEN)


@pytest.mark.parametrize("name", BEHIND_THE_DOOR)
def test_nobody_signed_in_is_sent_to_sign_in(
    client: Client, addresses: dict[str, str], name: str
) -> None:
    answer = client.get(addresses[name])

    assert answer.status_code == HTTPStatus.FOUND
    assert answer.headers["Location"].startswith(reverse("sign_in") + "?next=/")


@pytest.mark.parametrize("name", BEHIND_THE_DOOR)
def test_nobody_signed_in_can_post(client: Client, addresses: dict[str, str], name: str) -> None:
    answer = client.post(addresses[name])

    assert answer.status_code == HTTPStatus.SEE_OTHER
    assert answer.headers["Location"] == reverse("sign_in")


@pytest.mark.parametrize("name", BEHIND_THE_DOOR)
def test_an_expired_session_moves_the_whole_page_of_htmx(
    client: Client, addresses: dict[str, str], name: str
) -> None:
    headers = {**HTMX, "HX-Current-URL": f"http://testserver{addresses['issuance']}"}
    answer = client.get(addresses[name], headers=headers)

    assert answer.status_code == HTTPStatus.OK
    assert answer.headers["HX-Redirect"] == f"/sign-in/?next={addresses['issuance']}"
    assert answer.content == b""


@pytest.mark.parametrize("name", sorted(access.READABLE))
def test_an_operator_reads(operator: Client, addresses: dict[str, str], name: str) -> None:
    answer = operator.get(addresses[name])

    assert answer.status_code == HTTPStatus.OK
    assert 'method="post"' not in _without_own_account(answer.content.decode())


@pytest.mark.parametrize("name", sorted(access.READABLE | access.ADMINISTRATION))
def test_an_operator_posts_nothing(operator: Client, addresses: dict[str, str], name: str) -> None:
    answer = operator.post(addresses[name])

    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert "Administrator" in answer.content.decode()


@pytest.mark.parametrize("name", sorted(access.ADMINISTRATION))
def test_an_operator_does_not_see_administration(
    operator: Client, addresses: dict[str, str], name: str
) -> None:
    assert operator.get(addresses[name]).status_code == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize(
    "name",
    [
        "gateway_follow_stop",
        "gateway_issue",
        "gateway_preflight",
        "gateway_rehearse",
        "gateway_use_lets_encrypt",
        "issuance_cancel",
        "sign_out",
    ],
)
def test_what_changes_something_at_once_is_not_done_by_following_a_link(
    administrator: Client, addresses: dict[str, str], name: str
) -> None:
    answer = administrator.get(addresses[name])

    assert answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED


# Who is signed in is sent on from the sign-in page, whatever was asked.
@pytest.mark.parametrize("name", sorted({*EVERY_NAME} - {"sign_in"}))
def test_a_wrong_method_is_refused_and_never_breaks(
    administrator: Client, addresses: dict[str, str], name: str
) -> None:
    assert administrator.delete(addresses[name]).status_code == HTTPStatus.METHOD_NOT_ALLOWED


@pytest.mark.parametrize("name", sorted(access.READABLE | access.ADMINISTRATION))
def test_an_administrator_sees_every_page(
    administrator: Client, addresses: dict[str, str], name: str
) -> None:
    answer = administrator.get(addresses[name])

    assert answer.status_code in {HTTPStatus.OK, HTTPStatus.METHOD_NOT_ALLOWED}


@pytest.mark.parametrize("name", BEHIND_THE_DOOR)
def test_no_page_behind_the_door_stays_in_a_cache(
    administrator: Client, addresses: dict[str, str], name: str
) -> None:
    assert "no-store" in administrator.get(addresses[name]).headers["Cache-Control"]


@pytest.mark.parametrize("name", EVERY_NAME)
def test_every_page_forbids_foreign_content_and_frames(
    administrator: Client, addresses: dict[str, str], name: str
) -> None:
    policy = administrator.get(addresses[name]).headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("name", sorted(access.READABLE | access.ADMINISTRATION))
def test_no_page_shows_a_private_key(
    administrator: Client, addresses: dict[str, str], name: str
) -> None:
    rows = (Certificate.objects.get(), CertificateRequest.objects.get())
    page = administrator.get(addresses[name]).content.decode()

    assert "PRIVATE KEY" not in page
    assert [row for row in rows if str(row.sealed_key) in page] == []


def test_a_page_that_does_not_exist_is_not_found(administrator: Client) -> None:
    assert administrator.get("/nowhere/").status_code == HTTPStatus.NOT_FOUND


def _without_own_account(page: str) -> str:
    """The page without the form that signs out."""
    return page.replace(f'method="post" action="{reverse("sign_out")}"', "")
