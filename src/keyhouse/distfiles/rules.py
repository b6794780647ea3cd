"""The rules a file is judged by: what an index takes, and how much of it."""

from dataclasses import dataclass
from typing import Self

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits on one file and on what comes out of it; sizes in bytes."""

    file_size: int | None = None
    members: int = 100_000
    path_length: int = 1024
    expanded_size: int = 8 * 1024 * _MIB
    free_expansion: int = 64 * _MIB
    total_ratio: int = 50
    member_ratio: int = 200
    metadata_size: int = 4 * _MIB
    record_size: int = 32 * _MIB

    def allow_expansion(self, compressed: int, expanded: int) -> bool:
        """Tell whether an archive of `compressed` bytes may become `expanded` bytes."""
        if expanded > self.expanded_size:
            return False
        return expanded <= max(self.free_expansion, compressed * self.total_ratio)

    def allow_member(self, compressed: int, expanded: int) -> bool:
        """Tell whether one member of `compressed` bytes may become `expanded` bytes."""
        return expanded <= max(self.free_expansion, compressed * self.member_ratio)


@dataclass(frozen=True, slots=True)
class Rules:
    """What an index takes; a public one is stricter than one inside a company."""

    allows_local_versions: bool = False
    allows_linux_tags: bool = False
    allows_private_classifiers: bool = False
    allows_direct_urls: bool = False
    reads_zip_sdists: bool = False  # to say what one holds; its name is refused all the same
    bounds: Bounds = Bounds()

    @classmethod
    def public(cls, bounds: Bounds | None = None) -> Self:
        """Return the rules of an index that everybody installs from."""
        return cls(bounds=bounds or Bounds())

    @classmethod
    def internal(cls, bounds: Bounds | None = None) -> Self:
        """Return the rules of an index inside one organisation."""
        return cls(
            allows_local_versions=True,
            allows_linux_tags=True,
            allows_private_classifiers=True,
            allows_direct_urls=True,
            bounds=bounds or Bounds(),
        )
