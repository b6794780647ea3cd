"""Which of several publishers that fit speaks for a project. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from keyhouse.credentials.trusted_publishers.models import Publisher


def choose(fitting: Sequence[Publisher]) -> Publisher | None:
    """Return the one that is meant, or None: a project's own goes before one of its organization.

    Of either kind, the one for the very environment goes before the one without; where several fit alike, none is, and the
    organization's doesn't step in for a project's own that are ambiguous.
    """
    own = [one for one in fitting if not one.is_of_organization]
    some = own or list(fitting)
    exact = [one for one in some if one.environment] or some
    return exact[0] if len(exact) == 1 else None
