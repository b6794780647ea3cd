"""What mails to the people of a project say about what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keyhouse.accounts.emails import site_address
from keyhouse.core import clock
from keyhouse.mail.letters import Block, Facts, Letter, Link, Text


@dataclass(frozen=True, slots=True)
class News:
    """What happened: `kind` is the mail's stable name, `title` goes on after the project's name, `text` says what it means."""

    kind: str
    title: str
    text: str


_MOST_NAMED: Final = 50  # projects in one mail
NOT_BACK: Final = (
    "Trusted publishers, robot tokens, staged releases, and invitations that nobody has accepted don't come back: whatever"
    " can publish or lets somebody in ends with a deletion for good. Owners can make it anew."
)
ARCHIVED: Final = News(
    "project-archived",
    "was archived",
    "It takes no new files; everything it has stays installable. Owners can take it out of the archive.",
)
ARCHIVED_INSTEAD: Final = News(
    ARCHIVED.kind,
    ARCHIVED.title,
    f"{ARCHIVED.text} It is no longer deprecated; why, and what to take instead, is not said any more.",
)
UNARCHIVED: Final = News("project-unarchived", "was taken out of the archive", "It takes new files again.")
DEPRECATED: Final = News(
    "project-deprecated",
    "was deprecated",
    "Installers can tell people to take something else. It still takes new files. Owners can take it back.",
)
UNDEPRECATED: Final = News(
    "project-undeprecated", "is no longer deprecated", "Installers say nothing about it any more."
)


def yanked(version: str) -> News:
    """Return the news of a yank."""
    return News(
        "release-yanked",
        f"{version} was yanked",
        "Installers pass this release by unless it is asked for exactly. Owners can take that back.",
    )


def unyanked(version: str) -> News:
    """Return the news that a yank was taken back."""
    return News("release-unyanked", f"{version} is no longer yanked", "Installers choose this release again.")


def file_deleted(filename: str, until: datetime | None) -> News:
    """Return the news that a file is gone."""
    return News("file-deleted", f"lost the file {filename}", _gone("The file", until))


def release_deleted(version: str, until: datetime | None) -> News:
    """Return the news that a release is gone."""
    return News("release-deleted", f"{version} was deleted", _gone("The release with its files", until))


def project_deleted(until: datetime | None) -> News:
    """Return the news that a project is gone."""
    text = _gone("The project with all its releases", until) + " Its name is free for anybody from now on."
    return News("project-deleted", "was deleted", f"{text} {NOT_BACK}" if until else text)


def project_restored(*, is_held: bool) -> News:
    """Return the news that a project is back; `is_held`: in the quarantine that it was in."""
    text = (
        "It is still in quarantine, so nobody can install it until operators lift that."
        if is_held
        else "Its releases and files can be installed again."
    )
    people = " Everybody who still has an account has the role they had, and so has every team that is still in its organization. "
    return News("project-restored", _restored(is_held=is_held), f"{text}{people}{NOT_BACK}")


def _restored(*, is_held: bool) -> str:
    return "was brought back, into quarantine" if is_held else "was brought back"


def file_restored(filename: str, into: str = "") -> News:
    """Return the news that a file is back; `into`: the release that has taken the place of its own."""
    text = f"It is in release {into} now." if into else "It can be installed as before."
    return News("file-restored", f"has the file {filename} again", text)


def release_restored(version: str, into: str = "", left: int = 0) -> News:
    """Return the news that a release is back; `left`: how many of its files are not."""
    text = (
        f"Its files came into release {into}, which was made meanwhile and is else as it was."
        if into
        else "Its files can be installed as before."
    )
    away = f" {left} more stay away, as other files have taken their place." if left else ""
    return News("release-restored", f"{version} was brought back", text + away)


def _gone(what: str, until: datetime | None) -> str:
    back = (
        f"An owner can bring it back until {clock.format_second(until)}."
        if until
        else "It can't be brought back."
    )
    return f"{what} can no longer be installed by anybody. {back}"


def successor_deleted(names: Sequence[str], successor: str, until: datetime | None) -> Letter:
    """Return the mail to whoever owns projects (in order of their names) whose successor is gone."""
    back = (
        f" Its owners can bring it back until {clock.format_second(until)}; then it is named again by itself."
        if until
        else ""
    )
    return _about_successor(
        ("project-successor-deleted", "was deleted"),
        names,
        successor,
        f"Nobody is sent there any more, since anybody may take its name: whoever does isn't named before you name it anew.{back}",
        "Name another successor, or say in the reason what people should take now.",
    )


def successor_restored(names: Sequence[str], successor: str, *, is_held: bool) -> Letter:
    """Return the mail to the same people that it is back; `is_held`: in quarantine, where nobody can install it."""
    told = (
        "It is named again, as you said when you deprecated what is yours, but nobody can install it until operators lift the"
        " quarantine."
        if is_held
        else "People are sent there again, as you said when you deprecated what is yours."
    )
    return _about_successor(
        ("project-successor-restored", _restored(is_held=is_held)),
        names,
        successor,
        told,
        "If they shouldn't be, name another successor or none.",
    )


def _about_successor(
    what: tuple[str, str], names: Sequence[str], successor: str, told: str, to_do: str
) -> Letter:
    (kind, happened), is_one = what, len(names) == 1
    shown = ", ".join(names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    path = f"/manage/project/{names[0]}/" if is_one else "/manage/projects/"
    return Letter(
        kind,
        f"{successor}, the successor of {names[0] if is_one else 'projects of yours'}, {happened}",
        (
            Text(f"{successor} {happened}. You named it as what to take instead of what is deprecated."),
            Facts((("Project" if is_one else "Projects", shown + more), ("Successor", successor))),
            Text(told),
            Text(to_do),
            Text(
                "However often this changes, such a mail comes once a day at most; your page shows how it stands."
            ),
            Link("See your project" if is_one else "See your projects", site_address(path)),
        ),
    )


def letter(project: str, news: News, who: str, reason: str, path: str) -> Letter:
    """Return the mail: what happened, who did it, why (where that was said), and where to look."""
    facts = [("Project", project), ("Done by", who), *([("Reason", reason)] if reason else [])]
    blocks: tuple[Block, ...] = (
        Text(f"{project} {news.title}."),
        Facts(tuple(facts)),
        Text(news.text),
        Link("See how it stands", site_address(path)),
    )
    return Letter(news.kind, f"{project} {news.title}", blocks)
