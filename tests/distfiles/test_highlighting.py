from __future__ import annotations

import pytest

from keyhouse.distfiles.description import render
from keyhouse.distfiles.highlighting import bound_markdown, bound_rst

SLOW = "\n " * 100_000  # takes some lexers the square of its length
HIGHLIGHTED = '<span class="'


@pytest.mark.parametrize(
    "text",
    [
        "```python\nimport x\n```\n",
        "~~~ python title\nimport x\n~~~\n",
        "> text\n\n````py\nimport x\n```\nimport y\n````\n",
        "```python\nimport x\n```\n\n```c\nint x;\n```\n",
    ],
)
def test_short_code_of_known_languages_is_highlighted(text: str) -> None:
    assert HIGHLIGHTED in (render(text, "text/markdown") or "")
    assert HIGHLIGHTED in (render(".. code-block:: python\n\n   import x\n", "text/x-rst") or "")


@pytest.mark.parametrize(
    "text",
    [
        f"```c\n{SLOW}x\n```\n",
        f"~~~c `x`\n{SLOW}x\n~~~\n",
        f"```python\n{SLOW}x\n```\n",
        f"````python\n```\n{SLOW}x\n````\n",
        f"- ```python\n  ```x\n{SLOW}x",
        f"> ```autoit\n> {' ' * 200_000}x\n",
        f'<pre lang="c"><code>{SLOW}x</code></pre>\n',
        f'<pre><code class="language-c">{SLOW}x</code></pre>\n',
        f"```&#99;\n{SLOW}x\n```\n",
        f"```\\c\n{SLOW}x\n```\n",
        f"[^1]\n\n[^1]: ```c\n{SLOW}x",
        f"[^```]\n\n[^```]: ```c\n{SLOW}x",
        "``` c " * 80_000 + "x",
        f"~~~ {'~~~ ' * 9}\n{SLOW}x",
        f"1. - > ~~~c ```\n{SLOW}x",
        f"\u00a0```c\n{SLOW}x\n```\n",
        "".join(f"```python\n{' ' * 3900}x\n```\n\n" for _ in range(60)),
    ],
)
def test_code_that_would_take_long_is_not(text: str) -> None:
    html = render(text, "text/markdown") or ""
    assert "x" in html
    assert html.count(HIGHLIGHTED) <= 400


@pytest.mark.parametrize(
    "text",
    [
        f".. code:: c\n\n   x{SLOW[:80_000]}   x\n",
        f".. Code-Block :: c\n\n   x{SLOW[:80_000]}   x\n",
        f".. code::\n   c\n\n   x{SLOW[:80_000]}   x\n",
        f".. |x| code:: c\n\n   x{SLOW[:80_000]}   x\n",
        f".. sourcecode:: python\n\n   x{SLOW[:80_000]}   x\n",
        f".. role:: c(code)\n   :Language: c\n\n:c:`x{' ' * 80_000}x`\n",
    ],
)
def test_rst_code_that_would_take_long_is_not(text: str) -> None:
    assert HIGHLIGHTED not in (render(text, "text/x-rst") or "")


def test_texts_without_code_stay_as_they_are() -> None:
    for text in (
        "a ```b``` c\n",
        "inline `code`\n",
        "``` \nplain\n```\n",
        "~~struck~~\n",
        "see ``` python\n",
    ):
        assert bound_markdown(text) == text
    assert bound_rst("Text::\n\n   code\n") == "Text::\n\n   code\n"
