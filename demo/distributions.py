"""The files of the made-up projects: true wheels and source distributions, made in memory from nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.distfiles.builders import build_sdist, build_wheel, metadata_bytes

from demo.shelf import PLATFORMS, Work

_DESCRIPTION: Final = """\
# {name}

{summary}.

{why}

## Install

```
pip install {name}
```

## Use

```python
{code}
```

## What it promises

| since | promise |
|---|---|
| {first} | no network at import time |
| {version} | typed, tested on every supported Python |

* Releases are made by a pipeline; nobody uploads by hand.
* What is deprecated goes on working for two releases.

## Help

Ask in the issue tracker. Reports of security problems go to the address in `SECURITY.md`.
"""


def write_release(folder: Path, work: Work, version: str) -> Iterator[Path]:
    """Write the files of a release and yield their paths."""
    description = _describe(work, version)
    metadata = metadata_bytes(
        work.name, version, metadata_version="2.4", extra=_headers(work), description=description
    )
    files = _sources(work, version)
    for tag in _tags(work):
        yield build_wheel(folder, work.name, version, tag=tag, metadata=metadata, files=files)
    yield build_sdist(folder, work.name, version, metadata=metadata, files=files)


def _tags(work: Work) -> list[str]:
    if not work.is_native:
        return ["py3-none-any"]
    return [f"cp3{minor}-cp3{minor}-{platform}" for minor in (12, 13) for platform in PLATFORMS]


def _headers(work: Work) -> str:
    lines = [
        f"Summary: {work.summary}",
        f"Keywords: {work.keywords}" if work.keywords else "",
        f"Author: {work.owners.split()[0].title()} at Harbour Works",
        f"License-Expression: {work.licence}",
        f"Classifier: Development Status :: {work.status}",
        "Classifier: Programming Language :: Python :: 3",
        "Classifier: Programming Language :: Python :: 3.12",
        "Classifier: Programming Language :: Python :: 3.13",
        f"Classifier: Topic :: {work.topic}",
        "Requires-Python: >=3.10",
        *(f"Requires-Dist: {need}" for need in work.needs),
        f"Project-URL: Documentation, https://docs.harbour.example/{work.name}/",
        f"Project-URL: Source, https://git.harbour.example/{work.name}",
        "Description-Content-Type: text/markdown",
    ]
    return "\n".join(line for line in lines if line)


def _describe(work: Work, version: str) -> str:
    return _DESCRIPTION.format(
        name=work.name,
        summary=work.summary,
        why=work.why or f"`{work.name}` does one thing, and says what it did.",
        code=work.code or f"import {work.module}\n\n{work.module}.run()",
        first=work.versions.split()[0],
        version=version,
    )


def _sources(work: Work, version: str) -> dict[str, bytes]:
    init = f'"""{work.summary}."""\n\n__version__ = "{version}"\n\n\ndef run() -> None:\n    """Say which version this is."""\n    print(__version__)\n'
    return {
        f"{work.module}/__init__.py": init.encode(),
        f"{work.module}/__main__.py": f"from {work.module} import run\n\nrun()\n".encode(),
        f"{work.module}/py.typed": b"",
    }
