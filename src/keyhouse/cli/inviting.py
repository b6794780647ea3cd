"""Inviting a list of people from the host: each once, and the same command goes on where it was."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import click
from django.db import transaction

from keyhouse.accounts.errors import AddressTaken, UsernameTaken
from keyhouse.accounts.inviting.errors import PeopleInvalid
from keyhouse.accounts.inviting.people import Invitee, read_people
from keyhouse.accounts.inviting.queries import find_invitation
from keyhouse.accounts.queries import find_user, find_verified_email
from keyhouse.accounts.services import invite_user
from keyhouse.cli.interrupts import put_off
from keyhouse.cli.progress import follow
from keyhouse.core import clock, configuration
from keyhouse.core.actor import host
from keyhouse.core.errors import Refusal
from keyhouse.distfiles.names import normalise
from keyhouse.projects.collaborators.errors import AlreadyInvited, ProjectLeft
from keyhouse.projects.collaborators.services import invite
from keyhouse.projects.ownership import is_left
from keyhouse.projects.queries import find_project
from keyhouse.projects.rules import MAINTAINER, OWNER


@dataclass(frozen=True, slots=True)
class Wish:
    """How people are invited."""

    is_mailed: bool
    is_again: bool
    is_dry: bool
    as_json: bool


def invite_many(path: Path, wish: Wish) -> None:
    """Invite everybody of a list; prints a line `name,address,link` for each who is, and exits 1 where somebody can't be."""
    try:
        people = read_people(path)
    except PeopleInvalid as refusal:
        raise click.UsageError(f"{refusal.sentence} {refusal.fix}") from refusal
    _require_projects(people)
    done: Counter[str] = Counter()
    for person in follow(people, "Inviting"):
        with put_off():  # a link that is made and not printed would be lost: only its digest is kept
            done[_invite(person, wish)] += 1
    verb = "would be invited" if wish.is_dry else "invited"
    click.echo(
        f"{done['invited']:,} {verb}, {done['here']:,} have an account, {done['waiting']:,} were invited before, "
        f"{done['refused']:,} refused.",
        err=True,
    )
    sys.exit(1 if done["refused"] else 0)


def _require_projects(people: list[Invitee]) -> None:
    first = {wanted: person for person in reversed(people) for wanted in person.projects}
    for wanted, person in sorted(first.items(), key=lambda item: item[0]):
        name, role = _project_and_role(wanted)
        project, told = find_project(name), f"{person.username} is to have {wanted}"
        if role not in {OWNER, MAINTAINER}:
            raise click.UsageError(f"{told}: there is no role {role}. It is owner or maintainer.")
        if project is None:
            raise click.UsageError(f"{told}: there is no such project here. Make it first, or leave it out.")
        if is_left(project, clock.now()):
            raise click.UsageError(f"{told}: {ProjectLeft.sentence} {ProjectLeft.fix}")


def _project_and_role(wanted: str) -> tuple[str, str]:
    name, _, role = wanted.partition(":")
    return normalise(name), role or MAINTAINER


def _invite(person: Invitee, wish: Wish) -> str:
    try:
        if _has_account(person):
            return "here"
        waits = find_invitation(person.username, person.address, clock.now()) is not None
        if waits and not wish.is_again:
            return "waiting"
        if wish.is_dry:
            _print(person, "", wish)
        else:
            with transaction.atomic():  # whoever is invited is passed over later, so all of it or nothing
                path = invite_user(person.username, person.address, by=host(), is_mailed=wish.is_mailed)
                _offer_projects(person)
            _print(person, "" if wish.is_mailed else configuration.current().base_url + path, wish)
    except Refusal as refusal:
        click.echo(f"{person.username}: {refusal.line} {refusal.fix}".rstrip(), err=True)
        return "refused"
    return "invited"


def _has_account(person: Invitee) -> bool:
    """Whether this very person is here; raises where name or address are somebody else's."""
    user, email = find_user(person.username), find_verified_email(person.address)
    if user is not None and (email is None or email.user_id != user.pk):
        raise UsernameTaken
    if user is None and email is not None:
        raise AddressTaken
    return user is not None


def as_line(username: str, address: str, link: str | None) -> str:
    """Return a line of JSON; the link is null where it is mailed, or nothing was done."""
    return json.dumps({"username": username, "address": address, "link": link})


def _print(person: Invitee, link: str, wish: Wish) -> None:
    """Print at once: what is printed can't be printed again."""
    if wish.as_json:
        click.echo(as_line(person.username, person.address, link or None))
        return
    csv.writer(sys.stdout, lineterminator="\n").writerow(
        [person.username, person.address, *([link] if link else [])]
    )
    sys.stdout.flush()


def _offer_projects(person: Invitee) -> None:
    for wanted in person.projects:
        name, role = _project_and_role(wanted)
        try:
            invite(name, person.address, role, by=host(), is_told=False)
        except AlreadyInvited:
            continue
