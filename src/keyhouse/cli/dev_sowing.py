"""From a read document to rows: what is slow first (hashes, files), then everything in one transaction.

The actor is the host. Gates, limits and waiting times are not asked; the rules for names and files are.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Lower

from keyhouse.accounts.cookies import cookie_name
from keyhouse.accounts.hashing import AT_ONCE, hash_password
from keyhouse.accounts.models import Email, User
from keyhouse.accounts.populating import NewAccount, create_users
from keyhouse.accounts.queries import find_user
from keyhouse.accounts.rules import check_address, check_username
from keyhouse.accounts.second_factors.recovery_codes.rules import new_codes, shown_code
from keyhouse.accounts.second_factors.recovery_codes.services import hash_codes
from keyhouse.accounts.second_factors.totp.rules import encode_secret, new_secret
from keyhouse.accounts.sessions import csrf_token_for, start_session
from keyhouse.audit.services import record
from keyhouse.cli.dev_document import (
    Document,
    SeedExemption,
    SeedFile,
    SeedIssuer,
    SeedMandate,
    SeedProject,
    SeedPublisher,
    SeedRefused,
    SeedSession,
    SeedToken,
    SeedUser,
)
from keyhouse.cli.dev_keys import new_soft_key
from keyhouse.cli.dev_organizing import give_roles, home_of, homes_by_team, make_organization
from keyhouse.core import clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import PHISHING_RESISTANT_METHODS, Strength, host
from keyhouse.core.errors import Refusal
from keyhouse.credentials.tokens.robots import mint_robot_token
from keyhouse.credentials.tokens.services import mint_token
from keyhouse.credentials.trusted_publishers.issuers import add_issuer
from keyhouse.credentials.trusted_publishers.models import Provider
from keyhouse.credentials.trusted_publishers.services import Told, add_pending_publisher, add_publisher
from keyhouse.distfiles.names import normalise
from keyhouse.mandate.services import seed_exemption, seed_version
from keyhouse.projects import queries as project_queries
from keyhouse.projects.life_cycle.services import archive_project
from keyhouse.projects.models import Project
from keyhouse.projects.populating import NewProject, create_projects
from keyhouse.projects.rights import find_role_kind
from keyhouse.projects.rules import allows_role
from keyhouse.projects.services import NewFile, publish_file
from keyhouse.publishing.upload.local import store_local_file

Answer = dict[str, list[dict[str, Any]]]

_BY: Final = host()
_LONGEST_BY: Final = 50  # characters of who stands beside a file
_ASKED_AT_ONCE: Final = 500  # names of one question
# what a session that a person proves by one method has proven as a whole; a passkey is proof enough alone
_PROVEN: Final = {
    "password": frozenset({"password"}),
    "passkey": frozenset({"passkey"}),
    **{method: frozenset({"password", method}) for method in ("totp", "webauthn", "recovery_code")},
}


@dataclass(slots=True)
class Sowing:
    """A document on its way: what was prepared, what was made so far, what will be answered."""

    document: Document
    accounts: list[NewAccount] = field(default_factory=list)
    secrets: list[dict[str, Any]] = field(default_factory=list)  # of the users, in their order
    files: list[NewFile] = field(default_factory=list)
    people: dict[str, User] = field(default_factory=dict)  # by name in lower case
    answer: Answer = field(default_factory=dict)

    def person(self, name: str, where: str) -> User:
        """Return somebody by name, made now or before; raises SeedRefused."""
        key = name.lower()
        if key not in self.people:
            found = find_user(name)
            if found is None:
                raise SeedRefused(f"{where}: there is no user {name!r}.")
            self.people[key] = found
        return self.people[key]

    def tell(self, name: str, facts: Iterable[dict[str, Any]]) -> None:
        """Answer a list with its entries as they came, and these facts beside them."""
        if name in self.document.raw:
            entries = self.document.raw[name]
            self.answer[name] = [{**entry, **more} for entry, more in zip(entries, facts, strict=True)]


def sow(document: Document) -> Answer:
    """Make all that the document names, or nothing; returns the same lists with what only the maker may know.

    Raises SeedRefused. Nothing that takes long happens inside the transaction.
    """
    sowing = Sowing(document)
    for prepare in (_refuse_taken_users, _refuse_taken_projects, _hash_secrets, _store_files):
        prepare(sowing)
    try:
        with transaction.atomic(durable=True):
            for make in _MAKERS:
                make(sowing)
    except IntegrityError as error:  # somebody else was faster, or two entries name the same thing
        raise SeedRefused(f"Something of this name exists already: {str(error).splitlines()[0]}.") from error
    return sowing.answer


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Let a refusal say which entry it is about."""
    try:
        yield
    except SeedRefused:
        raise
    except Refusal as refusal:
        raise SeedRefused(f"{where}: {refusal.line}") from refusal
    except OSError as error:
        raise SeedRefused(f"{where}: {error.strerror or error}.") from error


