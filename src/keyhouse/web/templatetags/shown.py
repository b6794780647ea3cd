"""How instants, sizes and ages are shown on pages: `{% load shown %}`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from django import template
from django.template import Context
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from keyhouse.core import clock
from keyhouse.distfiles.shown_text import shortened

register = template.Library()

_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB")
_STEP: Final = 1000
_JOINT: Final = re.compile(r"(?<=[./])(?=[^./])")
_BACKTICKED: Final = re.compile("`([^`]+)`")
_INSTANT: Final = re.compile(
    r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z"
)  # as `clock.format_instant` writes it
_ONE_DIGIT_BELOW: Final = 10
_AGES: Final = (
    (365 * 86400, "year"),
    (30 * 86400, "month"),
    (86400, "day"),
    (3600, "hour"),
    (60, "minute"),
)
_MINUTE: Final = 60


@register.filter
def instant(value: datetime | None) -> SafeString | str:
    """Show an instant as `2024-05-06 07:08 UTC` inside a <time>; None as nothing."""
    if value is None:
        return ""
    utc = value.astimezone(UTC).replace(microsecond=0)
    return format_html(
        '<time datetime="{}">{} UTC</time>', clock.format_instant(utc), utc.strftime("%Y-%m-%d %H:%M")
    )


@register.filter
def ago(value: datetime | None) -> SafeString | str:
    """Show how long ago an instant was or how far away it is, the exact instant in a <time>; None as nothing."""
    if value is None:
        return ""
    utc = value.astimezone(UTC).replace(microsecond=0)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        clock.format_instant(utc),
        utc.strftime("%Y-%m-%d %H:%M"),
        age_in_words((clock.now() - utc).total_seconds()),
    )


@register.filter
def when(value: datetime | None) -> SafeString | str:
    """Show an instant and how far away it is: `2024-05-06 07:08 UTC (3 days ago)`; None as nothing."""
    if value is None:
        return ""
    age = age_in_words((clock.now() - value).total_seconds())
    return format_html('{} <span class="soft">({})</span>', instant(value), age)


@register.filter
def size(value: int | None) -> str:
    """Show a number of bytes in decimal units (1 kB = 1000 bytes), with one digit below ten."""
    if value is None:
        return ""
    amount, unit = float(value), 0
    while round(amount) >= _STEP and unit < len(_UNITS) - 1:
        amount, unit = amount / _STEP, unit + 1
    digits = 1 if unit and amount < _ONE_DIGIT_BELOW else 0
    return f"{amount:.{digits}f} {_UNITS[unit]}"


@register.filter
def grouped(value: int) -> str:
    """Show a whole number with its thousands parted: `12,345`."""
    return f"{value:,}"


@register.filter
def visibly(value: str, longest: int = 100) -> str:
    """Show text out of a file: what can't be seen is written out, the middle left out where it is too long."""
    return shortened(str(value), longest)


@register.filter
def breakable(value: str) -> SafeString:
    """Let a host or address break behind its dots and slashes before it breaks anywhere else."""
    return mark_safe(_JOINT.sub("<wbr>", escape(value)))  # noqa: S308 - escaped just here


@register.filter
def with_code(value: str) -> SafeString:
    """Show what stands between backticks as code; everything is escaped first."""
    return mark_safe(_BACKTICKED.sub(r"<code>\1</code>", escape(value)))  # noqa: S308 - escaped just here


@register.filter
def with_instants(value: str) -> SafeString:
    """Show each instant in a sentence as `when` does; everything is escaped first."""
    return mark_safe(_INSTANT.sub(_when_found, escape(value)))  # noqa: S308 - escaped just here


def _when_found(found: re.Match[str]) -> str:
    try:
        return when(clock.parse_instant(found[0]))
    except ValueError:  # digits that are no day
        return found[0]


@register.filter
def lasting(value: float | None) -> str:
    """Show how long something took, given in seconds, in its biggest whole unit: `3 days`; None as what isn't known."""
    return "none yet" if value is None else length_in_words(value)


@register.simple_tag(takes_context=True)
def within(context: Context, *paths: str) -> bool:
    """Tell whether one is on a page below one of these: `{% within "/x/" "/y/" as is_there %}`."""
    request = getattr(context, "request", None)
    return request is not None and request.path.startswith(paths)


@register.simple_tag(takes_context=True)
def here(context: Context, path: str) -> SafeString | str:
    """Mark the link of a navigation that leads to the page one is on: `<a href="/x/"{% here "/x/" %}>`."""
    request = getattr(context, "request", None)
    return mark_safe(' aria-current="page"') if request is not None and request.path == path else ""


def age_in_words(seconds: float) -> str:
    """Tell an age in its biggest whole unit: `3 days ago`, `in 2 hours`; less than a minute is `just now`."""
    if abs(seconds) < _MINUTE:
        return "just now"
    words = length_in_words(abs(seconds))
    return f"{words} ago" if seconds > 0 else f"in {words}"


def length_in_words(seconds: float) -> str:
    """Tell a length of time in its biggest whole unit: `3 days`; less than a minute is `under a minute`."""
    for length, word in _AGES:
        count = int(seconds // length)
        if count >= 1:
            return f"{count} {word}{'s' if count > 1 else ''}"
    return "under a minute"
