"""One file: how it was published, its hashes, and what is inside."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keyhouse.core import actions
from keyhouse.core.errors import NotFound
from keyhouse.distfiles.listing import Member
from keyhouse.distfiles.shown_text import cut, visible
from keyhouse.projects.models import File
from keyhouse.web.pages import Pages, read_page_number
from keyhouse.web.project_pages.attested import attested_of, provenance_address
from keyhouse.web.project_pages.inspecting import list_file, read_member
from keyhouse.web.project_pages.looking_up import get_open_file, look_up, or_redirected
from keyhouse.web.project_pages.publications import publication_of

MEMBERS_A_PAGE: Final = 100
_MOST_TEXT: Final = 80_000  # bytes of a page
_DIGITS: Final = 6


@actions.classified(GET="site.read")
@or_redirected
def file(request: HttpRequest, name: str, version: str, filename: str) -> HttpResponse:
    """Show a file with what is inside, a hundred members a page, or by `?member=` one member of it."""
    looked = look_up(request, name, version, f"files/{quote(filename, safe='')}/")
    found = get_open_file(looked, filename)
    context = looked.context | {"file": found, "publication": publication_of(found)}
    context |= {
        "attested": attested_of(found),
        "provenance_address": provenance_address(found, looked.project.normalized_name, version),
    }
    listing = list_file(found)
    asked = request.GET.get("member", "")
    if asked:
        member = _chosen_member(listing.members, asked)
        return render(request, "site/member.html", context | _text_context(found, member))
    pages = Pages(read_page_number(request.GET.get("page", "")), len(listing.members), MEMBERS_A_PAGE)
    lines = list(enumerate(listing.members, 1))[pages.first : pages.first + pages.length]
    context |= {"members": lines, "pages": pages, "reason": listing.reason, "member_count": pages.total}
    return render(request, "site/file.html", context)


def _chosen_member(members: tuple[Member, ...], asked: str) -> Member:
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) <= _DIGITS else 0
    if not 1 <= number <= len(members) or members[number - 1].kind != "file":
        raise NotFound("This archive has no such file inside.", fix="The page of the file lists all of them.")
    return members[number - 1]


def _text_context(found: File, member: Member) -> dict[str, object]:
    read = read_member(found, member)
    text = visible(read.text.replace("\r\n", "\n"), kept="\n\t") if read else ""
    shown = cut(text, _MOST_TEXT)
    return {
        "member": member,
        "is_unreadable": read is None,
        "is_binary": read is not None and read.is_binary,
        "text": shown,
        "is_cut": read is not None and (read.is_cut or len(shown) < len(text)),
    }
