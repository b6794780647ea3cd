import tracemalloc

import pytest
from packaging.version import Version

from keyhouse.distfiles.filenames import LONGEST, parse_any_spelling, parse_filename
from keyhouse.distfiles.findings import UnacceptableError


def refusal(filename: str) -> str:
    with pytest.raises(UnacceptableError) as caught:
        parse_filename(filename)
    return caught.value.finding.code


def test_a_wheel_name_tells_everything() -> None:
    name = parse_filename("my_alpha-1.0.post1-2b-py2.py3-none-any.whl")
    assert (name.kind, name.name, name.version, name.build) == (
        "wheel",
        "my-alpha",
        Version("1.0.post1"),
        "2b",
    )
    assert name.tags == {"py2-none-any", "py3-none-any"}
    assert name.platforms == {"any"}
    assert name.stem == "my_alpha-1.0.post1"


def test_a_sdist_name_tells_name_and_version() -> None:
    name = parse_filename("my_alpha-1.0rc1.tar.gz")
    assert (name.kind, name.name, name.version, name.tags) == (
        "sdist",
        "my-alpha",
        Version("1.0rc1"),
        frozenset(),
    )


@pytest.mark.parametrize("version", ["1.0", "1!2.0", "1.0+local.1", "2024.1", "0.1a1.dev3", "1.00.0rc1"[0:3]])
def test_canonical_versions_are_taken(version: str) -> None:
    assert str(parse_filename(f"alpha-{version}-py3-none-any.whl").version) == version
    assert str(parse_filename(f"alpha-{version}.tar.gz").version) == version


@pytest.mark.parametrize(
    "filename",
    [
        "Alpha-1.0-py3-none-any.whl",
        "my.alpha-1.0-py3-none-any.whl",
        "my__alpha-1.0-py3-none-any.whl",
        "alpha-1.00-py3-none-any.whl",
        "alpha-v1.0-py3-none-any.whl",
        "alpha-1.0.RC1-py3-none-any.whl",
        "Alpha-1.0.tar.gz",
        "my-alpha-1.0.tar.gz",
        "alpha-01.0.tar.gz",
    ],
)
def test_other_spellings_are_refused_but_understood(filename: str) -> None:
    assert refusal(filename) == "filename-not-canonical"
    assert parse_filename(parse_any_spelling(filename).canonical).version >= Version("1.0rc1")


@pytest.mark.parametrize(
    ("filename", "code"),
    [
        ("alpha-1.0.zip", "filename-extension"),
        ("alpha-1.0.tar.bz2", "filename-extension"),
        ("alpha-1.0-py3-none-any.WHL", "filename-extension"),
        ("alpha-1.0.tgz", "filename-extension"),
        ("", "filename-characters"),
        ("../alpha-1.0.tar.gz", "filename-characters"),
        ("a\\alpha-1.0.tar.gz", "filename-characters"),
        ("alpha-1.0\n.tar.gz", "filename-characters"),
        ("alpha-1.0\x00.tar.gz", "filename-characters"),
        ("älpha-1.0.tar.gz", "filename-characters"),
        ("alpha-1.0.tar.gz\n", "filename-characters"),
        ("alpha.tar.gz", "filename-malformed"),
        ("-1.0.tar.gz", "filename-malformed"),
        (".tar.gz", "filename-malformed"),
        (".whl", "filename-malformed"),
        ("alpha-1.0.whl", "filename-malformed"),
        ("alpha-one-py3-none-any.whl", "filename-malformed"),
        ("alpha-1.0-x1-py3-none-any.whl", "filename-malformed"),
        ("alpha-1.0-py3-none-.whl", "filename-malformed"),
        ("alpha-1.0-py3..py2-none-any.whl", "filename-malformed"),
        ("alpha-1.0-Py3-none-any.whl", "filename-malformed"),
        ("alpha-1.0-1-2-py3-none-any.whl", "filename-malformed"),
        ("al pha-1.0.tar.gz", "filename-malformed"),
        ("_-1.0.tar.gz", "filename-malformed"),
    ],
)
def test_what_is_no_distribution_name_is_refused(filename: str, code: str) -> None:
    assert refusal(filename) == code


def test_the_longest_name_is_250_characters() -> None:
    ending = "-1.0.tar.gz"
    assert parse_filename("a" * (LONGEST - len(ending)) + ending)
    assert refusal("a" * (LONGEST - len(ending) + 1) + ending) == "filename-too-long"


def test_a_name_of_very_many_tags_is_not_kept() -> None:
    many = ".".join("abcdefghijklmnopqrstuvwxyz")
    tracemalloc.start()
    try:
        for number in range(9):
            assert len(parse_any_spelling(f"alpha-{number}-{many}-{many}-py{number}.whl").tags) == 26 * 26
        parse_any_spelling.cache_clear()
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert kept < 2**17


def test_an_overlong_version_is_refused() -> None:
    with pytest.raises(UnacceptableError, match="filename-malformed"):
        parse_filename(f"a-1{'.0' * 100}.tar.gz")
