"""What is done about a CA's refusal, by table."""

from __future__ import annotations

import datetime

import pytest

from certificates.policy.acme_document import CaProblem
from certificates.policy.refusal import Scope
from certificates.policy.verdict import Action, on_refusal
from challenges.problems import Problem, Severity

NOW = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC)
SOON = NOW + datetime.timedelta(seconds=30)
PASSING = Problem("acme-x", Severity.ERROR, "It passes.", retryable=True)
PERMANENT = Problem("acme-x", Severity.ERROR, "It stays.")


@pytest.mark.parametrize(
    ("refusal", "explained", "is_final", "action", "scope", "is_ca_away"),
    [
        (CaProblem("serverInternal", status=500), PASSING, False, Action.REPEAT, None, True),
        (CaProblem("", status=503), PASSING, False, Action.REPEAT, Scope.CA, True),
        (CaProblem("badNonce", status=400), PASSING, False, Action.REPEAT, None, False),
        (
            CaProblem("rateLimited", status=429),
            PASSING,
            False,
            Action.REPEAT,
            Scope.IDENTIFIER_SET,
            False,
        ),
        # Whoever is paused has to unpause first, however often we ask.
        (CaProblem("rateLimited", status=429), PERMANENT, False, Action.FAIL, None, False),
        (CaProblem("rejectedIdentifier", status=400), PERMANENT, False, Action.FAIL, None, False),
        (CaProblem("connection", status=400), PASSING, False, Action.FAIL, None, False),
        # The CA has ended the order, so repeating a request would change nothing.
        (CaProblem("serverInternal", status=500), PASSING, True, Action.FAIL, None, False),
    ],
)
def test_each_refusal_has_its_consequence(
    refusal: CaProblem,
    explained: Problem,
    is_final: bool,
    action: Action,
    scope: Scope | None,
    is_ca_away: bool,
) -> None:
    verdict = on_refusal(refusal, explained, NOW, is_final=is_final)
    assert (verdict.action, verdict.scope, verdict.is_ca_away) == (action, scope, is_ca_away)
    assert verdict.problem is explained


@pytest.mark.parametrize("is_final", [False, True])
def test_the_moment_that_the_ca_names_is_kept_with_what_it_concerns(is_final: bool) -> None:
    refusal = CaProblem("rateLimited", status=429, retry_after=SOON)
    verdict = on_refusal(refusal, PASSING, NOW, is_final=is_final)
    assert (verdict.not_before, verdict.scope) == (SOON, Scope.IDENTIFIER_SET)
