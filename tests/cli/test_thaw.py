"""What is open again once a switch is lifted, and what isn't."""

from __future__ import annotations

from pathlib import Path

from tests.cli.places import place


def test_lifting_one_switch_says_which_others_are_on(tmp_path: Path) -> None:
    with place(tmp_path / "data") as index:
        index.keyhouse("freeze", "set", "uploads", "--reason", "A flood.", "--for", "1h")
        index.keyhouse("freeze", "set", "everything", "--reason", "Moving.", "--for", "1h")
        assert index.keyhouse("thaw", "uploads") == (
            "Lifted uploads. Still on, each stops what it names:\n"
            "  everything: whatever changes the index, also all of the others (Moving.)\n"
        )
        assert index.keyhouse("thaw", "uploads") == "It was off already.\n"
        assert index.keyhouse("thaw", "everything") == (
            "Open again: whatever changes the index, also all of the others.\n"
        )
