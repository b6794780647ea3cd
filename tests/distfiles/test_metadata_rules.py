from pathlib import Path

import pytest

from keyhouse.distfiles.judge import Rules, judge
from keyhouse.distfiles.metadata_rules import METADATA_VERSIONS
from tests.distfiles.builders import build_sdist, build_wheel, metadata_bytes


def codes(folder: Path, extra: str = "", *, description: str = "", rules: Rules | None = None) -> list[str]:
    path = build_wheel(folder, metadata_extra=extra, description=description)
    return [finding.code for finding in judge(path, rules=rules).findings]


def codes_of(folder: Path, metadata: bytes, version: str = "1.0") -> list[str]:
    path = build_wheel(folder, version=version, metadata=metadata)
    return [finding.code for finding in judge(path).findings]


@pytest.mark.parametrize("version", METADATA_VERSIONS)
def test_known_metadata_versions_are_taken(tmp_path: Path, version: str) -> None:
    assert codes_of(tmp_path, metadata_bytes(metadata_version=version)) == []


@pytest.mark.parametrize("version", ["2.0", "2.6", "3.0", "1.3", "", "two", "02.1"])
def test_other_metadata_versions_are_refused(tmp_path: Path, version: str) -> None:
    assert codes_of(tmp_path, metadata_bytes(metadata_version=version)) == ["metadata-version-unsupported"]


@pytest.mark.parametrize("name", ["beta", "alpha2", "", "al pha", "-alpha", "alpha\u00e9"])
def test_the_name_inside_must_be_that_of_the_file(tmp_path: Path, name: str) -> None:
    assert codes_of(tmp_path, metadata_bytes(name)) == ["metadata-name"]


@pytest.mark.parametrize("version", ["1.1", "", "one", "1.0.post1", "9" * 5000])
def test_the_version_inside_must_be_that_of_the_file(tmp_path: Path, version: str) -> None:
    assert codes_of(tmp_path, metadata_bytes(version=version)) == ["metadata-release"]


def test_name_and_version_inside_may_be_spelt_otherwise(tmp_path: Path) -> None:
    assert codes_of(tmp_path, metadata_bytes("ALPHA", "1.0.0")) == []


def test_local_versions_are_for_internal_indexes(tmp_path: Path) -> None:
    path = build_wheel(tmp_path, version="1.0+cu12")
    assert [finding.code for finding in judge(path).findings] == ["metadata-local-version"]
    assert judge(path, rules=Rules.internal()).is_accepted


@pytest.mark.parametrize("text", ["three", ">=3.x.y", ">= 3 <4", "=>3", ">=" + "9" * 5000])
def test_requires_python_must_be_a_specifier(tmp_path: Path, text: str) -> None:
    assert codes(tmp_path, f"Requires-Python: {text}") == ["metadata-requires-python"]


@pytest.mark.parametrize("text", [">=3.9", ">=2.7, !=3.0.*", "~=3.8", "==3.*", "<4"])
def test_usual_specifiers_are_taken(tmp_path: Path, text: str) -> None:
    assert codes(tmp_path, f"Requires-Python: {text}") == []


@pytest.mark.parametrize(
    "text", ["beta", "beta>=1", "beta (>=1.0)", 'beta[x,y]~=1.0; python_version < "3.9" and extra == "z"']
)
def test_usual_requirements_are_taken(tmp_path: Path, text: str) -> None:
    assert codes(tmp_path, f"Requires-Dist: {text}") == []


@pytest.mark.parametrize(
    "text",
    [
        "beta >=",
        "-r other.txt",
        "beta==1==2",
        'beta; os = "x"',
        "b" + "(" * 500,
        "beta>=" + "9" * 5000,
        "beta; " + "(" * 5000,
    ],
)
def test_unusable_requirements_are_refused(tmp_path: Path, text: str) -> None:
    assert codes(tmp_path, f"Requires-Dist: {text}") == ["metadata-requirement"]


@pytest.mark.parametrize("field", ["Requires-Dist", "Provides-Dist", "Obsoletes-Dist"])
def test_direct_urls_are_for_internal_indexes(tmp_path: Path, field: str) -> None:
    extra = f"{field}: beta @ https://example.org/beta-1.0-py3-none-any.whl"
    assert codes(tmp_path, extra) == ["metadata-direct-url"]
    assert codes(tmp_path, extra, rules=Rules.internal()) == []


def test_extras_need_valid_names(tmp_path: Path) -> None:
    assert codes(tmp_path, "Provides-Extra: Some_extra.x") == []
    assert codes(tmp_path, "Provides-Extra: a b\nProvides-Extra: -c") == ["metadata-extra", "metadata-extra"]


