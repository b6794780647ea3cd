"""Refusals of the accounts feature."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from keyhouse.core.errors import Refusal, Situation

MOST_NAMED: Final = 5  # projects in one sentence


class AccountRefused(Refusal):
    """The family of everything accounts refuse."""

    code = "account-refused"
    sentence = "This can't be done with this account."


class UsernameRefused(AccountRefused):
    """A user name that breaks the rules for user names, or one that means something else here."""

    code = "username-refused"
    sentence = "This user name can't be used here."
    fix = "Use up to 50 letters, digits, dots, dashes and underscores; begin and end with a letter or digit."


class UsernameTaken(AccountRefused):
    """Somebody has this user name already (in whatever case)."""

    code = "username-taken"
    situation = Situation.CONFLICT
    sentence = "This user name is taken."
    fix = "Choose another one."


class AddressRefused(AccountRefused):
    """What was given is not an e-mail address."""

    code = "address-refused"
    sentence = "This is not an e-mail address."
    fix = "Give one like ada@example.org."


class AddressTaken(AccountRefused):
    """The address is verified for an account already."""

    code = "address-taken"
    situation = Situation.CONFLICT
    sentence = "This address can't be used for another account."
    fix = "Use another address."


class PasswordRefused(AccountRefused):
    """The family of everything that is wrong with a chosen password."""

    code = "password-refused"
    sentence = "This password can't be used."
    fix = "Let a password manager make one, or put five or more random words together."


class PasswordTooShort(PasswordRefused):
    """Shorter than this index asks for."""

    code = "password-too-short"
    sentence = "This password is too short."


class PasswordTooLong(PasswordRefused):
    """Longer than anybody needs (4,096 characters)."""

    code = "password-too-long"
    sentence = "This password has more than 4,096 characters."
    fix = "Use a shorter one; nothing is gained from here on."


class PasswordMalformed(PasswordRefused):
    """The password holds something that is no character (a NUL, half of a pair)."""

    code = "password-malformed"
    sentence = "This password holds something that is not a character."


class PasswordPersonal(PasswordRefused):
    """Little more than the user name, the address or the name of this product."""

    code = "password-personal"
    sentence = "This password is little more than your user name, your address or the name of this index."


class PasswordCommon(PasswordRefused):
    """The password stands in the lists that are tried first."""

    code = "password-common"
    sentence = "This password is on the lists of common passwords that are tried first."


class PasswordGuessable(PasswordRefused):
    """Long enough, and still found early by whoever guesses with method (zxcvbn below 3 of 4)."""

    code = "password-guessable"
    sentence = "This password is easy to guess: it follows a pattern."


class PasswordWrong(AccountRefused):
    """The present password, asked for once more, was not the right one."""

    code = "password-wrong"
    situation = Situation.UNAUTHENTICATED
    sentence = "That is not your present password."
    fix = "Try again."


class PasswordsBusy(AccountRefused):
    """Too many passwords are being looked at in this moment; memory is bounded on purpose."""

    code = "passwords-busy"
    situation = Situation.UNAVAILABLE
    sentence = "Too many people are signing in at this moment."
    fix = "Try again in a few seconds."
    retry_after = 5


class SignInRefused(AccountRefused):
    """One text for unknown names, unknown addresses and wrong passwords, so that none can be told apart."""

    code = "sign-in-refused"
    situation = Situation.UNAUTHENTICATED
    sentence = "The name and the password don't belong together."
    fix = "Check both and try again."


class AccountHeld(AccountRefused):
    """The account is on hold, so what protects it can't be changed now; adding a second factor can."""

    code = "account-held"
    situation = Situation.FORBIDDEN
    sentence = "This account is on hold."
    fix = "Your account page says why, and what ends it earlier."


class PasswordDisabled(AccountRefused):
    """The password was right, and is not accepted any more."""

    code = "password-disabled"
    situation = Situation.FORBIDDEN
    sentence = "This password is known from a theft somewhere, so it is not accepted any more."
    fix = "Set a new one: choose “Forgot your password?” and follow the link in the mail."


