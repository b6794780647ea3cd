"""Refusals about API tokens. What is wrong with a token that was sent is never told apart: `CredentialInvalid`."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation


class TokenRefused(Refusal):
    """The family of every refusal of this feature."""


class PasswordNotAccepted(TokenRefused):
    """A user name and a password came where only an API token is taken."""

    code = "password-not-accepted"
    situation = Situation.FORBIDDEN
    sentence = "Passwords are not accepted here; use __token__ as user name and an API token as password."
    fix = "Create an API token on your account page."


class TokenNotFound(TokenRefused):
    """There is no such token among one's own."""

    code = "token-not-found"
    situation = Situation.MISSING
    sentence = "You have no such API token."
    fix = "See the list of your tokens."


class ReachInvalid(TokenRefused):
    """What was named is no project of the organization, or too many are."""

    code = "reach-invalid"
    sentence = "A token or publisher of an organization can't be for these projects."
    fix = "Name projects of the organization, or choose all of them."


class RobotTokenNotFound(TokenRefused):
    """The project or organization has no such robot token."""

    code = "robot-token-not-found"
    situation = Situation.MISSING
    sentence = "There is no such robot token here."
    fix = "See the list of its robot tokens."


class RobotTokensTooMany(TokenRefused):
    """A project or organization has as many robot tokens as one may have."""

    code = "robot-tokens-too-many"
    situation = Situation.CONFLICT
    sentence = "There are as many robot tokens here as there may be."
    fix = "Revoke one that isn't needed any more."


class RobotTokenNotResting(TokenRefused):
    """Nobody needs to confirm a robot token whose person owns what it belongs to."""

    code = "robot-token-not-resting"
    situation = Situation.CONFLICT
    sentence = "The person behind this robot token is an owner still, so there is nothing to confirm."
    fix = "See the list of its robot tokens."


class NarrowingRefused(TokenRefused):
    """A token can't be narrowed like that."""

    code = "narrowing-refused"
    sentence = "This token can't be narrowed like that."
    fix = "`keyhouse token show` tells what it can do."


class LeakReportRefused(TokenRefused):
    """A report of leaked tokens that isn't signed as it should be, or is malformed."""

    code = "leak-report-refused"
    sentence = "This report is malformed, or not signed by a current key."
    fix = "Send it as the page on leaked tokens says."


class LeakKeysUnreadable(TokenRefused):
    """The file of the scanners' keys can't be used."""

    code = "leak-keys-unreadable"
    situation = Situation.UNAVAILABLE
    sentence = "The keys of the scanners can't be read right now."
    fix = "Try again later; the operators mend the file that KEYHOUSE_LEAK_REPORT_KEYS names."


class DescriptionTaken(TokenRefused):
    """A live token of the same person has this description."""

    code = "token-description-taken"
    situation = Situation.CONFLICT
    sentence = "You have a token with this description already."
    fix = "Choose another description, or revoke the other token first."


class TokenAlreadyMade(TokenRefused):
    """The same form was sent again, too late to be shown its token once more."""

    code = "token-already-made"
    situation = Situation.CONFLICT
    sentence = "This form was sent before and its token was shown then; a token is shown once."
    fix = "If you didn't keep it, revoke it and create another one."


class TokenTermsInvalid(TokenRefused):
    """What the token was asked to be can't be."""

    code = "token-terms-invalid"
    sentence = "A token can't be made like that."