# ---- people


def _refuse_taken_users(sowing: Sowing) -> None:
    names: dict[str, str] = {}
    addresses: dict[str, str] = {}
    for number, user in enumerate(sowing.document.users):
        where = f"users[{number}]"
        with _named(where):
            _note_once(names, check_username(user.username), where, "user name")
            if user.email is not None:
                address = check_address(user.email)
                if user.verified:
                    _note_once(addresses, address, where, "address")
    verified = Email.objects.filter(verified_at__isnull=False).annotate(folded=Lower("address"))
    _refuse_existing(names, User.objects.annotate(folded=Lower("username")), "user name")
    _refuse_existing(addresses, verified, "address")


def _note_once(seen: dict[str, str], text: str, where: str, kind: str) -> None:
    if text.lower() in seen:
        raise SeedRefused(f"{where}: the {kind} {text} stands in the document twice.")
    seen[text.lower()] = where


def _refuse_existing(wanted: dict[str, str], rows: Any, kind: str) -> None:
    """Refuse names that are in the index already; `rows` have their name `folded`."""
    for some in _pieces(list(wanted)):
        for taken in rows.filter(folded__in=some).values_list("folded", flat=True):
            raise SeedRefused(f"{wanted[taken]}: the {kind} {taken} exists already.")


def _pieces(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _ASKED_AT_ONCE):
        yield names[start : start + _ASKED_AT_ONCE]


