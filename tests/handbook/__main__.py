"""Check the documentation and build it as a site: `./run check docs`, or `python -m tests.handbook [FOLDER]`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.handbook import checking, known, rendering
from tests.handbook.reading import DOCS, all_pages


def main(words: list[str]) -> int:
    """Build into the folder (default `docs/_site`); 1, with a line each, where something is wrong."""
    known.open_product()
    pages = all_pages()
    found = checking.problems(pages)
    if found:
        print("\n".join(found))
        return 1
    folder = Path(words[0]) if words else DOCS / "_site"
    rendering.build(pages, folder)
    print(f"{len(pages)} pages: {folder / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
