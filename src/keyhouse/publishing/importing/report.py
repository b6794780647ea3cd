"""The report of an import: one JSON document, written as it goes, so that it takes no memory, and whole at the end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from keyhouse.publishing.importing.rows import Row


class Report:
    """Writes rows; `finish` adds what is known at the end."""

    def __init__(self, file: IO[str], head: Mapping[str, Any]) -> None:
        self._file, self._is_first = file, True
        opening = json.dumps(head, ensure_ascii=True)[:-1]
        self._file.write(f'{opening}, "files": [')

    def add(self, row: Row) -> None:
        """Write one row."""
        self._file.write("\n" if self._is_first else ",\n")
        self._file.write(json.dumps(row.as_json(), ensure_ascii=True))
        self._is_first = False

    def finish(self, tail: Mapping[str, Any]) -> None:
        """Close the list and write what is known at the end."""
        self._file.write(f"\n], {json.dumps(tail, ensure_ascii=True)[1:]}\n")


@contextmanager
def writing(path: Path | None, head: Mapping[str, Any]) -> Iterator[Report | None]:
    """Give a report that takes the place of the one at `path` when it is whole; None: nobody wants one."""
    if path is None:
        yield None
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            yield Report(file, head)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
