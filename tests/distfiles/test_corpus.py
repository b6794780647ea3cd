"""Real files from the public index: what must be taken, and why the others are not."""

import csv
import os
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from keyhouse.distfiles.judge import judge
from tests.conftest import skip_or_fail

pytestmark = pytest.mark.corpus

# everything else that is not taken is spelt in an older way than PEP 427 and PEP 625 have it
_REASONS = {
    "azure-common-1.1.28.zip": "filename-extension",
    "mock-1.0.1.zip": "filename-extension",
    "ply-3.11-py2.py3-none-any.whl": "metadata-version-unsupported",
    "six-1.10.0-py2.py3-none-any.whl": "metadata-version-unsupported",
}


def _listed() -> list[dict[str, str]]:
    default = Path(__file__).parents[3] / "shared" / "corpus" / "files.tsv"
    vectors = os.environ.get("KEYHOUSE_VECTORS")
    table = Path(vectors).parent / "corpus" / "files.tsv" if vectors else default
    if not table.is_file():
        skip_or_fail("corpus", f"no list of corpus files at {table}")
    with table.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


@pytest.fixture
def corpus() -> Path:
    folder = os.environ.get("KEYHOUSE_CORPUS")
    if not folder or not Path(folder).is_dir():
        skip_or_fail("corpus", "no corpus of real files; set KEYHOUSE_CORPUS to its folder")
    return Path(str(folder))


def test_real_files_are_accepted_or_refused_for_the_documented_reason(corpus: Path) -> None:
    surprises = {}
    for row in _listed():
        name, judgement = row["file"], judge(corpus / row["file"])
        first = judgement.findings[0].code if judgement.findings else None
        expected = _REASONS.get(name, "filename-not-canonical") if row["expect"] == "policy" else None
        if first != expected:
            surprises[name] = (expected, first)
    assert surprises == {}


def test_the_metadata_of_accepted_files_names_them(corpus: Path) -> None:
    for row in _listed():
        if row["expect"] == "accept":
            judgement = judge(corpus / row["file"])
            assert judgement.metadata is not None
            assert canonicalize_name(judgement.metadata.name) == judgement.name
            assert judgement.metadata_bytes
