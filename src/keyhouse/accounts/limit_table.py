"""Every limit on attempts, in one place: on whom or what, what counts, and the setting that holds its windows.

`docs/limits.md` is made from this table by `keyhouse limits --markdown`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from keyhouse.core import configuration
from keyhouse.core.windows import Window


@dataclass(frozen=True, slots=True)
class Limit:
    """A named limit; its windows are the setting that it names, and all of them hold.

    `counts` says what is counted and `on` whose bucket that goes into. `network` is the limit of networks that goes
    with it: beside each subject's own bucket, attempts are counted on where they come from.
    """

    name: str
    setting: str
    counts: str
    on: str
    network: Limit | None = None

    def windows(self, factor: int = 1) -> list[Window]:
        """Return the windows with `factor` times the counts."""
        configured: tuple[Window, ...] = getattr(configuration.current(), self.setting)
        return [Window(window.count * factor, window.length) for window in configured]


_NETWORK: Final = "a network"
_IN_A_BROWSER: Final = "what was typed; a browser that the account knows has a bucket of its own"

SIGN_IN_NETWORK: Final = Limit("sign-in-network", "sign_in_network_limit", "wrong passwords", _NETWORK)
SIGN_IN: Final = Limit(
    "sign-in",
    "sign_in_limit",
    "wrong passwords: at sign-in, at step-up, at the change of a password; refused passkeys",
    _IN_A_BROWSER,
    SIGN_IN_NETWORK,
)
SECOND_FACTOR_NETWORK: Final = Limit(
    "second-factor-network", "second_factor_network_limit", "wrong codes, refused keys", _NETWORK
)
SECOND_FACTOR: Final = Limit(
    "second-factor",
    "second_factor_limit",
    "wrong or repeated codes of apps, wrong recovery codes, refused keys: at sign-in and at step-up",
    "an account; a browser that it knows has a bucket of its own",
    SECOND_FACTOR_NETWORK,
)
MAIL_NETWORK: Final = Limit("mail-network", "mail_network_limit", "mails that somebody asked for", _NETWORK)
MAIL: Final = Limit(
    "mail",
    "mail_limit",
    "mails that somebody asked for (links, codes, resets), sent or not; changes of the primary address",
    "an account, or the address or name that was typed",
    MAIL_NETWORK,
)
SIGN_UP_NETWORK: Final = Limit("sign-up-network", "sign_up_network_limit", "sign-ups that failed", _NETWORK)
SIGN_UP: Final = Limit(
    "sign-up", "sign_up_limit", "sign-ups that failed", "the address that was typed", SIGN_UP_NETWORK
)
LINK_NETWORK: Final = Limit("link-network", "link_network_limit", "links that are not there", _NETWORK)
LINK: Final = Limit(
    "link",
    "link_limit",
    "wrong codes beside a mailed link",
    "the link's account or address",
    LINK_NETWORK,
)
RECOVERY_NETWORK: Final = Limit(
    "recovery-network", "recovery_network_limit", "attempts that failed", _NETWORK
)
RECOVERY: Final = Limit(
    "recovery",
    "recovery_limit",
    "attempts to recover an account that failed",
    "an account, or what was typed",
    RECOVERY_NETWORK,
)
CREATION_NETWORK: Final = Limit(
    "project-create-network", "project_create_network_limit", "new projects", _NETWORK
)
CREATION: Final = Limit(
    "project-create", "project_create_limit", "new projects", "an account", CREATION_NETWORK
)
INVITATION_NETWORK: Final = Limit(
    "project-invitation-network",
    "project_invitation_network_limit",
    "invitations into projects, made or sent again",
    _NETWORK,
)
INVITATION: Final = Limit(
    "project-invitation",
    "project_invitation_limit",
    "invitations into projects, made or sent again",
    "an account",
    INVITATION_NETWORK,
)
REPORT_NETWORK: Final = Limit("report-network", "report_network_limit", "reports about projects", _NETWORK)
REPORT: Final = Limit("report", "report_limit", "reports about projects", "an account", REPORT_NETWORK)
LEAK_NETWORK: Final = Limit(
    "leak-report-network", "leak_report_network_limit", "reports of leaked tokens", _NETWORK
)
LEAK: Final = Limit(
    "leak-report", "leak_report_limit", "reports of leaked tokens", "an account", LEAK_NETWORK
)
EXCHANGE: Final = Limit(
    "exchange-network",
    "exchange_network_limit",
    "identity tokens from CI that were refused; tokens to be burned that are not there",
    _NETWORK,
)

TABLE: Final = (
    SIGN_IN,
    SECOND_FACTOR,
    MAIL,
    SIGN_UP,
    LINK,
    RECOVERY,
    CREATION,
    INVITATION,
    REPORT,
    LEAK,
    EXCHANGE,
)


def all_limits() -> list[Limit]:
    """Return every limit, those of networks beside what they go with."""
    return [one for limit in TABLE for one in (limit, limit.network) if one is not None]
