from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from keyhouse.core import configuration
from keyhouse.core.configuration import SETTINGS, Configuration

ROOT = Path(__file__).parents[2]


def test_every_setting_is_a_field_and_says_what_it_means() -> None:
    fields = {field.name for field in dataclasses.fields(Configuration)} - {"sources"}
    assert {setting.field for setting in SETTINGS} == fields
    assert all(setting.meaning for setting in SETTINGS)


def test_configuration_is_read_in_one_place_only() -> None:
    """`os.environ` is read by the configuration; the command line writes what its options say into it."""
    allowed = {
        "core/configuration.py",
        "cli/main.py",
        "cli/serve.py",
        "cli/surroundings.py",
        "cli/copies.py",  # hands the database's password to PostgreSQL's own tools
        "mandate/simulation/worker.py",  # names Django's settings in a process of its own
        "settings/test.py",  # makes the surroundings of the tests
        "web/asgi.py",  # names Django's settings
        "web/metrics.py",  # the library's own variable
    }
    source = ROOT / "src" / "keyhouse"
    found = {str(path.relative_to(source)) for path in source.rglob("*.py") if "environ" in path.read_text()}
    assert {name for name in found if "os.environ" in (source / name).read_text()} <= allowed


def test_tests_run_in_the_environment_for_tests() -> None:
    assert configuration.current().is_test
    assert os.environ["KEYHOUSE_DATA"]
