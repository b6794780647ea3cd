"""What changed between two releases of a project."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from keyhouse.core import actions
from keyhouse.core.errors import NotFound
from keyhouse.web import queries
from keyhouse.web.project_pages.comparing import Files, compare
from keyhouse.web.project_pages.looking_up import Looked, SpeltOtherwise, look_up, or_redirected
from keyhouse.web.templatetags.shown import size
from keyhouse.web.versions import ReleaseLine, find_version

VERSIONS_OFFERED: Final = 50
MOST_FILES: Final = 500
_SDIST: Final = ".tar.gz"


@actions.classified(GET="site.read")
@or_redirected
def choose(request: HttpRequest, name: str) -> HttpResponse:
    """Ask for two releases, `?from=` and `?to=`, or lead to their comparison."""
    looked = look_up(request, name, rest="compare/")
    looked.require_open()
    before, after = (request.GET.get(key, "").strip() for key in ("from", "to"))
    if before and after:
        pair = (_find(looked, before), _find(looked, after))
        return HttpResponseRedirect(_address(looked, *pair))
    newest = [line.version for line in looked.history[:VERSIONS_OFFERED]]
    offered = {
        "versions": newest,
        "before": newest[1] if len(newest) > 1 else "",
        "after": "".join(newest[:1]),
    }
    return render(request, "site/compare_choose.html", looked.context | offered)


@actions.classified(GET="site.read")
@or_redirected
def compare_two(request: HttpRequest, name: str, before: str, after: str) -> HttpResponse:
    """Show what changed from the release `before` to the release `after`."""
    looked = look_up(request, name, rest=f"compare/{quote(before, safe='')}/{quote(after, safe='')}/")
    looked.require_open()
    old, new = _find(looked, before), _find(looked, after)
    if (old.version, new.version) != (before, after):
        raise SpeltOtherwise(looked.project.normalized_name, "", _rest(old, new))
    found = compare(queries.metadata_of(old.id), queries.metadata_of(new.id), _files_of(old), _files_of(new))
    versions = [line.version for line in looked.history[:VERSIONS_OFFERED]]
    context = {"comparison": found, "before": old.version, "after": new.version, "versions": versions}
    return render(request, "site/compare.html", looked.context | context)


def _find(looked: Looked, version: str) -> ReleaseLine:
    found = find_version(looked.history, version)
    if found is None:
        raise NotFound(f"{looked.project.name} has no such release.", fix="Its page lists all releases.")
    return found


def _rest(old: ReleaseLine, new: ReleaseLine) -> str:
    return f"compare/{quote(old.version, safe='')}/{quote(new.version, safe='')}/"


def _address(looked: Looked, old: ReleaseLine, new: ReleaseLine) -> str:
    return f"/project/{looked.project.normalized_name}/{_rest(old, new)}"


def _files_of(line: ReleaseLine) -> Files:
    """Return the files of a release by what sets them apart from those of another one."""
    found = queries.sizes_of_files(line.id, MOST_FILES)
    return [(_kind_of(filename), size(length)) for filename, length in found.items()]


def _kind_of(filename: str) -> str:
    """Return the tags of a wheel, or what the file is."""
    if filename.endswith(_SDIST):
        return f"source ({_SDIST})"
    return filename.split("-", 2)[-1]
