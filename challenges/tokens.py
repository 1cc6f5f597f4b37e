"""Publishing and withdrawing HTTP-01 tokens (RFC 8555 §8.3): present and clean up, nothing else."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from challenges.models import ChallengeToken
from challenges.problems import Problem, ProblemError, Severity

# base64url, at least 128 bits (RFC 8555 §8.3). What a CA sends is data and never trusted.
PATTERN = r"[A-Za-z0-9_-]{22,128}"
_TOKEN = re.compile(PATTERN)


def publish(token: str, key_authorization: str, *, now: datetime, lifetime: timedelta) -> None:
    """Let the challenge port answer ``token``, from the caller's commit on; repeating it is fine.

    Raises ProblemError for a token that RFC 8555 does not allow.
    """
    if not _TOKEN.fullmatch(token):
        raise ProblemError(_malformed(token))
    row = ChallengeToken(
        token=token,
        key_authorization=key_authorization,
        created_at=now,
        expires_at=now + lifetime,
    )
    ChallengeToken.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["token"],
        update_fields=["key_authorization", "created_at", "expires_at"],
    )


def withdraw(*published: str) -> None:
    """Stop answering these tokens; one that is not published is no error."""
    ChallengeToken.objects.filter(token__in=published).delete()


def withdraw_expired(now: datetime) -> int:
    """Stop answering every token past its lifetime; returns how many there were."""
    count, _by_model = ChallengeToken.objects.filter(expires_at__lte=now).delete()
    return count


def key_authorization(token: str) -> str | None:
    """What to answer for ``token``, or None when it is not published.

    An expired token is answered until it is withdrawn: whoever published it may still be
    waiting for the CA, and the key authorization is no secret.
    """
    answers = ChallengeToken.objects.filter(token=token).values_list("key_authorization", flat=True)
    return next(iter(answers), None)


def _malformed(token: str) -> Problem:
    return Problem(
        code="challenge-token-malformed",
        severity=Severity.ERROR,
        explanation=_(
            "The certificate authority sent a challenge token of a form that ACME forbids."
        ),
        remedy=(_("Check that the configured ACME directory addresses are the right ones."),),
        detail=repr(token[:200]),
    )
