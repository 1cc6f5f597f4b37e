from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.policy.acme_problems import (
    CaProblem,
    Surroundings,
    explain,
    invalid_answer,
    is_passing,
    kebab,
    quote,
    unreachable,
)
from challenges.problems import Problem, Severity

LAN = Surroundings("mx.example.org", 8080, behind_nat=True)
PUBLIC = Surroundings("mx.example.org", 80, behind_nat=False)

# RFC 8555 §6.7 and RFC 9773 §7.4
TYPES = {
    "accountDoesNotExist",
    "alreadyReplaced",
    "alreadyRevoked",
    "badCSR",
    "badNonce",
    "badPublicKey",
    "badRevocationReason",
    "badSignatureAlgorithm",
    "caa",
    "compound",
    "connection",
    "dns",
    "externalAccountRequired",
    "incorrectResponse",
    "invalidContact",
    "malformed",
    "orderNotReady",
    "rateLimited",
    "rejectedIdentifier",
    "serverInternal",
    "tls",
    "unauthorized",
    "unsupportedContact",
    "unsupportedIdentifier",
    "userActionRequired",
}
HOSTILE = "<script>alert(1)</script> {ca} {0} %s https://evil.example/ \x1b[31m"


def words(problem: Problem) -> str:
    return " ".join([problem.explanation, *problem.remedy])


def is_sentence(text: str) -> bool:
    return (text[0].isupper() or text[0].isdigit()) and text.endswith((".", ")."))


@pytest.mark.parametrize("surroundings", [LAN, PUBLIC], ids=["behind NAT", "public"])
@pytest.mark.parametrize("kind", sorted(TYPES))
def test_every_error_of_the_rfcs_has_its_own_sentence(
    kind: str, surroundings: Surroundings
) -> None:
    problem = explain(CaProblem(kind, "said the CA", 403), surroundings)
    assert "that this version does not know" not in problem.explanation
    assert is_sentence(problem.explanation)
    assert all(is_sentence(step) for step in problem.remedy)
    assert not {"{", "}"} & set(words(problem))
    assert problem.severity is Severity.ERROR
    assert problem.code == f"acme-{kebab(kind)}"


@pytest.mark.parametrize("kind", ["brandNew", "", "{ca}", "urn:x", "é"])
def test_an_unknown_error_is_a_problem_as_well(kind: str) -> None:
    problem = explain(CaProblem(kind, "said the CA", 400), LAN)
    assert "does not know" in problem.explanation
    assert "said the CA" in problem.detail
    assert not problem.retryable


@pytest.mark.parametrize("status", [500, 502, 503])
def test_an_unknown_error_of_a_broken_server_is_the_servers(status: int) -> None:
    problem = explain(CaProblem("", "HTTP status 503: <html>", status), LAN)
    assert "internal problem" in problem.explanation
    assert problem.retryable


@pytest.mark.parametrize("kind", [*sorted(TYPES), "brandNew"])
def test_what_the_ca_says_stands_in_the_detail_alone(kind: str) -> None:
    sub = CaProblem("dns", HOSTILE, identifier=HOSTILE)
    problem = explain(CaProblem(kind, HOSTILE, 403, HOSTILE, (sub,)), LAN)
    assert "script" not in words(problem)
    assert "evil.example" not in words(problem)
    assert HOSTILE in problem.detail


@given(st.text(), st.text(), st.text())
def test_no_text_of_the_ca_gets_into_the_sentences(kind: str, detail: str, name: str) -> None:
    problem = explain(CaProblem(kind, detail, 403, name), LAN)
    assert all(character.isprintable() for character in words(problem) + problem.code)
    assert "{" not in words(problem)
    assert len(words(problem)) < 2000


def test_the_name_that_failed_is_named() -> None:
    problem = explain(CaProblem("dns", "", 400, "smtp.example.org"), LAN)
    assert problem.explanation.endswith("no usable address for smtp.example.org in the public DNS.")