class OwnsAlone(AccountRefused):
    """The person is the only owner of projects that go on, and nobody else could look after them."""

    code = "owns-alone"
    situation = Situation.CONFLICT
    sentence = "You are the only owner of projects that would be left without anybody."
    fix = "Hand them over on the page of their people, or archive or delete them first."

    def __init__(self, projects: Iterable[str] = ()) -> None:
        """Take the names of the projects."""
        self.projects = tuple(projects)
        named = ", ".join(self.projects[:MOST_NAMED]) + (", …" if len(self.projects) > MOST_NAMED else "")
        super().__init__(f"You are the only owner of {named}." if named else None)


class OperatorLast(AccountRefused):
    """Somebody has to operate the index."""

    code = "operator-last"
    situation = Situation.CONFLICT
    sentence = "You are the last operator of this index."
    fix = "Let somebody else become an operator first."


class NameTypedWrong(AccountRefused):
    """The name that confirms a deletion was not typed as it is."""

    code = "name-typed-wrong"
    sentence = "This is not the name of your account. Nothing was deleted."
    fix = "Type it exactly as it is shown."


class DeletionMissing(AccountRefused):
    """There is no deletion of this account that could be taken back."""

    code = "deletion-missing"
    situation = Situation.CONFLICT
    sentence = "No deletion of this account is waiting."
    fix = "It was taken back already, or it was carried out."


class SignInExpired(AccountRefused):
    """Too long between the password and the second factor."""

    code = "sign-in-expired"
    situation = Situation.UNAUTHENTICATED
    sentence = "This sign-in took too long or was finished elsewhere."
    fix = "Sign in again."


class TooManyAttempts(AccountRefused):
    """A limit on attempts was reached, for an account or for a network."""

    code = "too-many"
    situation = Situation.TOO_MANY
    sentence = "Too many attempts."
    fix = "Wait a little, then try again."


class CodeRefused(AccountRefused):
    """The family of everything that is wrong with a code."""

    code = "code-refused"
    situation = Situation.UNAUTHENTICATED
    sentence = "This code is not accepted."
    meant: int | None = None  # the authenticator app that it belongs to, where that can be told


class CodeWrong(CodeRefused):
    """Not the code that the authenticator app shows now."""

    code = "code-wrong"
    sentence = "That is not the code your authenticator app shows now."
    fix = "Type the six digits it shows at this moment."


class CodeReplayed(CodeRefused):
    """The code was right and has been used (RFC 6238 section 5.2: accepted once)."""

    code = "code-replayed"
    sentence = "This code was used already."
    fix = "Wait for the next one; each code works once."


class ClockOff(CodeRefused):
    """The code belongs to a moment some minutes away: the clock of the device is off."""

    code = "clock-off"
    sentence = "The clock of your device seems to be off."
    fix = "Let the device set its time automatically, then type the code it shows."


class SecretMalformed(CodeRefused):
    """An authenticator's secret that is no base32 text."""

    code = "secret-malformed"
    situation = Situation.INVALID
    sentence = "This is not the secret of an authenticator app."


class RecoveryCodeWrong(CodeRefused):
    """Not one of the unused recovery codes of the account."""

    code = "recovery-code-wrong"
    sentence = "That is not one of your unused recovery codes."
    fix = "Each works once. Check for misread characters."


class SecondFactorLast(AccountRefused):
    """The last second factor stays: it can be replaced, never just removed."""

    code = "second-factor-last"
    situation = Situation.CONFLICT
    sentence = "This is your last second factor, and an account here always has one."
    fix = "Add a new one first, then remove this one."


class SecondFactorMissing(AccountRefused):
    """There is no such second factor in this account."""

    code = "second-factor-missing"
    situation = Situation.MISSING
    sentence = "Your account has no such second factor."


class SecondFactorsMany(AccountRefused):
    """More authenticator apps than anybody uses."""

    code = "second-factors-many"
    situation = Situation.CONFLICT
    sentence = "Your account has as many authenticator apps as one can have."
    fix = "Remove one that you don't use any more."


