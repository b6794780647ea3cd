"""The attack cases whose door exists on such an index, asked on every day; and why the others are not asked here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from demo.calendar.doors import Answer, Server
from demo.calendar.founding import PASSWORD, Cast


@dataclass(frozen=True, slots=True)
class Scene:
    """Who asks on which day, where files are made, and the number of the day, which makes names of files differ."""

    server: Server
    cast: Cast
    folder: Path
    number: int


Ask = Callable[[Scene], Answer | None]


def _upload(persona: str) -> Ask:
    def ask(scene: Scene) -> Answer | None:
        token = scene.cast.tokens.get(persona)
        owner = "told" if persona == "minted in the grace" else persona
        version = f"{1 + list(scene.cast.tokens).index(persona) if token else 0}.{scene.number}"
        project = f"{owner}-library"
        return (
            None if token is None else scene.server.upload("__token__", token, project, version, scene.folder)
        )

    return ask


def _password(scene: Scene) -> Answer:
    return scene.server.upload("strong", PASSWORD, "strong-library", f"90.{scene.number}", scene.folder)


def _page(persona: str, *methods: str) -> Ask:
    def ask(scene: Scene) -> Answer | None:
        user = scene.cast.people.get(persona)
        path = f"/manage/project/{persona}-library/"
        return None if user is None else scene.server.visit(user, path, *methods)

    return ask


def _organization(scene: Scene) -> Answer:
    return scene.server.visit(scene.cast.people["steward"], "/manage/organization/stewards/", "password")


def _nothing_asked(scene: Scene) -> Answer:
    return scene.server.visit(scene.cast.people["outsider"], "/account/", "password")


def _delete_critical(scene: Scene) -> Answer:
    owner, name = scene.cast.people["owner"], scene.cast.critical
    return scene.server.visit(owner, f"/manage/project/{name}/delete/", "password", "totp")


def _old_door(scene: Scene) -> Answer:
    return scene.server.ask("/pypi?:action=file_upload", method="POST", data=b"x=1")


def _other_method(scene: Scene) -> Answer:
    return scene.server.ask("/legacy/", method="PUT", data=b"x=1")


def _install(scene: Scene) -> Answer:
    return scene.server.ask("/simple/told-library/")


def _enrol(scene: Scene) -> Answer:
    return scene.server.visit(scene.cast.people["told"], "/account/second-factors/", "password")


def _newcomer_deletes_nothing(scene: Scene) -> Answer | None:
    user = scene.cast.people.get("newcomer")
    return None if user is None else scene.server.visit(user, "/account/tokens/", "password")


ASKED: Final[Mapping[str, tuple[str, Ask]]] = {
    "password": ("An upload by name and password, of somebody who enrolled", _password),
    "A5": ("An upload by an old token of somebody without a factor who was told", _upload("told")),
    "A5, untold": ("The same, where no notice reached them", _upload("untold")),
    "A5, enrolled": ("An upload by an old token of somebody who enrolled since", _upload("enrolled")),
    "A6": ("An upload by a token that a password session made in the grace", _upload("minted in the grace")),
    "strong": ("An upload by a token that was made with a second factor", _upload("strong")),
    "A3": (
        "A page of management in a session by password, of somebody who was told",
        _page("told", "password"),
    ),
    "A3, enrolled": (
        "The same, of somebody who has a factor and has not proven it",
        _page("strong", "password"),
    ),
    "organization": (
        "A page of management of an organization, of an owner without a factor who has no project",
        _organization,
    ),
    "outsider": ("The account of somebody who maintains nothing", _nothing_asked),
    "A19": ("A page of management of an account made since 2023-08-08", _page("newcomer", "password")),
    "A19, upload": ("An upload of such an account", _upload("newcomer")),
    "A18": ("Deleting a critical project, by an owner with a second factor", _delete_critical),
    "A26": ("An upload at the address of long ago", _old_door),
    "A26, method": ("An upload by another method", _other_method),
    "G3, install": ("Installing", _install),
    "G3, enrol": ("The page of second factors, in a session by password", _enrol),
    "G3, tokens": ("One's own tokens, to revoke them, of a new account", _newcomer_deletes_nothing),
}
# What no door of this calendar asks, and why.
NOT_ASKED: Final[Mapping[str, str]] = {
    "A1, A7 to A11, A13, A14, A20, A23": "doors of accounts and recovery, which no state of a mandate opens or closes; docs/mandate-tests.md names their tests",
    "A2, A4, A31": "a hold after the first enrolment, remembered browsers and dead ends: of the account, not of the state; tests as above",
    "A12": "this mandate accepts every factor, so there is nothing to downgrade to; tests/mandate/test_matrix.py asks one that doesn't",
    "A15, A16, A17": "invitations, teams and owners who are gone (an organization's page is asked above): tests/mandate/test_organizations.py and tests/projects ask them",
    "A21": "false mails: what real ones say is in tests of notices; here they are counted",
    "A22": "the criterion is measured by clients here, and tests/mandate/test_criticality.py tries to inflate it",
    "A24, A25, A28, A29": "asked by the story itself (A24 by an operator alone, A25 at the instants) or by tests/mandate/test_attacks.py",
    "A27": "a publisher needs a running issuer of identities: tests/mandate/test_publishers.py",
    "A30": "no sign-in by another service exists",
}
