"""A source distribution in a ZIP archive, as releases from before PEP 625 have it."""

from keyhouse.distfiles.rules import Bounds
from keyhouse.distfiles.source import Source
from keyhouse.distfiles.tar_framing import TarContents
from keyhouse.distfiles.zip_contents import hash_members, read_member
from keyhouse.distfiles.zip_framing import ZipMember, read_zip

_METADATA_NAME = "PKG-INFO"


def read_zip_sdist(source: Source, bounds: Bounds) -> TarContents:
    """Read every member once and return what is inside, as for any other source distribution.

    Raises `UnacceptableError` as `read_zip` does, and for members that are corrupt.
    """
    members = read_zip(source, bounds)
    files = [member for member in members if not member.is_folder]
    hash_members(source, members, lambda _: "sha256")
    contents = TarContents(
        files=[member.path for member in files],
        sizes=[member.size for member in files],
        folders=[member.path for member in members if member.is_folder],
    )
    for member in filter(_is_metadata, files):
        data = read_member(source, member, bounds.metadata_size, "metadata-too-large")
        contents.metadata.setdefault(member.path, data)
    return contents


def _is_metadata(member: ZipMember) -> bool:
    folder, slash, name = member.path.rpartition("/")
    return bool(slash) and name == _METADATA_NAME and "/" not in folder
