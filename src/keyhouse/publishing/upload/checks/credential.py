"""Step 3: who uploads. An API token, or one that was minted for a trusted publisher; never a password."""

from __future__ import annotations

from keyhouse.core import clock
from keyhouse.credentials.tokens.authentication import authenticate, spend
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
        now = clock.now()
        submission.actor = authenticate(
            caller.authorization, network=caller.network, user_agent=caller.user_agent, now=now
        )
        spend(submission.actor, now)
