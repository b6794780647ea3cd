"""Platform tags that an index takes (PEP 425, 513, 571, 599, 600, 656, 730, 738, 783)."""

import re
from collections.abc import Iterable

_ALWAYS = frozenset(
    {
        "any",
        "win32",
        "win_amd64",
        "win_arm64",
        "win_ia64",
        "linux_armv6l",
        "linux_armv7l",
        "manylinux1_x86_64",
        "manylinux1_i686",
        "manylinux2010_x86_64",
        "manylinux2010_i686",
        "manylinux2014_x86_64",
        "manylinux2014_i686",
        "manylinux2014_aarch64",
        "manylinux2014_armv7l",
        "manylinux2014_ppc64",
        "manylinux2014_ppc64le",
        "manylinux2014_s390x",
    }
)
_LIBC_MACHINES = "x86_64|i686|aarch64|armv7l|ppc64le|s390x|riscv64"
_MAC_MACHINES = "ppc|ppc64|i386|x86_64|arm64|intel|fat|fat3|fat32|fat64|universal|universal2"  # PEP 425
_PATTERN = re.compile(
    rf"""
      manylinux_[0-9]+_[0-9]+_(?:{_LIBC_MACHINES}|ppc64|loongarch64)
    | musllinux_[0-9]+_[0-9]+_(?:{_LIBC_MACHINES}|loongarch64)
    | macosx_10_[0-9]+_(?:{_MAC_MACHINES})
    | macosx_(?:1[1-9]|[2-9][0-9])_0_(?:{_MAC_MACHINES})
    | ios_[0-9]+_[0-9]+_(?:arm64|x86_64)_(?:iphoneos|iphonesimulator)
    | android_[0-9]+_(?:armeabi_v7a|arm64_v8a|x86|x86_64)
    | (?:pyemscripten|pyodide)_[0-9]+_[0-9]+_wasm32
    """,
    re.VERBOSE,
)
_PLAIN_LINUX = re.compile(r"linux_[a-z0-9_]+")


def find_refused(platforms: Iterable[str], *, allows_linux: bool) -> str | None:
    """Return the first platform tag that the index does not take, or None.

    A plain `linux_*` tag promises nothing about the system libraries, so that only an index
    whose machines are known may take it.
    """
    return next((tag for tag in sorted(platforms) if not _is_taken(tag, allows_linux)), None)


def _is_taken(tag: str, allows_linux: bool) -> bool:  # noqa: FBT001 - private, one caller
    if tag in _ALWAYS or _PATTERN.fullmatch(tag):
        return True
    return allows_linux and _PLAIN_LINUX.fullmatch(tag) is not None
