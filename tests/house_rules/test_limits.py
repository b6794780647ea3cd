from __future__ import annotations

from pathlib import Path

from keyhouse.accounts import limit_table
from keyhouse.accounts.limit_table import Limit, all_limits
from keyhouse.core.configuration import SETTINGS

ROOT = Path(__file__).parents[2]


def test_every_limit_stands_in_the_table() -> None:
    """Of each setting that ends in `_limit` and holds windows there is one limit, and no limit without its setting."""
    windows = {
        setting.field for setting in SETTINGS if setting.field.endswith("_limit") and "/" in setting.default
    }
    assert {limit.setting for limit in all_limits()} == windows
    named = {id(one) for one in vars(limit_table).values() if isinstance(one, Limit)}
    assert named == {id(limit) for limit in all_limits()}
    assert len({limit.name for limit in all_limits()}) == len(windows)


def test_limits_are_made_in_the_table_only() -> None:
    source = ROOT / "src" / "keyhouse"
    makers = {str(path.relative_to(source)) for path in source.rglob("*.py") if " Limit(" in path.read_text()}
    assert makers == {"accounts/limit_table.py"}
