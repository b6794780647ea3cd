"""What somebody types to install a release from here, and its files by their hashes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from keyhouse.web.versions import ReleaseLine


@dataclass(frozen=True, slots=True)
class InstallLines:
    """Names for copy-ready lines: the project, and as a requirement, with its version where it must be named."""

    name: str
    requirement: str
    is_pinned: bool

    @property
    def argument(self) -> str:
        """Return the requirement as a shell takes it: in an interactive one, `!` of an epoch recalls an earlier line."""
        return f"'{self.requirement}'" if "!" in self.requirement else self.requirement


def lines_for(name: str, chosen: ReleaseLine, recommended: ReleaseLine | None) -> InstallLines:
    """Pin what installers wouldn't take by themselves: an older, a yanked or a pre-release."""
    is_pinned = chosen != recommended or chosen.is_yanked or chosen.is_prerelease
    return InstallLines(name, f"{name}=={chosen.version}" if is_pinned else name, is_pinned)


def requirements_file(base_url: str, name: str, version: str, digests: Iterable[str]) -> str:
    """Return a requirements file that takes exactly these files of a release, by their SHA-256."""
    hashes = "".join(f" \\\n    --hash=sha256:{digest}" for digest in digests)
    return (
        f"# All files of {name} {version}. What it requires is not listed.\n"
        f"--index-url {base_url}/simple/\n{name}=={version}{hashes}\n"
    )
