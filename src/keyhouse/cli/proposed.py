"""What a command prints of something that it proposed: the host proposes, and operators approve it in the pages."""

from __future__ import annotations

import click

from keyhouse.accounts.models import Proposal
from keyhouse.accounts.oversight.proposals import standing_of
from keyhouse.cli.main import as_json as document_of
from keyhouse.core import clock, configuration

PAGE = "/operator/proposals/"


def page() -> str:
    """Return where proposals are approved."""
    return configuration.current().base_url + PAGE


def tell_proposed(row: Proposal, *, as_json: bool) -> None:
    """Print the number of a proposal, and from when on it holds or who approves it where."""
    at = clock.format_if_any(row.effective_at)
    if as_json:
        click.echo(document_of({"user": row.user.username, "proposal": row.pk, "effective_at": at}))
    elif at:
        click.echo(f"Proposal {row.pk} takes effect at {at}; until then operators withdraw it at {page()}")
    else:
        click.echo(
            f"Proposal {row.pk} waits for approval. {standing_of(row).sentence} That is done at {page()}"
        )
