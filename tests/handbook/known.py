"""What the product knows by name, asked of its code: commands, settings, codes, actions, addresses."""

from __future__ import annotations

import importlib
import os
import re
import tempfile
from collections.abc import Iterator
from functools import cache
from typing import Final

import click
from tests.handbook.reading import ROOT

from keyhouse.cli import main as command_line
from keyhouse.cli import surroundings
from keyhouse.core.actions import CATALOGUE
from keyhouse.core.configuration import IGNORED_NAMES, IGNORED_PREFIXES, PREFIX, SETTINGS

_KEBAB: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+")
_PARAMETER: Final = re.compile(r"\\\{\w+\\\}")
FOREIGN: Final = frozenset({"android-key"})  # a format of WebAuthn that is named as not used
# Words in docs that stand for a part of an address: NAME, 1.0, {name}, …
_PART: Final = r"[^/?#]+"


def open_product() -> None:
    """Load the product with all its features on a folder that is thrown away."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    os.environ["KEYHOUSE_ENVIRONMENT"] = "test"
    os.environ["KEYHOUSE_DATA"] = tempfile.mkdtemp(prefix="keyhouse-docs-")
    surroundings.configure()
    surroundings.load_features()


def setting_exists(name: str) -> bool:
    """Tell whether an environment variable is a setting, or one that Keyhouse passes over."""
    names = {setting.name for setting in SETTINGS}
    return name in names | IGNORED_NAMES or name.startswith(IGNORED_PREFIXES)


@cache
def codes() -> frozenset[str]:
    """Return the code of every refusal and of every finding about a file."""
    from keyhouse.web import explanations  # noqa: PLC0415 - needs the product to be open

    return frozenset(explanations.all_explanations())


def is_action_or_role(name: str) -> bool:
    """Tell whether the catalogue of actions has it, or the grammar of mandates as a role."""
    from keyhouse.mandate.selectors import ROLES  # noqa: PLC0415 - needs the product to be open

    return name in CATALOGUE or name in ROLES


@cache
def nouns() -> frozenset[str]:
    """Return what actions are about."""
    return frozenset(name.partition(".")[0] for name in CATALOGUE)


def is_name(word: str) -> bool:
    """Tell whether the code has a name with a hyphen; `acme-…` are made-up projects."""
    return word.startswith("acme-") or word in _names_in_code()


@cache
def _names_in_code() -> frozenset[str]:
    """Return every name with a hyphen of the source: codes, limits, jobs, words of documents; and of packages and formats."""
    files = [path for path in (ROOT / "src").rglob("*") if path.suffix in {".py", ".html"}]
    texts = (path.read_text() for path in (*files, *(ROOT / "locks").glob("*.txt"), ROOT / "pyproject.toml"))
    return FOREIGN.union(*(_KEBAB.findall(text) for text in texts))


@cache
def _addresses() -> tuple[str, ...]:
    from keyhouse.cli.dev_routes import routes  # noqa: PLC0415 - needs the product to be open

    return tuple({str(line["path"]) for line in routes()})


@cache
def _shapes() -> re.Pattern[str]:
    return re.compile("|".join(_PARAMETER.sub(_PART, re.escape(path)) for path in _addresses()))


def address_exists(address: str) -> bool:
    """Tell whether an address leads somewhere; of one with `…` the part before it must."""
    path, _, below = re.split(r"[?#]", address)[0].partition("…")
    if below or address.endswith("…"):
        return any(known.startswith(path) for known in _addresses())
    return path.startswith("/static/") or bool(_shapes().fullmatch(path))


def is_meant_here(path: str) -> bool:
    """Tell whether it begins as addresses of this product do, and is no folder of a machine."""
    return path == "/" or path.split("/")[1] in {known.split("/")[1] for known in _addresses()}


def all_commands() -> Iterator[tuple[str, click.Command]]:
    """Yield the commands below `keyhouse`."""
    for name in command_line.COMMANDS:
        yield name, importlib.import_module(command_line.module_of(name)).command
