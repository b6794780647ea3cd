"""Long lists in pages: no page is larger than 100 kB, since what people see after signing in is not compressed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

LINES_A_PAGE: Final = 100
LINES_WITH_ACTS: Final = 30  # where a line has forms, links to acts, or what somebody wrote


def page_of(
    request: HttpRequest, rows: QuerySet[Any] | Sequence[Any], lines: int = LINES_A_PAGE, key: str = "page"
) -> Page[Any]:
    """Return the page of a list that the address asks for; `key` is what asks for it where there are two lists."""
    return Paginator(rows, lines).get_page(request.GET.get(key))


def pager(page: Page[Any], key: str = "page", /, **others: Page[Any]) -> dict[str, int | str | None]:
    """Return what the template of page links shows; `others`: lists beside it, by their keys, which stay where they are."""
    return {
        "key": key,
        "kept": urlencode({key: other.number for key, other in others.items() if other.number > 1}),
        "number": page.number,
        "count": page.paginator.num_pages,
        "before": page.number - 1 if page.has_previous() else None,
        "after": page.number + 1 if page.has_next() else None,
    }
