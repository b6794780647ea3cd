"""`keyhouse dev settle`: everything that is due now, again until nothing is left."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

import click

from keyhouse.cli.surroundings import open_index
from keyhouse.core import clock, configuration

ROUNDS: Final = 100
LEFT_BY_DEAD_UPLOADS: Final = timedelta(days=1)


@click.command("settle")
def command() -> None:
    """Render, compress, prune: do what is due by the clock, and print how much of what as JSON.

    \b
    Example:
      keyhouse dev settle
    """  # noqa: D301 - \b is click's own mark
    open_index()
    click.echo(json.dumps(settle()))


def settle() -> dict[str, int]:
    """Do rounds of all works until one finds nothing to do; returns what was done in all."""
    done: Counter[str] = Counter()
    for _ in range(ROUNDS):
        latest = Counter(_one_round())
        done.update(latest)
        if not +latest:
            break
    return dict(done)


def _one_round() -> Mapping[str, int]:
    return {name: count for work in works() for name, count in work().items()}


def works() -> tuple[Callable[[], Mapping[str, int]], ...]:
    """Return every work that the product does beside requests."""
    return (
        _keep_index,
        _tell_cdn,
        _keep_mandates,
        _check_completion,
        _simulate_mandates,
        _keep_accounts,
        _sweep_removals,
        _remind_of_tokens,
        _keep_collaborators,
        _keep_publishers,
        _forget_old,
        _sweep_incoming,
        _seal_audit,
        _watch_domains,
        _deliver_mails,
        _fill_search,
    )


def _keep_index() -> Mapping[str, int]:
    from keyhouse.index.keeper import Keeper  # noqa: PLC0415 - slow to import

    keeper = Keeper(configuration.current())
    try:
        return keeper.settle()
    finally:
        keeper.stop()


def _tell_cdn() -> Mapping[str, int]:
    from keyhouse.index.purging import Purger  # noqa: PLC0415 - beside the keeper

    purger = Purger(configuration.current())
    try:
        return {"purged": purger.tell_due() or 0}
    finally:
        purger.stop()


def _keep_mandates() -> Mapping[str, int]:
    from keyhouse.mandate.keeping import keep  # noqa: PLC0415 - Django is set up by now

    return keep(clock.now())


def _check_completion() -> Mapping[str, int]:
    from keyhouse.mandate.completion.keeping import keep  # noqa: PLC0415 - Django is set up by now

    return keep(clock.now())


def _simulate_mandates() -> Mapping[str, int]:
    from keyhouse.mandate.simulation.keeping import keep  # noqa: PLC0415 - Django is set up by now

    return keep(clock.now()) or {}


def _remind_of_tokens() -> Mapping[str, int]:
    from keyhouse.credentials.tokens.keeping import keep  # noqa: PLC0415 - Django is set up by now

    return keep(clock.now())


def _keep_accounts() -> Mapping[str, int]:
    from keyhouse.accounts.keeping import keep  # noqa: PLC0415 - Django is set up by now

    return keep(clock.now())


def _sweep_removals() -> Mapping[str, int]:
    from keyhouse.projects.life_cycle.keeping import keep  # noqa: PLC0415 - Django is set up by now

    return keep(clock.now())


def _keep_collaborators() -> Mapping[str, int]:
    from keyhouse.projects.collaborators.keeping import keep  # noqa: PLC0415 - Django is set up by now

    return keep(clock.now())


def _keep_publishers() -> Mapping[str, int]:
    from keyhouse.credentials.trusted_publishers.keeping import keep  # noqa: PLC0415 - Django is set up by now

    return keep(clock.now())


def _forget_old() -> Mapping[str, int]:
    from keyhouse.accounts.forgetting import forget_old  # noqa: PLC0415 - Django is set up by now

    return forget_old(clock.now())


def _sweep_incoming() -> Mapping[str, int]:
    from keyhouse.storage import blobs  # noqa: PLC0415 - beside the others

    return {"incoming": blobs().sweep_incoming(LEFT_BY_DEAD_UPLOADS)}


def _seal_audit() -> Mapping[str, int]:
    from keyhouse.audit.sealing import seal  # noqa: PLC0415 - Django is set up by now

    return {"sealed": seal(clock.now())}


def _watch_domains() -> Mapping[str, int]:
    from keyhouse.accounts.addresses.watching import watch_domains  # noqa: PLC0415 - Django is set up by now

    return watch_domains(clock.now())


def _fill_search() -> Mapping[str, int]:
    from keyhouse.projects.search.filling import fill  # noqa: PLC0415 - Django is set up by now

    return {"search": fill()}


def _deliver_mails() -> Mapping[str, int]:
    from keyhouse.mail.delivery import deliver_due  # noqa: PLC0415 - Django is set up by now
    from keyhouse.mail.forgetting import forget_old  # noqa: PLC0415 - the same

    return {"mails": deliver_due(clock.now()), "old_mails": forget_old(clock.now())}