def _hash_secrets(sowing: Sowing) -> None:
    """Hash passwords and codes, as many at once as the product does."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for account, told in pool.map(_account_of, sowing.document.users):
            sowing.accounts.append(account)
            sowing.secrets.append(told)


def _account_of(user: SeedUser) -> tuple[NewAccount, dict[str, Any]]:
    secret = new_secret() if "totp" in user.second_factors else None
    codes = new_codes() if "recovery_codes" in user.second_factors else None
    key = new_soft_key() if "webauthn" in user.second_factors else None
    account = NewAccount(
        user.username,
        hash_password(user.password),
        address=user.email,
        is_verified=user.verified,
        is_operator=user.operator,
        is_moderator=user.moderator,
        is_auditor=user.auditor,
        state=user.state,
        joined_at=user.joined_at,
        last_seen_at=user.last_seen_at,
        totp_secret=secret,
        codes=hash_codes(codes) if codes else None,
        key=key.kept if key else None,
    )
    told: dict[str, Any] = {"totp_secret": encode_secret(secret)} if secret else {}
    if codes:
        told["recovery_codes"] = [shown_code(code) for code in codes]
    if key:
        told["webauthn"] = key.told
    return account, told


def _make_users(sowing: Sowing) -> None:
    users = create_users(sowing.accounts, by=_BY)
    sowing.people |= {user.username.lower(): user for user in users}
    told = zip(users, sowing.secrets, strict=True)
    sowing.tell("users", ({"id": user.pk, **more} for user, more in told))


def _make_sessions(sowing: Sowing) -> None:
    entries = enumerate(sowing.document.sessions)
    sowing.tell("sessions", [_start(sowing, entry, f"sessions[{number}]") for number, entry in entries])


def _start(sowing: Sowing, entry: SeedSession, where: str) -> dict[str, Any]:
    user = sowing.person(entry.user, where)
    if not entry.proved:
        raise SeedRefused(f"{where}: a session has proved something.")
    session, value = start_session(
        user,
        entry.proved,
        at=entry.at,
        user_verified="passkey" in entry.proved,
        device_bound=_is_by_key(entry.proved),
    )
    thing = Thing("session", session.public_id)
    record("session.start", by=_BY, about=thing, account_id=user.pk, details={"proved": session.methods})
    return {
        "id": session.public_id,
        "cookie": f"{cookie_name()}={value}",
        "csrf": csrf_token_for(session),
    }


# ---- organizations


def _make_organizations(sowing: Sowing) -> None:
    made = []
    for number, entry in enumerate(sowing.document.organizations):
        where = f"organizations[{number}]"
        with _named(where):
            made.append(make_organization(entry, where, partial(sowing.person, where=where)))
    sowing.tell("organizations", ({"id": one.pk} for one in made))


def _give_team_roles(sowing: Sowing) -> None:
    for number, entry in enumerate(sowing.document.organizations):
        where = f"organizations[{number}]"
        with _named(where):
            give_roles(entry, where)


# ---- projects and files


def _refuse_taken_projects(sowing: Sowing) -> None:
    names: dict[str, str] = {}
    for number, entry in enumerate(sowing.document.projects):
        _note_once(names, normalise(entry.name), f"projects[{number}]", "project")
    rows = Project.objects.annotate(folded=F("normalized_name"))
    _refuse_existing(names, rows, "project")


def _make_projects(sowing: Sowing) -> None:
    entries = enumerate(sowing.document.projects)
    homes = homes_by_team(sowing.document.organizations)
    with _named("projects"):
        projects = create_projects(
            [_new_project(sowing, entry, f"projects[{number}]", homes) for number, entry in entries], by=_BY
        )
    sowing.tell("projects", ({"id": project.pk} for project in projects))


def _new_project(sowing: Sowing, entry: SeedProject, where: str, homes: dict[str, str]) -> NewProject:
    home = home_of(entry, where, homes)
    if not entry.owners and home is None:
        raise SeedRefused(f"{where}: a project needs an owner.")
    return NewProject(
        entry.name,
        [sowing.person(name, where) for name in entry.owners],
        [sowing.person(name, where) for name in entry.maintainers],
        entry.created_at,
        home,
    )


def _store_files(sowing: Sowing) -> None:
    """Judge each file and store its bytes; nobody sees them before the rows are there."""
    seen: dict[str, str] = {}
    for number, entry in enumerate(sowing.document.files):
        where, path = f"files[{number}]", Path(entry.path)
        _note_once(seen, path.name, where, "file name")
        if project_queries.find_file(path.name):
            raise SeedRefused(f"{where}: the file {path.name} exists already.")
        with _named(f"{where} ({entry.path})"):
            sowing.files.append(store_local_file(path, by=_BY))


def _publish_files(sowing: Sowing) -> None:
    entries = zip(sowing.document.files, sowing.files, strict=True)
    sowing.tell(
        "files",
        [_publish(sowing, entry, new, f"files[{number}]") for number, (entry, new) in enumerate(entries)],
    )


def _publish(sowing: Sowing, entry: SeedFile, new: NewFile, where: str) -> dict[str, Any]:
    user = sowing.person(entry.by, where)
    thing = Thing("project", None, new.normalized_name)
    is_there = project_queries.find_project(new.normalized_name) is not None
    if is_there and not allows_role(find_role_kind(user.pk, thing), "release.upload"):
        raise SeedRefused(f"{where}: {entry.by} has no role in the project {new.project_name}.")
    history = replace(
        new,
        uploaded_via="seed",
        uploaded_at=entry.uploaded_at,
        owner_id=user.pk,
        uploaded_by=user.username,
    )
    if entry.publication is not None:
        origin = str(entry.publication["claims"].get("repository", ""))
        told = f"{entry.publication['provider']}:{origin}"[:_LONGEST_BY]
        history = replace(history, uploaded_via="publisher", uploaded_by=told, publication=entry.publication)
    with _named(f"{where} ({entry.path})"):
        file = publish_file(history, by=_BY)
    return {"id": file.pk, "filename": file.filename, "url": f"/files/{file.path}", "sha256": file.sha256}


def _archive(sowing: Sowing) -> None:
    """Archive projects last: an archived one takes no files."""
    for entry in sowing.document.projects:
        if entry.archived:
            archive_project(normalise(entry.name), by=_BY)


# ---- tokens


def _mint_tokens(sowing: Sowing) -> None:
    entries = enumerate(sowing.document.tokens)
    sowing.tell("tokens", [_mint(sowing, entry, f"tokens[{number}]") for number, entry in entries])


def _mint(sowing: Sowing, entry: SeedToken, where: str) -> dict[str, Any]:
    person = sowing.person(entry.user, where)
    told: dict[str, Any] = {
        "description": entry.description or f"seeded {secrets.token_hex(4)}",
        "expires_in_days": entry.expires_in_days,
        "version": entry.release,
        "networks": entry.networks,
        "by": _BY,
        "strength": _strength_of(entry.minted_with, entry.minted_at or clock.now()),
        "minted_at": entry.minted_at,
    }
    with _named(where):
        if entry.robot:
            (name,) = entry.projects or ("",)
            token, text = mint_robot_token(normalise(name), owner=person, **told)
        else:
            ids = None if entry.projects is None else _project_ids(entry.projects, where)
            token, text = mint_token(person, project_ids=ids, actions=entry.actions, **told)
    return {"id": token.pk.hex, "token": text, "expires_at": clock.format_instant(token.expires_at)}


def _add_issuers(sowing: Sowing) -> None:
    entries = enumerate(sowing.document.issuers)
    sowing.tell("issuers", [_add_issuer(entry, f"issuers[{number}]") for number, entry in entries])


def _add_issuer(entry: SeedIssuer, where: str) -> dict[str, Any]:
    claims = entry.claims
    if claims is None:
        claims = ("sub",) if entry.provider == Provider.CUSTOM else ()
    with _named(where):
        row = add_issuer(
            entry.url,
            entry.provider,
            label=entry.label,
            required_claims=claims,
            may_be_private=entry.may_be_private,
            by=_BY,
        )
    return {"id": row.pk, "url": row.url}


# ---- publishers


def _set_publishers_up(sowing: Sowing) -> None:
    entries = enumerate(sowing.document.publishers)
    sowing.tell("publishers", [_set_up(sowing, entry, f"publishers[{number}]") for number, entry in entries])


def _set_up(sowing: Sowing, entry: SeedPublisher, where: str) -> dict[str, Any]:
    at = entry.configured_at or clock.now()
    told = Told(sowing.person(entry.configured_by, where), _strength_of(entry.configured_with, at), at)
    add, name = (
        (add_pending_publisher, entry.project) if entry.pending else (add_publisher, normalise(entry.project))
    )
    with _named(where):
        publisher = add(name, entry.provider, entry.issuer or "", entry.fields, by=_BY, told=told)
    return {"id": publisher.pk, "issuer": publisher.issuer_url, "environment": publisher.environment}


def _strength_of(method: str, at: datetime) -> Strength:
    methods = _PROVEN[method]
    return Strength(methods, at, user_verified=method == "passkey", device_bound=_is_by_key(methods))


def _is_by_key(methods: Iterable[str]) -> bool:
    """Tell whether a key stood behind it: the keys that are seeded can't leave their device."""
    return not PHISHING_RESISTANT_METHODS.isdisjoint(methods)


