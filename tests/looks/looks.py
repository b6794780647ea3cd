"""Which pages are looked at, as whom, and at which address; and which are not, and why.

By the paths of `keyhouse dev routes`. A new page for people stands in `LOOKS`, or in `LEFT_OUT` with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from tests.looks.harbour import DRAFT, PAUSED, PUT_OFF, SHADOW, Harbour

OPERATOR, PERSON, OTHER, NOBODY = "iris", "mara", "jonas", ""


@dataclass(frozen=True, slots=True)
class Look:
    """A page as somebody sees it: at its own path, at an address, linked on a page, or mailed to somebody."""

    who: str = NOBODY
    at: str = ""
    linked_on: str = ""
    mailed_to: str = ""

    def address(self, route: str, harbour: Harbour) -> str:
        """Return where the page is."""
        if self.mailed_to:
            return harbour.mailed(self.mailed_to, route.split("/")[1])
        if self.linked_on:
            return _find_link(self, route, harbour)
        return self.at or harbour.paths.get(route) or route


def strayed(route: str, url: str) -> bool:
    """Tell whether a page asks for a sign-in or a proof instead of being the one that was to be looked at."""
    asks = ("/account/sign-in/", "/account/step-up/")
    return urlsplit(url).path.startswith(asks) and not route.startswith(asks)


def _find_link(look: Look, route: str, harbour: Harbour) -> str:
    """Return the first link on the page that fits the route."""
    pattern = re.compile(re.sub(r"\\{\w+\\}", "[^/?#]+", re.escape(route)))
    answer = harbour.enter(look.who).request.get(look.linked_on)
    for href in re.findall(r'href="([^"#?]+)', answer.text()):
        if pattern.fullmatch(href):
            return str(href)
    raise AssertionError(f"{look.linked_on} has no link to {route} for {look.who or 'nobody'}")


def seen(*people: str, at: str = "") -> tuple[Look, ...]:
    """Return one look of each of them."""
    return tuple(Look(who, at) for who in people or (NOBODY,))


def linked(on: str, who: str) -> tuple[Look, ...]:
    """Return a look at what the page links to."""
    return (Look(who, linked_on=on),)


LANTERN: Final = "/manage/project/lantern"
FACTORS: Final = "/account/second-factors/"
CASES: Final = "/operator/recovery/"
PROPOSALS: Final = "/operator/proposals/"
TOOLS: Final = "/manage/organization/harbour-tools"
ORGANIZATION: Final = "/manage/organization/{name}"
TEAM: Final = f"{ORGANIZATION}/teams/{{team_name}}"
OFFERS: Final = "/account/invitations/organization/{invitation_id}"
PUBLISHING: Final = f"{LANTERN}/publishing"
ONE: Final = "/manage/project/{name}/publishing/{publisher_id}/"
OF_GITHUB: Final = "?issuer=https://token.actions.githubusercontent.com&owner=harbour&repository=lantern&workflow=release.yml"
LOOKS: Final[dict[str, tuple[Look, ...]]] = {
    "/": seen(NOBODY, PERSON, OPERATOR),
    "/search/": (
        Look(at="/search/?q=beacon"),
        Look(at="/search/?q=nothing-of-this-name"),
        Look(at="/search/"),
    ),
    "/project/{name}/": (*seen(NOBODY, PERSON, at="/project/lantern/"), Look(at="/project/gangway/")),
    "/project/{name}/report/": seen(PERSON, at="/project/lantern/report/"),
    "/project/{name}/releases/": seen(at="/project/lantern/releases/"),
    "/project/{name}/{version}/": seen(at="/project/lantern/1.2/"),
    "/project/{name}/{version}/files/": seen(at="/project/knotwork/1.3/files/"),
    "/project/{name}/{version}/description/": seen(at="/project/lantern/1.2/description/"),
    "/project/{name}/compare/": seen(at="/project/lantern/compare/"),
    "/project/{name}/compare/{before}/{after}/": seen(at="/project/lantern/compare/1.5/2.1/"),
    "/project/{name}/statistics/": seen(at="/project/lantern/statistics/"),
    "/project/{name}/{version}/files/{filename}/": seen(
        at="/project/lantern/2.1/files/lantern-2.1-py3-none-any.whl/"
    ),
    "/organization/{name}/": seen(NOBODY, PERSON, at="/organization/harbour-tools/"),
    "/browse/": seen(),
    "/help/clients/": seen(),
    "/help/codes/": seen(),
    "/help/codes/topic/{slug}/": seen(at="/help/codes/topic/accounts-and-signing-in/"),
    "/help/codes/{code}/": seen(at="/help/codes/second-factor-required/"),
    "/mandate/": seen(),
    "/mandate/notices/": seen(),
    "/-/styleguide": seen(),
    # getting in
    "/account/sign-in/": seen(),
    "/account/second-factor/": seen("lucia"),
    "/account/second-factor/recovery-code/": seen("lucia"),
    "/account/new-browser/": seen("lucia elsewhere"),
    "/account/new-browser/code/": seen("lucia elsewhere"),
    "/confirm-sign-in/{secret}/": (Look("lucia elsewhere", mailed_to="lucia"),),
    "/account/step-up/": seen(PERSON, "priya"),
    "/account/step-up/app/": seen(PERSON),
    "/account/step-up/recovery-code/": seen(PERSON),
    "/account/password/forgotten/": seen(),
    "/account/password/forgotten/mailed/": seen(),
    "/password-reset/{secret}/": (Look(mailed_to="wren"),),
    "/account/recover/": seen(),
    "/account/recover/sent/": seen(),
    "/account/recover/without-mail/": seen(),
    "/recovery/{secret}/": (Look(mailed_to="hana"), Look("kenji lost", mailed_to="kenji")),
    "/invitation/{secret}/account/": seen("at account"),
    "/invitation/{secret}/authenticator/": seen("at authenticator"),
    "/invitation/{secret}/recovery-codes/": seen("at recovery-codes"),
    # one's own account
    "/account/": seen(PERSON, OPERATOR, "priya"),
    FACTORS: seen(PERSON, "priya"),
    "/account/second-factors/add/": seen(PERSON),
    "/account/second-factors/{authenticator_id}/remove/": linked(FACTORS, PERSON),
    "/account/second-factors/{authenticator_id}/rename/": linked(FACTORS, PERSON),
    "/account/security-keys/add/": seen(PERSON),
    "/account/security-keys/{key_id}/remove/": linked(FACTORS, PERSON),
    "/account/second-factors/proof/": seen("priya"),
    "/account/check-up/": seen(PERSON, "priya"),
    "/account/recovery-codes/": seen(PERSON, "priya"),
    "/account/recovery-codes/new/": seen(PERSON),
    "/account/password/": seen(PERSON),
    "/account/password/remove/": seen(PERSON),
    "/account/sessions/": seen(PERSON),
    "/account/history/": seen(PERSON),
    "/account/reports/": seen(PERSON),
    "/account/emails/": seen(PERSON),
    "/account/emails/add/": seen(PERSON),
    "/account/emails/{email_id}/": linked("/account/emails/", PERSON),
    "/account/emails/{email_id}/remove/": linked("/account/emails/", PERSON),
    "/verify-address/{secret}/": (Look(PERSON, mailed_to="mara.second"),),
    "/not-me/{secret}/": (Look(mailed_to="mara"),),
    "/account/freeze/": seen(PERSON),
    "/account/export/": seen(PERSON),
    "/account/delete/": seen("auden"),
    "/account/deleted/": seen(),
    "/keep-account/": seen(),
    "/account/vouch/": seen(PERSON, OTHER),
    "/account/vouch/{case_id}/": linked("/account/vouch/", PERSON),
    "/account/invitations/": seen("priya", PERSON),
    "/account/invitations/{invitation_id}/accept/": linked("/account/invitations/", "priya"),
    f"{OFFERS}/accept/": linked("/account/invitations/", "priya"),
    "/account/mandate/": seen(PERSON, "priya"),
    "/account/mandate/exits/": seen(PERSON, "priya"),
    "/account/mandate/exits/exemption/": seen(PERSON),
    "/account/mandate/exits/key/": seen(PERSON),
    "/help/without-a-phone/": seen(),
    "/operator/mandates/requests/": seen(OPERATOR),
    "/operator/mandates/stranded/": seen(OPERATOR),
    "/operator/mandates/organizations/": seen(OPERATOR),
    "/operator/mandates/stranded/organization/{name}/new-owner/": seen(
        OPERATOR, at="/operator/mandates/stranded/organization/harbour-tools/new-owner/"
    ),
    "/account/notices/": seen(PERSON),
    "/account/tokens/": seen(PERSON, "priya"),
    "/account/tokens/new/": seen(PERSON),
    "/account/tokens/{token_id}/revoke/": linked("/account/tokens/", PERSON),
    "/account/tokens/report-leak/": seen(PERSON),
    "/account/publishers/": seen(PERSON, "priya"),
    "/account/publishers/add/": seen(PERSON, at=f"/account/publishers/add/{OF_GITHUB}"),
    "/account/publishers/{publisher_id}/": linked("/account/publishers/", PERSON),
    "/account/publishers/{publisher_id}/remove/": linked("/account/publishers/", PERSON),
    # one's own organizations
    "/manage/organizations/": seen(PERSON, "auden"),
    "/manage/organizations/new/": seen(PERSON),
    "/manage/organizations/apply/": seen(PERSON),
    "/operator/applications/": seen(OPERATOR),
    f"{ORGANIZATION}/": seen(PERSON, OTHER, at=f"{TOOLS}/"),
    f"{ORGANIZATION}/person/{{username}}/role/": linked(f"{TOOLS}/", PERSON),
    f"{ORGANIZATION}/person/{{username}}/remove/": linked(f"{TOOLS}/", PERSON),
    f"{TEAM}/": seen(PERSON, OTHER, at=f"{TOOLS}/teams/keel/"),
    f"{TEAM}/delete/": seen(PERSON, at=f"{TOOLS}/teams/keel/delete/"),
    f"{TEAM}/person/{{username}}/remove/": linked(f"{TOOLS}/teams/keel/", PERSON),
    **{
        f"{ORGANIZATION}/{part}/": seen(PERSON, at=f"{TOOLS}/{part}/")
        for part in (
            "leave",
            "hand-over",
            "teams",
            "projects",
            "settings",
            "rename",
            "delete",
            "activity",
            "compliance",
            "who-reads",
        )
    },
    **{
        f"{ORGANIZATION}/second-factors/{part}": seen(PERSON, at=f"{TOOLS}/second-factors/{part}")
        for part in ("", "lift/", "approve/")
    },
    f"{ORGANIZATION}/publishing/": seen(PERSON, at=f"{TOOLS}/publishing/"),
    f"{ORGANIZATION}/publishing/add/": seen(PERSON, at=f"{TOOLS}/publishing/add/{OF_GITHUB}"),
    f"{ORGANIZATION}/publishing/new/add/": seen(PERSON, at=f"{TOOLS}/publishing/new/add/{OF_GITHUB}"),
    f"{ORGANIZATION}/robot-tokens/": seen(PERSON, at=f"{TOOLS}/robot-tokens/"),
    f"{ORGANIZATION}/robot-tokens/new/": seen(PERSON, at=f"{TOOLS}/robot-tokens/new/"),
    "/manage/project/{name}/organization/": seen(PERSON, at=f"{LANTERN}/organization/"),
    "/manage/project/{name}/teams/": seen(PERSON, at=f"{LANTERN}/teams/"),
    "/manage/project/{name}/teams/{team_name}/end/": linked(f"{LANTERN}/teams/", PERSON),
    # one's own projects
    "/manage/projects/": seen(PERSON, "auden"),
    "/manage/project/{name}/": (*seen(PERSON, OTHER, at=f"{LANTERN}/"),),
    "/manage/project/{name}/release/{version}/": seen(PERSON, at=f"{LANTERN}/release/2.1/"),
    "/manage/project/{name}/publishing/": (
        *seen(PERSON, at=f"{PUBLISHING}/"),
        *seen(OTHER, at="/manage/project/mainsail/publishing/"),
    ),
    "/manage/project/{name}/publishing/add/": seen(PERSON, at=f"{PUBLISHING}/add/{OF_GITHUB}"),
    ONE: linked(f"{PUBLISHING}/", PERSON),
    f"{ONE}remove/": linked(f"{PUBLISHING}/", PERSON),
    "/manage/project/{name}/publishing/only/": seen(PERSON, at=f"{PUBLISHING}/only/"),
    "/manage/project/{name}/publishing/tokens-too/": seen(PERSON, at=f"{PUBLISHING}/tokens-too/"),
    "/manage/project/{name}/archive/": seen(PERSON, at=f"{LANTERN}/archive/"),
    "/manage/project/{name}/delete/": seen(PERSON, at=f"{LANTERN}/delete/"),
    "/manage/project/{name}/release/{version}/yank/": seen(PERSON, at=f"{LANTERN}/release/2.1/yank/"),
    "/manage/project/{name}/release/{version}/unyank/": seen(PERSON, at=f"{LANTERN}/release/1.2/unyank/"),
    "/manage/project/{name}/release/{version}/delete/": seen(PERSON, at=f"{LANTERN}/release/2.1/delete/"),
    "/manage/project/{name}/release/{version}/file/{filename}/delete/": linked(
        f"{LANTERN}/release/2.1/", PERSON
    ),
    "/manage/project/{name}/staged/": seen(PERSON, OTHER, at=f"{LANTERN}/staged/"),
    "/manage/project/{name}/staged/{version}/publish/": linked(f"{LANTERN}/staged/", PERSON),
    "/manage/project/{name}/staged/{version}/discard/": linked(f"{LANTERN}/staged/", PERSON),
    "/manage/project/{name}/staging/": seen(PERSON, at=f"{LANTERN}/staging/"),
    "/manage/project/{name}/robot-tokens/": seen(PERSON, OTHER, at=f"{LANTERN}/robot-tokens/"),
    "/manage/project/{name}/robot-tokens/new/": seen(PERSON, at=f"{LANTERN}/robot-tokens/new/"),
    "/manage/project/{name}/robot-tokens/{token_id}/revoke/": linked(f"{LANTERN}/robot-tokens/", PERSON),
    "/manage/deleted/": seen(PERSON),
    "/manage/project/{name}/deprecate/": seen(PERSON, at=f"{LANTERN}/deprecate/"),
    "/manage/project/{name}/people/": seen(PERSON, OTHER, at=f"{LANTERN}/people/"),
    **{
        f"/manage/project/{{name}}/people/{act}/": seen(PERSON, at=f"{LANTERN}/people/{act}/")
        for act in ("leave", "hand-over")
    },
    "/manage/project/{name}/people/{username}/role/": linked(f"{LANTERN}/people/", PERSON),
    "/manage/project/{name}/people/{username}/remove/": linked(f"{LANTERN}/people/", PERSON),
    "/manage/project/{name}/unarchive/": seen("jonas", at="/manage/project/mainsail/unarchive/"),
    "/mandate/project/{name}/": seen(PERSON, at="/mandate/project/lantern/"),
    "/mandate/deletion/{name}/": seen(PERSON, at="/mandate/deletion/lantern/"),
    # those who run the index
    "/operator/": seen(OPERATOR),
    "/operator/people/": seen(OPERATOR),
    "/operator/people/{username}/": seen(OPERATOR, at="/operator/people/mara/"),
    **{
        f"/operator/people/{{username}}/{act}/": seen(OPERATOR, at=f"/operator/people/wren/{act}/")
        for act in ("end-sessions", "off-board", "suspend", "grant-office", "verify-address")
    },
    "/operator/people/{username}/revoke-office/": seen(OPERATOR, at="/operator/people/auden/revoke-office/"),
    "/operator/projects/": seen(OPERATOR),
    "/operator/projects/{name}/": (
        *seen(OPERATOR, at="/operator/projects/gangway/"),
        *seen("auden", at="/operator/projects/knotwork/"),
    ),
    "/operator/projects/{name}/limits/": seen(OPERATOR, at="/operator/projects/lantern/limits/"),
    "/operator/projects/{name}/new-owner/": seen(OPERATOR, at="/operator/projects/gangway/new-owner/"),
    PROPOSALS: seen(OPERATOR),
    "/operator/proposals/{proposal_id}/approve/": linked(PROPOSALS, "tomas"),
    "/operator/proposals/{proposal_id}/withdraw/": linked(PROPOSALS, OPERATOR),
    "/operator/announcements/": seen(OPERATOR),
    "/operator/announcements/new/": seen(OPERATOR),
    "/operator/announcements/{announcement_id}/end/": linked("/operator/announcements/", OPERATOR),
    "/operator/jobs/": seen(OPERATOR),
    "/operator/jobs/{name}/run/": linked("/operator/jobs/", OPERATOR),
    "/operator/mandates/": seen(OPERATOR, "auden"),
    "/operator/mandates/{name}/": tuple(
        Look(OPERATOR, at=f"/operator/mandates/{name}/") for name in ("everyone", PAUSED, DRAFT, SHADOW)
    ),
    "/operator/mandates/{name}/people/": tuple(
        Look(OPERATOR, at=f"/operator/mandates/everyone/people/?which={which}")
        for which in ("unreached", "weak")
    ),
    **{
        f"/operator/mandates/{{name}}/{act}/": seen(OPERATOR, at=f"/operator/mandates/{name}/{act}/")
        for act, name in (
            ("launch", DRAFT),
            ("pause", "everyone"),
            ("confirm-pause", PAUSED),
            ("resume", PAUSED),
            ("rollback", "everyone"),
            ("abandon", "everyone"),
            ("shadow", SHADOW),
        )
    },
    "/operator/mandates/requests/{request_id}/propose/": linked("/operator/mandates/requests/", OPERATOR),
    "/operator/mandates/requests/{request_id}/answer/": linked("/operator/mandates/requests/", OPERATOR),
    "/mandate/exemptions/{exemption_id}/approve/": linked("/mandate/proposals/", "tomas"),
    "/account/mandate/snooze/{name}/": seen("priya", at=f"/account/mandate/snooze/{PUT_OFF}/"),
    "/operator/settings/": seen(OPERATOR),
    "/operator/quarantine/": seen("noor"),
    "/operator/quarantine/place/": seen("noor"),
    "/operator/switches/": seen(OPERATOR),
    "/operator/switches/{name}/freeze/": linked("/operator/switches/", OPERATOR),
    "/operator/switches/{name}/lift/": linked("/operator/switches/", OPERATOR),
    "/operator/names/": seen(OPERATOR),
    "/operator/names/reserve/": seen(OPERATOR),
    "/operator/names/{name_id}/release/": linked("/operator/names/", OPERATOR),
    "/operator/creators/": seen(OPERATOR),
    "/operator/creators/approve/": seen(OPERATOR),
    "/operator/creators/{creator_id}/revoke/": linked("/operator/creators/", OPERATOR),
    "/operator/issuers/": seen(OPERATOR),
    "/operator/issuers/add/": seen(OPERATOR),
    "/operator/issuers/remove/": seen(OPERATOR, at="/operator/issuers/remove/?issuer=https://gitlab.com"),
    "/operator/issuers/test/": seen(OPERATOR, at="/operator/issuers/test/?issuer=https://gitlab.com"),
    "/operator/reports/": seen(OPERATOR),
    "/operator/reports/{report_id}/": linked("/operator/reports/", OPERATOR),
    "/operator/reports/{report_id}/close/": seen(OPERATOR, at="/operator/reports/1/close/"),
    "/operator/accounts/": seen(OPERATOR),
    "/operator/audit/": seen(OPERATOR, "auden"),
    "/operator/audit/export/": seen("auden"),
    "/operator/mail/": seen(OPERATOR),
    "/operator/mail/retry/": seen(OPERATOR),
    "/operator/mail/clear/{bounce_id}/": linked("/operator/mail/", OPERATOR),
    CASES: seen(OPERATOR),
    "/operator/recovery/new/": seen(OPERATOR),
    "/operator/recovery/{case_id}/": linked(CASES, OPERATOR),
    "/operator/recovery/{case_id}/approve/": linked(CASES, OPERATOR),
    "/operator/recovery/{case_id}/refuse/": linked(CASES, OPERATOR),
    "/mandate/proposals/": seen(OPERATOR, "auden"),
    "/operator/starting-points/": seen(OPERATOR),
    "/operator/mandates/{name}/timeline/": seen(OPERATOR, at="/operator/mandates/everyone/timeline/"),
    "/operator/mandates/{name}/compare/": seen(
        OPERATOR, "auden", at=f"/operator/mandates/{DRAFT}/compare/?before=everyone@1&after={DRAFT}@1"
    ),
    "/operator/mandates/{name}/guards/": (
        Look(OPERATOR, at=f"/operator/mandates/{DRAFT}/guards/"),
        Look("auden", at="/operator/mandates/everyone/guards/"),
    ),
    "/operator/mandates/{name}/completion/": seen(OPERATOR, at="/operator/mandates/everyone/completion/"),
    "/operator/mandates/{name}/simulation/": seen(
        OPERATOR, "auden", at="/operator/mandates/everyone/simulation/"
    ),
    "/operator/mandates/{name}/simulation/{number}/": linked(
        "/operator/mandates/everyone/simulation/", OPERATOR
    ),
    "/mandate/proposals/{name}/{version}/approve/": linked("/mandate/proposals/", "tomas"),
    "/mandate/proposals/{name}/{version}/withdraw/": linked("/mandate/proposals/", OPERATOR),
    "/mandate/exemptions/{exemption_id}/withdraw/": linked("/mandate/proposals/", OPERATOR),
}
_PROGRAMS: Final = "for programs"
_LIKE_INVITATION: Final = "the same pages as those of an invitation"
_NOTHING_DELETED: Final = "nothing is deleted in the made-up index"
LEFT_OUT: Final[dict[str, str]] = {
    "/.well-known/webauthn": _PROGRAMS,
    "/.well-known/pytp": _PROGRAMS,
    "/_/oidc/audience": _PROGRAMS,
    "/account/mandate.json": _PROGRAMS,
    "/operator/mandates/{name}/shadow.json": _PROGRAMS,
    "/operator/mandates/{name}/people.json": _PROGRAMS,
    "/account/notices.json": _PROGRAMS,
    "/mandate/feed.ics": _PROGRAMS,
    "/mandate/feed.json": _PROGRAMS,
    "/mandate/notices.json": _PROGRAMS,
    "/mandate/notices/{digest}.txt": _PROGRAMS,
    "/audit/head": _PROGRAMS,
    "/mandate.json": _PROGRAMS,
    "/operator/mandates/{name}/completion.json": _PROGRAMS,
    "/operator/mandates/{name}/timeline.json": _PROGRAMS,
    "/operator/mandates/{name}/guards.json": _PROGRAMS,
    "/operator/mandates/{name}/simulation.json": _PROGRAMS,
    "/operator/starting-points/{name}.toml": "a file to download",
    "/mandate/check": _PROGRAMS,
    "/mandate/projects/{name}.json": _PROGRAMS,
    "/operator/mandates.json": _PROGRAMS,
    "/operator/mandates/{name}.json": _PROGRAMS,
    "/project/{name}/statistics.json": _PROGRAMS,
    "/project/{name}/{version}/publications.json": _PROGRAMS,
    "/project/{name}/{version}/requirements.txt": _PROGRAMS,
    "/search.json": _PROGRAMS,
    f"{ORGANIZATION}/activity.jsonl": _PROGRAMS,
    f"{ORGANIZATION}/readers/": "one sentence where the index is public, as this one is",
    "/manage/project/{name}/readers/": "the same",
    "/manage/organizations/applications/{application_id}/": "asked for in an index whose operators decide; like one report",
    "/operator/applications/{application_id}/": "the same, like the page of one report",
    **{
        f"/operator/applications/{{application_id}}/{act}/": "the same, like the page that closes a report"
        for act in ("approve", "ask", "decline")
    },
    f"{ORGANIZATION}/second-factors.csv": _PROGRAMS,
    f"{ORGANIZATION}/activity.csv": _PROGRAMS,
    f"{ORGANIZATION}/robot-tokens/{{token_id}}/revoke/": "the page of a project's, of which there are some",
    **{
        f"{ORGANIZATION}/publishing/{{publisher_id}}/{act}": "the page of a project's, of which there are some"
        for act in ("", "confirm/", "constrain/", "remove/")
    },
    f"{TEAM}/rename/": "like the page that renames an organization",
    f"{ONE}confirm/": "a button as on the page that removes a publisher",
    f"{ONE}constrain/": "a button as on the page that removes a publisher",
    "/account/emails/{email_id}/primary/": "a button as on the page that removes an address",
    "/account/second-factors/{authenticator_id}/enable/": "a button as on the page that removes an app",
    "/manage/deleted/{removal_id}/restore/": _NOTHING_DELETED,
    "/manage/project/{name}/deleted/{removal_id}/restore-file/": _NOTHING_DELETED,
    "/manage/project/{name}/deleted/{removal_id}/restore-release/": _NOTHING_DELETED,
    "/manage/project/{name}/undeprecate/": "a button as on the page that takes a project out of the archive",
    "/operator/quarantine/{quarantine_id}/lift/": "a button as on the page that lifts a switch",
    "/account/sign-up/": "closed in an index that takes people by invitation",
    "/account/sign-up/sent/": "the same",
    "/account/vouch/holds/{hold_id}/": "like the page of a word for somebody",
    "/operator/recovery/holds/{hold_id}/": "like the page of a word for somebody",
    "/operator/recovery/{case_id}/link/": "like the page that approves a case",
    "/operator/recovery/{case_id}/withdraw/": "like the page that approves a case",
    "/operator/people/{username}/reinstate/": "like the page that suspends somebody",
    "/account/second-factors/proof/code/": "the form of a recovery code, as at signing in",
    "/enrolment-proof/{secret}/": "a button as on the page that verifies an address",
    "/keep-account/{secret}/": "a button as on the page that verifies an address",
    "/revert-addresses/{secret}/": "a button as on the page that verifies an address",
    "/recovery/{secret}/factor/": "the form of a second factor, as at signing in",
    "/recovery/{secret}/password/": "the form of a forgotten password",
    "/help/": "leads to /help/clients/",
    **{
        f"/{purpose}/{{secret}}/{step}": _LIKE_INVITATION
        for purpose in ("setup", "sign-up", "enrolment")
        for step in ("", "account/", "authenticator/", "recovery-codes/")
    },
    "/invitation/{secret}/": "leads to its first step",
}
# what has no route of its own
MORE: Final[tuple[tuple[str, Look], ...]] = (
    ("nowhere", Look(at="/nobody/lives/here/")),
    ("refused-role", Look(PERSON, at="/operator/audit/")),
    ("refused-factor", Look("priya", at="/manage/project/quill/delete/")),
)


def all_looks() -> Iterator[tuple[str, Look]]:
    """Yield every look with its route."""
    for route, looks in LOOKS.items():
        for look in looks:
            yield route, look
    yield from MORE
