"""The one command `keyhouse`: groups by noun, each in a file of its own that is only read when it is asked for."""

from __future__ import annotations

import importlib
import importlib.util
import keyword
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import click

from keyhouse import __version__
from keyhouse.cli import database_trouble, surroundings
from keyhouse.cli.completion import VARIABLE
from keyhouse.core.configuration import ConfigurationError
from keyhouse.core.data_folder import DataFolderBusyError
from keyhouse.core.errors import Refusal
from keyhouse.core.keys import KeyFileError

FAILED: Final = 1
WRONG_USE: Final = 2
_FIRST_BYTE: Final = "\udc80"  # bytes that are no text, as Python keeps them
_LAST_BYTE: Final = "\udcff"
HELP_OPTIONS: Final = frozenset({"-h", "--help"})

# Each file `cli/{name}.py` holds the click command or group named `command`. Where True, the command stands on an
# index that is there: its file is read when Django is ready, so it imports models like any other module.
COMMANDS: Final[dict[str, tuple[bool, str]]] = {
    "serve": (False, "Run the index: pages, uploads, reads."),
    "settings": (False, "Print every setting with its value, source and meaning."),
    "limits": (False, "Print every limit on attempts, and what counts."),
    "doctor": (False, "Look for what is wrong with this installation, and say what to do."),
    "setup-link": (True, "Print a new one-time link for the first operator."),
    "user": (True, "Invite, show, suspend and off-board people; lead them through enrolling anew."),
    "project": (
        True,
        "List, yank, archive, deprecate, delete and bring back projects and releases; look after their people and teams.",
    ),
    "release": (True, "List, publish and discard staged releases."),
    "publisher": (True, "Say which issuers of identities from CI are believed, and try them."),
    "token": (False, "List, make, narrow and revoke API tokens."),
    "proposal": (True, "List and withdraw what operators decide about together."),
    "recovery": (True, "List people who ask to come back in and accounts on hold; refuse one, end a hold."),
    "mandate": (True, "Say who must hold a second factor: plan, apply, explain, exempt."),
    "audit": (True, "Print and export the audit log."),
    "job": (True, "List what is done beside requests, and let it be done now."),
    "mail": (True, "Try the mail server; list and retry mails; clear bounces."),
    "freeze": (True, "Stop new accounts, new projects, uploads, deletions or everything."),
    "thaw": (True, "Lift a switch that `freeze` threw."),
    "announce": (True, "Show a line on every page for people, for a while."),
    "import": (True, "Bring in a folder of files, or what another index holds."),
    "names": (True, "Keep names and prefixes for somebody."),
    "creators": (True, "Approve people to make projects."),
    "organization": (
        True,
        "Look after people and teams of organizations; answer applications; propose owners.",
    ),
    "report": (True, "Read what people reported about projects, and answer it."),
    "quarantine": (True, "Take a project, a release or a file out of the index."),
    "check": (False, "Judge files by the rules of an upload."),
    "attestations": (False, "Check what vouches for a file, without network."),
    "storage": (True, "Compare rows, files and pages; take away what nobody needs."),
    "rebuild-pages": (True, "Render every index page anew."),
    "backup": (True, "Copy a running index into a folder."),
    "restore": (False, "Fill an empty data folder from a backup."),
    "keys": (True, "Rotate, list and retire the root keys."),
    "passwords": (False, "Import compromised passwords, ask for one, see which sources there are."),
    "completion": (False, "Print what makes bash, zsh or fish complete commands."),
    "dev": (False, "Doors for tests; closed unless KEYHOUSE_ENVIRONMENT=test."),
}

EXAMPLES: Final = """\b
Examples:
  keyhouse serve                          on http://localhost:8400, data in ./var
  keyhouse serve --host 0.0.0.0 --port 443 --tls-cert cert.pem --tls-key key.pem
  keyhouse user invite ada ada@example.org
  keyhouse check dist/*
  keyhouse import /srv/pypiserver/packages --owner ada --dry-run
  keyhouse settings
"""


class Commands(click.Group):
    """Reads the file of a command only when it is asked for, so that each starts as fast as it can."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        del ctx
        return [name for name in COMMANDS if _exists(name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Read the file and return its `command`."""
        del ctx
        if cmd_name not in COMMANDS or not _exists(cmd_name):
            return None
        if COMMANDS[cmd_name][0]:
            is_asked = VARIABLE in os.environ or not HELP_OPTIONS.isdisjoint(sys.argv)
            surroundings.open_index(for_help=is_asked)
        command: click.Command = importlib.import_module(module_of(cmd_name)).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without reading their files."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


