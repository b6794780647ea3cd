"""What was mailed: read from the outbox, as the postman would."""

from __future__ import annotations

import re

from keyhouse.accounts.models import User
from keyhouse.core import configuration
from keyhouse.mail.contents import unseal
from keyhouse.mail.letters import Code, Letter, Link, render_html, render_text
from keyhouse.mail.models import Mail


def letters_to(address: str, kind: str = "") -> list[Letter]:
    """Return the letters to an address, the oldest first."""
    rows = Mail.objects.filter(address=address).order_by("pk")
    found = [unseal(row.content_sealed, row.address) for row in rows]
    return [letter for letter in found if not kind or letter.kind == kind]


def letter_to(address: str, kind: str) -> Letter:
    """Return the newest letter of a kind to an address."""
    return letters_to(address, kind)[-1]


def path_in(letter: Letter, purpose: str) -> str:
    """Return the path of the one link for a purpose, on this index."""
    blocks = (*letter.blocks, *letter.footer)
    base = configuration.current().base_url
    found = [block.url for block in blocks if isinstance(block, Link) and f"/{purpose}/" in block.url]
    assert len(found) == 1, letter
    assert found[0].startswith(f"{base}/{purpose}/")
    return found[0].removeprefix(base)


def code_in(letter: Letter) -> str:
    return next(block.code for block in letter.blocks if isinstance(block, Code))


def mails_of(user: User) -> set[tuple[str, str]]:
    """Return kind and address of every mail about a person."""
    return set(Mail.objects.filter(account_id=user.pk).values_list("kind", "address"))


def links_in(letter: Letter) -> set[str]:
    """Return the first part of the path of every link in both forms of a mail."""
    base = re.escape(configuration.current().base_url)
    text = render_text(letter) + render_html(letter)
    return set(re.findall(base + r"/([a-z-]+)/", text))
