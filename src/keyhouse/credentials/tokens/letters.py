"""What mails say about API tokens and robot tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from keyhouse.accounts.emails import site_address
from keyhouse.core import clock
from keyhouse.credentials.tokens.homes import Home, find_home
from keyhouse.credentials.tokens.models import Token
from keyhouse.mail.letters import Block, Facts, Letter, Link, Text
from keyhouse.projects.models import Project

OWN: Final = "/account/tokens/"


def robots_path(home: Home) -> str:
    """Return the page of the robot tokens of a project or organization."""
    return f"{home.path}robot-tokens/"


def page_of(token: Token) -> str:
    """Return the page on which a token is revoked."""
    home = find_home(token)
    return OWN if home is None else robots_path(home)


def _page(home: Home) -> Link:
    of = "organization" if home.is_organization else "project"
    return Link(f"Robot tokens of the {of}", site_address(robots_path(home)))


def robot_made(home: Home, token: Token, by: str) -> Letter:
    """Return the notice to the other owners that there is a new robot token."""
    return Letter(
        "robot-token-made",
        f"{by} made a robot token for {home.words}",
        (
            Text(
                f"{by} made the robot token “{token.description}”, with which a program can upload to "
                f"{_uploaded_to(home)}, which you own, too."
            ),
            Facts((("Ends", clock.format_second(token.expires_at)),)),
            Text("If that is not meant to be, revoke it; any owner may."),
            _page(home),
        ),
    )


def _uploaded_to(home: Home) -> str:
    return f"projects of {home.words}" if home.is_organization else f"the project {home.name}"


def robot_revoked(home: Home, token: Token, by: str) -> Letter:
    """Return the notice to the other owners that a robot token has ended."""
    return Letter(
        "robot-token-revoked",
        f"{by} revoked a robot token of {home.words}",
        (
            Text(f"{by} revoked “{token.description}”. Programs that used it can't upload any more."),
            _page(home),
        ),
    )


def rests(home: Home, token: Token) -> Letter:
    """Return the notice to the owners that a robot token works for nobody until one of them stands behind it."""
    return Letter(
        "robot-token-rests",
        f"A robot token of {home.words} rests",
        (
            Text(
                f"{token.user.username}, who stood behind the robot token “{token.description}”, is no owner of "
                f"{home.words} any more. Programs that use it can't upload until an owner stands behind it."
            ),
            Text(
                "Whoever knew the token then knows it now. If you aren't sure who does, revoke it and make a new one."
            ),
            _page(home),
        ),
    )


_MOST_NAMED: Final = 20


def reaches_less(tokens: Sequence[str], lost: Sequence[str], left: Sequence[str]) -> Letter:
    """Return the notice to somebody that their tokens for all projects reach less, and what they reach still."""
    several = len(tokens) > 1
    these = _named([f"“{one}”" for one in tokens])
    return Letter(
        "token-reaches-less",
        "Your tokens for all your projects reach less" if several else f"{these} reaches less",
        (
            Text(
                f"You have no role any more in {_named(lost)}. Your API {'tokens' if several else 'token'} {these}, which "
                f"{'are' if several else 'is'} for all your projects, can't upload there any more."
            ),
            Text(
                f"What {'they reach' if several else 'it reaches'} still: {_named(left)}."
                if left
                else f"{'They reach' if several else 'It reaches'} no project now, only names to come that nobody has."
            ),
            Text("If nothing needs them any more, revoke them; a token for one project is the safer one."),
            Link("Your tokens", site_address(OWN)),
        ),
    )


def _named(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def ends_soon(token: Token, days: int) -> Letter:
    """Return the reminder that a token ends in so many days or fewer."""
    home = find_home(token)
    kind = "API token" if home is None else f"robot token of {home.words}"
    used = (
        f"{clock.format_second(token.last_used_at)} from {token.last_used_network}"
        if token.last_used_at
        else "never"
    )
    return Letter(
        "token-ends-soon",
        f"Your {kind} “{token.description}” ends in {days} days"
        if home is None
        else f"The {kind} “{token.description}” ends in {days} days",
        (
            Text(f"The {kind} “{token.description}” stops working then, and what uses it with it."),
            Facts((("Ends", clock.format_second(token.expires_at)), ("Last used", used))),
            Text(
                "If it is still needed, make a new one and put it in its place. If not, there is nothing to do."
            ),
            Link("See it", site_address(page_of(token))),
        ),
    )


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a token was found: an address, and what kind of place that is. Both may be empty."""

    url: str = ""
    source: str = ""


def leaked(kind: str, description: str, spot: Spot, page: str) -> Letter:
    """Return the notice that a token was found in the open and has been revoked."""
    found: tuple[tuple[str, str], ...] = tuple(
        (name, value) for name, value in (("Found at", spot.url), ("Source", spot.source)) if value
    )
    rows: tuple[Block, ...] = (Facts(found),) if found else ()
    return Letter(
        "token-leaked",
        f"Revoked: the {kind} “{description}” was found in the open",
        (
            Text(
                f"Somebody found the {kind} “{description}” where others can read it, and reported it. It was revoked at "
                f"once, so nobody can use it any more; programs that used it can't, either."
            ),
            *rows,
            Text(
                "What to do: look whether anything was published that you don't know of, take the token out of the place "
                "where it was found, and give your programs a new one, as narrow as they can do with."
            ),
            Link("See your tokens" if page == OWN else "See whose it is", site_address(page)),
        ),
    )


def used_beside_publisher(token: Token, project: Project) -> Letter:
    """Return the notice to a token's owner that the project needs no token any more."""
    return Letter(
        "token-beside-publisher",
        f"You may not need the token “{token.description}” any more",
        (
            Text(
                f"“{token.description}” was used to upload to {project.name}, which has a trusted publisher: a CI job that "
                f"publishes without any stored secret. If that job does it all, revoke the token; what isn't there can't be "
                f"stolen. You are told this once."
            ),
            Link("See it", site_address(page_of(token))),
        ),
    )
