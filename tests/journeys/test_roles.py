"""One journey of each role through a browser, with the real clients beside it, on one index for all."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from tests.distfiles.builders import build_wheel
from tests.journeys.conftest import Server, start_server
from tests.journeys.test_clients import listed, run, succeeded, twine
from tests.journeys.test_first_hour import code_of
from tests.journeys.test_mandate import shown
from tests.journeys.test_ways_back import House, person, refused, shown_secret

from keyhouse.core import clock

pytestmark = pytest.mark.by_turns

JSON: Final = "application/vnd.pypi.simple.v1+json"
FACTORS: Final = {"nina": ["password"], "olga": ["password", "totp"], "gerd": ["password", "totp"]}
OFFICES: Final = {"otto": "operator", "oda": "operator", "mo": "moderator", "audrey": "auditor"}


class Town(House):
    """The index of all journeys here."""

    def __init__(self, server: Server, told: dict[str, Any], browser: Browser) -> None:
        super().__init__(server, told)
        self.browser = browser
        self.csrf = {one["user"]: str(one["csrf"]) for one in told["sessions"]}

    @contextmanager
    def visited(self, who: str = "", **options: Any) -> Iterator[Page]:
        """Open a browser of somebody who is signed in, or of a visitor."""
        context = self.browser.new_context(base_url=self.server.url, **options)
        yield self.enter(context, who) if who else context.new_page()
        context.close()

    def status(self, page: Page, method: str, path: str, who: str) -> int:
        """Ask as this person's browser would, past any page; returns the status."""
        return page.request.fetch(
            path,
            method=method,
            form={"csrfmiddlewaretoken": self.csrf[who]} if method == "POST" else None,
            headers={"Origin": self.server.url, "Referer": self.server.url + path},
            max_redirects=0,
        ).status

    def document(self, project: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.server.get(f"/simple/{project}/", Accept=JSON)[1])
        return found


def write_files(folder: Path) -> list[dict[str, Any]]:
    """Build two releases each of what the owner looks after and of what visitors look at, and one of the others."""
    releases = [(name, version) for name in ("alpha", "lantern") for version in ("1.0", "2.0")]
    wheels = [
        build_wheel(folder, name=name, version=version, metadata_extra=f"Summary: The {name} of {version}\n")
        for name, version in [*releases, ("gamma", "1.0")]
    ]
    return [{"path": str(wheel), "by": "olga"} for wheel in wheels]


