"""Browsers and programs of people with sessions and tokens, through every door a page has."""

from __future__ import annotations

import html
import json
import re
from typing import Any

from django.test import Client

from keyhouse.accounts.cookies import cookie_name
from keyhouse.accounts.models import User
from keyhouse.accounts.sessions import start_session
from keyhouse.core import clock
from keyhouse.core.actor import Strength, host
from keyhouse.credentials.tokens.robots import mint_robot_token
from keyhouse.credentials.tokens.services import mint_token

PROBLEM = "application/problem+json"


class Visit:
    """A browser, signed in as somebody or as nobody; keeps the last answer."""

    def __init__(self, user: User | None = None, *methods: str, accept: str = "text/html") -> None:
        self.client = Client(enforce_csrf_checks=True)
        self.accept, self.mark = accept, ""
        self.answer: Any = None
        if user is not None:
            session, value = start_session(user, methods or ("password", "totp"), at=clock.now())
            self.client.cookies[cookie_name()] = value
            self.mark = session.csrf_secret

    def get(self, path: str, **headers: str) -> Any:
        self.answer = self.client.get(path, headers={"accept": self.accept, **headers})
        return self.answer

    def post(self, path: str, **fields: str) -> Any:
        data = {"csrfmiddlewaretoken": self.mark, **fields}
        self.answer = self.client.post(path, data, headers={"accept": self.accept})
        return self.answer

    @property
    def text(self) -> str:
        """Return what the last page says, tags left out."""
        body = re.sub(r"<[^>]+>", " ", self.answer.content.decode())
        return re.sub(r" ([.,:;])", r"\1", " ".join(html.unescape(body).split()))

    @property
    def page(self) -> str:
        return html.unescape(self.answer.content.decode())

    @property
    def data(self) -> Any:
        return json.loads(self.answer.content)


def code_of(answer: Any) -> str:
    """Return the code of a refusal."""
    return str(answer.headers.get("X-Refusal", ""))


def token_of(user: User, *methods: str, **terms: Any) -> str:
    """Return the text of a token that a session with these proofs made, just now if not said otherwise."""
    made_at = terms.pop("minted_at", clock.now())
    wanted = {"project_ids": None, "expires_in_days": 300, "actions": ["upload"], **terms}
    _, text = mint_token(
        user,
        description=f"token of {user.username} {clock.now()} {methods} {made_at}",
        by=host(),
        strength=Strength(frozenset(methods or ("password", "totp")), made_at),
        minted_at=made_at,
        **wanted,
    )
    return text


def robot_of(user: User, *methods: str, project: str = "alpha") -> str:
    """Return the text of a robot token that a session with these proofs made just now."""
    _, text = mint_robot_token(
        project,
        description=f"robot of {user.username} {clock.now()} {methods}",
        expires_in_days=90,
        by=host(),
        owner=user,
        strength=Strength(frozenset(methods), clock.now()),
    )
    return text


def asked_by(token: str, query: str = "") -> Any:
    """Ask the dry run with a token."""
    return Client().get(f"/mandate/check{query}", headers={"authorization": f"Bearer {token}"})
