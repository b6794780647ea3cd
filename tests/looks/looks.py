"""Which pages are looked at, as whom, and at which address; and which are not, and why.

By the paths of `keyhouse dev routes`. A new page for people stands in `LOOKS`, or in `LEFT_OUT` with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from demo.mandates import DRAFT, PAUSED, PUT_OFF, SHADOW
from demo.people import PASSWORD
from playwright.sync_api import Page, Response
from tests.looks import steps
from tests.looks.cove import STEPS, path_in
from tests.looks.harbour import Harbour

OPERATOR, PERSON, OTHER, NOBODY = "iris", "mara", "jonas", ""
COVE, SHORE = "cove", "shore"


@dataclass(frozen=True, slots=True)
class Look:
    """A page as somebody sees it: at its own path, at an address, linked on a page, or mailed to somebody.

    `index` names one of the small indexes. `step` is what is done on the page before it is looked at, `amid` what is so
    meanwhile; `status` is what it comes with then.
    """

    who: str = NOBODY
    at: str = ""
    linked_on: str = ""
    mailed_to: str = ""
    index: str = ""
    find: Callable[[Harbour], str] | None = None
    step: steps.Step | None = None
    amid: steps.Amid = steps.on_an_ordinary_day
    status: int = 200

    def address(self, route: str, harbour: Harbour) -> str:
        """Return where the page is."""
        if self.find:
            return self.find(harbour)
        if self.mailed_to:
            way = harbour.mailed(self.mailed_to, route.split("/")[1])
            return way + route.partition("/{secret}/")[2]
        if self.linked_on:
            return harbour.link(self.linked_on, self.who, route)
        return self.at or harbour.paths.get(route) or route

    def come_to(self, route: str, harbour: Harbour, page: Page) -> Response:
        """Open the page, and do what is done on it."""
        answer = steps.arrived(page.goto(self.address(route, harbour)))
        return self.step(page) if self.step else answer

    def told(self, route: str) -> str:
        """Name the look for whoever reads what is wrong with it."""
        return " ".join(
            filter(None, (route, "for", self.who or "nobody", self.index and f"at the {self.index}", self.at))
        )


def strayed(route: str, url: str) -> bool:
    """Tell whether a page asks for a sign-in or a proof instead of being the one that was to be looked at."""
    asks = ("/account/sign-in/", "/account/step-up/")
    return route.startswith("/") and urlsplit(url).path.startswith(asks) and not route.startswith(asks)


def seen(*people: str, at: str = "") -> tuple[Look, ...]:
    """Return one look of each of them."""
    return tuple(Look(who, at) for who in people or (NOBODY,))


def linked(on: str, who: str, index: str = "") -> tuple[Look, ...]:
    """Return a look at what the page links to."""
    return (Look(who, linked_on=on, index=index),)


def in_cove(who: str = NOBODY, at: str = "") -> tuple[Look, ...]:
    """Return a look at a page of the private index."""
    return (Look(who, at, index=COVE),)


def mailed(who: str, to: str) -> tuple[Look, ...]:
    """Return a look at what a mail of the private index links to."""
    return (Look(who, mailed_to=to, index=COVE),)


def begun(purpose: str, step: str) -> tuple[Look, ...]:
    """Return the look of whoever has come to this step by a one-time link."""
    return (Look(f"{purpose} at {step}", index=COVE),)


def set_up(step: str) -> tuple[Look, ...]:
    """Return the look of whoever makes the first account of an index."""
    do = None if step == "account" else steps.set_up_to(step)
    return (Look(f"first at {step}", index=SHORE, find=new_set_up, step=do),)


def new_set_up(harbour: Harbour) -> str:
    """Return the path of the first step by a new link."""
    return path_in(harbour.server.keyhouse("setup-link"), "setup") + "account/"


LANTERN: Final = "/manage/project/lantern"
SEXTANT: Final = "/manage/project/sextant"
FACTORS: Final = "/account/second-factors/"
CASES: Final = "/operator/recovery/"
PROPOSALS: Final = "/operator/proposals/"
TOOLS: Final = "/manage/organization/harbour-works"
ORGANIZATION: Final = "/manage/organization/{name}"
TEAM: Final = f"{ORGANIZATION}/teams/{{team_name}}"
EXITS: Final = "/account/mandate/exits/"
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
    "/organization/{name}/": seen(NOBODY, PERSON, at="/organization/harbour-works/"),
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
    f"{OFFERS}/accept/": linked("/account/invitations/", "hana"),
    "/account/mandate/": seen(PERSON, "priya"),
    "/account/mandate/exits/": seen(PERSON, "priya"),
    "/account/mandate/exits/exemption/": seen(PERSON),
    "/account/mandate/exits/key/": seen(PERSON),
    f"{EXITS}project/{{name}}/step-down/": seen(OTHER, PERSON, at=f"{EXITS}project/lantern/step-down/"),
    f"{EXITS}project/{{name}}/lay-down/": seen("priya", at=f"{EXITS}project/quill/lay-down/"),
    **{
        f"{EXITS}organization/{{name}}/{act}/": seen(PERSON, at=f"{EXITS}organization/harbour-works/{act}/")
        for act in ("leave", "lay-down")
    },
    "/help/without-a-phone/": seen(),
    "/operator/mandates/requests/": seen(OPERATOR),
    "/operator/mandates/stranded/": seen(OPERATOR),
    "/operator/mandates/organizations/": seen(OPERATOR),
    "/operator/mandates/stranded/organization/{name}/new-owner/": seen(
        OPERATOR, at="/operator/mandates/stranded/organization/harbour-works/new-owner/"
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
    "/manage/organizations/new/": in_cove(PERSON),
    "/manage/organizations/apply/": seen(PERSON),
    "/operator/applications/": seen(OPERATOR),
    f"{ORGANIZATION}/": seen(PERSON, OTHER, at=f"{TOOLS}/"),
    f"{ORGANIZATION}/person/{{username}}/role/": linked(f"{TOOLS}/", PERSON),
    f"{ORGANIZATION}/person/{{username}}/remove/": linked(f"{TOOLS}/", PERSON),
    f"{TEAM}/": seen(PERSON, OTHER, at=f"{TOOLS}/teams/releases/"),
    f"{TEAM}/delete/": seen(PERSON, at=f"{TOOLS}/teams/releases/delete/"),
    f"{TEAM}/person/{{username}}/remove/": linked(f"{TOOLS}/teams/releases/", PERSON),
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
    "/manage/project/{name}/organization/": seen(PERSON, at=f"{SEXTANT}/organization/"),
    "/manage/project/{name}/teams/": seen(PERSON, at=f"{SEXTANT}/teams/"),
    "/manage/project/{name}/teams/{team_name}/end/": linked(f"{SEXTANT}/teams/", PERSON),
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
    "/manage/project/{name}/delete/": (
        Look(
            PERSON, f"{LANTERN}/delete/", status=403
        ),  # a mandate lets it wait for two weeks, which the page says
        *in_cove(PERSON, "/manage/project/ferry/delete/"),
    ),
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
    "/manage/project/{name}/unarchive/": seen("jonas", at="/manage/project/hull-testing/unarchive/"),
    "/mandate/project/{name}/": seen(PERSON, at="/mandate/project/lantern/"),
    "/mandate/deletion/{name}/": seen(PERSON, at="/mandate/deletion/lantern/"),
    # those who run the index
    "/operator/": seen(OPERATOR),
    "/operator/people/": seen(OPERATOR),
    "/operator/people/{username}/": seen(OPERATOR, at="/operator/people/olu/"),
    **{
        f"/operator/people/{{username}}/{act}/": seen(OPERATOR, at=f"/operator/people/wren/{act}/")
        for act in ("end-sessions", "off-board", "suspend", "grant-office")
    },
    "/operator/people/{username}/verify-address/": seen(
        OPERATOR, at="/operator/people/bodil/verify-address/"
    ),
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
    # in an index that is private and makes accounts for who asks
    f"{ORGANIZATION}/readers/": in_cove(PERSON, f"{TOOLS}/readers/"),
    "/manage/project/{name}/readers/": in_cove(PERSON, f"{LANTERN}/readers/"),
    "/manage/organizations/applications/{application_id}/": (
        *seen(OTHER, at="/manage/organizations/applications/2/"),
        *seen(OTHER, at="/manage/organizations/applications/3/"),
    ),
    "/operator/applications/{application_id}/": linked("/operator/applications/", OPERATOR),
    **{
        f"/operator/applications/{{application_id}}/{act}/": linked("/operator/applications/3/", OPERATOR)
        for act in ("approve", "ask", "decline")
    },
    f"{ORGANIZATION}/robot-tokens/{{token_id}}/revoke/": linked(f"{TOOLS}/robot-tokens/", PERSON, COVE),
    f"{ORGANIZATION}/publishing/{{publisher_id}}/": linked(f"{TOOLS}/publishing/", PERSON, COVE),
    f"{TEAM}/rename/": in_cove(PERSON, f"{TOOLS}/teams/releases/rename/"),
    **{
        f"{ORGANIZATION}/publishing/{{publisher_id}}/{act}/": in_cove(PERSON, f"{TOOLS}/publishing/3/{act}/")
        for act in ("confirm", "constrain", "remove")
    },
    **{
        f"{ONE}{act}/": in_cove(PERSON, f"/manage/project/moor/publishing/2/{act}/")
        for act in ("confirm", "constrain")
    },
    "/account/emails/{email_id}/primary/": linked("/account/emails/", PERSON, COVE),
    "/account/second-factors/{authenticator_id}/enable/": linked(FACTORS, PERSON, COVE),
    "/manage/deleted/{removal_id}/restore/": linked("/manage/deleted/", PERSON, COVE),
    "/manage/project/{name}/deleted/{removal_id}/restore-file/": linked(
        "/manage/project/moor/", PERSON, COVE
    ),
    "/manage/project/{name}/deleted/{removal_id}/restore-release/": linked(
        "/manage/project/moor/", PERSON, COVE
    ),
    "/manage/project/{name}/undeprecate/": in_cove(PERSON, "/manage/project/ferry/undeprecate/"),
    "/operator/quarantine/{quarantine_id}/lift/": linked("/operator/quarantine/", OPERATOR, COVE),
    "/account/sign-up/": (*in_cove(), Look()),
    "/account/sign-up/sent/": in_cove(),
    "/account/vouch/holds/{hold_id}/": linked("/account/vouch/", PERSON, COVE),
    "/operator/recovery/holds/{hold_id}/": linked(CASES, OPERATOR, COVE),
    "/operator/recovery/{case_id}/link/": in_cove(OPERATOR, f"{CASES}1/link/"),
    "/operator/recovery/{case_id}/withdraw/": in_cove(OPERATOR, f"{CASES}1/withdraw/"),
    "/operator/people/{username}/reinstate/": in_cove(OPERATOR, "/operator/people/rafael/reinstate/"),
    "/account/second-factors/proof/code/": in_cove("priya"),
    "/enrolment-proof/{secret}/": mailed("priya", "priya"),
    "/keep-account/{secret}/": mailed(NOBODY, "dora"),
    "/revert-addresses/{secret}/": mailed(NOBODY, "hana"),
    "/recovery/{secret}/password/": mailed("greta", "greta"),
    "/recovery/{secret}/factor/": mailed("greta", "greta"),
    **{
        f"/{purpose}/{{secret}}/{step}/": begun(purpose, step)
        for purpose in ("sign-up", "enrolment")
        for step in STEPS
    },
    **{f"/setup/{{secret}}/{step}/": set_up(step) for step in STEPS},
}
_PROGRAMS: Final = "for programs"
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
    f"{ORGANIZATION}/second-factors.csv": _PROGRAMS,
    f"{ORGANIZATION}/activity.csv": _PROGRAMS,
    "/help/": "leads to /help/clients/",
    **{
        f"/{purpose}/{{secret}}/": "leads to the step that is next"
        for purpose in ("invitation", "setup", "sign-up", "enrolment")
    },
}
# boxes that say that there is nothing, where that is what such an index has to say
RIGHTLY_EMPTY: Final[dict[str, str]] = {
    "/-/styleguide": "shows the box itself",
    "/account/sessions/": "a browser is kept by signing in with it",
    "/operator/accounts/": "whether a domain of mails is missing hangs on the name servers of the machine",
    "/operator/people/{username}/verify-address/": "mails leave, so that people verify their addresses by themselves",
}
# what has no route of its own: refusals, forms that were refused, and lists of nothing
MORE: Final[tuple[tuple[str, Look], ...]] = (
    ("nowhere", Look(at="/nobody/lives/here/", status=404)),
    ("refused-role", Look(PERSON, at="/operator/audit/", status=403)),
    ("refused-factor", Look("priya", at="/manage/project/quill/delete/", status=403)),
    (
        "used-link",
        Look("hana", find=lambda cove: cove.mailed("hana.second", "verify-address"), index=COVE, status=410),
    ),
    (
        "too-many",
        Look(
            "priya",
            "/account/second-factors/proof/",
            index=COVE,
            step=steps.until_too_many("Mail me a link", "Mail another link"),
            status=429,
        ),
    ),
    ("out-of-order", Look(at="/project/beacon/", index=SHORE, amid=steps.without_database, status=503)),
    ("broken", Look(at="/", step=steps.show_broken, status=500)),
    ("quarantined", Look(PERSON, "/project/knotwork/1.0/", index=COVE, status=403)),
    (
        "stopped",
        Look(PERSON, "/manage/project/ferry/archive/", index=COVE, amid=steps.frozen, status=403),
    ),
    (
        "mistakes sign-up",
        Look(
            "sign-up at account",
            find=lambda cove: cove.paths["/sign-up/{secret}/account/"],
            index=COVE,
            step=steps.send("Go on", username="n!", password="short"),
            status=400,
        ),
    ),
    (
        "mistakes /account/second-factor/",
        Look(
            "lucia once more",  # a password that was typed is forgotten after a while
            "/account/sign-in/",
            step=steps.after(
                steps.send("Go on", username="lucia", password=PASSWORD), steps.send("Sign in", code="12")
            ),
            status=400,
        ),
    ),
    (
        "mistakes people",
        Look(PERSON, f"{LANTERN}/people/", step=steps.send("Invite", invitee=""), status=400),
    ),
    (
        "mistakes delete",
        Look(
            PERSON,
            "/manage/project/ferry/delete/",
            index=COVE,
            step=steps.send("Delete the project", name="fery"),
        ),
    ),
    *(
        (f"mistakes {at}", Look(who, at, index=index, step=steps.send(button, **entered), status=400))
        for who, at, index, button, entered in (
            (
                NOBODY,
                "/account/sign-in/",
                "",
                "Go on",
                {"username": "mara", "password": "not hers, and long enough"},
            ),
            (NOBODY, "/account/sign-up/", COVE, "Mail me the link", {"email": "nils at the harbour"}),
            (PERSON, "/account/tokens/new/", "", "Create the token", {"networks": "the office"}),
            (PERSON, "/account/emails/add/", "", "Send the mail", {"email": "mara at the harbour"}),
            (PERSON, "/account/password/", "", "Change it", {"password": "short"}),
            (
                PERSON,
                f"{PUBLISHING}/add/{OF_GITHUB}",
                "",
                "Trust it",
                {"owner": "a/b", "workflow": "../release"},
            ),
            (PERSON, "/manage/organizations/apply/", "", "Apply", {"name": "h"}),
            (OPERATOR, "/operator/announcements/new/", "", "Announce", {"text": ""}),
            (
                OPERATOR,
                f"{CASES}new/",
                COVE,
                "Open it",
                {"username": "nobody-of-this-name", "reason": "short"},
            ),
        )
    ),
    *(
        (f"empty {at}", Look(at=at, index=SHORE))
        for at in ("/", "/search/?q=beacon", "/browse/", "/mandate/")
    ),
    *(
        (f"empty {at}", Look("ana", at, index=COVE))
        for at in (
            "/",
            "/account/",
            "/account/tokens/",
            "/account/publishers/",
            "/account/invitations/",
            "/account/vouch/",
            "/account/reports/",
            "/account/notices/",
            "/account/history/",
            "/account/mandate/",
            "/manage/projects/",
            "/manage/organizations/",
            "/manage/deleted/",
        )
    ),
    *(
        (f"empty {at}", Look("tomas", at, index=COVE))
        for at in (
            "/operator/",
            "/operator/reports/",
            "/operator/names/",
            "/operator/creators/",
            "/operator/proposals/",
            "/operator/announcements/",
            "/operator/mandates/",
            "/operator/mandates/requests/",
            "/operator/mandates/stranded/",
            "/operator/mandates/organizations/",
            "/mandate/proposals/",
            "/operator/mail/",
            "/operator/people/?q=nobody-of-this-name",
            "/operator/projects/?q=nothing-of-this-name",
            "/operator/audit/?person=nobody-of-this-name",
        )
    ),
    *(
        (f"empty {at}", Look(PERSON, at, index=COVE))
        for at in (
            "/manage/project/ferry/robot-tokens/",
            "/manage/project/ferry/publishing/",
            "/manage/project/ferry/staged/",
            "/project/ferry/statistics/",
        )
    ),
)


def all_looks() -> Iterator[tuple[str, Look]]:
    """Yield every look with its route."""
    for route, looks in LOOKS.items():
        for look in looks:
            yield route, look
    yield from MORE
