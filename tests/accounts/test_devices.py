from __future__ import annotations

import pytest

from keyhouse.accounts.devices import UNKNOWN, describe

MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
LINUX = "Mozilla/5.0 (X11; Linux x86_64)"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Linux"),
        (f"{LINUX} AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36", "Chrome on Linux"),
        (
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
                "Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0"
            ),
            "Edge on Windows",
        ),
        (f"{MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15", "Safari on macOS"),
        (
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
                "CriOS/126.0.0.0 Mobile/15E148 Safari/604.1"
            ),
            "Chrome on iPhone",
        ),
        (
            (
                "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 "
                "Chrome/121.0.0.0 Mobile Safari/537.36"
            ),
            "Samsung Internet on Android",
        ),
        (f"{LINUX} HeadlessChrome/126.0.0.0 Safari/537.36", "Chrome without a window on Linux"),
        (LINUX, "An unknown browser on Linux"),
        ("Firefox/1", "Firefox"),
        ("curl/8.5.0", "curl"),
        ("python-requests/2.32.3", "python-requests"),
        ("Mozilla/5.0", UNKNOWN),
        ("", UNKNOWN),
        ("\x00\ud800" * 200, UNKNOWN),
        ("x" * 100_000 + " Firefox/1", UNKNOWN),
        ("<script>alert(1)</script>", UNKNOWN),
    ],
)
def test_browsers_are_called_what_they_name_themselves(user_agent: str, name: str) -> None:
    assert describe(user_agent) == name


def test_a_name_never_carries_what_pages_could_trip_over() -> None:
    for text in ("a/1 <b>", "Evil\u202eeman/1", "<b>/1", "a" * 40 + "/1"):
        name = describe(text)
        assert not set(name) & set('<>&"\u202e')
