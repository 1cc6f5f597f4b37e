"""Derived chance: spreads moments out, and gives the same answer to the same question."""

from __future__ import annotations

import datetime
import hashlib

JITTER = 0.1


def fraction(*parts: object) -> float:
    """A number in [0, 1), uniform over the parts and always the same for the same ones.

    Nothing has to be stored, and a second look does not roll the dice again.
    """
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    # 53 bits are what a float holds exactly, so that the result never rounds up to 1.
    return (int.from_bytes(digest[:8]) >> 11) / 2**53


def stretched(span: datetime.timedelta, *parts: object) -> datetime.timedelta:
    """The span, up to a tenth longer; never shorter."""
    return span * (1 + JITTER * fraction(*parts))
