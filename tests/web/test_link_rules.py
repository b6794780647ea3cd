from __future__ import annotations

import pytest

from keyhouse.web.project_pages.link_rules import Ground, find_ground, grounds_of
from keyhouse.web.release_facts import read_facts

OWN = Ground("https://index.example/project/alpha", "own")
REPOSITORY = Ground("https://git.example/Owner/repo", "repository", ignores_case=True)
PORTED = Ground("http://localhost:8400/project/alpha", "local")
GROUNDS = (OWN, REPOSITORY, PORTED)


@pytest.mark.parametrize(
    ("url", "ground"),
    [
        ("https://index.example/project/alpha", OWN),
        ("https://index.example/project/alpha/", OWN),
        ("HTTPS://INDEX.Example:443/project/alpha/1.0/#files", OWN),
        ("http://localhost:8400/project/alpha/", PORTED),
        ("https://git.example/owner/REPO", REPOSITORY),
        ("https://git.example/owner/repo.git", REPOSITORY),
        ("https://git.example/Owner/repo/tree/main/docs", REPOSITORY),
    ],
)
def test_what_lies_below_a_ground_is_verified(url: str, ground: Ground) -> None:
    assert find_ground(url, GROUNDS) == ground


@pytest.mark.parametrize(
    "url",
    [
        "http://index.example/project/alpha/",
        "https://index.example:8443/project/alpha/",
        "http://localhost/project/alpha/",
        "https://index.example/project/alphabet/",
        "https://index.example/project/Alpha/",
        "https://index.example/project/",
        "https://index.example/",
        "https://index.example.evil.example/project/alpha/",
        "https://evil.example/https://index.example/project/alpha/",
        "https://index.example@evil.example/project/alpha/",
        "https://user:pass@index.example/project/alpha/",
        "https://evil.example\\@index.example/project/alpha/",
        "https://index.example\\project\\alpha\\",
        "https:\\\\index.example/project/alpha/",
        "//index.example/project/alpha/",
        "https:/index.example/project/alpha/",
        "https:index.example/project/alpha/",
        "https://index.example./project/alpha/",
        "https://index..example/project/alpha/",
        "https://.index.example/project/alpha/",
        "https://index.example/project/alpha/../../evil/",
        "https://index.example/project/alpha/..",
        "https://index.example/project/alpha/./x",
        "https://index.example/project/alpha//x",
        "https://index.example//project/alpha/",
        "https://index.example/project/alpha/%2e%2e/beta/",
        "https://index.example/project/alpha/%2E%2E%2Fbeta/",
        "https://index.example/project/alph%61/",
        "https://index.example/project/alpha/..;/beta/",
        "https://index.example/project/alpha;x/",
        "https://index.example/project/alpha/?next=https://evil.example",
        "https://index.example/project/alpha/#%0a",
        "https://index.example/project/alpha/\n",
        " https://index.example/project/alpha/",
        "https://index.example/project/alpha/\t",
        "https://ind\u0435x.example/project/alpha/",
        "https://xn--indx-8cd.example/project/alpha/",
        "https://index\u3002example/project/alpha/",
        "https://index.example/project/alph\u0430/",
        "https://index.example:0443:1/project/alpha/",
        "https://index.example:/project/alpha/",
        "https://[::1]/project/alpha/",
        "javascript://index.example/project/alpha/",
        "https://git.example/owner/repo2",
        "https://git.example/owner/repo.git.evil",
        "https://git.example/owner",
        "https://git.example/other/repo",
        "https://git.example/owner/repo/../other",
        "https://index.example/project/alpha/" + "x" * 600,
        "",
    ],
)
def test_everything_else_is_not(url: str) -> None:
    assert find_ground(url, GROUNDS) is None


@pytest.mark.parametrize(
    "address", ["", "https://git.example/", "https://git.example", "https://x/%2e", "git"]
)
def test_a_ground_without_a_path_of_its_own_verifies_nothing(address: str) -> None:
    assert find_ground("https://git.example/owner", [Ground(address, "odd")]) is None


def test_links_are_parted_into_verified_ones_and_others() -> None:
    metadata = {
        "project_urls": {
            "Here": "https://index.example/project/foo-bar/",
            "Also": "https://index.example/project/Foo_Bar/",
            "Mail": "mailto:ada@x.example?bcc=eve@y.example",
            "Elsewhere": "https://index.example/project/other/",
        }
    }
    facts = read_facts(metadata, grounds_of("https://index.example", "foo-bar", "Foo_Bar"))
    assert [link.label for link in facts.verified_links] == ["Here", "Also"]
    assert [link.url for link in facts.other_links] == [
        "mailto:ada@x.example",
        "https://index.example/project/other/",
    ]


@pytest.mark.parametrize(
    "url",
    [
        "https://good.example\\@evil.example/",
        "https://good.example\t.evil.example/",
        "https://x.example/\u2028x",
        "mailto:nobody",
        "data:text/html,x",
        "vbscript:x",
        "blob:https://x.example/1",
        "https://" + "x" * 600 + ".example/",
        "https://\udcff.example/",
        "https://" + "\u00e9" * 300 + ".example",
    ],
)
def test_links_that_readers_understand_differently_are_left_out(url: str) -> None:
    assert read_facts({"project_urls": {"Home": url}}).links == ()


def test_look_alike_hosts_show_as_what_they_are() -> None:
    link = read_facts({"home_page": "https://g\u0456thub.example/"}).links[0]
    assert link.host == "xn--gthub-n2e.example"
