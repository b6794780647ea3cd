"""What an upload may be refused for, beside what the features below say themselves."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation


class UploadRefused(Refusal):
    """The family of this feature's refusals."""


class BodyMalformed(UploadRefused):
    """The request's body isn't a whole multipart form."""

    code = "body-malformed"
    sentence = "The body of the request is not a whole multipart/form-data form."
    fix = "Upload with a current twine or uv; if you do, something between it and us cuts requests."


class BodyStalled(UploadRefused):
    """The body comes too slowly, or not at all."""

    code = "body-stalled"
    sentence = "The rest of the request didn't come in time."
    fix = "Try again; nothing was stored."


class FormInvalid(UploadRefused):
    """A field of the form is missing, repeated or has an impossible value."""

    code = "form-invalid"
    sentence = "A field of the upload form is missing or invalid."


class FormTooLarge(UploadRefused):
    """The form without its file has too many fields or too many bytes."""

    code = "form-too-large"
    situation = Situation.TOO_LARGE
    sentence = "The fields of the upload form are too many or too long."


class ActionGone(UploadRefused):
    """An old action of the upload address; the index reads everything from the file."""

    code = "action-gone"
    situation = Situation.GONE
    sentence = "This action is no longer offered; a project begins with its first file."
    fix = "Upload a file with twine or uv."


class UploadsBusy(UploadRefused):
    """As many uploads as one process takes at once are under way."""

    code = "uploads-busy"
    situation = Situation.UNAVAILABLE
    sentence = "Too many uploads are under way."
    fix = "Try again in a minute."
    retry_after = 30


class CredentialMissing(UploadRefused):
    """No credential came with the request."""

    code = "credential-missing"
    situation = Situation.UNAUTHENTICATED
    sentence = "Uploading needs an API token: user name __token__, password the token."
    fix = "Create one on your account page."


class FileTooLarge(UploadRefused):
    """The file is larger than the project's limit for one file."""

    code = "file-too-large"
    situation = Situation.TOO_LARGE
    sentence = "The file is larger than this index takes."
    fix = "Make the file smaller, or ask the operators of this index for a higher limit."


class DigestDiffers(UploadRefused):
    """A digest in the form is not that of the bytes that arrived."""

    code = "digest-differs"
    sentence = "A digest in the form is not that of the file that arrived."
    fix = "Try again; if it stays so, something on the way changes the file."


class AttestationsRefused(UploadRefused):
    """Attestations were sent by somebody whose identity can't be checked against them."""

    code = "attestations-refused"
    sentence = "Attestations can't be taken with an API token: they must match a trusted publisher."
    fix = "Upload without attestations."


class DatabaseUnavailable(UploadRefused):
    """The database doesn't answer."""

    code = "database-unavailable"
    situation = Situation.UNAVAILABLE
    sentence = "The server's database doesn't answer right now; nothing was stored."
    fix = "Try again in a minute."
    retry_after = 30


class UploadFailed(UploadRefused):
    """A defect of ours; the log has it."""

    code = "upload-failed"
    situation = Situation.UNAVAILABLE
    sentence = "The upload failed by a defect of this server; nothing was stored."
    fix = "Tell the operators of this index; their log has the details."
