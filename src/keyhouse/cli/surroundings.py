"""What a command stands on: configuration, a data folder that is ours and up to date, Django with its wiring."""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Mapping
from typing import Final

from keyhouse import __version__
from keyhouse.core import configuration, data_folder, instance, logs
from keyhouse.core.configuration import Configuration, ConfigurationError

DJANGO_SETTINGS: Final = "keyhouse.settings.base"


def configure(options: Mapping[str, str] | None = None) -> Configuration:
    """Read the configuration, `options` (by field) before the environment, and set logging up.

    Links that a command prints lead to the server that is running on the folder, where one is.
    """
    settings = configuration.use(configuration.read(os.environ, options))
    holder = data_folder.find_holder(settings.data) if settings.sources["base_url"] == "default" else None
    if holder is not None:
        told = {**(options or {}), "base_url": holder.base_url}
        settings = configuration.use(configuration.read(os.environ, told))
    logs.set_up(settings)
    return settings


def open_index(*, for_help: bool = False) -> Configuration:
    """Make everything ready for a command that reads or writes the index that is there.

    Raises ConfigurationError where there is none yet, or an older version's that was never brought up to date.
    Somebody who only asks for help gets it without one.
    """
    settings = configure()
    if for_help and not instance.is_at_hand(settings):
        settings = configure({"data": _throw_away_folder()})
    else:
        _refuse_unready(settings)
    load_features()
    return settings


def _refuse_unready(settings: Configuration) -> None:
    found = instance.find_instance(settings.data)
    if found is None:
        raise ConfigurationError(
            f"There is no index in {settings.data}; start `keyhouse serve` there first, or name its folder "
            f"(--data before the command, or KEYHOUSE_DATA)."
        )
    marked = instance.ensure_instance(settings)
    if marked.database == "":
        raise ConfigurationError(
            f"The index in {settings.data} isn't set up yet: its first `keyhouse serve` is still at it, or was cut off; "
            f"try again in a minute, or start it once more."
        )
    if marked.version != __version__:
        raise ConfigurationError(
            f"The index in {settings.data} was last used by version {found.version}; "
            f"start `keyhouse serve` once to bring it up to date."
        )


def load_features() -> None:
    """Load Django with all features, wired; imports of models work from here on."""
    os.environ["DJANGO_SETTINGS_MODULE"] = DJANGO_SETTINGS  # whatever another project left in this shell
    import django  # noqa: PLC0415 - commands that need no database start without it

    django.setup()


def _throw_away_folder() -> str:
    folder = tempfile.TemporaryDirectory(prefix="keyhouse-help-")
    atexit.register(folder.cleanup)
    return folder.name
