"""Log lines: for people on a terminal, JSON otherwise; secrets are taken out of both.

Standard error only, so that what a command prints stays clean.
"""

from __future__ import annotations

import json
import logging
import logging.config
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from keyhouse.core import configuration
from keyhouse.core.configuration import Configuration

# Real time on purpose: an operator reads these lines beside those of other programs.
request_id: ContextVar[str] = ContextVar("request_id", default="")

HIDDEN: Final = "(hidden)"
_LINKS: Final = (
    *("setup", "invitation", "enrolment", "password-reset", "sign-up", "keep-account"),
    *("verify-address", "revert-addresses", "not-me"),
    *("recovery", "enrolment-proof"),
    "confirm-sign-in",
)
_SECRETS: Final = (
    # one-time links stand in paths: /setup/SECRET/, /invitation/SECRET/ and their like, also written into a query
    (re.compile(rf"(?i)/({'|'.join(_LINKS)})/+[^/\s\"'?]+"), rf"/\1/{HIDDEN}"),
    (re.compile(rf"(?i)%2F({'|'.join(_LINKS)})(?:%2F)+[^/\s\"'?&%]+"), rf"%2F\1%2F{HIDDEN}"),
    (
        re.compile(r"(?i)\b(authorization|cookie|set-cookie|x-csrftoken)(['\"]?\s*[:=]\s*)[^\r\n]+"),
        rf"\1\2{HIDDEN}",
    ),
    (re.compile(r"(?i)\b(basic|bearer|token)\s+[A-Za-z0-9+/=_.~-]{16,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"://[^/\s:@]*:[^/\s@]+@"), f"://{HIDDEN}@"),
)
# C0, DEL and C1 controls, ends of lines, and what turns the direction of text around
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_CONTROLS_BUT_LINE_ENDS: Final = re.compile(r"(?!\n)" + _CONTROLS.pattern)
_as_json: Final = json.JSONEncoder(ensure_ascii=False).encode
_FIELDS: Final = (
    *("event", "method", "path", "status", "milliseconds", "client", "plane", "address", "data"),
    *("code", "account"),
)
_QUIET: Final = {
    "uvicorn.error": "WARNING",
    "uvicorn.access": "CRITICAL",
    "django.request": "ERROR",
    "asyncio": "ERROR",
}


def hide_secrets(text: str) -> str:
    """Return the text without what could open something: tokens, cookies, one-time links, passwords in addresses."""
    if not may_hold_secret(text):
        return text
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return _tokens(configuration.current().token_prefix).sub(HIDDEN, text)


def may_hold_secret(text: str) -> bool:
    """Tell whether there is a word in the text that every secret stands beside; most lines have none of them.

    Outside of ASCII letters have more forms than these words are looked for in.
    """
    if not text.isascii():
        return True
    lowered = text.lower()
    for sign in _signs(configuration.current().token_prefix):  # noqa: SIM110 - asked of every line; twice as fast so
        if sign in lowered:
            return True
    return False


@lru_cache(maxsize=8)
def _signs(prefix: str) -> tuple[str, ...]:
    """Return the words, in lower case: each pattern of secrets can match only where one of them stands.

    Of the prefix also as JSON writes it: it may be any text.
    """
    around = ("://", "%2f", "authorization", "cookie", "x-csrftoken", "basic", "bearer", "token")
    prefixes = {some.lower() for some in (prefix, _as_json(prefix)[1:-1], "pypi-") if some}
    return (*around, *(f"/{link}/" for link in _LINKS), *prefixes)


@lru_cache(maxsize=8)
def _tokens(prefix: str) -> re.Pattern[str]:
    """Return what API tokens look like, with this prefix or the one of the index that most people know."""
    prefixes = "|".join(re.escape(some) for some in {prefix, "pypi-"} if some)
    return re.compile(rf"(?:{prefixes})[A-Za-z0-9_-]{{16,}}")


def _made_visible(text: str, unwanted: re.Pattern[str]) -> str:
    """Write what a terminal would obey, or take for a line of its own, as Python writes it (CWE-117, CWE-150)."""
    return unwanted.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


class TextLines(logging.Formatter):
    """Lines a person reads: time, level where it matters, message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the traceback of a defect below it."""
        at = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S")
        level = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        message = _made_visible(record.getMessage().strip(), _CONTROLS)
        return hide_secrets(f"{at}  {level}{message}{self._traceback(record)}")

    def _traceback(self, record: logging.LogRecord) -> str:
        if not record.exc_info:
            return ""
        return "\n" + _made_visible(self.formatException(record.exc_info), _CONTROLS_BUT_LINE_ENDS)


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object: `at`, `level`, `logger`, `message`, `request`, what the caller gave, `traceback`.

        Whether anything is to be hidden is asked of the finished line, once for all of its texts: what stands in a text
        stands in the line as well.
        """
        body: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        told = vars(record)
        body |= {name: told[name] for name in _FIELDS if name in told}
        if request_id.get():
            body["request"] = request_id.get()
        if record.exc_info:
            body["traceback"] = self.formatException(record.exc_info)
        line = _as_json(body)
        return (
            _as_json({name: _shown(value) for name, value in body.items()}) if may_hold_secret(line) else line
        )


def _shown(value: object) -> object:
    return hide_secrets(value) if isinstance(value, str) else value


def is_json(settings: Configuration) -> bool:
    """Whether log lines are JSON: told so, or nobody is reading on a terminal."""
    return settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())


def configured(settings: Configuration) -> dict[str, Any]:
    """Return the configuration for `logging.config.dictConfig`; a worker process is given the same."""
    formatter = JsonLines if is_json(settings) else TextLines
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": f"{formatter.__module__}.{formatter.__name__}"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {name: {"level": level} for name, level in _QUIET.items()},
    }


def set_up(settings: Configuration) -> None:
    """Set logging of this process up; nobody is told the line, thread and process that no line here shows."""
    logging._srcfile = None  # noqa: SLF001 - how the documentation of `logging` switches this off
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.config.dictConfig(configured(settings))
