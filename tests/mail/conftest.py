"""A clock that stands still, a mail server, and an outbox that leads there or into a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from tests.mail.smtp_server import SmtpServer, running

from keyhouse.core import configuration, keys
from keyhouse.core.configuration import Configuration
from keyhouse.mail.letters import Code, Facts, Letter, Link, Text
from keyhouse.mail.models import Mail
from keyhouse.mail.services import queue

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
SECRET_LINK = "https://keyhouse.test/reset/s3cret-s3cret-s3cret/"
LETTER = Letter(
    "password-reset",
    "A new password",
    (Text("Somebody asked for it."), Link("Choose one", SECRET_LINK), Code("K7QM-2R9D")),
    (Facts((("When", "now"),)),),
)


Configure = Callable[..., Configuration]


@pytest.fixture(autouse=True)
def configure(tmp_path: Path) -> Iterator[Configure]:
    before = configuration.current()
    keys.ensure_ring(before.key_file)

    def change(**changed: Any) -> Configuration:
        return configuration.use(replace(configuration.current(), **changed))

    change(mail_dir=tmp_path / "mail")
    yield change
    configuration.use(before)


@pytest.fixture
def server(configure: Configure) -> Iterator[SmtpServer]:
    with running() as server:
        configure(mail_url=f"smtp://127.0.0.1:{server.port}?from=index@keyhouse.test")
        yield server


def post(to: str = "ada@example.org", **told: Any) -> Mail:
    """Queue one mail and return its row."""
    with transaction.atomic():
        queue(told.pop("letter", LETTER), to=to, now=told.pop("now", NOW), **told)
    return Mail.objects.order_by("-id")[0]


def files_in(folder: Path) -> list[EmailMessage]:
    """Return the mails of the folder, in the order of their names."""
    found = [
        message_from_bytes(path.read_bytes(), policy=policy.default) for path in sorted(folder.glob("*.eml"))
    ]
    return [message for message in found if isinstance(message, EmailMessage)]
