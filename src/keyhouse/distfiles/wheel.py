"""The inside of a wheel: its .dist-info folder, WHEEL, tags and entry points (PEP 427, PEP 491)."""

import configparser
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from packaging.utils import canonicalize_name
from packaging.version import Version

from keyhouse.distfiles.filenames import DistributionName, expand_tags
from keyhouse.distfiles.findings import Finding, UnacceptableError, shown
from keyhouse.distfiles.platforms import find_refused
from keyhouse.distfiles.record import RecordLine, algorithm_for, compare_record, parse_record
from keyhouse.distfiles.rules import Rules
from keyhouse.distfiles.source import Source
from keyhouse.distfiles.zip_contents import Digest, hash_bytes, hash_members, read_member
from keyhouse.distfiles.zip_framing import ZipMember

_SUFFIX: Final = ".dist-info"
_MOST_TAGS = 10_000
_SCRIPT_GROUPS = ("console_scripts", "gui_scripts")
# blanks before what follows them only, so that none can be read in two ways
_OBJECT = re.compile(r"[\w.]+(?:\s*:\s*[\w.]+)?(?:\s*\[[^\]]*\])?")
_FORMAT = re.compile(r"1\.[0-9]+")


@dataclass(slots=True)
class WheelContents:
    """What one pass over a wheel found: digests by path, and the files that describe it."""

    digests: dict[str, Digest]
    folders: list[str]
    dist_infos: list[str]
    record: dict[str, RecordLine] | None = None
    record_finding: Finding | None = None
    texts: dict[str, bytes] = field(default_factory=dict)

    def find_text(self, name: str) -> bytes | None:
        """Return a file of the only .dist-info folder."""
        return self.texts.get(f"{self.dist_infos[0]}/{name}") if self.dist_infos else None


def read_wheel(source: Source, members: list[ZipMember], rules: Rules) -> WheelContents:
    """Read every member once: keep what describes the wheel, hash everything.

    Raises `UnacceptableError` for members that are corrupt or, where kept, too large.
    """
    files = {member.path: member for member in members if not member.is_folder}
    folders = [member.path for member in members if member.is_folder]
    dist_infos = sorted({top for member in members if _is_dist_info(top := _top(member.path))})
    contents = WheelContents({}, folders, dist_infos)
    if len(dist_infos) == 1:
        _read_descriptions(source, files, contents, rules)
    record = contents.record or {}
    unread = [member for member in members if member.path not in contents.texts]
    contents.digests = hash_members(source, unread, lambda path: algorithm_for(record.get(path)))
    for path, text in contents.texts.items():
        contents.digests[path] = hash_bytes(text, algorithm_for(record.get(path)))
    return contents


def judge_wheel(contents: WheelContents, name: DistributionName, rules: Rules) -> list[Finding]:
    """Return everything that is wrong inside a wheel, in the order of importance."""
    dist_info = list(_judge_dist_info(contents, name))
    if dist_info:
        return dist_info
    return [
        *_judge_record(contents),
        *_judge_wheel_file(contents, name),
        *_judge_platforms(name, rules),
        *_judge_entry_points(contents),
    ]


def _read_descriptions(
    source: Source, files: dict[str, ZipMember], contents: WheelContents, rules: Rules
) -> None:
    folder = contents.dist_infos[0]
    bounds = rules.bounds
    for name in ("METADATA", "WHEEL", "entry_points.txt"):
        if member := files.get(f"{folder}/{name}"):
            data = read_member(source, member, bounds.metadata_size, "metadata-too-large")
            contents.texts[member.path] = data
    if member := files.get(f"{folder}/RECORD"):
        data = read_member(source, member, bounds.record_size, "record-malformed")
        try:
            contents.record = parse_record(data, bounds.members)
        except UnacceptableError as error:
            contents.record_finding = error.finding


def _judge_dist_info(contents: WheelContents, name: DistributionName) -> Iterator[Finding]:
    if len(contents.dist_infos) != 1:
        count = len(contents.dist_infos) or "no"
        sentence = f"The wheel has {count} .dist-info folders; it must have exactly one."
        yield Finding("wheel-dist-info", sentence)
        return
    folder = contents.dist_infos[0]
    if not _is_for(folder, name):
        sentence = f"The folder {shown(folder)} is not {shown(name.stem + _SUFFIX)}."
        yield Finding("wheel-dist-info", sentence)
    inside = [path for path in contents.digests if path.startswith(f"{folder}/")]
    if len({path.casefold() for path in inside}) != len(inside):
        sentence = f"Files in {shown(folder)} differ only in upper and lower case."
        yield Finding("wheel-dist-info", sentence)
    yield from _judge_presence(contents, folder)