def _project_ids(names: Iterable[str], where: str) -> list[int]:
    wanted = [normalise(name) for name in names]
    found = dict(Project.objects.filter(normalized_name__in=wanted).values_list("normalized_name", "pk"))
    for name in wanted:
        if name not in found:
            raise SeedRefused(f"{where}: there is no project {name!r}.")
    return [found[name] for name in dict.fromkeys(wanted)]


# ---- mandates


def _enact_mandates(sowing: Sowing) -> None:
    entries = enumerate(sowing.document.mandates)
    sowing.tell("mandates", [_enact(sowing, entry, f"mandates[{number}]") for number, entry in entries])


def _enact(sowing: Sowing, entry: SeedMandate, where: str) -> dict[str, Any]:
    approvers = [sowing.person(name, where).username for name in entry.approved_by]
    with _named(where):
        row = seed_version(entry.document, approved_by=approvers, by=_BY)
    return {"id": row.pk, "version": row.version, "digest": row.digest}


def _exempt_people(sowing: Sowing) -> None:
    entries = enumerate(sowing.document.exemptions)
    sowing.tell("exemptions", [_exempt(sowing, entry, f"exemptions[{number}]") for number, entry in entries])


def _exempt(sowing: Sowing, entry: SeedExemption, where: str) -> dict[str, Any]:
    person, approver = sowing.person(entry.user, where), sowing.person(entry.approved_by, where)
    with _named(where):
        row = seed_exemption(
            person,
            entry.mandate,
            until=entry.until,
            reason=entry.reason,
            approved_by=approver.username,
            by=_BY,
        )
    return {"id": row.pk, "version": row.version.version}


# in this order: later ones refer to what earlier ones made
_MAKERS: Final = (
    _make_users,
    _make_sessions,
    _make_organizations,
    _make_projects,
    _give_team_roles,
    _publish_files,
    _archive,
    _mint_tokens,
    _add_issuers,
    _set_publishers_up,
    _enact_mandates,
    _exempt_people,
)
