"""Make wheels and source distributions for tests: valid ones, with a knob for each fault.

Everything is deterministic: the same arguments give the same bytes.
"""

import base64
import gzip
import hashlib
import io
import tarfile
import warnings
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_MOMENT = (2024, 1, 1, 0, 0, 0)
_FILE_MODE = 0o100644
_FOLDER_MODE = 0o040755

WheelMember = tuple[str | zipfile.ZipInfo, bytes]
SdistMember = tuple[str | tarfile.TarInfo, bytes]


def build_wheel(
    directory: Path,
    name: str = "alpha",
    version: str = "1.0",
    *,
    tag: str = "py3-none-any",
    metadata_extra: str = "",
    description: str = "",
    files: Mapping[str, bytes] | None = None,
    filename: str | None = None,
    dist_info: str | None = None,
    metadata: bytes | None = None,
    wheel_file: bytes | None = None,
    entry_points: str | None = None,
    record: bytes | None = None,
    record_without: Iterable[str] = (),
    record_extra: str = "",
    without: Iterable[str] = (),
    extra_members: Sequence[WheelMember] = (),
    compression: int = zipfile.ZIP_DEFLATED,
    comment: bytes = b"",
    prefix: bytes = b"",
    suffix: bytes = b"",
) -> Path:
    """Write a wheel into `directory` and return its path.

    `tag` is the tag set of the file name (`cp311-cp311-manylinux_2_17_x86_64`, also compressed).
    `metadata_extra` holds further header lines of METADATA, `files` what is in the wheel beside
    its dist-info (a module with the project's name where it is left out). `metadata`, `wheel_file`
    and `record` replace whole files; `record_without` leaves members out of RECORD, `record_extra`
    adds lines to it, `without` leaves members (`"WHEEL"`, or a full path) out of the archive.
    `extra_members` are appended as they are and are not in RECORD: names may repeat or escape.
    """
    folder = dist_info or f"{_component(name)}-{_version_component(version)}.dist-info"
    members: dict[str, bytes] = dict(files if files is not None else _default_files(name, version))
    members[f"{folder}/METADATA"] = (
        metadata
        if metadata is not None
        else metadata_bytes(name, version, extra=metadata_extra, description=description)
    )
    members[f"{folder}/WHEEL"] = wheel_file if wheel_file is not None else wheel_bytes(tag)
    if entry_points is not None:
        members[f"{folder}/entry_points.txt"] = entry_points.encode()
    members[f"{folder}/RECORD"] = (
        record
        if record is not None
        else record_bytes(folder, members, without=record_without, extra=record_extra)
    )
    left_out = {*without, *(f"{folder}/{member}" for member in without)}
    kept: list[WheelMember] = [(key, data) for key, data in members.items() if key not in left_out]
    archive = zip_bytes([*kept, *extra_members], compression=compression, comment=comment)
    path = directory / (filename or wheel_filename(name, version, tag))
    path.write_bytes(prefix + archive + suffix)
    return path


def build_sdist(
    directory: Path,
    name: str = "alpha",
    version: str = "1.0",
    *,
    metadata_extra: str = "",
    description: str = "",
    files: Mapping[str, bytes] | None = None,
    filename: str | None = None,
    top: str | None = None,
    metadata: bytes | None = None,
    without: Iterable[str] = (),
    extra_members: Sequence[SdistMember] = (),
    tar_suffix: bytes = b"",
    prefix: bytes = b"",
    suffix: bytes = b"",
    with_directories: bool = False,
) -> Path:
    """Write a `.tar.gz` source distribution into `directory` and return its path.

    `files` are named below the top folder; `top` replaces that folder's name. `extra_members`
    are appended as they are: a full name, or a `TarInfo` for links, devices and the like.
    `tar_suffix` is added inside the compression, `suffix` after it.
    """
    folder = top or f"{_component(name)}-{version}"
    inside: dict[str, bytes] = {
        "PKG-INFO": metadata
        if metadata is not None
        else metadata_bytes(name, version, extra=metadata_extra, description=description),
        "pyproject.toml": b'[build-system]\nrequires = ["flit_core"]\n',
        **(files if files is not None else _default_files(name, version)),
    }
    left_out = set(without)
    members: list[SdistMember] = [
        (f"{folder}/{key}", data) for key, data in inside.items() if key not in left_out
    ]
    if with_directories:
        members.insert(0, (_tar_directory(folder), b""))
    tar = tar_bytes([*members, *extra_members]) + tar_suffix
    path = directory / (filename or f"{_component(name)}-{version}.tar.gz")
    path.write_bytes(prefix + gzip_bytes(tar) + suffix)
    return path


