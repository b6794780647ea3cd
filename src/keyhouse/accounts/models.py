"""Rows of people, their addresses, sessions, one-time links and limits."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower

from keyhouse.accounts.check_up.models import (
    CheckUp as CheckUp,  # noqa: PLC0414 - Django finds models here
)
from keyhouse.accounts.oversight.models import (
    Announcement as Announcement,  # noqa: PLC0414 - Django finds models here
)
from keyhouse.accounts.oversight.models import (
    Proposal as Proposal,  # noqa: PLC0414 - Django finds models here
)
from keyhouse.accounts.oversight.models import (
    Suspension as Suspension,  # noqa: PLC0414 - Django finds models here
)
from keyhouse.accounts.phrases import new_phrase
from keyhouse.accounts.recovery.models import (
    RecoveryCase as RecoveryCase,  # noqa: PLC0414 - Django finds models here
)
from keyhouse.accounts.recovery.models import (
    RecoveryWord as RecoveryWord,  # noqa: PLC0414 - Django finds models here
)
from keyhouse.accounts.second_factors.recovery_codes.models import (
    RecoveryCode as RecoveryCode,  # noqa: PLC0414 - Django finds models here
)
from keyhouse.accounts.second_factors.recovery_codes.models import (
    RecoveryCodeSet as RecoveryCodeSet,  # noqa: PLC0414 - Django finds models here
)
from keyhouse.accounts.second_factors.totp.models import (
    Authenticator as Authenticator,  # noqa: PLC0414 - Django finds models here
)
from keyhouse.accounts.second_factors.webauthn.models import (
    Ceremony as Ceremony,  # noqa: PLC0414 - Django finds models here
)
from keyhouse.accounts.second_factors.webauthn.models import (
    SecurityKey as SecurityKey,  # noqa: PLC0414 - Django finds models here
)
from keyhouse.accounts.second_factors.webauthn.models import (
    UserHandle as UserHandle,  # noqa: PLC0414 - Django finds models here
)
from keyhouse.accounts.unfinished.models import (
    UnfinishedSignIn as UnfinishedSignIn,  # noqa: PLC0414 - the same
)


class User(AbstractBaseUser):
    """An account: a person, or a service that acts for a team."""

    class State(models.TextChoices):
        """What the account as a whole may do."""

        ACTIVE = "active"
        HELD = "held"
        FROZEN = "frozen"
        PASSWORD_DISABLED = "password-disabled"  # noqa: S105 - the name of a state
        SUSPENDED = "suspended"  # by operators; kept in `Suspension`
        DELETED = "deleted"

    username = models.CharField(max_length=50)
    kind = models.CharField(max_length=16, default="person")  # person, service
    state = models.CharField(max_length=24, choices=State, default=State.ACTIVE)
    is_operator = models.BooleanField(default=False)
    is_moderator = models.BooleanField(default=False)
    is_auditor = models.BooleanField(default=False)
    joined_at = models.DateTimeField()
    last_seen_at = models.DateTimeField(null=True)  # of the last sign-in; a session has its own
    password_changed_at = models.DateTimeField(null=True)
    # when all sources of compromised passwords were asked last; null: never since it was chosen, or one didn't answer
    password_checked_at = models.DateTimeField(null=True)
    held_until = models.DateTimeField(null=True)  # the latest end of the holds that live; kept by `holds`
    check_phrase = models.CharField(
        max_length=60, default=new_phrase, blank=True
    )  # in every mail to this person
    # when a browser was known for more than a password first: from then on an unknown one needs a confirmation
    first_browser_at = models.DateTimeField(null=True)

    USERNAME_FIELD = "username"
    last_login = None
    objects: ClassVar = BaseUserManager()

    class Meta:
        """User names are unique whatever their case; the few who are closed or operate are found without looking at everybody."""

        constraints: ClassVar = [models.UniqueConstraint(Lower("username"), name="username_unique")]
        indexes: ClassVar = [
            models.Index(fields=["state"], name="user_closed", condition=~models.Q(state="active")),
            models.Index(fields=["username"], name="user_operator", condition=models.Q(is_operator=True)),
        ]

    def __str__(self) -> str:
        """Return the user name."""
        return self.username


class Email(models.Model):
    """An address of a person. `verified_by` says what proved it: a mailed link, the word of the host or of operators, a way back."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="emails")
    address = models.CharField(max_length=254)
    is_primary = models.BooleanField(default=False)
    verified_at = models.DateTimeField(null=True)
    verified_by = models.CharField(max_length=16, default="", blank=True)  # link, host, operators, way-back
    # Its domain was gone: whoever registers that anew must not recover the account, so only its owner, signed in, verifies it again
    domain_gone_at = models.DateTimeField(null=True)
    added_at = models.DateTimeField()

    class Meta:
        """A verified address belongs to one account; a person has one primary address."""

        constraints: ClassVar = [
            models.UniqueConstraint(
                Lower("address"),
                name="verified_address_unique",
                condition=models.Q(verified_at__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["user"], name="one_primary_address", condition=models.Q(is_primary=True)
            ),
        ]

    def __str__(self) -> str:
        """Return the address."""
        return self.address


class MailDomain(models.Model):
    """What the name system says of a domain that people's addresses are in (`addresses.watching`)."""

    domain = models.CharField(max_length=253, unique=True)
    asked_at = models.DateTimeField(null=True)
    answer = models.CharField(max_length=16, default="", blank=True)  # takes-mail, no-mail, missing, unknown
    missing_count = models.IntegerField(
        default=0
    )  # answers in a row, a day apart, that there is no such domain
    missing_at = models.DateTimeField(null=True)  # of the last one that counted
    gone_at = models.DateTimeField(null=True)  # since when no address in it counts as verified
    stopped_at = models.DateTimeField(
        null=True
    )  # it would have touched too many people, so an operator must look

    def __str__(self) -> str:
        """Return the domain."""
        return self.domain


class Hold(models.Model):
    """A wait that was put on an account: why, until when, and how it ended if it ended early."""

    class Reason(models.TextChoices):
        """What put an account on hold."""

        RECOVERY_CODE = "recovery-code"
        EMAIL_CHANGE = "email-change"
        PASSWORD_RESET = "password-reset"  # noqa: S105 - the name of a reason
        FIRST_ENROLMENT = "first-enrolment"
        UNKNOWN_BROWSER = "unknown-browser"
        RECOVERY = "recovery"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="holds")
    reason = models.CharField(max_length=24, choices=Reason)
    placed_at = models.DateTimeField()
    until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=40, default="", blank=True)  # what ended it early

    class Meta:
        """Asked for one person's holds that live."""

        indexes: ClassVar = [models.Index(fields=["user", "until"])]

    def __str__(self) -> str:
        """Return the reason."""
        return self.reason


