"""What each kind of issuer claims about a run, one file per provider: data and a few lines."""

from __future__ import annotations

from typing import Final

from keyhouse.credentials.trusted_publishers.providers.activestate import ActiveState
from keyhouse.credentials.trusted_publishers.providers.custom import Custom
from keyhouse.credentials.trusted_publishers.providers.github import GitHub
from keyhouse.credentials.trusted_publishers.providers.gitlab import GitLab
from keyhouse.credentials.trusted_publishers.providers.google import Google
from keyhouse.credentials.trusted_publishers.providers.rules import ProviderRules
from keyhouse.credentials.trusted_publishers.publisher_errors import PublisherInvalid

ALL: Final[dict[str, ProviderRules]] = {
    rules.name: rules for rules in (GitHub(), GitLab(), Google(), ActiveState(), Custom())
}


def get(name: str) -> ProviderRules:
    """Return the rules of a provider; raises PublisherInvalid for a name that is none."""
    try:
        return ALL[name]
    except KeyError:
        raise PublisherInvalid("provider", f"The provider is one of {', '.join(ALL)}.") from None