def test_a_name_in_a_part_of_the_error_is_named() -> None:
    part = CaProblem("rejectedIdentifier", "policy", identifier="smtp.example.org")
    problem = explain(CaProblem("rejectedIdentifier", "policy", 400, subproblems=(part,)), LAN)
    assert "smtp.example.org" in problem.explanation


def test_without_a_name_it_is_about_the_gateways_hostname() -> None:
    assert "mx.example.org" in explain(CaProblem("dns", "", 400), LAN).explanation


def test_a_compound_error_is_explained_by_its_first_part() -> None:
    parts = (
        CaProblem("caa", "forbidden", identifier="a.example.org"),
        CaProblem("dns", "nothing", identifier="b.example.org"),
    )
    problem = explain(CaProblem("compound", "several", 403, subproblems=parts), LAN)
    assert problem.code == "acme-caa"
    assert "a.example.org" in problem.explanation
    assert problem.detail == (
        "compound: several\na.example.org: caa: forbidden\nb.example.org: dns: nothing"
    )


@pytest.mark.parametrize(
    ("surroundings", "step"),
    [
        (LAN, "On the router, forward TCP port 80 of its public address to this machine, port 80"),
        (PUBLIC, "In the firewall, allow TCP port 80 of this machine"),
        (Surroundings("mx.example.org", 8080, behind_nat=False), "set the challenge port to 80"),
    ],
)
def test_the_way_to_the_port_is_that_of_this_network(surroundings: Surroundings, step: str) -> None:
    problem = explain(CaProblem("connection", "refused", 400), surroundings)
    assert step in problem.remedy[0]
    assert str(surroundings.challenge_port) in problem.remedy[0]


def test_another_ca_is_called_by_its_name() -> None:
    surroundings = Surroundings("mx.example.org", 80, behind_nat=False, ca_name="Example CA")
    assert explain(CaProblem("dns", "", 400), surroundings).explanation.startswith("Example CA ")


@pytest.mark.parametrize(
    ("problem", "passing"),
    [
        (CaProblem("serverInternal", "", 500), True),
        (CaProblem("", "", 502), True),
        (CaProblem("badNonce", "", 400), True),
        (CaProblem("orderNotReady", "", 403), True),
        (CaProblem("accountDoesNotExist", "", 400), False),
        (CaProblem("rateLimited", "", 429), False),
        (CaProblem("unauthorized", "", 403), False),
        (CaProblem("malformed", "", 400), False),
        (CaProblem("", "", 404), False),
    ],
)
def test_only_the_cas_own_trouble_passes_by_itself(problem: CaProblem, passing: bool) -> None:
    assert is_passing(problem) == passing


def test_the_moment_to_try_again_is_in_the_detail() -> None:
    moment = datetime.datetime(2026, 11, 24, 5, 6, 7, tzinfo=datetime.UTC)
    assert quote(CaProblem("rateLimited", "too many", 429, retry_after=moment)) == (
        "rateLimited: too many\nTry again after 2026-11-24 05:06:07 UTC."
    )


@pytest.mark.parametrize(
    ("camel", "expected"),
    [
        ("rateLimited", "rate-limited"),
        ("badCSR", "bad-csr"),
        ("dns", "dns"),
        ("", ""),
        ("a b/c<d>", "abcd"),
        ("Ünï", "n"),
        ("x" * 500, "x" * 64),
    ],
)
def test_a_type_becomes_a_code(camel: str, expected: str) -> None:
    assert kebab(camel) == expected


def test_a_ca_that_cannot_be_asked_is_named_and_may_be_asked_again() -> None:
    problem = unreachable(HOSTILE, "https://ca.example/dir")
    assert "https://ca.example/dir" in problem.explanation
    assert problem.detail == HOSTILE
    assert problem.retryable


def test_an_answer_that_is_not_acme_is_only_quoted() -> None:
    problem = invalid_answer(HOSTILE)
    assert "script" not in words(problem)
    assert problem.detail == HOSTILE