def module_of(name: str) -> str:
    """Return the module that holds a command; one that Python means something else by ends in a line."""
    return f"keyhouse.cli.{name.replace('-', '_')}{'_' if keyword.iskeyword(name) else ''}"


def _exists(name: str) -> bool:
    return importlib.util.find_spec(module_of(name)) is not None


def _use_data(ctx: click.Context, option: click.Parameter, data: str | None) -> None:
    """Put the folder where the configuration looks, before the file of a command is read."""
    del ctx, option
    if data:
        os.environ["KEYHOUSE_DATA"] = data


@click.group(
    cls=Commands,
    epilog=EXAMPLES,
    context_settings={"help_option_names": sorted(HELP_OPTIONS), "max_content_width": 100},
)
@click.version_option(__version__, "--version", prog_name="keyhouse", message="%(prog)s %(version)s")
@click.option(
    "--data",
    metavar="FOLDER",
    callback=_use_data,
    is_eager=True,
    expose_value=False,
    help="Data folder; as KEYHOUSE_DATA.",
)
@click.option("--debug", is_flag=True, help="Show where in the code a failure happened.")
def command(*, debug: bool) -> None:
    """Run and look after a Keyhouse package index.

    Settings are environment variables KEYHOUSE_*; `keyhouse settings` lists them.
    """
    del debug  # `main` looks for it: it must also help where reading the options fails


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave: 0 done, 1 refused or failed, 2 wrong use."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    _take_interrupts()
    try:
        _refuse_bytes(arguments)
        command.main(arguments, prog_name="keyhouse", standalone_mode=False)
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except Exception as error:
        if "--debug" in arguments:
            raise
        sys.exit(_tell(error))
    sys.exit(0)


class Interrupted(KeyboardInterrupt):
    """Somebody pressed Ctrl-C."""


def _take_interrupts() -> None:
    """Let an interrupt be an exception of our own.

    After a plain KeyboardInterrupt that passed through `exec` of a text, as dataclasses do while they are made, Python
    kills itself by the signal in the end, whoever has caught it.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)


def _interrupt(number: int, frame: object) -> NoReturn:
    del number, frame
    raise Interrupted


def _refuse_bytes(arguments: Sequence[str]) -> None:
    """Refuse what isn't text, but for files and folders that are really called so."""
    for argument in arguments:
        value = argument.partition("=")[2] if argument.startswith("--") and "=" in argument else argument
        if not (_is_text(value) or _is_there(value)) or not _is_text(argument.removesuffix(value)):
            raise click.UsageError(
                f"{os.fsencode(argument)!r} is no text in UTF-8, and no file of that name is here."
            )


def _is_text(argument: str) -> bool:
    return not any(_FIRST_BYTE <= character <= _LAST_BYTE for character in argument)


def _is_there(path: str) -> bool:
    """Whether the parts of a path that are no text are there; a new file may be made below them."""
    parts = path.split("/")
    while _is_text(parts[-1]):
        parts.pop()
    return os.path.lexists("/".join(parts))


def _tell(error: Exception) -> int:
    """Say in one sentence what went wrong and return the exit code."""
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, Refusal):
        _print(error.line, error.fix)
        return FAILED
    if isinstance(error, ConfigurationError):
        _print(str(error))
        return WRONG_USE
    return _tell_failure(error)


def _tell_failure(error: Exception) -> int:
    if isinstance(error, click.Abort):
        _print("Stopped.")
    elif isinstance(error, DataFolderBusyError | KeyFileError):
        _print(str(error))
    elif isinstance(error, OSError):
        _print(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
    elif trouble := database_trouble.told(error):
        _print(*trouble)
    else:
        logging.getLogger("keyhouse").debug("failed", exc_info=error)
        _print(f"Something broke ({type(error).__name__}: {error}). Run it with --debug to see where.")
    return FAILED


def _print(*lines: str) -> None:
    for line in filter(None, lines):
        click.echo(line, err=True)


def as_json(value: Any) -> str:
    """Return what `--json` prints: one document, keys in the order given, instants as RFC 3339."""
    import json  # noqa: PLC0415 - only commands that print data need it

    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