def wheel_filename(name: str, version: str, tag: str = "py3-none-any") -> str:
    """Return the canonical file name of a wheel (PEP 427)."""
    return f"{_component(name)}-{_version_component(version)}-{tag}.whl"


def metadata_bytes(
    name: str = "alpha",
    version: str = "1.0",
    *,
    metadata_version: str = "2.1",
    extra: str = "",
    description: str = "",
) -> bytes:
    """Make a METADATA or PKG-INFO file; `extra` holds whole header lines."""
    lines = f"Metadata-Version: {metadata_version}\nName: {name}\nVersion: {version}\n"
    if "Summary:" not in extra:
        lines += f"Summary: The project {name}\n"
    if extra:
        lines += extra.rstrip("\n") + "\n"
    return f"{lines}\n{description}".encode()


def wheel_bytes(tag: str = "py3-none-any", *, extra: str = "") -> bytes:
    """Make a WHEEL file whose Tag lines are the expansion of the compressed `tag`."""
    pythons, abis, platforms = (part.split(".") for part in tag.split("-")[-3:])
    tags = [f"{p}-{a}-{f}" for p in pythons for a in abis for f in platforms]
    pure = "true" if platforms == ["any"] else "false"
    head = f"Wheel-Version: 1.0\nGenerator: builders 1\nRoot-Is-Purelib: {pure}\n"
    return (head + extra + "".join(f"Tag: {tag}\n" for tag in tags)).encode()


def record_bytes(
    folder: str,
    members: Mapping[str, bytes],
    *,
    without: Iterable[str] = (),
    extra: str = "",
) -> bytes:
    """Make a true RECORD (PEP 376, PEP 427) of `members`, itself included."""
    left_out = set(without)
    lines = [record_line(key, data) for key, data in members.items() if key not in left_out]
    return ("".join(lines) + f"{folder}/RECORD,,\n" + extra).encode()


def record_line(path: str, data: bytes, *, algorithm: str = "sha256") -> str:
    """Make one line of RECORD."""
    digest = base64.urlsafe_b64encode(hashlib.new(algorithm, data).digest()).rstrip(b"=").decode()
    spelt = f'"{path}"' if "," in path else path
    return f"{spelt},{algorithm}={digest},{len(data)}\n"


def zip_bytes(
    members: Iterable[WheelMember],
    *,
    compression: int = zipfile.ZIP_DEFLATED,
    comment: bytes = b"",
) -> bytes:
    """Make a ZIP archive of `members` in this order; repeated names stay repeated."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore", UserWarning)  # repeated names are meant
        for member, data in members:
            info = member if isinstance(member, zipfile.ZipInfo) else zip_member(member)
            if not isinstance(member, zipfile.ZipInfo):
                info.compress_type = compression
            archive.writestr(info, data)
        archive.comment = comment
    return buffer.getvalue()


def zip_member(path: str, *, mode: int | None = None) -> zipfile.ZipInfo:
    """Make a member with a fixed time and a Unix `mode` (`0o120777` for a symbolic link)."""
    info = zipfile.ZipInfo(path, _MOMENT)
    usual = _FOLDER_MODE if path.endswith("/") else _FILE_MODE
    info.external_attr = (usual if mode is None else mode) << 16
    return info


def tar_bytes(members: Iterable[SdistMember], *, form: int = tarfile.PAX_FORMAT) -> bytes:
    """Make a TAR archive of `members` in this order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for member, data in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            if info.isreg():
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def tar_member(path: str, kind: bytes, *, target: str = "") -> tarfile.TarInfo:
    """Make a member of a `tarfile` type such as `tarfile.SYMTYPE`, with its link target."""
    info = tarfile.TarInfo(path)
    info.type = kind
    info.linkname = target
    return info


def gzip_bytes(data: bytes) -> bytes:
    """Make one gzip member without a name or a time in it."""
    return gzip.compress(data, mtime=0)


def _tar_directory(path: str) -> tarfile.TarInfo:
    info = tar_member(path, tarfile.DIRTYPE)
    info.mode = 0o755
    return info


def _default_files(name: str, version: str) -> dict[str, bytes]:
    return {f"{_component(name)}.py": f'__version__ = "{version}"\n'.encode()}


def _component(name: str) -> str:
    normalised = name.lower().replace("-", "_").replace(".", "_")
    while "__" in normalised:
        normalised = normalised.replace("__", "_")
    return normalised


def _version_component(version: str) -> str:
    return version.replace("-", "_")
