"""`keyhouse dev routes`: every route and method, as JSON lines, for checks that walk them all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import click

from keyhouse.cli.surroundings import open_index
from keyhouse.core import actions, configuration

CSRF_FIELD: Final = "csrfmiddlewaretoken"
# The read plane by its faces: an example of each address's shape, and what is asked there.
READS: Final = (
    "/simple/",
    "/simple/{project}/",
    "/files/{folder}/{folder}/{folder}/{filename}",
    "/pypi/{project}/json",
    "/pypi/{project}/{version}/json",
    "/integrity/{project}/{version}/{filename}/provenance",
    "/rss/updates.xml",
    "/rss/packages.xml",
    "/rss/project/{project}/releases.xml",
    "/stats.json",
)
_CONVERTER: Final = re.compile(r"<(?:\w+:)?(\w+)>")

Line = dict[str, Any]


@click.command("routes")
def command() -> None:
    """Print a JSON line for each route and method: action, method, path, fields, csrf_field, step_up, gated.

    \b
    Example:
      keyhouse dev routes
    """  # noqa: D301 - \b is click's own mark
    open_index(for_help=True)  # asks no index; where there is none, a throw-away folder does
    for line in routes():
        click.echo(json.dumps(line))


def routes() -> Iterator[Line]:
    """Yield a line for each route and method of pages, upload, health and reads; Django must be set up."""
    from django.urls import get_resolver  # noqa: PLC0415 - Django is set up by now
    from django.utils.module_loading import import_string  # noqa: PLC0415 - the same

    from keyhouse.publishing.upload.form import KNOWN  # noqa: PLC0415 - the same

    make_application = import_string(
        "keyhouse.web.asgi.make_application"
    )  # a neighbour: joined at run time only

    for path, view in _walk(get_resolver().url_patterns):
        for method, name in view.actions.items():  # type: ignore[attr-defined]  # `classified` put it there
            yield _line(path, method, name, _fields_of(view, method), csrf=method not in {"GET", "HEAD"})
    for path, route in make_application(configuration.current()).routes.items():
        for method, name in route.actions.items():
            fields = sorted({*KNOWN, "content"}) if method == "POST" else []
            yield _line(path, method, name, fields)
    for path in READS:
        yield _line(path, "GET", "index.read", [])


def _walk(patterns: Iterable[Any], prefix: str = "/") -> Iterator[tuple[str, Callable[..., object]]]:
    for pattern in patterns:
        path = prefix + _CONVERTER.sub(r"{\1}", str(pattern.pattern))
        if hasattr(pattern, "url_patterns"):
            yield from _walk(pattern.url_patterns, path)
        else:
            yield path, pattern.callback


def _fields_of(view: Callable[..., object], method: str) -> list[str]:
    return list(getattr(view, "fields", ())) if method == "POST" else []


def _line(path: str, method: str, name: str, fields: list[str], *, csrf: bool = False) -> Line:
    action = actions.get_action(name)
    return {
        "action": name,
        "method": method,
        "path": path,
        "fields": fields,
        "csrf_field": CSRF_FIELD if csrf else None,
        "step_up": action.step_up,
        "gated": action.gated,
    }
