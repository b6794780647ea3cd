"""`keyhouse limits`: every limit on attempts, how much it allows, on whom, what counts."""

from __future__ import annotations

import click

from keyhouse.accounts.limit_table import Limit, all_limits
from keyhouse.cli.surroundings import configure
from keyhouse.core import configuration


@click.command()
@click.option("--json", "is_json", is_flag=True, help="Print one JSON document.")
@click.option(
    "--markdown", is_flag=True, help="Print the page of the documentation: names, defaults, meanings."
)
def command(*, is_json: bool, markdown: bool) -> None:
    """Print every limit on attempts as it holds now: how many in which time, on whom, what counts.

    \b
    Examples:
      keyhouse limits
      keyhouse limits --json
    """  # noqa: D301 - \b is click's own mark
    if markdown:
        click.echo(page(), nl=False)
        return
    configure()
    rows = [_row(limit) for limit in all_limits()]
    if is_json:
        from keyhouse.cli.main import as_json  # noqa: PLC0415 - `main` reads this file

        click.echo(as_json(rows))
        return
    for row in rows:
        click.echo(
            f"{row['name']}: {row['allows']}   ({row['setting']})\n    {row['counts']}; on {row['on']}"
        )


def _row(limit: Limit) -> dict[str, str]:
    return {
        "name": limit.name,
        "allows": " ".join(str(window) for window in limit.windows()),
        "setting": _setting(limit),
        "counts": limit.counts,
        "on": limit.on,
    }


def _setting(limit: Limit) -> str:
    return configuration.setting_of(limit.setting).name


def page() -> str:
    """Return `docs/limits.md`."""
    rows = "".join(
        f"| `{limit.name}` | `{configuration.setting_of(limit.setting).default}` | {limit.counts} | {limit.on} "
        f"| `{_setting(limit)}` |\n"
        for limit in all_limits()
    )
    return _ABOVE + rows


_ABOVE = """# Limits on attempts

`10/5m 50/1h` allows at most ten in any five minutes and fifty in any hour. Whoever comes too often is answered
429 `too-many` with `Retry-After`, as page, as `application/problem+json` or as one line, and is not counted while they
wait: who waits as told gets through. Attempts are kept in the database, so all processes and nodes share them.

* **What succeeds is not counted**, but for mails, new projects and reports, where every one counts. An attempt is counted before it is judged and
  given back when it succeeds, so parallel guesses don't slip through. What somebody mistyped before is forgiven to their network then, too, not
  to them.
* **Networks** are IPv4 addresses and the /64 of IPv6 addresses. Those in `KEYHOUSE_SHARED_NETWORKS` may do fifty times as
  much: a house of five hundred people behind one address, with a guesser among them, who is stopped by the limit on the name.
* **A browser that an account knows** (its person signed in there before) has a bucket of its own and none of the network, so
  strangers who guess, also from the same network, lock nobody out.
* Mails that somebody causes who has proven a password or more count on the account alone.

This page is made by `keyhouse limits --markdown`; `keyhouse limits` prints what holds now.

| limit | default | what counts | on | setting |
|---|---|---|---|---|
"""
