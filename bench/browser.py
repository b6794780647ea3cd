"""A browser without scripts: cookies, forms, and the mark of the page they stand on."""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit

SECONDS = 120


@dataclass(frozen=True)
class Answer:
    """Status, text, where to go on to, the code of a refusal, seconds to wait."""

    status: int
    text: str
    location: str
    refusal: str
    retry_after: str


@dataclass
class Client:
    """One person's browser; each request has a connection of its own, and the host is the one of the index."""

    url: str
    cookies: dict[str, str] = field(default_factory=dict)
    mark: str = ""
    seen: list[int] = field(default_factory=list)

    def get(self, path: str) -> Answer:
        """Fetch a page."""
        return self._ask("GET", path, None)

    def post(self, path: str, fields: Mapping[str, str]) -> Answer:
        """Send a form with the mark of the page that was fetched last."""
        return self._ask("POST", path, urlencode({"csrfmiddlewaretoken": self.mark, **fields}))

    def _ask(self, method: str, path: str, body: str | None) -> Answer:
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=SECONDS)
        headers = {
            "Accept": "text/html",
            "Host": f"localhost:{parts.port}",
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        connection.request(method, path, body, headers)
        found = connection.getresponse()
        text = found.read().decode()
        connection.close()
        return self._keep(found, text)

    def _keep(self, found: http.client.HTTPResponse, text: str) -> Answer:
        for line in found.headers.get_all("Set-Cookie") or []:
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        mark = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', text)
        self.mark = mark[1] if mark else self.mark
        self.seen.append(found.status)
        headers = found.headers
        return Answer(
            found.status,
            text,
            urlsplit(headers.get("Location", "")).path,
            headers.get("X-Refusal", ""),
            headers.get("Retry-After", ""),
        )
