from pathlib import Path

import pytest

from keyhouse.distfiles import sdist, wheel
from keyhouse.distfiles.filenames import parse_filename
from keyhouse.distfiles.judge import Rules, judge
from tests.distfiles.builders import build_wheel, metadata_bytes, record_line, wheel_bytes


def codes(path: Path, rules: Rules | None = None) -> list[str]:
    return [finding.code for finding in judge(path, rules=rules).findings]


def test_a_good_wheel_is_accepted(tmp_path: Path) -> None:
    judgement = judge(build_wheel(tmp_path, "my.alpha", "1.0", metadata_extra="Requires-Python: >=3.9"))
    assert judgement.findings == ()
    assert judgement.is_accepted
    assert (judgement.kind, judgement.name, str(judgement.version)) == ("wheel", "my-alpha", "1.0")
    assert judgement.tags == {"py3-none-any"}
    assert judgement.metadata is not None
    assert judgement.metadata.requires_python == ">=3.9"
    assert judgement.metadata_bytes == metadata_bytes("my.alpha", "1.0", extra="Requires-Python: >=3.9")


def test_compressed_tags_and_builds_are_accepted(tmp_path: Path) -> None:
    tag = "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64"
    assert codes(build_wheel(tmp_path, tag=tag)) == []
    wheel_file = wheel_bytes("py2.py3-none-any", extra="Build: 1\n")
    assert codes(build_wheel(tmp_path, tag="1-py2.py3-none-any", wheel_file=wheel_file)) == []


@pytest.mark.parametrize("missing", ["WHEEL", "METADATA", "RECORD"])
def test_each_describing_file_must_be_there(tmp_path: Path, missing: str) -> None:
    path = build_wheel(tmp_path, without=[missing], record_without=[f"alpha-1.0.dist-info/{missing}"])
    assert codes(path) == ["wheel-file-missing"]


def test_a_describing_file_may_not_be_there_twice(tmp_path: Path) -> None:
    path = build_wheel(
        tmp_path, extra_members=[("alpha-1.0.dist-info/METADATA", metadata_bytes("alpha", "1.0"))]
    )
    assert codes(path) == ["archive-duplicate"]


def test_a_describing_file_may_not_be_there_in_another_case(tmp_path: Path) -> None:
    files = {"alpha-1.0.dist-info/metadata": b"Name: other\n"}
    assert codes(build_wheel(tmp_path, files=files)) == ["wheel-dist-info"]


@pytest.mark.parametrize(
    "folder", ["alpha-1.1.dist-info", "beta-1.0.dist-info", "alpha.dist-info", ".dist-info"]
)
def test_the_dist_info_folder_must_be_for_the_release(tmp_path: Path, folder: str) -> None:
    assert codes(build_wheel(tmp_path, dist_info=folder))[0] == "wheel-dist-info"


def test_the_dist_info_folder_may_be_spelt_as_the_author_spells_the_name(tmp_path: Path) -> None:
    assert codes(build_wheel(tmp_path, "my.alpha", dist_info="My.Alpha-1.0.dist-info")) == []


def test_two_dist_info_folders_are_refused(tmp_path: Path) -> None:
    files = {"beta-1.0.dist-info/METADATA": metadata_bytes("beta", "1.0")}
    assert codes(build_wheel(tmp_path, files=files)) == ["wheel-dist-info"]


def test_a_zip_without_anything_is_no_wheel(tmp_path: Path) -> None:
    everything = ["alpha.py", "METADATA", "WHEEL", "RECORD"]
    assert codes(build_wheel(tmp_path, without=everything)) == ["wheel-dist-info"]


def test_a_record_that_is_too_short_is_refused(tmp_path: Path) -> None:
    assert codes(build_wheel(tmp_path, record_without=["alpha.py"])) == ["record-incomplete"]


def test_a_file_added_after_the_record_is_refused(tmp_path: Path) -> None:
    assert codes(build_wheel(tmp_path, extra_members=[("evil.pth", b"import os")])) == ["record-incomplete"]


def test_a_record_that_is_too_long_is_refused(tmp_path: Path) -> None:
    path = build_wheel(tmp_path, record_extra=record_line("not/there.py", b"x"))
    assert codes(path) == ["record-surplus"]


