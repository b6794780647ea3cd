"""What every step is."""

from __future__ import annotations

from typing import ClassVar

from keyhouse.core.errors import Refusal
from keyhouse.publishing.upload.submission import Stage, Submission


class Check:
    """One step: asked once, as soon as its stage is reached and it applies, in the order of `steps.STEPS`."""

    name: ClassVar[str]
    stage: ClassVar[Stage]
    is_asked_at_every_stage: ClassVar[bool] = False

    def applies(self, submission: Submission) -> bool:
        """Tell whether what this step judges is there; one that doesn't apply is asked again at the next stage."""
        del submission
        return True

    def check(self, submission: Submission) -> None:
        """Return, or raise a `Refusal`."""
        raise NotImplementedError


def refuse(refusal: Refusal | None) -> None:
    """Raise what a rule found, if it found anything."""
    if refusal is not None:
        raise refusal
