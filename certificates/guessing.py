"""Limits how often somebody at a person's session may guess that person's password.

What was wrong is counted by the lines of the log about it, which all processes share, so the limit
also bounds those lines.
"""

from __future__ import annotations

import datetime
import enum

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction

from certificates import events
from certificates.models import Certificate, Event, Level

MOST = 5
WITHIN = datetime.timedelta(minutes=15)
_CODE = "certificate-export-refused"


class Verdict(enum.Enum):
    """Of a password that was entered. HELD says nothing of it: too many were wrong before."""

    RIGHT = enum.auto()
    WRONG = enum.auto()
    HELD = enum.auto()


def judge(
    user: AbstractBaseUser, password: str, certificate: Certificate, now: datetime.datetime
) -> Verdict:
    """Whether it is the user's own, before the certificate's key is handed out.

    Never more than :data:`MOST` wrong ones are answered :data:`WITHIN` that time, however many are
    sent at once; each of them is a line of the log.
    """
    if _wrong(user, now) >= MOST:
        return Verdict.HELD
    # Takes long on purpose, so nothing is locked meanwhile.
    is_right = user.check_password(password)
    with transaction.atomic():
        get_user_model().objects.select_for_update().get(pk=user.pk)
        before = _wrong(user, now)
        if before >= MOST:
            return Verdict.HELD
        if not is_right:
            _record(user, certificate, now, is_last=before + 1 == MOST)
    return Verdict.RIGHT if is_right else Verdict.WRONG


def _wrong(user: AbstractBaseUser, now: datetime.datetime) -> int:
    """How many there were lately; what lies far ahead is of a clock that was wrong."""
    lately = Event.objects.filter(at__gt=now - WITHIN, at__lt=now + WITHIN)
    return lately.filter(code=_CODE, detail=_detail(user)).count()


def _record(
    user: AbstractBaseUser, certificate: Certificate, now: datetime.datetime, *, is_last: bool
) -> None:
    minutes = int(WITHIN.total_seconds() // 60)
    more = (
        f" After {MOST} of them within {minutes} minutes this user can export no private key "
        "until these minutes are over."
    )
    events.record(
        _CODE,
        f"The private key of the certificate from {certificate.issuer} (serial number "
        f"{certificate.serial}) was not exported: {user.get_username()} entered a wrong "
        f"password.{more if is_last else ''}",
        level=Level.WARNING,
        gateway=certificate.gateway,
        detail=_detail(user),
        at=now,
    )


def _detail(user: AbstractBaseUser) -> str:
    """By the number, which stays when a user is renamed."""
    return f"User number {user.pk}"
