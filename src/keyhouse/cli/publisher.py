"""`keyhouse publisher`: whose identities from CI are believed."""

from __future__ import annotations

from typing import Any

import click

from keyhouse.cli.main import as_json as document_of
from keyhouse.cli.telling import JSON, tell
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.credentials.trusted_publishers import issuers as services
from keyhouse.credentials.trusted_publishers.errors import IssuerUnanswered
from keyhouse.credentials.trusted_publishers.keys_client import UNUSABLE, Found, fetch_keys
from keyhouse.credentials.trusted_publishers.models import Issuer, Provider

_PRESETS = ", ".join(f"{name} ({' '.join(claims)})" for name, claims in services.PRESETS.items())


@click.group("publisher")
def command() -> None:
    """Look after what trusted publishing stands on.

    \b
    Examples:
      keyhouse publisher issuers list
      keyhouse publisher issuers test https://gitlab.example.com
      keyhouse publisher issuers add gitlab https://gitlab.example.com
    """  # noqa: D301 - \b is click's own mark


@command.group("issuers")
def issuers() -> None:
    """Say whose identities are believed: the issuers whose tokens CI jobs may publish with.

    GitHub, GitLab, Google and ActiveState are on the list from the beginning, and can be removed.

    \b
    Examples:
      keyhouse publisher issuers list
      keyhouse publisher issuers add github https://github.example.com/_services/token --label "GitHub Enterprise"
      keyhouse publisher issuers add gitlab https://gitlab.example.com --private
      keyhouse publisher issuers add jenkins https://jenkins.example.com/oidc
      keyhouse publisher issuers add kubernetes https://kubernetes.example.com
      keyhouse publisher issuers add custom https://ci.example.com --claim sub --claim pipeline
      keyhouse publisher issuers test https://gitlab.example.com
      keyhouse publisher issuers remove https://accounts.google.com
    """  # noqa: D301 - \b is click's own mark


@issuers.command("add", epilog=f"Presets are custom issuers with these claims: {_PRESETS}.")
@click.argument("provider", type=click.Choice([*Provider.values, *services.PRESETS]))
@click.argument("url")
@click.option(
    "--label", default="", help="What pages call it, for example the name of the team that runs it."
)
@click.option(
    "--claim",
    "claims",
    multiple=True,
    help="Of a custom one: a claim that each of its publishers must fix. Can be given again.",
)
@click.option("--private", is_flag=True, help="It may be at an address in a private network.")
@JSON
def add(  # noqa: PLR0913 - an option each
    provider: str, url: str, label: str, claims: tuple[str, ...], *, private: bool, as_json: bool
) -> None:
    """Believe the issuer at URL: exactly what its tokens have as `iss`.

    PROVIDER says how its tokens are read: as those of GitHub or GitLab, or by the claims that you name (custom).
    Nothing is asked of it yet: try it with `keyhouse publisher issuers test URL`.

    \b
    Example:
      keyhouse publisher issuers add gitlab https://gitlab.example.com --private
    """  # noqa: D301 - \b is click's own mark
    if provider in services.PRESETS:
        provider, claims = Provider.CUSTOM, claims or services.PRESETS[provider]
    row = services.add_issuer(
        url, provider, label=label, required_claims=claims, may_be_private=private, by=host()
    )
    lines = (f"Added: {row.url}.", f"Try it: keyhouse publisher issuers test {row.url}")
    tell(_as_dict(row), *lines, as_json=as_json)


@issuers.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(*, as_json: bool) -> None:
    """List the issuers that are believed, and when their keys were fetched last.

    \b
    Example:
      keyhouse publisher issuers list
    """  # noqa: D301 - \b is click's own mark
    rows = [_as_dict(issuer) for issuer in services.all_issuers()]
    if as_json:
        click.echo(document_of(rows))
        return
    for row in rows:
        claims = f" by {', '.join(row['required_claims'])}" if row["required_claims"] else ""
        kept = f"{row['keys']} keys of {row['keys_at']}" if row["keys_at"] else "keys never fetched"
        private = ", may be private" if row["may_be_private"] else ""
        silent = ", no answer when asked last" if row["is_silent"] else ""
        click.echo(f"{row['url']}  {row['provider']}{claims}, {kept}{silent}{private}")


@issuers.command()
@click.argument("url")
@JSON
def remove(url: str, *, as_json: bool) -> None:
    """Stop believing the issuer at URL. Tokens that were made for its identities end at once; its publishers stay.

    \b
    Example:
      keyhouse publisher issuers remove https://gitlab.example.org
    """  # noqa: D301 - \b is click's own mark
    services.remove_issuer(url, by=host())
    tell({"url": url}, "Removed.", as_json=as_json)


@issuers.command()
@click.argument("url")
@click.option(
    "--private", is_flag=True, help="Of one that is not on the list: it may be in a private network."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def test(url: str, *, private: bool, as_json: bool) -> None:
    """Ask the issuer at URL for its discovery document and its keys, and say what came. Nothing is kept.

    \b
    Example:
      keyhouse publisher issuers test https://gitlab.example.com
    """  # noqa: D301 - \b is click's own mark
    issuer = services.find_issuer(services.canonical(url))
    found = fetch_keys(services.canonical(url), may_be_private=issuer.may_be_private if issuer else private)
    facts = _found(found, issuer)
    if as_json:
        click.echo(document_of(facts))
        return
    click.echo(f"Keys at {found.keys_url}: {found.count}, of which {len(facts['keys'])} can be used.")
    for key in facts["keys"]:
        click.echo(f"  {key['kid'] or '(no name)'}  {key['kind']}")
    if not facts["keys"]:
        raise IssuerUnanswered(UNUSABLE, fix="Ask who runs it.")
    click.echo("It works." if issuer else "It works, and is not on the list yet.")


def _as_dict(issuer: Issuer) -> dict[str, Any]:
    return {
        "url": issuer.url,
        "provider": issuer.provider,
        "label": issuer.label,
        "required_claims": issuer.required_claims,
        "may_be_private": issuer.may_be_private,
        "is_public": issuer.url in services.BUILT_IN,
        "added_at": clock.format_instant(issuer.added_at) if issuer.pk else None,
        "keys": len((issuer.keys or {}).get("keys", [])),
        "keys_at": clock.format_if_any(issuer.keys_at),
        "is_silent": issuer.is_silent,
    }


def _found(found: Found, issuer: Issuer | None) -> dict[str, Any]:
    keys = [{"kid": key.get("kid", ""), "kind": services.kind_of(key)} for key in found.key_set["keys"]]
    return {"keys_url": found.keys_url, "count": found.count, "keys": keys, "is_on_list": issuer is not None}