def _judge_presence(contents: WheelContents, folder: str) -> Iterator[Finding]:
    for required in ("WHEEL", "METADATA", "RECORD"):
        if f"{folder}/{required}" not in contents.digests:
            yield Finding("wheel-file-missing", f"The wheel has no {required} in {shown(folder)}.")


def _is_for(folder: str, name: DistributionName) -> bool:
    project, hyphen, release = folder.removesuffix(_SUFFIX).rpartition("-")
    try:
        version = Version(release)
    except ValueError:  # also for numbers of thousands of digits
        return False
    return bool(hyphen) and canonicalize_name(project) == name.name and version == name.version


def _judge_record(contents: WheelContents) -> list[Finding]:
    if contents.record_finding is not None:
        return [contents.record_finding]
    folder = contents.dist_infos[0]
    names = ("RECORD", "RECORD.jws", "RECORD.p7s")
    exempt = frozenset(f"{folder}/{name}" for name in names)
    return list(compare_record(contents.record or {}, contents.digests, exempt))


def _judge_wheel_file(contents: WheelContents, name: DistributionName) -> Iterator[Finding]:
    try:
        fields = _parse_fields(contents.find_text("WHEEL") or b"")
    except UnicodeDecodeError:
        yield Finding("wheel-file-invalid", "WHEEL is not UTF-8 text.")
        return
    yield from _judge_format(fields)
    inside = _expand(fields.get("tag", []))
    if inside != name.tags:
        odd = min(inside ^ name.tags)
        sentence = f"The Tag lines of WHEEL are not those of the file name: {shown(odd)} differs."
        yield Finding("wheel-tags-differ", sentence)
    builds = fields.get("build", [])
    if builds and builds != [name.build]:
        sentence = "The Build line of WHEEL is not the build part of the file name."
        yield Finding("wheel-tags-differ", sentence)


def _judge_format(fields: dict[str, list[str]]) -> Iterator[Finding]:
    versions = fields.get("wheel-version", [])
    if len(versions) != 1 or not _FORMAT.fullmatch(versions[0]):
        yield Finding("wheel-file-invalid", "WHEEL does not give one Wheel-Version of 1.x.")
    pure = [value.lower() for value in fields.get("root-is-purelib", [])]
    if pure not in (["true"], ["false"]):
        sentence = "WHEEL does not say Root-Is-Purelib once as true or false."
        yield Finding("wheel-file-invalid", sentence)


def _parse_fields(data: bytes) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for line in data.decode().splitlines():
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip().lower(), []).append(value.strip())
    return fields


def _expand(tags: Iterable[str]) -> set[str]:
    expanded: set[str] = set()
    for tag in tags:
        if tag.count("-") == 2 and len(expanded) + _count(tag) <= _MOST_TAGS:  # noqa: PLR2004 - three parts
            expanded.update(expand_tags(tag))
        else:
            expanded.add(tag)
    return expanded


def _count(tag: str) -> int:
    """Return how many tags a compressed one stands for, without making them."""
    return math.prod(part.count(".") + 1 for part in tag.split("-"))


def _judge_platforms(name: DistributionName, rules: Rules) -> Iterator[Finding]:
    refused = find_refused(name.platforms, allows_linux=rules.allows_linux_tags)
    if refused is not None:
        sentence = f"This index does not take wheels for the platform {shown(refused)}."
        yield Finding("wheel-platform", sentence)


def _judge_entry_points(contents: WheelContents) -> Iterator[Finding]:
    data = contents.find_text("entry_points.txt")
    if data is None:
        return
    parser = _EntryPoints(delimiters=("=",), interpolation=None, default_section="")
    try:
        parser.read_string(data.decode())
    except (UnicodeDecodeError, configparser.Error):
        yield Finding("wheel-entry-points", "entry_points.txt cannot be read as an INI file.")
        return
    for group in parser.sections():
        yield from _judge_group(group, parser[group])


def _judge_group(group: str, lines: configparser.SectionProxy) -> Iterator[Finding]:
    for name, value in lines.items():
        is_script = group in _SCRIPT_GROUPS
        if is_script and (not name or name in {".", ".."} or re.search(r"[/\\\x00-\x1f]", name)):
            sentence = f"The script name {shown(name)} could leave its folder."
            yield Finding("wheel-entry-points", sentence)
        elif not _OBJECT.fullmatch(value.partition("#")[0].strip()):
            sentence = f"The entry point {shown(name)} does not name a module or an object."
            yield Finding("wheel-entry-points", sentence)


class _EntryPoints(configparser.ConfigParser):
    """An INI file in which upper and lower case differ (entry points specification)."""

    def optionxform(self, optionstr: str) -> str:
        """Keep the case of a name."""
        return optionstr


def _top(path: str) -> str:
    return path.partition("/")[0]


def _is_dist_info(top: str) -> bool:
    """Count what an installer would: empty folders, plain files, and other cases where the file system ignores case."""
    return top.casefold().endswith(_SUFFIX)
