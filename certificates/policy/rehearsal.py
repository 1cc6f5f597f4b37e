"""When the renewal of a certificate is rehearsed: long before it matters."""

from __future__ import annotations

import datetime

from certificates.policy.spread import stretched

EVERY = datetime.timedelta(days=14)
AFTER_FAILURE = datetime.timedelta(days=1)


def after_success(now: datetime.datetime, seed: str) -> datetime.datetime:
    """Two weeks after the last proof that a certificate can be had, spread by ``seed``."""
    return now + stretched(EVERY, seed)


def after_failure(now: datetime.datetime, seed: str) -> datetime.datetime:
    """A day after a rehearsal that failed: what is mended is seen, and nobody is annoyed."""
    return now + stretched(AFTER_FAILURE, seed)