def test_a_record_that_lists_a_file_twice_is_refused(tmp_path: Path) -> None:
    path = build_wheel(tmp_path, files={"a.py": b"1"}, record_extra=record_line("a.py", b"1"))
    assert codes(path) == ["record-surplus"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (record_line("a.py", b"2"), ["record-wrong-hash"]),
        (record_line("a.py", b"22"), ["record-wrong-hash", "record-wrong-size"]),
        (record_line("a.py", b"1").replace(",1\n", ",2\n"), ["record-wrong-size"]),
        (record_line("a.py", b"1").replace(",1\n", ",\n"), ["record-wrong-size"]),
        (record_line("a.py", b"1").replace(",1\n", "=,1\n"), ["record-wrong-hash"]),
        (record_line("a.py", b"1", algorithm="md5"), ["record-weak-hash"]),
        (record_line("a.py", b"1", algorithm="sha1"), ["record-weak-hash"]),
        (record_line("a.py", b"1", algorithm="sha224"), ["record-weak-hash"]),
        ("a.py,,\n", ["record-weak-hash", "record-wrong-size"]),
        ("a.py,nonsense=xyz,1\n", ["record-weak-hash"]),
        (record_line("a.py", b"1", algorithm="sha512"), []),
        (record_line("a.py", b"1", algorithm="blake2b"), []),
        (record_line("a.py", b"1", algorithm="sha3_256"), []),
    ],
)
def test_each_hash_and_size_is_compared(tmp_path: Path, line: str, expected: list[str]) -> None:
    path = build_wheel(tmp_path, files={"a.py": b"1"}, record_without=["a.py"], record_extra=line)
    assert codes(path) == expected


@pytest.mark.parametrize("record", [b"\xff", b"a,b\n", b"a,b,c,d\n", b'"a', b"x" * 200_000 + b",,\n"])
def test_a_record_that_cannot_be_read_is_refused(tmp_path: Path, record: bytes) -> None:
    assert codes(build_wheel(tmp_path, record=record)) == ["record-malformed"]


def test_signatures_of_the_record_need_not_be_in_it(tmp_path: Path) -> None:
    members = [("alpha-1.0.dist-info/RECORD.jws", b"{}"), ("alpha-1.0.dist-info/RECORD.p7s", b"")]
    assert codes(build_wheel(tmp_path, extra_members=members)) == []


@pytest.mark.parametrize("own", ["RECORD", "RECORD.jws"])
@pytest.mark.parametrize(
    ("given", "expected"),
    [(",", []), ("sha256=x,", ["record-wrong-hash"]), (",5", ["record-wrong-hash"])],
)
def test_the_record_gives_no_hash_of_itself_and_of_what_signs_it(
    tmp_path: Path, own: str, given: str, expected: list[str]
) -> None:
    folder, data = "alpha-1.0.dist-info", b"x = 1\n"
    members = {
        "alpha.py": data,
        f"{folder}/METADATA": metadata_bytes("alpha", "1.0"),
        f"{folder}/WHEEL": wheel_bytes(),
    }
    listed = "".join(record_line(path, held) for path, held in members.items())
    record = f"{listed}{folder}/{own},{given}\n".encode()
    path = build_wheel(
        tmp_path, files={"alpha.py": data}, record=record, extra_members=[(f"{folder}/RECORD.jws", b"{}")]
    )
    assert codes(path) == expected


def test_folders_and_quoted_paths_are_fine(tmp_path: Path) -> None:
    path = build_wheel(tmp_path, files={"pkg/a, b.py": b"1", "pkg/ü.py": b"2"}, extra_members=[("pkg/", b"")])
    assert codes(path) == []


@pytest.mark.parametrize(
    ("wheel_file", "expected"),
    [
        (b"", ["wheel-file-invalid", "wheel-file-invalid", "wheel-tags-differ"]),
        (b"\xff", ["wheel-file-invalid"]),
        (wheel_bytes("py2-none-any"), ["wheel-tags-differ"]),
        (wheel_bytes("py2.py3-none-any"), ["wheel-tags-differ"]),
        (wheel_bytes("py3-none-any").replace(b"1.0", b"2.0"), ["wheel-file-invalid"]),
        (wheel_bytes("py3-none-any").replace(b": true", b": maybe"), ["wheel-file-invalid"]),
        (wheel_bytes("py3-none-any", extra="Wheel-Version: 1.0\n"), ["wheel-file-invalid"]),
        (wheel_bytes("py3-none-any", extra="Build: 7\n"), ["wheel-tags-differ"]),
        (wheel_bytes("py3-none-any", extra="Tag: nonsense\n"), ["wheel-tags-differ"]),
    ],
)
def test_what_the_wheel_file_says_must_fit(tmp_path: Path, wheel_file: bytes, expected: list[str]) -> None:
    assert codes(build_wheel(tmp_path, wheel_file=wheel_file)) == expected


