"""How a status looks: its tone and its shape; and a certificate's lifetime as a bar.

Words come from the models and the policy, colours from the style sheet; neither is decided here.
"""

from __future__ import annotations

import dataclasses
import datetime

from django import template
from django.utils import timezone

from certificates.models import Certificate
from certificates.policy.validity import days_left, validity
from challenges.problems import Problem

register = template.Library()

# Every word that rows, problems and messages use for how well something stands.
_TONES = {
    "good": "good",
    "done": "good",
    "ok": "good",
    "success": "good",
    "attention": "attention",
    "warning": "attention",
    "bad": "bad",
    "error": "bad",
    "failed": "bad",
    "down": "bad",
    "busy": "busy",
    "running": "busy",
    "preflight": "busy",
    "staging_test": "busy",
    "production": "busy",
    "installing": "busy",
}

# Shapes differ as much as colours do, for those who do not see the colours.
_SHAPES = {
    "good": "check-circle",
    "attention": "exclamation-triangle",
    "bad": "x-circle",
    "busy": "arrow-path",
    "neutral": "minus-circle",
}


@register.filter
def tone(word: str) -> str:
    """The tone of a state, severity, level or message: good, attention, bad, busy or neutral."""
    return _TONES.get(str(word), "neutral")


@register.filter
def shape(word: str) -> str:
    """The name of the icon for a tone, or for any word that has one."""
    if str(word) == "info":
        return "information-circle"
    return _SHAPES[tone(word)]


@register.filter
def as_text(problem: Problem) -> str:
    """A problem as plain text, for the clipboard and from there for a ticket or a colleague."""
    steps = [f"{number}. {step}" for number, step in enumerate(problem.remedy, start=1)]
    parts = [problem.explanation, "\n".join(steps), problem.detail, f"[{problem.code}]"]
    return "\n\n".join(part for part in parts if part)


@register.filter
def standing(certificate: Certificate) -> str:
    """The tone of the certificate's own validity, whatever else may be wrong around it."""
    return validity(certificate.not_before, certificate.not_after, timezone.now()).tone


@dataclasses.dataclass(frozen=True, slots=True)
class Lifetime:
    """Where the present and the renewal lie in a certificate's lifetime, in per cent of it."""

    not_before: datetime.datetime
    not_after: datetime.datetime
    gone: str
    left: str
    tone: str
    days_left: int
    renewal: str = ""
    renewal_anchor: str = "middle"
    today: str = ""
    today_anchor: str = "middle"


@register.inclusion_tag("_lifetime.html")
def lifetime(
    not_before: datetime.datetime,
    not_after: datetime.datetime,
    *,
    renewal_at: datetime.datetime | str | None = None,
    today: bool = False,
    now: datetime.datetime | None = None,
) -> dict[str, Lifetime]:
    """The lifetime as a bar: what is gone, what is left, and the moment of the next renewal.

    With ``today`` the present is marked by its name.
    """
    now = now or timezone.now()
    whole = max((not_after - not_before).total_seconds(), 1.0)

    def share(moment: datetime.datetime) -> float:
        return min(max((moment - not_before).total_seconds() / whole * 100, 0.0), 100.0)

    gone = share(now)
    bar = Lifetime(
        not_before,
        not_after,
        _percent(gone),
        _percent(100 - gone),
        validity(not_before, not_after, now).tone,
        days_left(not_after, now),
    )
    # Templates pass an empty string for what is missing.
    if isinstance(renewal_at, datetime.datetime) and not_before <= renewal_at <= not_after:
        place = share(renewal_at)
        bar = dataclasses.replace(bar, renewal=_percent(place), renewal_anchor=_anchor(place))
    if today:
        bar = dataclasses.replace(bar, today=_percent(gone), today_anchor=_anchor(gone))
    return {"lifetime": bar}


def _anchor(place: float) -> str:
    return "start" if place < 15 else "end" if place > 85 else "middle"


def _percent(share: float) -> str:
    # Never localised: it goes into an SVG attribute, where a decimal comma is an error.
    return f"{share:.2f}%"