class SecondFactorUnnamed(AccountRefused):
    """A name that holds nothing anybody can see."""

    code = "second-factor-unnamed"
    sentence = "This name holds nothing that can be seen."
    fix = "Give it one by which you tell it from your others."


class EnrolmentMissing(AccountRefused):
    """Nothing is being set up in this session, or it was finished already."""

    code = "enrolment-missing"
    situation = Situation.CONFLICT
    sentence = "Nothing is being set up here any more."
    fix = "Begin again from your account page."


class SessionMissing(AccountRefused):
    """There is no such session in this account (any more)."""

    code = "session-missing"
    situation = Situation.MISSING
    sentence = "There is no such session; it may have ended already."


class BrowserMissing(AccountRefused):
    """There is no such browser in this account (any more)."""

    code = "browser-missing"
    situation = Situation.MISSING
    sentence = "Your account knows no such browser; it may be forgotten already."


class ConfirmationElsewhere(AccountRefused):
    """A sign-in is confirmed in the browser that began it, so that a link that is read elsewhere lets nobody in."""

    code = "confirmation-elsewhere"
    situation = Situation.CONFLICT
    sentence = "This link confirms a sign-in that was begun in another browser, so nothing was done here."
    fix = "Copy it into the browser in which you are signing in. If you are not, don't: change your password."


class ConfirmationUnmailed(AccountRefused):
    """No mail reaches this person now."""

    code = "confirmation-unmailed"
    situation = Situation.CONFLICT
    sentence = "No mail can be sent for this account now."
    fix = "The page of this sign-in says what takes its place."


class ConfirmationByMail(AccountRefused):
    """Something else may stand in for a mailed link only where no mail arrives."""

    code = "confirmation-by-mail"
    situation = Situation.CONFLICT
    sentence = "This sign-in is confirmed by mail."
    fix = "Open the link that was mailed to you, or have it sent again."


class WaitsMany(AccountRefused):
    """More browsers wait to be let into an account than anybody uses."""

    code = "waits-many"
    situation = Situation.CONFLICT
    sentence = "As many browsers as can wait already do so for this account."
    fix = "Refuse one on the page of your sessions, or come back when one is let in."


class LinkUnknown(AccountRefused):
    """No such one-time link was made, or it was replaced by a newer one."""

    code = "link-unknown"
    situation = Situation.MISSING
    sentence = "This link is not valid."
    fix = "Check that it was copied whole; a newer link replaces an older one."


class LinkUsed(AccountRefused):
    """A one-time link is dead once it was used."""

    code = "link-used"
    situation = Situation.GONE
    sentence = "This link was used already."
    fix = "Sign in instead."


class LinkExpired(AccountRefused):
    """A one-time link lives for a limited time."""

    code = "link-expired"
    situation = Situation.GONE
    sentence = "This link is too old."
    fix = "Ask for a new one, or make one at the host with `keyhouse setup-link`."


class LinkInUse(AccountRefused):
    """The link belongs to the browser that began with it."""

    code = "link-in-use"
    situation = Situation.CONFLICT
    sentence = "This link is being used in another browser."
    fix = "Go on there; or have a new link made, which ends what was begun."


class StepMissing(AccountRefused):
    """A step of setting up an account that comes before this one is not done."""

    code = "step-missing"
    situation = Situation.CONFLICT
    sentence = "Another step comes before this one."
    fix = "Open the link again; it leads to the step that is next."


class SignUpClosed(AccountRefused):
    """The operators of this index let nobody new in, or nobody this way."""

    code = "sign-up-closed"
    situation = Situation.FORBIDDEN
    sentence = "This index makes no new accounts this way at present."
    fix = "Ask its operators."


class OperatorExists(AccountRefused):
    """The index has an operator, so there is no set-up any more."""

    code = "operator-exists"
    situation = Situation.CONFLICT
    sentence = "This index is set up: it has an operator."
    fix = "Invite people with `keyhouse user invite NAME ADDRESS`."
