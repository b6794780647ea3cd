"""The one mail to the owners of a project when a release is vouched for less, or otherwise, than the one before."""

from __future__ import annotations

from keyhouse.accounts.emails import site_address
from keyhouse.mail.letters import Facts, Letter, Link, Text
from keyhouse.publishing.attestations.continuity import Break


def break_told(project: str, path: str, found: Break, uploaded_by: str) -> Letter:
    """Return the mail; `path` is the page of the release."""
    if found.kind == "lost":
        title = f"{project} {found.version} came without attestations"
        text = (
            f"{found.before} had attestations that say from which repository and by which job it was built. "
            f"{found.version} has none. If nobody meant that, look at who published it, and yank it."
        )
        facts = [("Built before from", found.was)]
    else:
        title = f"{project} {found.version} was built from another repository"
        text = (
            f"The attestations of {found.version} name another repository than those of {found.before}. If you "
            "didn't move it, look at what the project trusts to publish, and yank the release."
        )
        facts = [("Before", found.was), ("Now", found.now)]
    rows = [("Project", project), ("Published by", uploaded_by), *facts]
    return Letter(
        f"provenance-{found.kind}",
        title,
        (
            Text(f"{title}."),
            Facts(tuple((name, value) for name, value in rows if value)),
            Text(text),
            Link("See the release", site_address(path)),
        ),
    )
