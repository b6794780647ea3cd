"""What mails about ways out say. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from keyhouse.accounts.emails import site_address
from keyhouse.core import clock
from keyhouse.mail.letters import Facts, Letter, Link, Text
from keyhouse.mandate.exits.models import LayingDown, Request

PAGE = "/account/mandate/exits/"
REQUESTS = "/operator/mandates/requests/"
_WORDS = {
    Request.Kind.EXEMPTION: "an exemption",
    Request.Kind.KEY: "a security key",
}


def told(row: Request) -> str:
    """Return in words what somebody asks for."""
    words = _WORDS[Request.Kind(row.kind)]
    return f"{words} from {row.mandate}" if row.mandate else words


def asked(row: Request) -> Letter:
    """Return the notice to the operators that somebody asks for something."""
    return Letter(
        "exit-request",
        f"{row.user.username} asks for {told(row)}",
        (
            Text(f"{row.user.username} asks for {told(row)}."),
            Facts((("Why", row.reason),)),
            Text("The console lists what people ask for:"),
            Link("Requests", site_address(REQUESTS)),
        ),
    )


def answered(row: Request) -> Letter:
    """Return the answer to whoever asked."""
    granted = row.outcome == Request.Outcome.GRANTED
    rows = [("Answer", row.answer)] if row.answer else []
    if granted and row.exemption is not None:
        rows.append(("Until", clock.format_second(row.exemption.until)))
    meant = (
        "You stay counted as somebody who does not comply yet; it ends by itself."
        if granted and row.kind == Request.Kind.EXEMPTION
        else "What else you can do stands on the page about ways out, after you have signed in the way you always do."
    )
    outcome = "have what you asked for" if granted else "do not get what you asked for"
    return Letter(
        "exit-answer",
        f"Your request for {told(row)} was {'granted' if granted else 'refused'}",
        (Text(f"You {outcome}: {told(row)}."), Facts(tuple(rows)), Text(meant)),
    )


def will_be_laid_down(row: LayingDown) -> Letter:
    """Return the notice to everybody concerned that something loses its only owner."""
    return Letter(
        "laying-down",
        f"{row.user.username} lays down the {row.kind} {row.normalized_name}",
        (
            Text(
                f"{row.user.username} is the only owner of the {row.kind} {row.normalized_name} and gives it up. What then "
                "has no owner is archived: it can be installed as before, and takes no new files. Where it is deprecated, "
                "that ends, with the successor that it names."
            ),
            Facts((("Takes effect at", clock.format_second(row.due_at)),)),
            Text("Until then the owner can take it back, or hand it over, on the page about ways out:"),
            Link("Ways out", site_address(PAGE)),
        ),
    )


def taken_up(row: LayingDown) -> Letter:
    """Return the notice that an owner keeps it."""
    return Letter(
        "laying-down-over",
        f"{row.user.username} keeps the {row.kind} {row.normalized_name}",
        (Text(f"{row.user.username} took back giving up the {row.kind} {row.normalized_name}."),),
    )


class Archived(NamedTuple):
    """A project that was archived for want of an owner, and whether that ended its deprecation."""

    name: str
    was_deprecated: bool


def laid_down(row: LayingDown, archived: tuple[Archived, ...]) -> Letter:
    """Return the notice to the others that it has happened."""
    text = f"{row.user.username} owns the {row.kind} {row.normalized_name} no more."
    if archived:
        text += f" Archived, since nobody owns it: {', '.join(one.name for one in archived)}."
    ended = [one.name for one in archived if one.was_deprecated]
    if ended:
        text += f" Deprecated no longer, and without a successor from now on: {', '.join(ended)}."
    return Letter("laid-down", f"{row.user.username} has laid down {row.normalized_name}", (Text(text),))


def out_of_scope(what: str, left: tuple[str, ...], now: datetime) -> Letter:
    """Return what whoever gave something up is told: that nothing is asked of them any more, or what still is."""
    after = (
        f"These mandates still concern you, by what else you may do here: {'; '.join(left)}."
        if left
        else "No mandate concerns you any more. Your account stays; you can install, read and report as everybody can."
    )
    return Letter(
        "out-of-scope",
        f"You have given up {what}",
        (Text(f"You have given up {what}."), Text(after), Facts((("When", clock.format_second(now)),))),
    )
