"""The checks of the documentation find what is wrong, and the site that is built of it holds together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.handbook import checking, contents, rendering
from tests.handbook.contents import FRONT
from tests.handbook.reading import DOCS, ROOT, Page, all_pages

from keyhouse.cli import dev_docs

WRONG = {
    "[there](nowhere.md)": "the link nowhere.md leads nowhere",
    "[there](../../../../etc/hostname)": "leads nowhere",
    "[there](#nothing)": "the link #nothing leads nowhere",
    "`KEYHOUSE_NO_SUCH`": "there is no setting KEYHOUSE_NO_SUCH",
    "`release.uplaod`": "there is no action release.uplaod",
    "`no-such-name-anywhere`": "nothing in the code is called",
    "| code | why |\n|---|---|\n| `mail-bulk` | a job, no code |": "there is no code mail-bulk",
    "`/help/codes/no-such/`": "there is no code no-such",
    "`/account/no-such/`": "there is no address",
    "`keyhouse no-such`": "`keyhouse` has no command no-such",
    "```\n$ keyhouse user no-such\n```": "`user` has no command no-such",
    "```\nKEYHOUSE_DATA=x keyhouse mandate show NAME \\\n  --no-such | less\n```": "`show` has no option --no-such",
    "```\nkeyhouse --data x freeze uploads --no-such  # why\n```": "`set` has no option --no-such",
    "`./run no-such`": "./run has no `no-such`",
    "# Another title": "a page begins with its title, and has one",
}
RIGHT = """# A page

[Here](#a-part), [there](settings.md#settings) and [elsewhere](https://example.org/x.md). `KEYHOUSE_DATA`, `release.upload`, `project.owner`, `people.csv`,
`file-exists`, `/project/NAME/1.0/`, `/srv/keyhouse`, `/help/codes/file-exists/`, `/simple/…`, `keyhouse quarantine NAME --release V`, `./run keyhouse keys list`.

## A part

| code | why |
|---|---|
| `file-exists` | it does |

```
keyhouse import packages/ --owner ada --dry-run
keyhouse audit --about alpha && ./run serve --port 8401
twine upload --repository keyhouse --skip-existing
```
"""


PAGES = all_pages()


def wrong_with(text: str) -> list[str]:
    page = Page(DOCS / "page.md", text)
    return [told for _, told in checking.problems_of(page, {**PAGES, page.path: page})]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_found(text: str) -> None:
    [told] = wrong_with(f"# A page\n\n{text}\n")
    assert WRONG[text] in told


def test_what_is_right_is_let_be() -> None:
    assert wrong_with(RIGHT) == []


def test_every_page_is_in_the_navigation_once() -> None:
    pages = all_pages()
    assert contents.problems(pages) == []
    without, extra = DOCS / "without.md", DOCS / "settings.md"
    pages[without] = Page(without, "# Nobody lists it\n")
    pages[FRONT] = Page(FRONT, f"{pages[FRONT].text}\n* [Once more]({extra.name})\n")
    assert contents.problems(pages) == [
        "docs/README.md lists no docs/without.md: give it a line",
        "docs/README.md lists docs/settings.md more than once",
    ]


@pytest.mark.parametrize("name", dev_docs.PAGES)
def test_pages_that_are_made_from_the_code_are_what_it_makes(name: str) -> None:
    """Mend it by: KEYHOUSE_ENVIRONMENT=test ./run keyhouse dev docs docs"""
    assert (DOCS / name).read_text() == dev_docs.make(name)


def test_the_site_holds_together_and_asks_nobody_else(tmp_path: Path) -> None:
    rendering.build(PAGES, tmp_path)
    files = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.rglob("*.html")}
    assert set(files) == {rendering.address_of(path) for path in PAGES}
    for path in files.values():
        text = path.read_text()
        assert not re.search(r'<script|<iframe|style="|(?:src|rel="stylesheet" href)="(?:https?:)?//', text)
        for target in re.findall(r'(?:href|src)="([^"#]+)', text):
            assert re.match(r"https?:|mailto:", target) or (path.parent / target).is_file(), (path, target)
        assert text.count('aria-current="page"') == (
            0 if path.name == "index.html" and path.parent == tmp_path else 1
        )


def test_the_sites_colours_are_the_products() -> None:
    sheet = rendering.style_sheet()
    assert "--accent:" in sheet
    assert "prefers-color-scheme: dark" in sheet
    used = set(re.findall(r"var\((--[\w-]+)\)", sheet))
    assert used <= set(re.findall(r"^\s*(--[\w-]+):", sheet, re.MULTILINE))
    assert "url(" not in sheet
    assert "@import" not in sheet


def test_the_readme_leads_to_the_handbook() -> None:
    assert "](docs/README.md)" in (ROOT / "README.md").read_text()
