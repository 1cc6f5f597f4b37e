from __future__ import annotations

import pytest

from certificates.policy.profiles import describe, why_not


@pytest.mark.parametrize(
    ("name", "most", "words"),
    [
        ("classic", 100, "90 days"),
        ("tlsserver", 25, "45 days"),
        ("shortlived", 25, "six days"),
    ],
)
def test_the_profiles_of_lets_encrypt_are_explained(name: str, most: int, words: str) -> None:
    facts = describe(name, "https://letsencrypt.org/docs/profiles")
    assert (facts.name, facts.most_names) == (name, most)
    assert words in facts.explanation
    assert "http" not in facts.explanation
    assert facts.explanation.endswith(".")


def test_an_unknown_profile_is_told_in_the_cas_words() -> None:
    facts = describe("quantum", "Keys of the day after tomorrow.")
    assert (facts.name, facts.label) == ("quantum", "quantum")
    assert facts.explanation == "Keys of the day after tomorrow."
    assert describe("quantum").explanation.endswith(".")


@pytest.mark.parametrize(
    ("profile", "count", "possible"),
    [
        ("", 100, True),
        ("", 101, False),
        ("classic", 100, True),
        ("classic", 101, False),
        ("tlsserver", 25, True),
        ("tlsserver", 26, False),
        ("shortlived", 26, False),
        ("quantum", 100, True),
    ],
)
def test_more_names_than_a_profile_holds_are_refused(
    profile: str, count: int, possible: bool
) -> None:
    assert (why_not(profile, count) is None) is possible


def test_no_choice_is_refused_as_the_cas_default() -> None:
    found = why_not("", 101)
    assert found is not None
    assert found.explanation.startswith("The profile Classic holds at most 100 names")


def test_the_refusal_names_both_figures_and_the_way_out() -> None:
    found = why_not("tlsserver", 30)
    assert found is not None
    assert found.code == "too-many-names-for-profile"
    assert "25" in found.explanation
    assert "30" in found.explanation
    assert not found.retryable
    assert "Classic" in found.remedy[1]
