"""Moments and lengths of time as people read them; the exact UTC value is always at hand."""

from __future__ import annotations

import datetime

from django import template
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

register = template.Library()

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


@register.simple_tag(name="time")
def time_element(
    value: datetime.datetime | None,
    style: str = "moment",
    *,
    now: datetime.datetime | None = None,
) -> SafeString | str:
    """A ``<time>`` for an aware datetime; an em dash for None.

    ``style`` is "moment" (date, time and zone), "second" (the same to the second), "date",
    "relative" ("in 41 days") or "full" (date and relative). The title holds the UTC time, so that
    no reader has to guess the zone.
    """
    if value is None:
        return "—"
    relative = relative_words(value - (now or timezone.now()))
    if style == "full":
        return format_html(
            '{} <span class="soft">({})</span>', _element(value, date_words(value)), relative
        )
    words = {"moment": moment_words, "second": second_words, "date": date_words}
    return _element(value, words[style](value) if style in words else relative)


def _element(value: datetime.datetime, words: str) -> SafeString:
    utc = value.astimezone(datetime.UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        utc.isoformat(timespec="seconds").replace("+00:00", "Z"),
        utc.strftime("%Y-%m-%d %H:%M:%S"),
        words,
    )


def moment_words(value: datetime.datetime) -> str:
    """Date and time of day in the active time zone, with the zone's name."""
    local = timezone.localtime(value)
    pattern = pgettext("date and time, in the letters of Django's date filter", "j M Y, H:i")
    return f"{formats.date_format(local, pattern)} {local.tzname()}"


def second_words(value: datetime.datetime) -> str:
    """Date and time of day to the second in the active time zone, with the zone's name."""
    local = timezone.localtime(value)
    pattern = pgettext("date and time, in the letters of Django's date filter", "j M Y, H:i:s")
    return f"{formats.date_format(local, pattern)} {local.tzname()}"


def date_words(value: datetime.datetime) -> str:
    """The date in the active time zone."""
    pattern = pgettext("date, in the letters of Django's date filter", "j M Y")
    return formats.date_format(timezone.localtime(value), pattern)


def relative_words(difference: datetime.timedelta) -> str:
    """ "in 41 days" or "3 minutes ago": whole units, rounded towards now.

    Days are counted up to two years, because certificates are: 89 days says more than 2 months.
    """
    seconds = abs(difference).total_seconds()
    if seconds < 1:
        return _("now")
    if difference > datetime.timedelta():
        return _("in %(span)s") % {"span": span_words(seconds)}
    return _("%(span)s ago") % {"span": span_words(seconds)}


def span_words(seconds: float) -> str:
    """The largest fitting unit alone: "41 days", "5 hours", "30 seconds"."""
    if seconds < _MINUTE:
        count = int(seconds)
        return ngettext("%(count)d second", "%(count)d seconds", count) % {"count": count}
    if seconds < _HOUR:
        count = int(seconds // _MINUTE)
        return ngettext("%(count)d minute", "%(count)d minutes", count) % {"count": count}
    if seconds < 2 * _DAY:
        count = int(seconds // _HOUR)
        return ngettext("%(count)d hour", "%(count)d hours", count) % {"count": count}
    if seconds < 2 * 365 * _DAY:
        count = int(seconds // _DAY)
        return ngettext("%(count)d day", "%(count)d days", count) % {"count": count}
    count = int(seconds // (365 * _DAY))
    return ngettext("%(count)d year", "%(count)d years", count) % {"count": count}


@register.filter
def duration(seconds: float | None) -> str:
    """How long something took, with its two largest units: "0.4 s", "1 min 5 s", "2 h 3 min"."""
    if seconds is None:
        return ""
    if seconds < 0.1:
        return _("under 0.1 s")
    if seconds < 10:
        return _("%(seconds)s s") % {"seconds": formats.number_format(seconds, 1)}
    whole = round(seconds)
    if whole < _MINUTE:
        return _("%(seconds)d s") % {"seconds": whole}
    if whole < _HOUR:
        minutes, rest = divmod(whole, _MINUTE)
        return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": rest}
    hours, rest = divmod(whole // _MINUTE, 60)
    return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": rest}
