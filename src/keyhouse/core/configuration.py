"""Every setting of the product, typed, in one place: name, default, meaning, and where its value came from.

Settings are environment variables `KEYHOUSE_*`; the command line's options for `serve` are written over them before
anything is read. An unknown name or a bad value stops the start and says what is allowed.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, Literal, cast
from urllib.parse import urlsplit

from keyhouse.core.fault_points import check_point
from keyhouse.core.mail_servers import check_mail_url
from keyhouse.core.windows import Window, read_windows

PREFIX: Final = "KEYHOUSE_"
# Read by the tests, or put into the environment by container platforms that link services.
IGNORED_NAMES: Final = frozenset({"KEYHOUSE_REQUIRE", "KEYHOUSE_VECTORS", "KEYHOUSE_CORPUS"})
IGNORED_PREFIXES: Final = ("KEYHOUSE_PORT", "KEYHOUSE_SERVICE_")

_LONG_TOKEN: Final = 16

Environment = Literal["production", "test"]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ConfigurationError(Exception):
    """A setting is unknown or has a value that is not allowed; the message names both."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: `read` turns the text into the value or raises ValueError with what is allowed."""

    field: str
    default: str
    meaning: str
    read: Callable[[str], Any]
    is_secret: bool = False
    is_size: bool = False  # in bytes, so that people are shown it in bigger units, too

    @property
    def name(self) -> str:
        """Return the name of the environment variable."""
        return PREFIX + self.field.upper()


def _text(text: str) -> str:
    return text


def _long_token(text: str) -> str:
    """Read a token that opens a door where nobody counts guesses."""
    if text and not (len(text) >= _LONG_TOKEN and text.isascii() and text.isprintable() and " " not in text):
        message = f"{_LONG_TOKEN} characters or more, visible ASCII only"
        raise ValueError(message)
    return text


