"""Publishing and withdrawing tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from challenges import tokens
from challenges.models import ChallengeToken
from challenges.problems import ProblemError

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOKEN = "A-token_of-RFC8555-length-0123456789"

pytestmark = pytest.mark.django_db


def publish(token: str = TOKEN, authorization: str = "authorization") -> None:
    tokens.publish(token, authorization, now=NOW, lifetime=HOUR)


def test_a_published_token_is_answered_until_it_is_withdrawn() -> None:
    publish()
    assert tokens.key_authorization(TOKEN) == "authorization"
    tokens.withdraw(TOKEN)
    assert tokens.key_authorization(TOKEN) is None


def test_publishing_again_replaces_the_answer_and_the_lifetime() -> None:
    publish()
    tokens.publish(TOKEN, "another", now=NOW + HOUR, lifetime=HOUR)
    row = ChallengeToken.objects.get()
    assert (row.key_authorization, row.expires_at) == ("another", NOW + 2 * HOUR)


def test_withdrawing_what_is_not_published_is_no_error() -> None:
    tokens.withdraw(TOKEN)


def test_only_expired_tokens_are_withdrawn_together() -> None:
    publish("an-old-token-0123456789")
    tokens.publish("a-new-token-0123456789", "x", now=NOW, lifetime=2 * HOUR)
    assert tokens.withdraw_expired(NOW + HOUR) == 1
    assert [row.token for row in ChallengeToken.objects.all()] == ["a-new-token-0123456789"]


@pytest.mark.parametrize(
    "token", ["", "short", "a" * 129, "../../../../etc/passwd-passwd", "a" * 30 + "\n", "ä" * 30]
)
def test_a_token_that_rfc_8555_forbids_is_not_published(token: str) -> None:
    with pytest.raises(ProblemError) as raised:
        publish(token)
    assert raised.value.problem.code == "challenge-token-malformed"
    assert not ChallengeToken.objects.exists()


@pytest.mark.parametrize("number", [0, 1, 2, 8, 9, 64, 65, 500, 501, 1100])
def test_any_number_of_tokens_is_looked_up_together(number: int) -> None:
    wanted = [f"{TOKEN}-{n}" for n in range(number)]
    for token in wanted[::3]:
        publish(token, f"{token}.x")
    publish("another-token-0123456789")
    assert tokens.key_authorizations(wanted) == {token: f"{token}.x" for token in wanted[::3]}
