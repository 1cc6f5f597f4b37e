"""What forbids an issuance, as a table."""

from __future__ import annotations

import datetime

import pytest

from certificates.policy.starting import why_not

NOW = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC)
LATER = NOW + datetime.timedelta(hours=1)
EARLIER = NOW - datetime.timedelta(seconds=1)


@pytest.mark.parametrize(
    ("uses_lets_encrypt", "terms_agreed", "retry_not_before", "code"),
    [
        (True, True, None, None),
        (True, True, EARLIER, None),
        (True, True, NOW, None),
        (True, True, LATER, "ca-asked-to-wait"),
        (True, False, None, "terms-not-agreed"),
        (True, False, LATER, "terms-not-agreed"),
        (False, True, None, "source-is-manual"),
        (False, False, LATER, "source-is-manual"),
    ],
)
def test_the_first_thing_that_forbids_it_is_named(
    uses_lets_encrypt: bool,
    terms_agreed: bool,
    retry_not_before: datetime.datetime | None,
    code: str | None,
) -> None:
    problem = why_not(
        uses_lets_encrypt=uses_lets_encrypt,
        terms_agreed=terms_agreed,
        retry_not_before=retry_not_before,
        now=NOW,
    )
    assert (problem.code if problem else None) == code


def test_the_moment_to_try_again_is_told() -> None:
    problem = why_not(uses_lets_encrypt=True, terms_agreed=True, retry_not_before=LATER, now=NOW)
    assert problem is not None
    assert "2026-11-23 13:00:00 UTC" in problem.explanation
    assert problem.retryable
