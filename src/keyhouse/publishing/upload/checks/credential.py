"""Step 3: who uploads. An API token; never a password."""

from __future__ import annotations

from keyhouse.core import clock
from keyhouse.credentials.tokens.authentication import authenticate
from keyhouse.publishing.upload.checks.check import Check
from keyhouse.publishing.upload.errors import CredentialMissing
from keyhouse.publishing.upload.submission import Stage, Submission


class Credential(Check):
    """Finds out who is calling."""

    name = "credential"
    stage = Stage.HEADERS

    def check(self, submission: Submission) -> None:
        """Set the actor; raises CredentialMissing, PasswordNotAccepted or CredentialInvalid."""
        caller = submission.caller
        if not caller.authorization:
            raise CredentialMissing
        submission.actor = authenticate(
            caller.authorization, network=caller.network, user_agent=caller.user_agent, now=clock.now()
        )
