"""Publishing and withdrawing HTTP-01 tokens (RFC 8555 §8.3): present and clean up, nothing else."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import connection
from django.utils.translation import gettext as _

from challenges import answering
from challenges.models import ChallengeToken
from challenges.problems import Problem, ProblemError, Severity

_TOKEN = re.compile(answering.TOKEN)
# How many are looked up by one query: few lengths, so that the database knows them all by heart.
_AT_ONCE = (1, 8, 64, 500)
_NOBODYS_TOKEN = ""


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
    """What to answer for ``token``, or None when it is not published."""
    return key_authorizations([token]).get(token)


def key_authorizations(tokens: Collection[str]) -> dict[str, str]:
    """What to answer for each of ``tokens``; those that are not published are left out.

    An expired token is answered until it is withdrawn: whoever published it may still be
    waiting for the CA, and the key authorization is no secret.
    """
    wanted = list(tokens)
    found: dict[str, str] = {}
    with connection.cursor() as cursor:
        while wanted:
            length = next((most for most in _AT_ONCE if most >= len(wanted)), _AT_ONCE[-1])
            some, wanted = wanted[:length], wanted[length:]
            some += [_NOBODYS_TOKEN] * (length - len(some))
            cursor.execute(_question(length), some)
            found.update(cursor.fetchall())
    return found


@functools.cache
def _question(length: int) -> str:
    """The query by hand: the ORM would spend six times as long on making it as SQLite on it."""
    table = connection.ops.quote_name(ChallengeToken._meta.db_table)
    places = ", ".join(["%s"] * length)
    return f"SELECT token, key_authorization FROM {table} WHERE token IN ({places})"  # noqa: S608


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
