"""What attestations may be refused for."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation


class AttestationRefused(Refusal):
    """The family of this feature's refusals."""


class AttestationInvalid(AttestationRefused):
    """An attestation is cut off, malformed, or its signature, certificate or log entry doesn't hold."""

    code = "attestation-invalid"
    sentence = "An attestation is malformed, or its signature does not hold."
    fix = "Sign the file anew with a current tool, or upload without attestations."


class AttestationFileDiffers(AttestationRefused):
    """An attestation speaks of another file name, or of other bytes."""

    code = "attestation-file-differs"
    sentence = "An attestation is about another file."
    fix = "Sign the very file that is uploaded, after it was built for the last time."


class AttestationPublisherDiffers(AttestationRefused):
    """An attestation was signed by another identity than the publisher that uploads."""

    code = "attestation-publisher-differs"
    sentence = "An attestation was signed by another publisher than the one that uploads."
    fix = "Sign and upload in the same job, the one that the project trusts."


class AttestationPredicateUnknown(AttestationRefused):
    """An attestation says something that this index doesn't know the meaning of."""

    code = "attestation-predicate-unknown"
    sentence = "An attestation is of a kind that this index does not take."
    fix = "Publish attestations and SLSA provenance, version 1 each, are taken."


class AttestationRepeated(AttestationRefused):
    """Two attestations of one kind came with a file."""

    code = "attestation-repeated"
    sentence = "Two attestations of the same kind came with the file."
    fix = "Send at most one of each kind."


class IssuerNotCovered(AttestationRefused):
    """Identities of this issuer can't be checked with the roots of trust at hand."""

    code = "attestation-issuer-not-covered"
    sentence = "Attestations of this publisher can't be checked here."
    fix = "Upload without attestations, or ask the operators to set KEYHOUSE_TRUSTED_ROOT."


class TrustedRootDamaged(AttestationRefused):
    """The file with the roots of trust can't be read."""

    code = "trusted-root-damaged"
    situation = Situation.UNAVAILABLE
    sentence = "Attestations can't be checked right now."
    fix = "Ask the operators: the file in KEYHOUSE_TRUSTED_ROOT can't be read."
