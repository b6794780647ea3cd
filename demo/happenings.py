"""What people did in the made-up index since it was filled: each act by its service, as its person, at its time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from demo.acting import acting, person_named
from demo.campaign import ask_for_time, tell_people, write_mandates
from demo.coming_back import be_held, change_addresses, come_back
from demo.distributions import write_release
from demo.document import GITHUB, WORKFLOW, publication_of
from demo.organization import apply_for_more, found_organization
from demo.shelf import SHELF
from keyhouse.accounts.oversight import announcing, offices, proposals, suspending
from keyhouse.core import clock
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.trusted_publishers import issuers
from keyhouse.credentials.trusted_publishers import services as publishers
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.mandate.deletion import ask_deletion
from keyhouse.projects.collaborators import services as collaborators
from keyhouse.projects.life_cycle import deleting
from keyhouse.projects.life_cycle import services as life_cycle
from keyhouse.publishing.staging import services as staging
from keyhouse.publishing.upload.local import store_local_file
from keyhouse.safety.creators import services as creators
from keyhouse.safety.names import services as names
from keyhouse.safety.quarantine import services as quarantines
from keyhouse.safety.reports import services as reports
from keyhouse.safety.switches import services as switches


def happen() -> None:
    """Let all of it happen, the oldest first within each kind."""
    for told, acts in _KINDS.items():
        print(f"  {told} …", flush=True)
        for act in acts:
            act()


def _yank() -> None:
    with acting("mara", days=80) as (by, _):
        life_cycle.yank_release(
            "lantern", "1.2", "Loses machines whose name has a dot; 1.2.1 finds them.", by=by
        )
    with acting("jonas", days=33) as (by, _):
        life_cycle.yank_release("ferry", "0.6.0", "Drops the last batch of a table.", by=by)
    with acting("olu", days=6, hours=3) as (by, _):
        life_cycle.yank_release("windlass", "0.9", "Jobs run twice after a restart.", by=by)


def _retire() -> None:
    with acting("olu", days=25) as (by, _):
        reason = "Recorded days are replayed by deckhand now."
        life_cycle.deprecate_project("ballast", reason, "deckhand", by=by)
    with acting("jonas", days=12) as (by, _):
        life_cycle.archive_project("hull-testing", "Done: databases bring their own fixtures today.", by=by)


def _delete() -> None:
    with acting("mara", days=3, hours=5) as (by, _):
        deleting.delete_release("sextant", "0.4.1", by=by)
    with acting("ana", days=1, hours=2) as (by, _):
        deleting.delete_file("chartroom", "chartroom-0.2.tar.gz", by=by)
    with acting("mara", hours=20) as (by, _):
        deleting.delete_file("moor", "moor-0.8.tar.gz", by=by)
    with acting("mara", days=18) as (by, _):
        ask_deletion("bilge-pump", by=by)
    with acting("mara", days=3) as (by, _):
        deleting.delete_project("bilge-pump", by=by)


def _report() -> None:
    told = "Imports a module that posts the environment to a paste site."
    with acting("elena", days=2, hours=6) as (by, _):
        reports.report_project("nightwatch-scan", "malware", told, by=by)
    with acting("hana", days=1) as (by, _):
        reports.report_project("capstan", "malware", "The wheel holds a program without source.", by=by)
    with acting("wren", hours=6) as (by, _):
        reports.report_project("rope-lint", "licence", "It holds a font that isn't free.", by=by)
    with acting("mara", days=20) as (by, _):
        answered = reports.report_project("rope-lint", "other", "It calls my functions long.", by=by)
    with acting("noor", days=19) as (by, _):
        reports.close_report(answered.pk, "dismissed", "That is what it is for.", by=by)


def _hold_back() -> None:
    with acting("noor", days=2, hours=4) as (by, _):
        reason = "Sends what it finds to an address outside. The maintainer is asked."
        quarantines.quarantine("nightwatch-scan", reason, by=by)
    with acting("noor", hours=9) as (by, _):
        reason = "Holds a binary that the source distribution has no source of."
        quarantines.quarantine("capstan", reason, filename="capstan-1.0-py3-none-any.whl", by=by)


def _stop() -> None:
    """Stop new accounts for a night that is over."""
    with acting("tomas", days=9, hours=11) as (by, now):
        switches.freeze(
            "new-accounts", "Hundreds of sign-ups from one network.", now + timedelta(hours=10), by=by
        )


def _announce() -> None:
    lines = (
        ("tomas", 9, 0, 1, "warn", "New accounts rest until the morning."),
        (
            "iris",
            1,
            0,
            4,
            "info",
            "From the first of the month everyone who maintains a project needs a second factor.",
        ),
        ("iris", 0, 2, 3, "warn", "Uploads rest for an hour on the day after tomorrow: the disks move."),
    )
    for who, ago, begins, ends, severity, text in lines:
        with acting(who, days=ago) as (by, now):
            announcing.publish_announcement(
                text,
                severity,
                begins_at=now + timedelta(days=begins),
                ends_at=now + timedelta(days=ends),
                by=by,
                now=now,
            )


def _invite() -> None:
    for who, ago, project, whom, kind in (
        ("mara", 2, "lantern", "priya", "maintainer"),
        ("mara", 1, "moor", "newcomer@elsewhere.example", "maintainer"),
        ("olu", 1, "windlass", "jonas", "owner"),
        ("ana", 3, "chartroom", "lucia", "maintainer"),
    ):
        with acting(who, days=ago) as (by, _):
            collaborators.invite(project, whom, kind, by=by)


def _ask_operators() -> None:
    with acting("iris", days=15) as (by, now):
        reason = "Published other people's packages under names that look alike."
        suspending.suspend_user(person_named("yusuf"), reason, by=by, now=now)
    with acting("tomas", days=45) as (by, now):
        wren, reason = person_named("wren"), "Answers abuse while noor is away."
        refused = offices.propose_office(wren, "moderator", reason, by=by, now=now)
    with acting("iris", days=44) as (by, now):
        proposals.withdraw(offices.OFFICE, refused.pk, "Has no time for it this year.", by=by, now=now)
    with acting("iris", hours=7) as (by, now):
        offices.propose_office(person_named("hana"), "auditor", "Reads along this quarter.", by=by, now=now)


def _look_after_names() -> None:
    """Let operators keep names, say who may make projects, and believe one more issuer; mara waits for a project."""
    with acting("tomas", days=120) as (by, _):
        names.reserve_name("keyhouse-*", (), "Nobody publishes as the index itself.", by=by)
    with acting("iris", days=69) as (by, _):
        names.reserve_name("harbour-*", ("mara",), "The projects of Harbour Works.", by=by)
        issuers.add_issuer(
            "https://kubernetes.harbour.example",
            "custom",
            label="Build cluster",
            required_claims=("sub",),
            may_be_private=True,
            by=by,
        )
    for name, days in (("ana", 230), ("priya", 64)):
        with acting("iris", days=days) as (by, _):
            creators.approve_creator(name, by=by)
    with acting("mara", days=5) as (by, _):
        publishers.add_pending_publisher(
            "lantern-agent", "github", GITHUB, {**WORKFLOW, "repository": "lantern-agent"}, by=by
        )


def _stage() -> None:
    """Let the release pipeline of lantern upload what waits for somebody to publish it."""
    (work,) = (one for one in SHELF if one.name == "lantern")
    token = Token.objects.get(user__username="mara", description="lantern: release pipeline")
    with acting("mara", hours=3) as (mara, _), TemporaryDirectory() as folder:
        by = replace(mara, kind="token", credential=token.pk.hex, strength=token.strength)
        for path in write_release(Path(folder), work, "2.2"):
            staging.stage_file(replace(store_local_file(path, by=by), client="twine/6.2.0"), by=by)


def _publish_from_ci() -> None:
    """Write down what the publishers did last, as the exchange would have."""
    lantern = publication_of("2.1", 19)["claims"]
    ferry = {
        "repository": "harbour/data/ferry",
        "ref": "refs/tags/0.9.0",
        "sha": "5d1c" * 10,
        "run": "88214",
        "environment": "production",
    }
    for name, days, claims, seen in (("lantern", 3, lantern, ""), ("ferry", 3, ferry, "production")):
        used = {"last_used_at": clock.now() - timedelta(days=days), "last_used_claims": claims}
        Publisher.objects.filter(project__normalized_name=name).update(**used, seen_environment=seen)


_KINDS: Final[dict[str, tuple[Callable[[], None], ...]]] = {
    "releases that were yanked, projects that ended": (_yank, _retire, _delete),
    "reports, quarantine, switches, announcements": (_report, _hold_back, _stop, _announce),
    "invitations, proposals, names": (_invite, _ask_operators, _look_after_names),
    "mandates, and what people ask for": (write_mandates, ask_for_time),
    "accounts that are lost, held, or reached by no mail": (come_back, be_held, change_addresses),
    "releases from CI": (_publish_from_ci,),
    "a staged release": (_stage,),
    "organizations": (found_organization, apply_for_more, tell_people),
}
