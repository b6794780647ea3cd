"""Pages as people see them: Chromium opens them on each day, reads what they say, and takes pictures where that is asked for."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from demo.chromium import OPTIONS
from keyhouse.accounts.cookies import cookie_name
from keyhouse.accounts.models import User
from keyhouse.accounts.sessions import start_session
from keyhouse.core import clock

SIZES: Final = ((360, 800), (1280, 800))
SCHEMES: Final = ("light", "dark")
_PATIENCE: Final = 180_000  # milliseconds, for machines that have much else to do
_MOST: Final = 160  # characters of a notice that the report repeats


@dataclass(frozen=True, slots=True)
class View:
    """A page as somebody of the cast opens it, by a session that has proven these; `only_pictures`: nothing is read off it."""

    name: str
    what: str
    who: str
    methods: tuple[str, ...]
    path: str
    only_pictures: bool = False


_WEAK: Final = ("password",)
_STRONG: Final = ("password", "totp")
VIEWS: Final = (
    View("outsider", "The account of somebody who maintains nothing", "outsider", _WEAK, "/account/"),
    View("account", "The account of a maintainer without a factor", "told", _WEAK, "/account/"),
    View("project", "Their project", "told", _WEAK, "/manage/project/told-library/"),
    View("enrolled", "The project of somebody who enrolled in June 2023, in a session by their factor", "enrolled", _STRONG, "/manage/project/enrolled-library/"),
    View("public", "What everybody reads", "", (), "/mandate/"),
    View("asked", "What is asked", "told", _WEAK, "/account/mandate/", only_pictures=True),
    View("inbox", "Notices", "told", _WEAK, "/account/notices/", only_pictures=True),
    View("exits", "Ways out", "told", _WEAK, "/account/mandate/exits/", only_pictures=True),
    View("enrolled-account", "The account of somebody who enrolled", "enrolled", _STRONG, "/account/", only_pictures=True),
    View("enrolled-inbox", "Their notices", "enrolled", _STRONG, "/account/notices/", only_pictures=True),
    View("check-up", "The check-up", "enrolled", _STRONG, "/account/check-up/", only_pictures=True),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sight:
    """What a page said: the code of a refusal, its heading, and the notices on it."""

    status: int
    code: str
    heading: str
    notices: tuple[str, ...]

    def __str__(self) -> str:
        """Return it as the table shows it."""
        told = "; ".join(one[:_MOST] for one in self.notices)
        return ": ".join(one for one in (self.code or "", told or self.heading) if one)


def find_chromium() -> str:
    """Return where Chromium is, or nothing."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), "")


class Window:
    """A real browser in a thread of its own, since its loop and the database's must not meet."""

    def __init__(self, url: str, pictures: Path | None) -> None:
        """Open it; raises ImportError without Playwright."""
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where a browser is wanted

        self._url, self._pictures = url, pictures
        self._thread = ThreadPoolExecutor(1)
        self._playwright: Any = self._thread.submit(sync_playwright().start).result()
        self._browser: Any = self._thread.submit(self._launch).result()

    def _launch(self) -> Any:
        return self._playwright.chromium.launch(executable_path=find_chromium(), args=list(OPTIONS))

    def close(self) -> None:
        """Close it."""
        self._thread.submit(lambda: (self._browser.close(), self._playwright.stop())).result()
        self._thread.shutdown()

    def look(self, view: View, user: User | None, day: str) -> Sight | None:
        """Open a page as somebody; what is only for pictures is opened where there are some."""
        if view.only_pictures and self._pictures is None:
            return None
        cookie = "" if user is None else start_session(user, view.methods, at=clock.now())[1]
        return self._thread.submit(self._look, view, cookie, day).result()

    def _look(self, view: View, cookie: str, day: str) -> Sight:
        context = self._browser.new_context(reduced_motion="reduce")
        try:
            if cookie:
                context.add_cookies([{"name": cookie_name(), "value": cookie, "url": self._url}])
            page = context.new_page()
            page.set_default_timeout(_PATIENCE)
            answer = page.goto(self._url + view.path)
            if self._pictures is not None:
                _shoot(page, self._pictures, f"{day}-{view.name}")
            heading = page.locator("h1").first.inner_text()
            told = [" ".join(one.split()) for one in page.locator(".notice").all_inner_texts()]
            return Sight(answer.status, answer.headers.get("x-refusal", ""), heading, tuple(told))
        finally:
            context.close()


def _shoot(page: Any, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)