@pytest.mark.parametrize(
    "text", ["MIT OR", "Use-it-after-midnight", "(" * 900, "MIT " * 900, "MIT AND " * 5000]
)
def test_a_license_expression_must_be_spdx(tmp_path: Path, text: str) -> None:
    assert codes(tmp_path, f"License-Expression: {text}") == ["metadata-license"]


def test_license_fields_exclude_each_other(tmp_path: Path) -> None:
    assert codes(tmp_path, "License-Expression: mit AND (apache-2.0 or BSD-2-Clause)") == []
    assert codes(tmp_path, "License: whatever you like") == []
    assert codes(tmp_path, "License-Expression: MIT\nLicense: MIT") == ["metadata-license"]


def test_license_files_must_be_in_a_wheel_since_they_have_a_place(tmp_path: Path) -> None:
    new = metadata_bytes(metadata_version="2.4", extra="License-File: LICENSES/MIT.txt")
    old = metadata_bytes(metadata_version="2.1", extra="License-File: LICENSES/MIT.txt")
    assert codes_of(tmp_path, new) == ["metadata-license-file"]
    assert codes_of(tmp_path, old) == []
    files = {"alpha-1.0.dist-info/licenses/LICENSES/MIT.txt": b"free"}
    assert judge(build_wheel(tmp_path, metadata=new, files=files)).is_accepted


def test_license_files_must_be_in_an_sdist(tmp_path: Path) -> None:
    metadata = metadata_bytes(metadata_version="2.4", extra="License-File: LICENSE")
    path = build_sdist(tmp_path, metadata=metadata)
    assert [finding.code for finding in judge(path).findings] == ["metadata-license-file"]
    assert judge(build_sdist(tmp_path, metadata=metadata, files={"LICENSE": b"free"})).is_accepted


@pytest.mark.parametrize("summary", ["x" * 513, "one\n  two", "one\x0btwo"])
def test_the_summary_is_one_short_line(tmp_path: Path, summary: str) -> None:
    assert codes(tmp_path, f"Summary: {summary}") == ["metadata-summary"]
    assert codes(tmp_path, f"Summary: {'x' * 512}") == []


def test_classifiers_must_be_known(tmp_path: Path) -> None:
    assert codes(tmp_path, "Classifier: Typing :: Typed\nClassifier: Natural Language :: Ukranian") == []
    assert codes(tmp_path, "Classifier: Topic :: Nonsense") == ["metadata-classifier"]
    assert codes(tmp_path, "Classifier: Topic :: Nonsense", rules=Rules.internal()) == ["metadata-classifier"]


@pytest.mark.parametrize("classifier", ["Private :: Do Not Upload", "private :: x", "PRIVATE ::"])
def test_private_classifiers_are_for_internal_indexes(tmp_path: Path, classifier: str) -> None:
    assert codes(tmp_path, f"Classifier: {classifier}") == ["metadata-private-classifier"]
    assert codes(tmp_path, f"Classifier: {classifier}", rules=Rules.internal()) == []


def test_the_description_must_have_a_known_type_and_render(tmp_path: Path) -> None:
    assert codes(tmp_path, "Description-Content-Type: text/html", description="<b>") == [
        "metadata-content-type"
    ]
    assert codes(tmp_path, "Description-Content-Type: text/x-rst", description="``x\n\n.. nothing::") == [
        "metadata-description"
    ]
    assert codes(tmp_path, description="=====\nTitle\n") == ["metadata-description"]
    assert codes(tmp_path, "Description-Content-Type: text/markdown", description="``x\n==") == []


def test_a_metadata_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    assert codes(tmp_path, description="x" * (4 * 1024 * 1024)) == ["metadata-too-large"]


def test_everything_that_is_wrong_is_found(tmp_path: Path) -> None:
    found = codes(tmp_path, "Requires-Dist: -\nClassifier: Nonsense\nRequires-Python: x\nProvides-Extra: -")
    assert found == [
        "metadata-requires-python",
        "metadata-requirement",
        "metadata-extra",
        "metadata-classifier",
    ]


def test_an_endless_metadata_version_is_refused_like_any_other(tmp_path: Path) -> None:
    metadata = metadata_bytes(metadata_version="9" * 5000, extra="License-File: LICENSE")
    assert codes_of(tmp_path, metadata) == ["metadata-version-unsupported"]


def test_names_and_specifiers_beyond_what_is_stored_are_refused(tmp_path: Path) -> None:
    path = build_wheel(tmp_path, "a-b", metadata=metadata_bytes(f"a{'-' * 300}b"))
    assert [finding.code for finding in judge(path).findings] == ["metadata-name"]
    many = ",".join(["!=3.0.*"] * 100)
    assert codes(tmp_path, f"Requires-Python: {many}") == ["metadata-requires-python"]
