import pytest

from keyhouse.distfiles.metadata_rules import LONGEST_NAME
from keyhouse.distfiles.names import STANDARD_LIBRARY, fold, judge_new_name, normalise


@pytest.mark.parametrize("name", ["alpha", "Alpha.Beta_2", "a", "4", "x" * LONGEST_NAME, "requests-toolbelt"])
def test_usual_names_are_free(name: str) -> None:
    assert judge_new_name(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-a",
        "a-",
        "a b",
        "a/b",
        "..",
        "_",
        "älpha",
        "\u0430lpha",
        "a\n",
        "a\x00",
        "alpha!",
        "\u2160",
        "x" * (LONGEST_NAME + 1),
    ],
)
def test_names_that_no_client_could_use_are_refused(name: str) -> None:
    finding = judge_new_name(name)
    assert finding is not None
    assert finding.code == "name-refused"
    assert finding.sentence.isascii()
    assert finding.sentence.isprintable()


@pytest.mark.parametrize(
    "name",
    [
        "json",
        "JSON",
        "os",
        "tomllib",
        "distutils",
        "asyncore",
        "urllib2",
        "ConfigParser",
        "dummy_threading",
        "lib2to3",
    ],
)
def test_the_standard_library_is_nobodys(name: str) -> None:
    assert "standard library" in str(judge_new_name(name))


def test_the_standard_library_knows_more_than_this_python() -> None:
    assert {"imp", "stringio", "httplib", "annotationlib", "zoneinfo", "re"} <= STANDARD_LIBRARY


@pytest.mark.parametrize(
    "name",
    ["keyhouse", "Key.House", "keyh0use", "simple", "s1mple", "requirements.txt", "Requirements_TXT", "pypi"],
)
def test_reserved_names_and_their_look_alikes_are_refused(name: str) -> None:
    assert "reserved" in str(judge_new_name(name))


@pytest.mark.parametrize("name", ["flask", "f1ask", "FLASK", "f-l.a_s-k", "fIask", "fiask"])
def test_look_alikes_of_existing_projects_are_refused(name: str) -> None:
    existing = {fold("Flask")}
    assert "existing project" in str(judge_new_name(name, existing))
    assert "existing project" in str(judge_new_name(name, existing.__contains__))


def test_folding_leaves_different_names_apart() -> None:
    assert fold("Il-lo_O0.1") == "1110001"
    assert fold("flask") != fold("flasks")
    assert normalise("My__Alpha.-x") == "my-alpha-x"
