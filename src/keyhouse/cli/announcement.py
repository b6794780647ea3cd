"""What `serve` says when it is ready: where, how to begin, where data lives, how to stop."""

from __future__ import annotations

import logging
import os
import secrets
import sys
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from keyhouse.accounts.second_factors.webauthn.key_models import find_models
from keyhouse.core import actor, logs
from keyhouse.core.configuration import Configuration, ConfigurationError, FormerName
from keyhouse.core.mail_servers import is_local
from keyhouse.core.networks import is_address

LINK_FILE: Final = "setup-link"
_logger = logging.getLogger("keyhouse.serve")


def announce(settings: Configuration, host: str) -> None:
    """Say it on the terminal, or as log lines; the set-up link goes where only its owner reads."""
    path = _setup_path()
    link = settings.base_url + path if path else ""
    file = None if not link or sys.stdout.isatty() else write_link(settings.data, link)
    if logs.is_json(settings):
        _log(settings, file)
    else:
        sys.stdout.write(_text(settings, file, link))
        sys.stdout.flush()
    for warning in (*warnings(settings, host), *former_keys(settings), *unsafe_keys()):
        _logger.warning(warning)


def former_keys(settings: Configuration) -> list[str]:
    """Tell of security keys that were made for another name: how many, of how many people, until when they work.

    Raises ConfigurationError for a name that nobody has said to know of: people would find out at the door.
    """
    from keyhouse.accounts.models import SecurityKey  # noqa: PLC0415 - Django is set up by now

    known = {one.name: one for one in settings.former_rp_ids}
    told = []
    foreign = SecurityKey.objects.exclude(rp_id=settings.key_name)
    for name in sorted(set(foreign.values_list("rp_id", flat=True))):
        keys = foreign.filter(rp_id=name)
        count = f"{keys.count()} security keys of {keys.values('user').distinct().count()} people"
        line = f"{count} were made for the name {name}, and this site is {settings.key_name} now"
        if name not in known:
            raise ConfigurationError(f"{line}: they would die. {_advice(name)}")
        told.append(f"{line}; {_fate(known[name])}")
    return told


def unsafe_keys() -> list[str]:
    """Tell of keys whose model the metadata file reports unsafe: which model, how many, of how many people."""
    from keyhouse.accounts.models import SecurityKey  # noqa: PLC0415 - Django is set up by now

    told = []
    for aaguid, model in (find_models() or {}).items():
        keys = SecurityKey.objects.none() if model.is_sound else SecurityKey.objects.filter(aaguid=aaguid)
        if count := keys.count():
            people = keys.values("user").distinct().count()
            told.append(
                f"{count} security keys of {people} people say that they are of the model {model.name} ({aaguid}), which is "
                f"reported unsafe; they go on working until their owners remove them."
            )
    return told


def _fate(former: FormerName) -> str:
    if former.until is None:
        return (
            "they don't work any more. Their owners sign in by an app or a recovery code and add them anew."
        )
    return (
        f"they work through {former.until.isoformat()} where browsers know related origins, if {former.name} still leads "
        f"here. Their owners add new ones once they are in."
    )


def _advice(name: str) -> str:
    return (
        f"KEYHOUSE_RP_ID={name} keeps them, where that is allowed. KEYHOUSE_FORMER_RP_IDS={name}=YYYY-MM-DD lets people "
        f"sign in by them through that day and add new ones, as long as {name} leads here. KEYHOUSE_FORMER_RP_IDS={name} "
        f"lets them die."
    )


def _setup_path() -> str:
    """Return the address of a new set-up link while nobody operates this index, else nothing."""
    from keyhouse.accounts import queries, services  # noqa: PLC0415 - Django is set up by now

    return "" if queries.is_set_up() else services.make_setup_link(by=actor.host())


def write_link(data: Path, link: str) -> Path:
    """Put the link into a file that only its owner reads, replacing an older one as a whole."""
    file = data / LINK_FILE
    draft = file.with_name(f"{LINK_FILE}.{secrets.token_hex(4)}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
        out.write(link + "\n")
    return draft.replace(file)


def _text(settings: Configuration, file: Path | None, link: str) -> str:
    lines = [f"Keyhouse is at {settings.base_url}"]
    if file:
        lines.append(f"Set up the first operator: the one-time link (24 h) is in {file}")
    elif link:
        lines.append(f"Set up the first operator (one-time link, 24 h): {link}")
    if not settings.mail_url:
        lines.append(f"Mail is off: mails become files in {settings.mail_folder}")
    lines += [f"Data lives in {settings.data}", "Stop with Ctrl-C"]
    if settings.is_test:
        lines.insert(0, "Test environment: nothing here is real.")
    return "\n" + "".join(f"  {line}\n" for line in lines) + "\n"


def _log(settings: Configuration, file: Path | None) -> None:
    facts = {"event": "serving", "address": settings.base_url, "data": str(settings.data)}
    _logger.info("Keyhouse is at %s, data in %s", settings.base_url, settings.data, extra=facts)
    if file:
        _logger.info("The one-time link for the first operator is in the file %s", file)


def warnings(settings: Configuration, host: str) -> list[str]:
    """Return what whoever starts this should know."""
    found = []
    name = urlsplit(settings.base_url).hostname or ""
    if not settings.is_https and not is_local(name):
        found.append(
            f"{settings.base_url} is plain http: whoever is on the way reads passwords and tokens, and browsers allow "
            f"no security keys there. Use --tls-cert and --tls-key, or a proxy that does."
        )
    elif not settings.is_https and not is_local(host):
        found.append(
            "Listening beyond this machine with plain http; set KEYHOUSE_BASE_URL to the address people use, and "
            "--tls-cert and --tls-key unless a proxy in front speaks https."
        )
    if is_address(name):
        found.append(
            f"{settings.base_url} is an IP address: browsers allow no security keys there. Set KEYHOUSE_BASE_URL to a name."
        )
    return found