class Deletion(models.Model):
    """The end of an account: asked for, carried out at `due_at` unless it is taken back (then the row goes).

    Once `done_at` is set the row is the account's tombstone; at `erased_at` its name became free.
    """

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="deletion")
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    erased_at = models.DateTimeField(null=True)

    class Meta:
        """Asked for what is due, and for old tombstones."""

        indexes: ClassVar = [models.Index(fields=["due_at"], name="deletion_due")]

    def __str__(self) -> str:
        """Return whose end it is."""
        return f"deletion of account {self.user_id}"


class Session(models.Model):
    """A browser session, kept by the digest of its cookie, with what was proven in it and when.

    `user` is null only before anybody proved anything. While `is_complete` is false the session is between the
    password and the second factor and may do nothing else.
    """

    digest = models.CharField(max_length=64, unique=True)  # SHA-256 of the cookie's value
    public_id = models.CharField(max_length=22, unique=True)  # what logs and pages call it
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sessions")
    is_complete = models.BooleanField(default=False)
    methods = models.JSONField(default=list)
    proved_at = models.DateTimeField()
    user_verified = models.BooleanField(default=False)
    device_bound = models.BooleanField(default=False)  # a key that can't leave its device was proven
    key_proved_at = models.DateTimeField(null=True)  # when a security key or passkey was proven last
    csrf_secret = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    network = models.CharField(max_length=64, default="", blank=True)
    user_agent = models.CharField(max_length=300, default="", blank=True)
    data = models.JSONField(default=dict)  # of a ceremony under way, such as an enrolment
    data_sealed = models.TextField(default="", blank=True)  # the secret part of it
    # of a sign-in from an unknown browser: both factors are proven, and until here it waits for a confirmation
    confirm_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        """Return the public id."""
        return self.public_id


class KnownBrowser(models.Model):
    """A browser that a person signed in with, kept by the digest of the random id in its cookie. Never a factor."""

    class How(models.TextChoices):
        """What made it known."""

        PASSWORD = "password"  # noqa: S105 - of an account without a second factor; counts for no more than that
        FIRST = "first"  # the first one, taken on trust
        LINK = "link"  # the one-time link that set the account up was finished in it
        KEY = "key"  # a security key or passkey
        MAIL = "mail"  # confirmed by a mailed link
        TWO_FACTORS = "two-factors"  # two different factors, where no mail could be sent
        WAIT = "wait"  # an announced wait is over (or not yet: `known_at`)

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="known_browsers")
    digest = models.CharField(max_length=64)  # SHA-256 of the id
    how = models.CharField(max_length=16, choices=How)
    known_at = models.DateTimeField()  # the instant from which on it counts; ahead while it waits
    account_state = models.CharField(
        max_length=64, default="", blank=True
    )  # of a wait: what it was begun under
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()  # of the last sign-in
    network = models.CharField(max_length=64, default="", blank=True)
    user_agent = models.CharField(max_length=300, default="", blank=True)

    class Meta:
        """A browser has one row for each of its people."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "digest"], name="known_browser_once")
        ]

    def __str__(self) -> str:
        """Return what made it known."""
        return self.how


class OneTimeLink(models.Model):
    """A link that works once: set-up of the first operator, an invitation, factors anew. Kept by digest only.

    The first use binds the link to a browser (`session_digest`) until it is finished or expires.
    """

    purpose = models.CharField(max_length=24)  # `links` names them, and what `links.LIFE` lists
    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="links")
    digest = models.CharField(max_length=64, unique=True)
    username = models.CharField(max_length=50, default="", blank=True)
    address = models.CharField(max_length=254, default="", blank=True)
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    draft_sealed = models.TextField(default="", blank=True)  # what was entered so far, sealed
    data = models.JSONField(default=dict)

    def __str__(self) -> str:
        """Return what the link is for."""
        return self.purpose


class Attempt(models.Model):
    """One counted attempt, shared by all processes: which limit, on whom or where, when.

    That of a network says besides on whom, so that it can be forgiven when that person succeeds.
    """

    limit = models.CharField(max_length=32)
    subject = models.CharField(max_length=150)
    whom = models.CharField(max_length=150, default="", db_default="", blank=True)
    at = models.DateTimeField()

    class Meta:
        """Counting reads one subject's last attempts."""

        indexes: ClassVar = [models.Index(fields=["limit", "subject", "at"]), models.Index(fields=["at"])]

    def __str__(self) -> str:
        """Return limit and subject."""
        return f"{self.limit} {self.subject}"