def _one_of(*allowed: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError("one of " + ", ".join(allowed))
        return text

    return read


def _number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            message = f"a whole number from {least} to {most}"
            raise ValueError(message)
        return int(text)

    return read


def _path(text: str) -> Path | None:
    return Path(text).expanduser().absolute() if text else None


_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def _address_to_tell(text: str) -> str:
    """Read an address that something is told to: by https, or by http on this machine."""
    parts = urlsplit(text)
    is_plain = parts.scheme == "http" and parts.hostname in _HERE
    is_fine = (
        bool(parts.hostname) and parts.username is None and not parts.fragment
        and text.isascii() and text.isprintable() and " " not in text
    )  # fmt: skip
    if text and not (is_fine and (parts.scheme == "https" or is_plain) and parts.port != 0):
        raise ValueError(
            "an https:// address, or an http:// one of this machine, without a name and password"
        )
    return text


def _url(*schemes: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        parts = urlsplit(text)
        if text and (parts.scheme not in schemes or not (parts.netloc or parts.path)):
            raise ValueError("an address that begins with " + " or ".join(f"{s}://" for s in schemes))
        return text.rstrip("/")

    return read


def _site(text: str) -> str:
    """Read the address of the site: scheme, host and port, since pages and links begin at the root of a host."""
    allowed = (
        "the root of a host, as people type it: http:// or https://, a host, and a port where it needs one"
    )
    if not text:
        return ""
    if not text.isprintable() or " " in text:
        raise ValueError(allowed)
    try:
        parts = urlsplit(text.rstrip("/"))
        host = (parts.hostname or "").removesuffix(".")
        is_root = bool(host if host.isascii() else host.encode("idna"))
        is_root = is_root and parts.port != 0 and "@" not in parts.netloc
    except ValueError as error:
        raise ValueError(allowed) from error
    if not is_root or parts.scheme not in {"http", "https"} or parts.path or "?" in text or "#" in text:
        raise ValueError(allowed)
    return f"{parts.scheme}://{parts.netloc}"  # the scheme in lower case, by which cookies are made `Secure`


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        message = "networks separated by commas, for example 10.0.0.0/8, 192.0.2.7/32"
        raise ValueError(message) from error


def _domains(text: str) -> tuple[str, ...]:
    found = tuple(part.strip().lower().strip(".") for part in text.split(",") if part.strip())
    if not all(_DOMAIN.fullmatch(domain) for domain in found):
        message = "domains separated by commas, for example corp.example, lab.example"
        raise ValueError(message)
    return found


_DOMAIN: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")  # one beyond ASCII is written as `xn--…`


def _audience(text: str) -> str:
    if len(text) > _LONGEST_AUDIENCE or not text.isascii() or not text.isprintable() or " " in text:
        message = f"visible ASCII characters, at most {_LONGEST_AUDIENCE}"
        raise ValueError(message)
    return text


_LONGEST_AUDIENCE: Final = 200


def _fault_point(text: str) -> str:
    if text:
        check_point(text)
    return text


@dataclass(frozen=True, slots=True)
class FormerName:
    """An RP ID of before: its keys work through that day (UTC) where browsers let them; None: they are dead."""

    name: str
    until: date | None = None

    def __str__(self) -> str:
        """Return it as it is written in the environment."""
        return f"{self.name}={self.until.isoformat()}" if self.until else self.name


def _former_names(text: str) -> tuple[FormerName, ...]:
    found = []
    for part in (part.strip() for part in text.split(",") if part.strip()):
        name, _, day = part.partition("=")
        try:
            found.append(FormerName(name.lower(), date.fromisoformat(day) if day else None))
        except ValueError as error:
            raise ValueError(
                "names separated by commas, each alone or with a last day: old.example=2027-01-31"
            ) from error
    return tuple(found)


SETTINGS: Final[tuple[Setting, ...]] = (
    Setting(
        "environment",
        "production",
        "`production`, or `test`: only there do the doors for tests work; a data folder remembers which it is",
        _one_of("production", "test"),
    ),
    Setting("data", "var", "data folder: database, files, keys", _path),
    Setting(
        "base_url",
        "",
        "the address people use, the root of a host; links and origins derive from it; default `scheme://localhost:port`",
        _site,
    ),
    Setting(
        "database_url",
        "",
        "`postgresql://…`; empty: SQLite in the data folder; an index that is there can't change it",
        _url("postgresql", "postgres"),
        is_secret=True,
    ),
    Setting(
        "storage_url",
        "",
        "where files live: `file://…`; empty: a folder in the data folder (`s3://…` is not built yet and refused)",
        _url("file"),
    ),
    Setting(
        "mail_url",
        "",
        "`smtp(s)://user:password@host:port?from=…`; empty: mails become files",
        check_mail_url,
        is_secret=True,
    ),
    Setting(
        "mail_domains_trusted",
        "",
        "domains of e-mail addresses, separated by commas, whose disappearance from the name system means nothing (intranets)",
        _domains,
    ),
    Setting("mail_dir", "", "folder where mails become files; empty: `mail` in the data folder", _path),
    Setting(
        "mail_bulk_rate",
        "300",
        "at most so many bulk mails leave in a minute; security mails always go before them",
        _number(1, 100_000),
    ),
    Setting(
        "mail_keep_days",
        "90",
        "for so many days after its end the ledger knows of a mail (never what it said)",
        _number(1, 3650),
    ),
    Setting(
        "mail_bounce_token",
        "",
        "token that opens `/_/mail/bounces` for reports of bounced mails, 16 characters or more; empty: closed",
        _long_token,
        is_secret=True,
    ),
    Setting("clock_file", "", "test only: file that holds the present instant, RFC 3339", _path),
    Setting(
        "rate_limits",
        "on",
        "`on`; `off` (test only): no limits on attempts and creation",
        _one_of("on", "off"),
    ),
    Setting(
        "reads",
        "public",
        "who may read: `public`, or `private`: only with a credential",
        _one_of("public", "private"),
    ),
    Setting(
        "upload_rules",
        "public",
        "`public`; `internal` allows local versions, plain `linux_*` wheels, `Private ::` classifiers, direct URLs",
        _one_of("public", "internal"),
    ),
    Setting(
        "uploads",
        "open",
        "`open`; `existing`: no new projects; `frozen`: no uploads at all",
        _one_of("open", "existing", "frozen"),
    ),
    Setting(
        "project_creators",
        "everybody",
        "who may make projects: `everybody`; `approved`: operators, and people whom they approved; `operators`",
        _one_of("everybody", "approved", "operators"),
    ),
    Setting(
        "upstream",
        "",
        "index page address of another index (`https://…/simple`) to which names that were never used and aren't reserved here are redirected",
        _url("http", "https"),
    ),
    Setting(
        "trusted_proxies",
        "",
        "networks whose forwarding headers are believed, separated by commas",
        _networks,
    ),
    Setting(
        "organizations",
        "open",
        "open: everybody who complies makes organizations; application: operators decide about each",
        _one_of("open", "application"),
    ),
    Setting("rp_id", "", "WebAuthn relying party; empty: the host of the base URL", _text),
    Setting(
        "former_rp_ids",
        "",
        "relying parties of before, separated by commas: `old.example` (its keys are dead, and that is known), or "
        "`old.example=2027-01-31` (they work through that day where browsers know related origins)",
        _former_names,
    ),
    Setting(
        "key_models",
        "",
        "file with the models of security keys (payload of the FIDO Metadata Service, JSON): browsers are asked who made a new "
        "key, and what its maker vouches for is kept; empty: nobody is asked",
        _path,
    ),
    Setting(
        "key_models_only",
        "off",
        "`on`: new security keys and passkeys must be of a model in `KEYHOUSE_KEY_MODELS`; `off`: any",
        _one_of("on", "off"),
    ),
    Setting(
        "trusted_root",
        "",
        "file with the roots of trust by which attestations are checked (`trusted_root.json`); empty: those that came with this "
        "version, for public issuers",
        _path,
    ),
    Setting("ca_file", "", "extra certificate authority for outgoing TLS", _path),
    Setting("key_file", "", "file with the root keys; empty: `keys.json` in the data folder", _path),
    Setting("password_length", "15", "least number of characters of a password (8 to 128)", _number(8, 128)),
    Setting(
        "password_range_url",
        "",
        "service that is asked about compromised passwords by the first five hex digits of their SHA-1, which are put "
        "behind this address (`https://…/range`); empty: none",
        _url("http", "https"),
    ),
    Setting(
        "issuer_outage_hours",
        "24",
        "for so many hours the keys of an issuer of identities are believed while it gives no answer (fetched anew every "
        "five minutes otherwise)",
        _number(1, 24 * 30),
    ),
    Setting("token_prefix", "keyhouse-", "how the text of an API token begins", _text),
    Setting(
        "leak_report_keys",
        "",
        "file with the public keys of scanners that may report leaked tokens at `/-/secrets/report` (JSON with `public_keys`, "
        "each `key_identifier`, `key` in PEM and `is_current`); empty: reports of scanners are not taken",
        _path,
    ),
    Setting("file_limit", str(100 * 2**20), "largest file in bytes", _number(1, 2**40), is_size=True),
    Setting(
        "project_limit",
        str(10 * 2**30),
        "largest sum of a project's files in bytes",
        _number(1, 2**50),
        is_size=True,
    ),
    Setting(
        "release_open_days",
        "14",
        "a release older than this many days takes no new files; 0: always open",
        _number(0, 36500),
    ),
    Setting(
        "staged_days",
        "7",
        "days for which a staged release waits to be published; then it is discarded",
        _number(1, 365),
    ),
    Setting(
        "undo_days",
        "7",
        "days for which a deleted project, release or file can be brought back; then its bytes go, too; 0: not at all",
        _number(0, 365),
    ),
    Setting(
        "session_idle_minutes",
        "60",
        "a session ends after this long without a request",
        _number(1, 60 * 24 * 30),
    ),
    Setting("session_hours", "24", "a session ends after this long in any case", _number(1, 24 * 90)),
    Setting(
        "sign_up",
        "invitation",
        "who may make an account: `open`, everybody who reads the mailbox they name; `invitation`, who was invited; "
        "`closed`, nobody",
        _one_of("open", "invitation", "closed"),
    ),
    Setting(
        "project_invitation_days",
        "7",
        "days for which an invitation into a project can be accepted",
        _number(1, 90),
    ),
    Setting(
        "owner_removal_days",
        "7",
        "days from removing an owner of a critical project, or making them a maintainer, to its effect; 0: at once",
        _number(0, 30),
    ),
    Setting(
        "deletion_days",
        "7",
        "days from asking for the deletion of an account that can change something to its end; 0: at once",
        _number(0, 30),
    ),
    Setting(
        "tombstone_days",
        "365",
        "days for which the name of a deleted account stays taken and the audit log keeps where it was used from",
        _number(0, 36500),
    ),
    Setting(
        "page_max_age",
        "0",
        "seconds that caches may keep index pages; 0: they ask each time (`no-cache`)",
        _number(0, 86400),
    ),
    Setting(
        "purge_url",
        "",
        "address that is told, as JSON by POST, which `Surrogate-Key`s a CDN in front must forget after each change; answers "
        "then carry these keys (`https://…`, or `http://localhost…`); empty: nobody",
        _address_to_tell,
    ),
    Setting(
        "purge_header_file",
        "",
        "file with one line `Name: value`, a header that goes with it (a secret of the CDN's); empty: none",
        _path,
    ),
    Setting(
        "page_cache_bytes",
        str(64 * 2**20),
        "memory of each worker for ready index pages",
        _number(2**20, 2**40),
        is_size=True,
    ),
    Setting(
        "fast_lane",
        "on",
        "whether a request that is byte for byte one answered before gets that answer without being read again",
        _one_of("on", "off"),
    ),
    Setting(
        "log_format",
        "auto",
        "`text`, `json`; `auto`: text on a terminal, JSON otherwise",
        _one_of("auto", "text", "json"),
    ),
    Setting(
        "metrics_token",
        "",
        "token that opens `/metrics` on the public port; empty: closed there",
        _text,
        is_secret=True,
    ),
    Setting(
        "metrics_listen",
        "",
        "`host:port` of a second listener that serves only `/metrics`; empty: none",
        _text,
    ),
    Setting(
        "fault",
        "",
        "test only: name of the point in the code at which the process kills itself",
        _fault_point,
    ),
    Setting(
        "shared_networks",
        "",
        "networks that many people share, separated by commas: wider limits there",
        _networks,
    ),
    Setting(
        "operator_networks",
        "",
        "networks from which the pages of operators, moderators and auditors open, separated by commas; empty: everywhere",
        _networks,
    ),
    Setting("sign_in_limit", "10/5m", "wrong passwords for one name, in which time", read_windows),
    Setting(
        "sign_in_network_limit", "10/5m", "wrong passwords from one network, in which time", read_windows
    ),
    Setting(
        "second_factor_limit",
        "5/5m 20/1h 50/1d",
        "wrong codes for one account, in which times",
        read_windows,
    ),
    Setting(
        "second_factor_network_limit",
        "10/5m 50/1h",
        "wrong codes from one network, in which times",
        read_windows,
    ),
    Setting(
        "mail_limit", "3/6h", "mails that somebody may ask for, for one account or address", read_windows
    ),
    Setting("mail_network_limit", "30/6h", "mails that may be asked for from one network", read_windows),
    Setting("sign_up_limit", "5/1h", "failed sign-ups for one address, in which time", read_windows),
    Setting(
        "sign_up_network_limit", "20/1h", "failed sign-ups from one network, in which time", read_windows
    ),
    Setting("link_limit", "10/1h", "wrong codes beside one mailed link, in which time", read_windows),
    Setting(
        "link_network_limit",
        "20/5m 100/1h",
        "links that are not there, opened from one network, in which times",
        read_windows,
    ),
    Setting("recovery_limit", "5/1h 10/1d", "failed recoveries of one account, in which times", read_windows),
    Setting(
        "recovery_network_limit", "20/1h", "failed recoveries from one network, in which time", read_windows
    ),
    Setting(
        "project_create_limit",
        "20/1h",
        "new projects of one person, in which time",
        read_windows,
    ),
    Setting(
        "project_create_network_limit",
        "40/1h",
        "new projects from one network, in which time",
        read_windows,
    ),
    Setting(
        "project_invitation_limit",
        "30/1h 100/1d",
        "invitations into projects by one person, made or sent again, in which times",
        read_windows,
    ),
    Setting(
        "project_invitation_network_limit",
        "100/1h",
        "invitations into projects from one network, made or sent again, in which time",
        read_windows,
    ),
    Setting(
        "report_limit", "10/1h 30/1d", "reports about projects by one person, in which times", read_windows
    ),
    Setting(
        "report_network_limit",
        "30/1h",
        "reports about projects from one network, in which time",
        read_windows,
    ),
    Setting(
        "leak_report_limit",
        "10/1h 30/1d",
        "reports of leaked tokens by one person, in which times",
        read_windows,
    ),
    Setting(
        "leak_report_network_limit",
        "30/1h",
        "reports of leaked tokens by people from one network, in which time",
        read_windows,
    ),
    Setting(
        "oidc_audience",
        "",
        "the audience that identity tokens from CI must be made for; CI systems derive names of variables from it; empty: the "
        "host of the base URL, with its port where that is not the usual one",
        _audience,
    ),
    Setting(
        "exchange_network_limit",
        "60/5m",
        "refused exchanges of identity tokens from one network, in which time",
        read_windows,
    ),
    Setting(
        "first_enrolment_days",
        "30",
        "the first second factor of an account with projects needs a mailed proof and sleeps for a day, unless the browser "
        "is known for this many days and the account was not silent for as long",
        _number(1, 3650),
    ),
    Setting(
        "mandate_history_days",
        "400",
        "facts of attempts at the gate are kept this many days for replays; 0: none are kept",
        _number(0, 3650),
    ),
)


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings as read; `sources` tells of each field `default`, `environment` or `option`."""

    environment: Environment
    data: Path
    base_url: str
    database_url: str
    storage_url: str
    mail_url: str
    mail_domains_trusted: tuple[str, ...]
    mail_dir: Path | None
    mail_bulk_rate: int
    mail_keep_days: int
    mail_bounce_token: str
    clock_file: Path | None
    rate_limits: Literal["on", "off"]
    reads: Literal["public", "private"]
    upload_rules: Literal["public", "internal"]
    uploads: Literal["open", "existing", "frozen"]
    project_creators: Literal["everybody", "approved", "operators"]
    upstream: str
    trusted_proxies: tuple[Network, ...]
    organizations: Literal["open", "application"]
    rp_id: str
    former_rp_ids: tuple[FormerName, ...]
    key_models: Path | None
    key_models_only: Literal["on", "off"]
    trusted_root: Path | None
    ca_file: Path | None
    key_file: Path
    password_length: int
    password_range_url: str
    issuer_outage_hours: int
    token_prefix: str
    leak_report_keys: Path | None
    file_limit: int
    project_limit: int
    release_open_days: int
    staged_days: int
    undo_days: int
    session_idle_minutes: int
    session_hours: int
    sign_up: Literal["open", "invitation", "closed"]
    project_invitation_days: int
    owner_removal_days: int
    deletion_days: int
    tombstone_days: int
    page_max_age: int
    purge_url: str
    purge_header_file: Path | None
    page_cache_bytes: int
    fast_lane: Literal["on", "off"]
    log_format: Literal["auto", "text", "json"]
    metrics_token: str
    metrics_listen: str
    fault: str
    shared_networks: tuple[Network, ...]
    operator_networks: tuple[Network, ...]
    sign_in_limit: tuple[Window, ...]
    sign_in_network_limit: tuple[Window, ...]
    second_factor_limit: tuple[Window, ...]
    second_factor_network_limit: tuple[Window, ...]
    mail_limit: tuple[Window, ...]
    mail_network_limit: tuple[Window, ...]
    sign_up_limit: tuple[Window, ...]
    sign_up_network_limit: tuple[Window, ...]
    link_limit: tuple[Window, ...]
    link_network_limit: tuple[Window, ...]
    recovery_limit: tuple[Window, ...]
    recovery_network_limit: tuple[Window, ...]
    project_create_limit: tuple[Window, ...]
    project_create_network_limit: tuple[Window, ...]
    project_invitation_limit: tuple[Window, ...]
    project_invitation_network_limit: tuple[Window, ...]
    report_limit: tuple[Window, ...]
    report_network_limit: tuple[Window, ...]
    leak_report_limit: tuple[Window, ...]
    leak_report_network_limit: tuple[Window, ...]
    oidc_audience: str
    exchange_network_limit: tuple[Window, ...]
    first_enrolment_days: int
    mandate_history_days: int
    sources: Mapping[str, str]

    @property
    def is_test(self) -> bool:
        """Whether the doors for tests may be used."""
        return self.environment == "test"

    @property
    def is_private(self) -> bool:
        """Whether reading needs a credential."""
        return self.reads == "private"

    @property
    def is_https(self) -> bool:
        """Whether people reach the site by https (cookies are `Secure` then)."""
        return self.base_url.startswith("https://")

    @property
    def origin(self) -> str:
        """Return scheme, host and port of the base URL, as browsers write an origin (RFC 6454)."""
        parts = urlsplit(self.base_url)
        port = "" if parts.port in {None, _PORTS.get(parts.scheme)} else f":{parts.port}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{parts.scheme.lower()}://{host}{port}"

    @property
    def audience(self) -> str:
        """Return whom identity tokens from CI must be made for: this index and no other."""
        return self.oidc_audience or self.origin.partition("://")[2]

    @property
    def key_name(self) -> str:
        """Return the RP ID: the name that security keys are made for (WebAuthn Level 3, 4)."""
        return self.rp_id.lower() or self.host

    def key_names(self, now: datetime) -> tuple[str, ...]:
        """Return the RP IDs whose keys are taken at `now`, the present one first."""
        former = [one.name for one in self.former_rp_ids if one.until and now.date() <= one.until]
        return (self.key_name, *(name for name in former if name != self.key_name))

    @property
    def host(self) -> str:
        """Return the host name of the base URL, as browsers write it (lower case, IDNA, no dot at its end)."""
        host = (urlsplit(self.base_url).hostname or "localhost").removesuffix(".")
        return host if host.isascii() else host.encode("idna").decode()

    @property
    def files_folder(self) -> Path:
        """Return the folder of the blobs."""
        if self.storage_url:
            return Path(urlsplit(self.storage_url).path)
        return self.data / "files"

    @property
    def mail_folder(self) -> Path:
        """Return the folder where mails become files."""
        return self.mail_dir or self.data / "mail"

    @property
    def sqlite_path(self) -> Path | None:
        """Return the SQLite file, or None on PostgreSQL."""
        return None if self.database_url else self.data / "keyhouse.sqlite3"

    @property
    def database_kind(self) -> str:
        """Return `sqlite` or `postgresql`."""
        return "postgresql" if self.database_url else "sqlite"


def read(environ: Mapping[str, str], options: Mapping[str, str] | None = None) -> Configuration:
    """Read all settings; `options` (by field) come from the command line and win.

    Raises ConfigurationError with the name of the setting and what is allowed.
    """
    _refuse_unknown(environ)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for setting in SETTINGS:
        text, source = _find_text(setting, environ, options or {})
        sources[setting.field] = source
        values[setting.field] = _read_one(setting, text)
    values["base_url"] = values["base_url"] or "http://localhost:8400"
    values["key_file"] = values["key_file"] or values["data"] / "keys.json"
    configuration = Configuration(**values, sources=sources)
    _refuse_test_doors(configuration)
    _refuse_foreign_key_name(configuration)
    if configuration.purge_url and configuration.is_private:
        raise ConfigurationError(
            "KEYHOUSE_PURGE_URL needs KEYHOUSE_READS=public: of a private index nothing may be kept by a CDN."
        )
    if configuration.key_models_only == "on" and configuration.key_models is None:
        raise ConfigurationError(
            "KEYHOUSE_KEY_MODELS_ONLY=on needs KEYHOUSE_KEY_MODELS: the file with the models."
        )
    return configuration


def _find_text(setting: Setting, environ: Mapping[str, str], options: Mapping[str, str]) -> tuple[str, str]:
    if setting.field in options:
        return options[setting.field], "option"
    if environ.get(setting.name, "") != "":
        return environ[setting.name], "environment"
    return setting.default, "default"


def _read_one(setting: Setting, text: str) -> Any:
    try:
        return setting.read(text)
    except ValueError as error:
        shown = "that value" if setting.is_secret else repr(text[:100])
        message = f"{setting.name}: {shown} is not allowed here; it takes {error}."
        raise ConfigurationError(message) from error


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = {setting.name for setting in SETTINGS} | IGNORED_NAMES
    for name in environ:
        if name.startswith(PREFIX) and name not in known and not name.startswith(IGNORED_PREFIXES):
            message = f"{name} is not a setting of Keyhouse; `keyhouse settings` lists them."
            raise ConfigurationError(message)


def _refuse_test_doors(configuration: Configuration) -> None:
    doors = {
        "KEYHOUSE_CLOCK_FILE": configuration.clock_file is not None,
        "KEYHOUSE_RATE_LIMITS=off": configuration.rate_limits == "off",
        "KEYHOUSE_FAULT": bool(configuration.fault),
    }
    for name, is_open in doors.items():
        if is_open and not configuration.is_test:
            message = f"{name} is for KEYHOUSE_ENVIRONMENT=test only."
            raise ConfigurationError(message)


_PORTS: Final = {"http": 80, "https": 443}


def _refuse_foreign_key_name(configuration: Configuration) -> None:
    """Refuse a name that browsers would never let this host use: it is the host, or a domain that the host lies in."""
    name, host = configuration.key_name, configuration.host
    if name != host and not ("." in name and host.endswith(f".{name}")):
        raise ConfigurationError(
            f"KEYHOUSE_RP_ID: {name!r} is not allowed here; it takes the host of the base URL ({host}) "
            f"or a domain that it lies in."
        )


# not a setting: `keyhouse serve` tells its workers by this which certificate they show
SERVED_CERTIFICATE: Final = "TLS_CERTIFICATE_SERVED"


def find_served_certificate() -> Path | None:
    """Return the certificate file that this server shows, or None where something in front of it does."""
    path = os.environ.get(SERVED_CERTIFICATE, "")
    return Path(path) if path else None


_current: Configuration | None = None


def use(configuration: Configuration) -> Configuration:
    """Make this the configuration of the process, and let the clock follow it."""
    global _current  # noqa: PLW0603 - one configuration per process, set at start-up
    from keyhouse.core import clock  # noqa: PLC0415 - the clock must not import the configuration

    _current = configuration
    clock.follow_file(configuration.clock_file)
    return configuration


def current() -> Configuration:
    """Return the configuration of this process, reading the environment at the first call."""
    return _current or use(read(os.environ))


def setting_of(field: str) -> Setting:
    """Return the setting of that field name."""
    return next(setting for setting in SETTINGS if setting.field == field)


def shown_value(configuration: Configuration, setting: Setting) -> str:
    """Return the value as `keyhouse settings` prints it: secrets hidden."""
    value = cast("object", getattr(configuration, setting.field))
    if setting.is_secret:
        return "(set)" if value else "(not set)"
    if isinstance(value, tuple):
        return ", ".join(str(part) for part in value)
    return "" if value is None else str(value)
