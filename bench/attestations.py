"""Attestations: the first one of a process, which loads the libraries, and every one after it.

The statements are those that `KEYHOUSE_VECTORS` holds, or `../shared/vectors`; nothing is asked of the network.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from bench.table import markdown, median, percentile

ROUNDS: Final = 300
FIRSTS: Final = 5
FILE: Final = "pypi_attestations-0.0.19.tar.gz"
SENT: Final = (f"{FILE}.publish.attestation", f"{FILE}.slsa.attestation")
GOAL: Final = 300  # milliseconds, warm


def main() -> str:
    """Measure and return the table."""
    folder = Path(os.environ.get("KEYHOUSE_VECTORS", "../shared/vectors")) / "attestations"
    if not (folder / FILE).is_file():
        return "attestations: no vectors here (KEYHOUSE_VECTORS)\n"
    firsts = [_first(folder) for _ in range(FIRSTS)]
    rows = [["first of a process, with loading the libraries", f"{median(firsts):.0f}", ""]]
    for names in (SENT[:1], SENT):
        took = _warm(folder, names)
        kinds = "one attestation" if len(names) == 1 else "two attestations"
        rows.append([f"{kinds}, warm", f"{median(took):.1f}", f"{percentile(took, 0.99):.1f}"])
    return (
        markdown("Attestations", ["verification", "median ms", "p99 ms"], rows)
        + f"\nGoal: below {GOAL} ms, warm.\n"
    )


def _first(folder: Path) -> float:
    """Return the milliseconds of the first verification in a new process."""
    code = (
        f"from pathlib import Path; from bench.attestations import _once; print(_once(Path({str(folder)!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def _once(folder: Path) -> float:
    return _verify(folder, SENT[:1], 1)[0]


def _warm(folder: Path, names: tuple[str, ...]) -> list[float]:
    return _verify(folder, names, ROUNDS + 1)[1:]


def _verify(folder: Path, names: tuple[str, ...], rounds: int) -> list[float]:
    from keyhouse.publishing.attestations.identities import Expected  # noqa: PLC0415 - part of what is measured
    from keyhouse.publishing.attestations.reading import read_document  # noqa: PLC0415 - as above
    from keyhouse.publishing.attestations.verifying import Subject, verify_all  # noqa: PLC0415 - as above

    subject = Subject(FILE, hashlib.sha256((folder / FILE).read_bytes()).hexdigest())
    claims = {"owner": "trailofbits", "repository": "pypi-attestations", "workflow": "release.yml"}
    texts = [(folder / name).read_text() for name in names]
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        documents = [document for text in texts for document in read_document(text)]
        verify_all(documents, subject, Expected("github", claims=claims))
        took.append((time.perf_counter() - began) * 1000)
    return took