@pytest.fixture(scope="module")
def town(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    (folder / "mails").mkdir()
    server = start_server(folder / "data", KEYHOUSE_MAIL_DIR=str(folder / "mails"))
    # nobody types a password, and each takes its time to be hashed
    officers = [
        {**person(name, "webauthn"), "password": None, office: True} for name, office in OFFICES.items()
    ]
    people = [{**person(name, "totp"), "password": None} for name in ("olga", "gerd", "pia", "luis")]
    people[-1]["state"] = "suspended"
    proven = {**FACTORS, **{name: ["password", "webauthn"] for name in OFFICES}}
    earlier = clock.now() - timedelta(minutes=20)
    told = server.seed(
        {
            "users": [person("nina"), *people, *officers],
            "sessions": [
                *({"user": name, "proved": proved} for name, proved in proven.items()),
                {"user": "pia", "proved": ["password", "totp"], "at": earlier.isoformat()},
            ],
            "projects": [
                {"name": "beta", "owners": ["olga"]},
                {"name": "delta", "owners": ["gerd", "olga"]},
                {"name": "epsilon", "owners": ["pia", "olga"]},
                {"name": "orphan", "owners": ["luis"]},
            ],
            "files": write_files(folder),
            "tokens": [{"user": name} for name in ("olga", "gerd")],
        }
    )
    yield Town(server, told, browser)
    server.stop()


def press(page: Page, name: str) -> None:
    page.get_by_role("main").get_by_role("button", name=name).click()


def follow(page: Page, name: str) -> None:
    page.get_by_role("main").get_by_role("link", name=name).first.click()


def box(page: Page, label: str) -> Locator:
    """Return what is filled in under this label, which may say that it is optional."""
    return page.get_by_role("main").get_by_label(re.compile(rf"^\s*{re.escape(label)}"))


def download(clients: Path, town: Town, folder: Path, *words: str) -> Any:
    """Let pip fetch what it would install."""
    common = ("--no-deps", "--no-cache-dir", "--dest", folder, "--index-url", f"{town.server.url}/simple/")
    return run(clients / "pip", "download", *common, *words)


# ---- maintainer


def invite(town: Town, page: Page, invitee: str) -> None:
    page.goto("/manage/project/beta/people/")
    box(page, "User name or e-mail address").fill(invitee)
    box(page, "Owner: uploads").check()
    press(page, "Invite")
    expect(page.get_by_role("row", name=re.compile(f"{invitee}.*owner.*olga"))).to_be_visible()


def enrol(town: Town, page: Page) -> None:
    """Follow the refusal to a first second factor; a browser that nobody knows proves a mail before."""
    expect(page.get_by_role("heading", level=1)).to_have_text("This needs a second factor.")
    follow(page, "Set up a second factor")
    press(page, "Mail me a link")
    page.goto(town.link("nina@example.org", "enrolment-proof"))
    press(page, "Go on to your second factor")
    follow(page, "Add an authenticator app")
    box(page, "Code").fill(code_of(shown_secret(page)))
    press(page, "Add it")


def confirm_it_was_them(town: Town, username: str) -> None:
    with town.visited("otto") as page:
        page.goto("/operator/recovery/")
        follow(page, f"Look at the hold of {username}")
        page.get_by_role("main").get_by_role("textbox").fill("I called back; it was her.")
        press(page, "Yes, it was them")


def mint(page: Page, project: str) -> str:
    page.goto("/account/tokens/new/")
    box(page, "Description").fill("laptop")
    box(page, "For which project?").select_option(label=project)
    box(page, "Upload files").check()
    press(page, "Create the token")
    return page.locator("pre.secret").first.inner_text().strip()


def test_a_maintainer_comes_by_invitation_and_their_token_ends_with_their_role(
    town: Town, clients: Path, tmp_path: Path
) -> None:
    first, second = (build_wheel(tmp_path, name="beta", version=version) for version in ("1.0", "2.0"))
    with town.visited("olga") as owner, town.visited("nina") as page:
        invite(town, owner, "nina@example.org")
        page.goto("/account/invitations/")
        expect(page.get_by_role("main")).to_contain_text("beta owner")
        follow(page, "Accept")
        enrol(town, page)
        page.goto("/account/invitations/")
        follow(page, "Accept")
        expect(page.get_by_role("main")).to_contain_text("account-held")
        confirm_it_was_them(town, "nina")
        page.goto("/account/invitations/")
        follow(page, "Accept")
        press(page, "Accept")
        expect(page).to_have_url(re.compile("/manage/project/beta/$"))
        token = mint(page, "beta")
        succeeded(twine(clients, town.server, token, first))

        owner.goto("/manage/project/beta/people/")
        follow(owner, "Change the role of nina")
        box(owner, "Maintainer: uploads files").check()
        press(owner, "Change the role")
        page.goto("/manage/project/beta/")
        expect(page.get_by_role("main")).to_contain_text("Maintainer: you may upload")
        assert page.goto("/manage/project/beta/release/1.0/yank/").status == 403  # type: ignore[union-attr]  # it goes somewhere
        owner.get_by_role("link", name="Remove nina").click()
        press(owner, "Remove")
        expect(owner.get_by_role("row", name=re.compile("nina"))).to_have_count(0)
        assert page.goto("/manage/project/beta/").status == 403  # type: ignore[union-attr]  # the same
    assert "role-required" in refused(twine(clients, town.server, token, second))
    assert set(listed(town.server, "beta")) == {first.name}


# ---- owner


def test_an_owner_yanks_deprecates_deletes_and_brings_back_and_pip_sees_each(
    town: Town, clients: Path, tmp_path: Path
) -> None:
    one, two = (f"alpha-{version}-py3-none-any.whl" for version in ("1.0", "2.0"))
    with town.visited("olga") as page:
        page.goto("/manage/project/alpha/release/2.0/")
        follow(page, "Yank")
        box(page, "Reason").fill("loses data")
        press(page, "Yank")
        expect(page.get_by_role("main")).to_contain_text("loses data")
        succeeded(download(clients, town, tmp_path / "yanked", "alpha"))
        assert [path.name for path in (tmp_path / "yanked").iterdir()] == [one]

        page.goto("/manage/project/alpha/")
        follow(page, "Deprecate")
        box(page, "Reason").fill("nobody looks after it")
        box(page, "Successor").fill("lantern")
        press(page, "Deprecate")
        assert town.document("alpha")["project-status"] == {
            "status": "deprecated",
            "reason": "nobody looks after it. Use lantern instead.",
        }
        page.goto("/project/alpha/")
        follow(page, "lantern")
        expect(page).to_have_url(re.compile("/project/lantern/$"))
        exactly = succeeded(download(clients, town, tmp_path / "exactly", "alpha==2.0"))
        assert "loses data" in exactly

        page.goto("/manage/project/alpha/release/2.0/delete/")
        box(page, "Type its name").fill("2.0")
        press(page, "Delete the release")
        assert "No matching distribution" in refused(download(clients, town, tmp_path, "alpha==2.0"))
        page.goto("/manage/project/alpha/")
        follow(page, "Bring back")
        press(page, "Bring it back")
        succeeded(download(clients, town, tmp_path / "back", "alpha==2.0"))
        assert [path.name for path in (tmp_path / "back").iterdir()] == [two]


# ---- moderator


def answer_a_report(town: Town, page: Page) -> None:
    """Let somebody report a project, and answer it from the console."""
    with town.visited("oda") as reporter:
        reporter.goto("/project/gamma/report/")
        box(reporter, "It does harm").check()
        box(reporter, "What you saw").fill("reads my keys on import")
        press(reporter, "Report")
        page.goto("/operator/reports/")
        follow(page, "gamma")
        expect(page.get_by_role("main")).to_contain_text("reads my keys on import")
        follow(page, "Close")
        box(page, "Note").fill("taken out")
        press(page, "Close and answer")
        reporter.goto("/account/reports/")
        expect(reporter.get_by_role("main")).to_contain_text("taken out")


def test_a_moderator_takes_a_file_out_answers_for_it_and_stops_uploads_and_acts_on_nobody(
    town: Town, clients: Path, tmp_path: Path
) -> None:
    file, wheel = town.document("gamma")["files"][0], build_wheel(tmp_path, name="gamma", version="2.0")
    pinned = f"{town.server.url}{file['url'][file['url'].index('/files/') :]}"
    with town.visited("mo") as page:
        page.goto("/operator/quarantine/place/")
        box(page, "Project").fill("gamma")
        box(page, "File").fill(file["filename"])
        box(page, "Reason").fill("steals keys")
        press(page, "Take it out")
        expect(page.get_by_role("row", name=re.compile("steals keys"))).to_be_visible()
        told = shown(refused(download(clients, town, tmp_path / "target", pinned)))
        assert "403 Client Error: file-quarantined: This file is in quarantine: steals keys" in told
        answer_a_report(town, page)
        page.goto("/operator/quarantine/")
        follow(page, "Lift the quarantine")
        press(page, "Put it back")
        expect(page.get_by_text("Nothing is in quarantine.")).to_be_visible()
        succeeded(download(clients, town, tmp_path / "target", "gamma"))

        page.goto("/operator/switches/")
        follow(page, "Stop uploads")
        box(page, "Reason").fill("wave of malware")
        press(page, "Stop")
        told = shown(refused(twine(clients, town.server, town.tokens["olga"], wheel)))
        assert re.search("uploads-frozen: Uploads are switched off .* Reason: wave of malware", told)
        follow(page, "Lift uploads")
        press(page, "Lift")
        expect(page.get_by_text("stopped", exact=True)).to_have_count(0)
        succeeded(twine(clients, town.server, town.tokens["olga"], wheel))

        page.goto("/operator/people/gerd/")
        expect(page.get_by_role("heading", level=1)).to_contain_text("gerd")
        expect(page.get_by_role("main").get_by_role("link", name="Suspend")).to_have_count(0)
        for method in ("GET", "POST"):
            assert town.status(page, method, "/operator/people/gerd/suspend/", "mo") == 403


# ---- auditor


def changes_of_the_console(server: Server) -> set[str]:
    """Return the address of every form of the console that changes something, for things that are there."""
    routes = [json.loads(line) for line in server.keyhouse("dev", "routes").splitlines()]
    things = {"{username}": "gerd", "{name}": "uploads", "{switch}": "uploads"}
    return {
        re.sub(r"\{\w+\}", lambda found: things.get(found[0], "1"), route["path"])
        for route in routes
        if route["path"].startswith("/operator/")
        and route["method"] == "POST"
        and route["action"] != "audit.export"
    }


def test_an_auditor_reads_and_exports_the_log_and_changes_nothing(town: Town) -> None:
    with town.visited("audrey") as page:
        page.goto("/operator/audit/")
        box(page, "Act").select_option("release.upload")
        box(page, "About").fill("lantern")
        press(page, "Show")
        rows = page.get_by_role("main").get_by_role("row").filter(has_text="release.upload")
        expect(rows).to_have_count(2)
        follow(page, "Export what is shown")
        box(page, "As").select_option("jsonl")
        with page.expect_download() as begun:
            press(page, "Export")
        records = [json.loads(line) for line in begun.value.path().read_text().splitlines()]
        assert {(one["action"], one["about"]["name"]) for one in records} == {("release.upload", "lantern")}
        assert len(records) == 2

        of_hers = "/operator/audit/?person=audrey&outcome=done"
        page.goto(of_hers)
        expect(page.get_by_role("main")).to_contain_text("audit.export")
        done = page.get_by_role("main").get_by_role("row").count()
        doors = changes_of_the_console(town.server)
        assert len(doors) > 20
        opened = {path for path in doors if town.status(page, "POST", path, "audrey") != 403}
        assert opened == set()
        for path in ("/operator/people/gerd/", "/operator/projects/alpha/", "/operator/switches/"):
            page.goto(path)
            expect(page.get_by_role("main").get_by_role("button")).to_have_count(0)
        page.goto(of_hers)
        expect(page.get_by_role("main").get_by_role("row")).to_have_count(done)


# ---- operator


def suspend(page: Page, username: str) -> None:
    page.goto(f"/operator/people/{username}/")
    follow(page, "Suspend")
    box(page, "Why").fill("laptop was stolen")
    press(page, "Suspend")
    expect(page.get_by_role("main")).to_contain_text("Suspended by otto")


def appoint(town: Town, page: Page, project: str, username: str) -> None:
    """Propose a new owner as one operator and approve it as another."""
    page.goto(f"/operator/projects/{project}/")
    follow(page, "Propose a new owner")
    box(page, "User name of the new owner").fill(username)
    box(page, "Why").fill("uses it most")
    press(page, "Propose")
    page.goto("/operator/proposals/")
    expect(page.get_by_role("link", name=re.compile("^Approve"))).to_have_count(0)
    with town.visited("oda") as other:
        other.goto("/operator/proposals/")
        follow(other, "Approve")
        press(other, "Approve")


def announce(page: Page, text: str) -> None:
    now = clock.now()
    page.goto("/operator/announcements/new/")
    box(page, "What everybody shall know").fill(text)
    for label, at in (("From (UTC)", now - timedelta(minutes=5)), ("To (UTC)", now + timedelta(hours=1))):
        box(page, label).fill(f"{at:%Y-%m-%dT%H:%M}")
    press(page, "Announce")


def test_an_operator_suspends_finds_an_owner_and_tells_everybody(
    town: Town, clients: Path, tmp_path: Path
) -> None:
    wheel, text = build_wheel(tmp_path, name="delta"), "Down on Sunday from six to seven."
    with town.visited("otto") as page, town.visited("gerd") as suspended, town.visited() as visitor:
        suspended.goto("/manage/project/delta/")
        expect(suspended.get_by_role("heading", level=1)).to_have_text("delta")
        suspend(page, "gerd")
        suspended.reload()
        expect(suspended).to_have_url(re.compile("/account/sign-in/"))
        assert "account-suspended" in refused(twine(clients, town.server, town.tokens["gerd"], wheel))

        appoint(town, page, "orphan", "olga")
        with town.visited("olga") as owner:
            owner.goto("/manage/project/orphan/")
            expect(owner.get_by_role("link", name="Invite, change, remove")).to_be_visible()

        announce(page, text)
        visitor.goto("/")
        expect(visitor.get_by_text(text)).to_be_visible()
        page.goto("/operator/announcements/")
        follow(page, "End")
        press(page, "End")
        visitor.reload()
        expect(visitor.get_by_text(text)).to_have_count(0)


# ---- owners and their publishers


def trust_a_workflow(town: Town, page: Page) -> None:
    """Set a publisher up; the proof that is asked for on the way leads back to the form."""
    page.goto("/manage/project/epsilon/publishing/")
    expect(page.get_by_role("main")).to_contain_text("No trusted publisher yet")
    page.get_by_role("link", name=re.compile("Set up.*GitHub")).click()
    box(page, "Code").fill(code_of(town.secrets["pia"]))
    page.get_by_role("main").get_by_role("button").first.click()
    expect(page.get_by_role("heading", name="What will be accepted")).to_be_visible()
    for label, text in (("Owner", "acme"), ("Repository", "epsilon"), ("Workflow file", "release.yml")):
        box(page, label).fill(text)
    expect(page.locator("#preview")).to_contain_text("acme/epsilon/.github/workflows/release.yml@")
    press(page, "Trust it")


def see_the_lines(page: Page) -> None:
    lines = page.locator("pre.code").first
    expect(lines).to_contain_text("/mandate/check?action=release.upload&project=epsilon")
    expect(lines).to_contain_text("uv publish --trusted-publishing always")
    expect(page.get_by_role("main").get_by_role("button", name="Copy").first).to_be_visible()


def test_a_publisher_is_set_up_rests_when_its_owner_leaves_is_confirmed_and_removed(town: Town) -> None:
    with town.visited("pia") as page:
        trust_a_workflow(town, page)
        see_the_lines(page)
        page.goto("/manage/project/epsilon/people/leave/")
        press(page, "Step down")
        expect(page).not_to_have_url(re.compile("/leave/"))  # the page is closed when it has been done
    with town.visited("olga") as page:
        page.goto("/account/")
        follow(page, "Confirm acme/epsilon")
        press(page, "Confirm it")
        row = page.get_by_role("row", name="acme/epsilon, release.yml")
        expect(row).to_contain_text("trusted")
        expect(row).to_contain_text("olga")
        follow(page, "Remove")
        press(page, "Remove it")
        expect(page.get_by_role("main")).to_contain_text("No trusted publisher yet")


# ---- nobody


def count_a_download(town: Town, page: Page) -> None:
    """Fetch a file and wait until it is counted; the counts are written by the second."""
    url = town.document("lantern")["files"][0]["url"]
    assert town.server.get(url[url.index("/files/") :])[0] == 200
    for _ in range(100):
        total: int = page.request.get("/project/lantern/statistics.json").json()["total"]
        if total:
            return
        time.sleep(0.1)
    pytest.fail("a download was not counted")


def find(page: Page, *, scripts: bool) -> None:
    page.goto("/")
    box = page.get_by_role("main").or_(page.get_by_role("banner")).get_by_placeholder("Search projects")
    if scripts:
        box.press_sequentially("lant")
        expect(page.get_by_role("option")).to_have_count(1)
        box.press("ArrowDown")
        box.press("Enter")
    else:
        box.fill("lant")
        box.press("Enter")
        follow(page, "lantern")
    expect(page).to_have_url(re.compile("/project/lantern/$"))


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_visitor_searches_reads_compares_and_looks_into_a_file(town: Town, *, scripts: bool) -> None:
    with town.visited(java_script_enabled=scripts) as page:
        count_a_download(town, page)
        find(page, scripts=scripts)
        follow(page, "What changed from 1.0 to 2.0")
        expect(page.get_by_role("main")).to_contain_text("The lantern of 2.0")
        page.goto("/project/lantern/")
        follow(page, "Inside lantern-2.0-py3-none-any.whl")
        follow(page, "lantern.py")
        expect(page.get_by_label("Text of the file")).to_be_visible()
        page.goto("/project/lantern/")
        follow(page, "Downloads")
        expect(page.get_by_role("img", name=re.compile("^Downloads a day"))).to_be_visible()
        expect(page.get_by_role("main")).to_contain_text("How this is counted")
