"""The one mail that tells a person all that is due: by gaps filled into public texts, without any link."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from keyhouse.accounts.emails import phrased
from keyhouse.mail.letters import Letter, Text
from keyhouse.mandate import words
from keyhouse.mandate.declarations import demand_of
from keyhouse.mandate.facts import Facts
from keyhouse.mandate.notices.rules import Item
from keyhouse.mandate.notices.wording import (
    DATE,
    DEMAND,
    FRAME,
    NAME,
    NOTICES,
    ORGANIZATION,
    PLACE,
    PROJECTS,
    TEXTS,
    digest_of,
    listed,
    place_of,
    template_of,
    told_date,
)

KIND: Final = "mandate-notice"


def letter_of(facts: Facts, items: Sequence[Item], check_phrase: str, now: datetime) -> Letter:
    """Return the letter with these notices; of names only such as can't be mistaken for addresses."""
    blocks: list[Text] = []
    values = {
        NAME: facts.person.name,
        PLACE: _place(facts),
        TEXTS: "; ".join(_reference(one) for one in items),
        NOTICES: "",
    }
    for text, paragraph in zip(FRAME.filled(values), FRAME.paragraphs, strict=True):
        if paragraph == (NOTICES,):
            blocks += [block for one in items for block in _notice(one, now)]
        else:
            blocks.append(Text(text))
    return phrased(Letter(KIND, _subject(items), tuple(blocks)), check_phrase)


def _place(facts: Facts) -> str:
    """Name projects and organizations by their normalized names, which hold no dot (N4)."""
    of = {kind: sorted({one.name for one in facts.authority if one.kind == kind}) for kind in _PLACES}
    return place_of(of["project"] or of["publisher"], of["organization"])


_PLACES: Final = ("project", "organization", "publisher")


def _reference(item: Item) -> str:
    policy = item.policy
    template = template_of(policy, item.kind)
    return f"{item.kind} of {template.mandate}, version {template.version}, {digest_of(policy, item.kind)}"


def _notice(item: Item, now: datetime) -> list[Text]:
    template = template_of(item.policy, item.kind)
    values = {
        DATE: told_date(item.deadline_at, now),
        PROJECTS: listed(item.projects, "project", "projects"),
        ORGANIZATION: item.policy.organization,
        DEMAND: demand_of(item.policy.mandate).told,
    }
    return [Text(template.title), *(Text(one) for one in template.filled(values))]


def _subject(items: Sequence[Item]) -> str:
    """Say what it is, calmly; a date stands in it where it is one notice that has one."""
    titles = list(dict.fromkeys(template_of(one.policy, one.kind).title for one in items))
    if len(titles) > 1:
        return f"What this index asks of you: {len(items)} notices"
    dates = {one.deadline_at for one in items if one.deadline_at is not None}
    if len(dates) != 1:
        return titles[0]
    return f"{titles[0]} ({words.day(dates.pop())})"
