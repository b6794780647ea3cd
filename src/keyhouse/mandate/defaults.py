"""The mandate that a new index starts with, in force from the first minute.

It is an ordinary one: shown like others, and replaced by a later version of its name. It stands in the code as well as
in the ledger so that an index whose ledger says nothing is not open.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.rules import Policy

NAME: Final = "default"
# Before every clock that an index may run on; pages say "since this index began".
BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)

DOCUMENT: Final[dict[str, Any]] = {
    "name": NAME,
    "title": "A second factor for everyone who can change something",
    "reason": "A stolen password alone must not be able to publish or change anything.",
    "who": {
        "any": [
            {"role": ["project.owner", "project.maintainer", "publisher.configurer"]},
            {"role": ["organization.owner", "organization.manager", "organization.member"]},
            {"role": ["operator", "moderator", "auditor", "invited", "reader"]},
        ]
    },
    "methods": {"accept": ["security-key", "passkey", "authenticator-app"], "prefer": "security-key"},
    "notice": {"floor_days": 0, "unreached_cap_days": 0},
    "stages": [{"state": "enforced", "at": BEGINNING, "deny": ["all"]}],
}
DEFAULT: Final = Policy(read_mandate(DOCUMENT), 1, is_floor_exempt=True)
