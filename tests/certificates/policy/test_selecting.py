from __future__ import annotations

import datetime
import itertools
from typing import Any

import pytest

from certificates.policy.selecting import Candidate, listed, why_foreign, why_not
from challenges.problems import Problem, Severity

NOW = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)
MX, WWW, MAIL = "mx.example.org", "www.example.org", "mail.example.org"
SEALED = Problem("sealed-secret-unreadable", Severity.ERROR, "It cannot be opened.", ("Add it.",))


def candidate(
    names: tuple[str, ...] = (MX,),
    begin: datetime.timedelta = -DAY,
    end: datetime.timedelta = 89 * DAY,
    key_problem: Problem | None = None,
    *,
    is_staging: bool = False,
) -> Candidate:
    """A certificate that can be used for MX, but for what is said."""
    return Candidate(names, "Some CA", NOW + begin, NOW + end, key_problem, is_staging)


@pytest.mark.parametrize(
    ("facts", "names", "code"),
    [
        (candidate(), (MX,), None),
        # The key.
        (candidate(key_problem=SEALED), (MX,), "certificate-without-key"),
        # The CA.
        (candidate(is_staging=True), (MX,), "certificate-from-staging"),
        # Time: both ends, and the hour by which clocks differ.
        (candidate(end=datetime.timedelta()), (MX,), "certificate-expired"),
        (candidate(end=datetime.timedelta(seconds=1)), (MX,), None),
        (candidate(end=-DAY, begin=-91 * DAY), (MX,), "certificate-expired"),
        (candidate(begin=HOUR), (MX,), None),
        (candidate(begin=HOUR + DAY / 86400), (MX,), "certificate-not-yet-valid"),
        # Names.
        (candidate((MX, WWW)), (MX,), None),
        (candidate((WWW, MX)), (MX, WWW), None),
        (candidate((MX,)), (MX, WWW), "names-do-not-match"),
        (candidate((WWW,)), (MX,), "names-do-not-match"),
        (candidate(()), (MX,), "names-do-not-match"),
        (candidate(("*.example.org",)), (MX, WWW), None),
        (candidate(("*.example.org",)), ("example.org",), "names-do-not-match"),
        (candidate(("*.example.org",)), ("a.mx.example.org",), "names-do-not-match"),
        (candidate(("example.org",)), (MX,), "names-do-not-match"),
    ],
)
def test_what_can_be_used_and_what_cannot(
    facts: Candidate, names: tuple[str, ...], code: str | None
) -> None:
    problem = why_not(facts, names, NOW)
    assert (problem.code if problem else None) == code


RULES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("certificate-without-key", {"key_problem": SEALED}),
    ("certificate-from-staging", {"is_staging": True}),
    ("certificate-expired", {"begin": -91 * DAY, "end": -DAY}),
    ("names-do-not-match", {"names": (WWW,)}),
)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_of_several_reasons_the_one_that_is_hardest_to_mend_is_told(count: int) -> None:
    for together in itertools.combinations(RULES, count):
        facts = candidate(**{k: v for _code, wrong in together for k, v in wrong.items()})
        problem = why_not(facts, (MX,), NOW)
        assert problem is not None
        assert problem.code == together[0][0]


@pytest.mark.parametrize(("code", "wrong"), RULES)
def test_every_refusal_is_an_error_in_a_sentence_with_a_remedy(
    code: str, wrong: dict[str, Any]
) -> None:
    problem = why_not(candidate(**wrong), (MX,), NOW)
    assert problem is not None
    assert problem.code == code
    assert problem.severity is Severity.ERROR
    assert problem.explanation.endswith(".")
    assert problem.remedy


def test_what_is_wrong_with_the_key_is_told() -> None:
    problem = why_not(candidate(key_problem=SEALED), (MX,), NOW)
    assert problem is not None
    assert problem.explanation.endswith("It cannot be opened.")
    assert problem.remedy == ("Add it.",)


def test_the_names_that_are_missing_are_told_and_no_others() -> None:
    problem = why_not(candidate((MX,)), (MX, WWW, MAIL), NOW)
    assert problem is not None
    assert problem.explanation == (
        "The certificate is for mx.example.org; "
        "it does not cover www.example.org, mail.example.org."
    )


@pytest.mark.parametrize(
    ("held", "names", "sentence"),
    [
        ((MX,), (MX,), ""),
        (("*.example.org",), (MX,), ""),
        ((WWW, MX), (MAIL, MX), ""),
        (
            (MAIL,),
            (MX,),
            "This certificate is for mail.example.org; the gateway is mx.example.org.",
        ),
        ((), (MX,), "This certificate is for no host name; the gateway is mx.example.org."),
        (
            (MAIL,),
            (MX, WWW),
            (
                "This certificate is for mail.example.org; "
                "the gateway is mx.example.org, www.example.org."
            ),
        ),
    ],
)
def test_a_certificate_that_holds_none_of_the_names_is_another_gateways(
    held: tuple[str, ...], names: tuple[str, ...], sentence: str
) -> None:
    problem = why_foreign(held, names)
    assert (problem.explanation if problem else "") == sentence
    assert problem is None or problem.code == "names-do-not-match"


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "no host name"),
        (1, "n0"),
        (5, "n0, n1, n2, n3, n4"),
        (7, "n0, n1, n2, n3, n4 and 2 more"),
    ],
)
def test_of_very_many_names_the_first_are_listed(count: int, words: str) -> None:
    assert listed([f"n{number}" for number in range(count)]) == words


def test_what_a_stranger_wrote_into_a_certificate_is_made_legible() -> None:
    assert listed(["a\x1b[2Jb\u202e"]) == "a�[2Jb�"
    facts = Candidate((MX,), "(STAGING)\x00", NOW, NOW + DAY, is_staging=True)
    problem = why_not(facts, (MX,), NOW)
    assert problem is not None
    assert "\x00" not in problem.explanation