def test_plain_linux_wheels_are_for_internal_indexes(tmp_path: Path) -> None:
    path = build_wheel(tmp_path, tag="cp311-cp311-linux_x86_64")
    assert codes(path) == ["wheel-platform"]
    assert codes(path, Rules.internal()) == []


def test_unknown_platforms_are_refused_everywhere(tmp_path: Path) -> None:
    path = build_wheel(tmp_path, tag="py3-none-amiga")
    assert codes(path) == codes(path, Rules.internal()) == ["wheel-platform"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[console_scripts]\nalpha = alpha:main\nAlpha = alpha.cli : main [extra]\n",
        "[a.b]\nx = y.z\nkey with blanks:and-colon = a.b:c.d\n",
        "# comment\n[gui_scripts]\nalpha = alpha:main  # started by hand\n",
    ],
)
def test_entry_points_that_parse_are_accepted(tmp_path: Path, text: str) -> None:
    assert codes(build_wheel(tmp_path, entry_points=text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "alpha = alpha:main\n",
        "[console_scripts]\nalpha\n",
        "[console_scripts]\na = b:c\na = d:e\n",
        "[console_scripts]\nalpha = \n",
        "[console_scripts]\nalpha = import os; os.system('x')\n",
        "[console_scripts]\n../alpha = alpha:main\n",
        "[gui_scripts]\n/usr/bin/alpha = alpha:main\n",
        "[console_scripts]\n..\\alpha = alpha:main\n",
        "[console_scripts]\n.. = alpha:main\n",
    ],
)
def test_entry_points_that_do_not_parse_or_escape_are_refused(tmp_path: Path, text: str) -> None:
    assert codes(build_wheel(tmp_path, entry_points=text)) == ["wheel-entry-points"]


def test_a_signed_record_line_for_the_record_itself_does_not_matter(tmp_path: Path) -> None:
    path = build_wheel(tmp_path, record_without=["alpha-1.0.dist-info/RECORD"])
    assert codes(path) == []


@pytest.mark.parametrize(
    "name", ["beta-1.0.dist-info/", "beta-1.0.dist-info", "ALPHA-1.0.DIST-INFO/METADATA"]
)
def test_whatever_an_installer_takes_for_a_second_dist_info_is_refused(tmp_path: Path, name: str) -> None:
    path = build_wheel(tmp_path, extra_members=[(name, b"")])
    assert codes(path)[0] == "wheel-dist-info"


def test_a_tag_that_stands_for_too_many_is_not_expanded(tmp_path: Path) -> None:
    part = ".".join(f"p{number}" for number in range(600))
    wheel_file = wheel_bytes(extra=f"Tag: {part}-{part}-{part}\n")
    assert codes(build_wheel(tmp_path, wheel_file=wheel_file)) == ["wheel-tags-differ"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("alpha : main [x]", []),
        ("alpha:main[x, y]", []),
        ("alpha", []),
        ("alpha" + " " * 1_000_000 + "!", ["wheel-entry-points"]),
        ("alpha:main" + " " * 1_000_000 + "!", ["wheel-entry-points"]),
        ("alpha main", ["wheel-entry-points"]),
    ],
)
def test_entry_points_name_a_module_or_an_object(tmp_path: Path, value: str, expected: list[str]) -> None:
    path = build_wheel(tmp_path, entry_points=f"[console_scripts]\nrun = {value}\n")
    assert codes(path) == expected


def test_a_folder_with_a_version_of_thousands_of_digits_is_for_no_release() -> None:
    name = parse_filename("demo-1.0-py3-none-any.whl")
    assert not wheel._is_for(f"demo-{'1' * 5000}.dist-info", name)
    assert not sdist._is_for(f"demo-{'1' * 5000}", name)
