"""Which of several publishers that fit speaks for a project. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from keyhouse.credentials.trusted_publishers.models import Publisher


def choose(fitting: Sequence[Publisher]) -> Publisher | None:
    """Return the one that is meant, or None: a project's own goes before one of its organization.

    Of either kind, the one for the very environment goes before the one without; where several fit alike, none is.
    """
    own = [one for one in fitting if not one.is_of_organization]
    for some in (own, [one for one in fitting if one.is_of_organization]):
        exact = [one for one in some if one.environment] or some
        if len(exact) == 1:
            return exact[0]
    return None
