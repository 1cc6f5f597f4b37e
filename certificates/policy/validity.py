"""How a certificate's validity stands at a moment."""

from __future__ import annotations

import datetime
import enum
import math


class Validity(enum.StrEnum):
    """Where in its life a certificate is."""

    NOT_YET = "not-yet"
    VALID = "valid"
    EXPIRES_SOON = "expires-soon"
    EXPIRED = "expired"

    @property
    def tone(self) -> str:
        """How it is drawn: good, attention or bad."""
        return {
            Validity.VALID: "good",
            Validity.EXPIRED: "bad",
        }.get(self, "attention")


def validity(
    not_before: datetime.datetime, not_after: datetime.datetime, now: datetime.datetime
) -> Validity:
    """Soon means that a sixth of the lifetime is left: half of what renewal starts with.

    A fraction rather than days, because lifetimes are getting shorter. The start has an hour of
    tolerance, because clocks differ.
    """
    if now >= not_after:
        return Validity.EXPIRED
    # Nothing is reckoned with the certificate's own dates: they may be the calendar's ends.
    if now + datetime.timedelta(hours=1) < not_before:
        return Validity.NOT_YET
    if not_after - now < (not_after - not_before) / 6:
        return Validity.EXPIRES_SOON
    return Validity.VALID


def days_left(not_after: datetime.datetime, now: datetime.datetime) -> int:
    """Whole days, rounded down; negative once it has expired."""
    return math.floor((not_after - now) / datetime.timedelta(days=1))
