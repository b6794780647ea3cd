"""The faces of the index: every address by which something of a project is shown to whoever may read.

`tests/house_rules/test_faces.py` compares the routes with this list, `tests/faults/test_quarantine.py` asks each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ANSWERS: Final = "(answers 200)"  # instead of a text: what is shown is not the same for every project
JSON: Final = "application/vnd.pypi.simple.v1+json"
FILE: Final = "alpha-2.0-py3-none-any.whl"


@dataclass(frozen=True)
class Face:
    """An address, and what tells there of the project alpha, of its release 2.0, and of that release's file.

    Empty: this face tells nothing of it, whether it is in quarantine or not.
    """

    address: str
    project: str = ""
    release: str = ""
    file: str = ""
    accept: str = "*/*"

    def told(self, target: str) -> str:
        return {"project": self.project, "release": self.release, "file": self.file}[target]


# by the kinds of `index.routes`
READ_PLANE: Final[dict[str, tuple[Face, ...]]] = {
    "root": (Face("/simple/", ">alpha<"), Face("/simple/", '"alpha"', accept=JSON)),
    "simple": (Face("/simple/alpha/", FILE, FILE, FILE), Face("/simple/alpha/", FILE, FILE, FILE, JSON)),
    "json": (
        Face("/pypi/alpha/json", ANSWERS, FILE, FILE),
        Face("/pypi/alpha/2.0/json", ANSWERS, ANSWERS, FILE),
    ),
    "rss": (
        Face("/rss/updates.xml", "alpha 2.0", "alpha 2.0", "alpha 2.0"),
        Face("/rss/packages.xml", "<title>alpha</title>"),
    ),
    "releases": (Face("/rss/project/alpha/releases.xml", ANSWERS, "alpha 2.0", "alpha 2.0"),),
    "stats": (Face("/stats.json", '"alpha"'),),
    "file": (Face("{file}", ANSWERS, ANSWERS, ANSWERS), Face("{file}.metadata", ANSWERS, ANSWERS, ANSWERS)),
    "integrity": (Face(f"/integrity/alpha/2.0/{FILE}/provenance", ANSWERS, ANSWERS, ANSWERS),),
}
# by the routes of the pages
PAGES: Final[dict[str, Face]] = {
    "/": Face("/", "/project/alpha/", ">alpha 2.0<"),
    "/search/": Face("/search/?q=alpha", "/project/alpha/"),
    "/search.json": Face("/search.json?q=alpha", "/project/alpha/"),
    "/browse/": Face("/browse/"),  # how many projects have a classifier; it leads to a search
    "/organization/<str:name>/": Face("/organization/acme/", "/project/alpha/"),
    "/project/<str:name>/": Face("/project/alpha/", FILE, FILE, FILE),
    "/project/<str:name>/releases/": Face("/project/alpha/releases/", ANSWERS, "/project/alpha/2.0/"),
    "/project/<str:name>/compare/": Face("/project/alpha/compare/", ANSWERS, "2.0"),
    "/project/<str:name>/compare/<str:before>/<str:after>/": Face(
        "/project/alpha/compare/1.0/2.0/", ANSWERS, ANSWERS
    ),
    "/project/<str:name>/statistics/": Face("/project/alpha/statistics/", ANSWERS),
    "/project/<str:name>/statistics.json": Face("/project/alpha/statistics.json", ANSWERS),
    "/project/<str:name>/<str:version>/": Face("/project/alpha/2.0/", FILE, ANSWERS, FILE),
    "/project/<str:name>/<str:version>/files/": Face("/project/alpha/2.0/files/", ANSWERS, ANSWERS, FILE),
    "/project/<str:name>/<str:version>/files/<str:filename>/": Face(
        f"/project/alpha/2.0/files/{FILE}/", ANSWERS, ANSWERS, ANSWERS
    ),
    "/project/<str:name>/<str:version>/requirements.txt": Face(
        "/project/alpha/2.0/requirements.txt", ANSWERS, ANSWERS, ANSWERS
    ),
    "/project/<str:name>/<str:version>/publications.json": Face(
        "/project/alpha/2.0/publications.json", ANSWERS, ANSWERS, FILE
    ),
    "/project/<str:name>/<str:version>/description/": Face(
        "/project/alpha/2.0/description/", ANSWERS, ANSWERS
    ),
}
# Routes that show nothing of any project, or whose pages are about mandates and people.
NO_FACES: Final = frozenset(
    {
        "/.well-known/webauthn",
        "/account/deleted/",
        "/keep-account/",
        "/mandate/",
        "/mandate.json",
        "/mandate/feed.ics",
        "/mandate/feed.json",
        "/mandate/notices.json",
        "/mandate/notices/",
        "/mandate/notices/<sha256:digest>.txt",
        "/mandate/projects/<str:name>.json",  # whether a project's people hold second factors; nothing of its content
        "/audit/head",
        "/help/",
        "/help/clients/",
    }
)
