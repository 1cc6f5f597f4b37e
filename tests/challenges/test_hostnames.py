"""Which names are accepted, how they are spelled, and why others are not."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenges import hostnames
from challenges.problems import ProblemError

LABEL_63 = "a" * 63
NAME_253 = f"{LABEL_63}.{LABEL_63}.{LABEL_63}.{'b' * 56}.test"


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("mail.example.com", "mail.example.com"),
        ("  Mail.EXAMPLE.com\n", "mail.example.com"),
        ("gateway.test", "gateway.test"),
        ("a.b.c.d.e.org", "a.b.c.d.e.org"),
        ("3com.com", "3com.com"),
        ("1.2.3.4.example", "1.2.3.4.example"),
        ("a-b--c.example", "a-b--c.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("mail。example。com", "mail.example.com"),
        ("ｍａｉｌ.example.com", "mail.example.com"),
        (f"{LABEL_63}.com", f"{LABEL_63}.com"),
        (NAME_253, NAME_253),
    ],
)
def test_a_public_name_is_stored_as_its_a_label(typed: str, stored: str) -> None:
    assert hostnames.normalise(typed) == stored


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("", "hostname-empty"),
        ("   ", "hostname-empty"),
        ("192.0.2.1", "hostname-is-address"),
        ("１９２.0.2.1", "hostname-is-address"),
        ("2001:db8::1", "hostname-is-address"),
        ("[2001:db8::1]", "hostname-is-address"),
        ("*.example.com", "hostname-wildcard"),
        ("*", "hostname-wildcard"),
        ("localhost", "hostname-single-label"),
        ("mail", "hostname-single-label"),
        ("http://mail.example.com", "hostname-scheme"),
        ("HTTPS://mail.example.com/x", "hostname-scheme"),
        ("mail.example.com:443", "hostname-port"),
        ("192.0.2.1:80", "hostname-port"),
        ("mail.example.com/admin", "hostname-path"),
        ("mail.example.com/", "hostname-path"),
        ("someone@example.com", "hostname-at-sign"),
        ("mail.example.com.", "hostname-trailing-dot"),
        ("mail.example.com。", "hostname-trailing-dot"),
        ("mail example.com", "hostname-spaces"),
        ("mail.example.com other.example.com", "hostname-spaces"),
        ("mail\texample.com", "hostname-spaces"),
        (".example.com", "hostname-empty-label"),
        ("mail..example.com", "hostname-empty-label"),
        ("my_mail.example.com", "hostname-underscore"),
        ("-mail.example.com", "hostname-hyphen"),
        ("mail-.example.com", "hostname-hyphen"),
        ("mail.example.com-", "hostname-hyphen"),
        ("r3---sn.example.com", "hostname-reserved-hyphens"),
        ("xn--.example.com", "hostname-hyphen"),
        ("xn--a.example.com", "hostname-characters"),
        ("mail.example.123", "hostname-numeric-ending"),
        ("1.2.3.400", "hostname-numeric-ending"),
        ("m&il.example.com", "hostname-characters"),
        ("<script>.example.com", "hostname-characters"),
        ("mail\x00.example.com", "hostname-characters"),
        ("mail,example.com", "hostname-characters"),
        ("💩\u202e.example.com", "hostname-characters"),
        ("a" * 64 + ".example.com", "hostname-label-too-long"),
        ("ü" * 62 + ".example.com", "hostname-label-too-long"),
        ("b" + NAME_253, "hostname-label-too-long"),
        (NAME_253.replace(".test", "b.test"), "hostname-too-long"),
        ("a." * 5000 + "com", "hostname-too-long"),
    ],
)
def test_anything_else_is_refused_with_a_code_and_a_sentence(typed: str, code: str) -> None:
    with pytest.raises(ProblemError) as raised:
        hostnames.normalise(typed)
    problem = raised.value.problem
    assert problem.code == code
    assert problem.explanation.endswith(".")
    assert problem.remedy
    assert len(problem.explanation) < 250


def test_a_trailing_dot_is_answered_with_the_name_to_type() -> None:
    with pytest.raises(ProblemError) as raised:
        hostnames.normalise("Mail.example.com.")
    assert raised.value.problem.remedy == ("Leave the last dot out: mail.example.com",)


@given(st.text(max_size=80) | st.from_regex(r"[a-zA-Z0-9ü_*:/@ .-]{0,40}", fullmatch=True))
def test_whatever_is_typed_gives_a_name_of_the_dns_or_a_problem(typed: str) -> None:
    try:
        name = hostnames.normalise(typed)
    except ProblemError:
        return
    assert len(name) <= 253
    labels = name.split(".")
    assert len(labels) >= 2
    for label in labels:
        assert re.fullmatch(r"(?!-)[a-z0-9-]{1,63}(?<!-)", label)
    assert hostnames.normalise(name) == name


def test_additional_hostnames_are_separated_by_what_people_use() -> None:
    typed = "a.example.com, B.example.com;c.example.com\n\n  bücher.example "
    assert hostnames.split_additional(typed, hostname="mail.example.com") == (
        "a.example.com",
        "b.example.com",
        "c.example.com",
        "xn--bcher-kva.example",
    )


@pytest.mark.parametrize("typed", ["", " , ;\n"])
def test_no_additional_hostnames_are_none(typed: str) -> None:
    assert hostnames.split_additional(typed) == ()


def test_ninety_nine_additional_hostnames_fit_and_a_hundred_do_not() -> None:
    names = [f"n{number}.example.com" for number in range(100)]
    assert len(hostnames.split_additional(",".join(names[:99]))) == 99
    with pytest.raises(ProblemError) as raised:
        hostnames.split_additional(",".join(names))
    assert raised.value.problem.code == "hostnames-too-many"
    assert "100" in raised.value.problem.explanation


@pytest.mark.parametrize(
    "typed", ["a.example.com,A.example.com", "mail.example.com", "MAIL.example.com"]
)
def test_a_name_given_twice_is_refused(typed: str) -> None:
    with pytest.raises(ProblemError) as raised:
        hostnames.split_additional(typed, hostname="mail.example.com")
    assert raised.value.problem.code == "hostname-duplicate"


def test_a_wrong_name_among_additional_hostnames_is_named() -> None:
    with pytest.raises(ProblemError) as raised:
        hostnames.split_additional("a.example.com, *.example.com")
    assert raised.value.problem.code == "hostname-wildcard"
    assert "*.example.com" in raised.value.problem.explanation
