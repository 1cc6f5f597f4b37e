from __future__ import annotations

import pytest

from certificates.models import Gateway
from certificates.policy.keys import KeyType
from certificates.subjects import MOST_NAMES, Content, RequestRejectedError, Subject, checked
from challenges.problems import ProblemError

GATEWAY = Gateway(slug="g", hostname="mx.example.org", additional_hostnames=["smtp.example.org"])
ALL = Subject("Example GmbH", "IT", "Köln", "NRW", "de", "postmaster@example.org")


def content(*names: str, subject: Subject | None = None, key_type: str = "ecdsa-p256") -> Content:
    """What a request with these would hold."""
    return checked(GATEWAY, names, key_type, subject or Subject())


def refused(*names: str, subject: Subject | None = None, key_type: str = "ecdsa-p256") -> list[str]:
    """The fields that are refused, each with a sentence and a remedy."""
    with pytest.raises(RequestRejectedError) as caught:
        content(*names, subject=subject, key_type=key_type)
    assert isinstance(caught.value, ProblemError)
    for problem in caught.value.errors.values():
        assert problem.explanation
        assert problem.remedy
    return sorted(caught.value.errors)


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ((), ["mx.example.org", "smtp.example.org"]),
        (("",), ["mx.example.org", "smtp.example.org"]),
        (("smtp.example.org",), ["smtp.example.org"]),
        (("smtp.example.org, MX.example.org",), ["mx.example.org", "smtp.example.org"]),
        (("a.example.org", "mx.example.org"), ["mx.example.org", "a.example.org"]),
        (("mx.example.org;mx.example.org\nb.example.org",), ["mx.example.org", "b.example.org"]),
        (("*.example.org",), ["*.example.org"]),
        (("*.example.org mx.example.org",), ["mx.example.org", "*.example.org"]),
        (("mx.example.org", "bücher.example.org"), ["mx.example.org", "xn--bcher-kva.example.org"]),
    ],
)
def test_the_names_that_a_request_will_hold(typed: tuple[str, ...], names: list[str]) -> None:
    assert content(*typed).names == names


@pytest.mark.parametrize(
    "typed",
    [
        "mx",
        "192.0.2.1",
        "mx.example.org/x",
        "other.example.com",
        "*",
        "*.*.example.org",
        "a*.x.org",
    ],
)
def test_names_that_cannot_be_certified_are_refused(typed: str) -> None:
    assert refused(typed) == ["names"]


def test_more_names_than_a_certificate_holds_are_refused() -> None:
    names = ["mx.example.org", *(f"n{number}.example.org" for number in range(MOST_NAMES - 1))]
    assert len(content(*names).names) == MOST_NAMES
    assert refused(*names, "one-more.example.org") == ["names"]


def test_all_particulars_stand_in_their_order() -> None:
    found = content(subject=ALL)
    assert [attribute.value for attribute in found.attributes] == [
        "DE",
        "NRW",
        "Köln",
        "Example GmbH",
        "IT",
        "postmaster@example.org",
    ]
    assert found.particulars["country"] == "DE"


def test_what_is_left_out_stands_nowhere() -> None:
    found = content(subject=Subject(organization="  Example GmbH "))
    assert found.particulars == {"organization": "Example GmbH"}
    assert len(found.attributes) == 1


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("country", "Germany"),
        ("country", "D1"),
        ("country", "ÄÖ"),
        ("email", "postmaster"),
        ("email", "pöstmaster@example.org"),
        ("email", f"{'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.org"),
        ("organization", "x" * 65),
        ("organization", "Example\x00GmbH"),
        ("organization", "\N{PILE OF POO}" * 40),
        ("organizational_unit", "x" * 65),
        ("locality", "x" * 129),
        ("state", "one\u202etwo"),
    ],
)
def test_particulars_that_do_not_fit_are_refused_at_their_field(field: str, typed: str) -> None:
    assert refused(subject=Subject(**{field: typed})) == [field]


@pytest.mark.parametrize("field", ["organization", "organizational_unit", "locality", "state"])
def test_what_fits_just_so_is_accepted(field: str) -> None:
    length = 64 if field.startswith("organi") else 128
    assert content(subject=Subject(**{field: "é" * length})).attributes


def test_all_refusals_are_told_at_once() -> None:
    subject = Subject(country="Germany", email="nobody")
    assert refused("mx", subject=subject, key_type="dsa") == [
        "country",
        "email",
        "key_type",
        "names",
    ]


@pytest.mark.parametrize("key_type", KeyType)
def test_every_key_type_of_ours_can_be_chosen(key_type: KeyType) -> None:
    assert content(key_type=key_type.value).key_type is key_type
