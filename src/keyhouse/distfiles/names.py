"""Which names a new project may have (PEP 508, PEP 503).

Names are ASCII by PEP 508, so that look-alikes from other scripts are refused as invalid; what
remains are look-alikes within ASCII, which `fold` brings together.
"""

import sys
from collections.abc import Callable, Collection
from typing import Final

from packaging.utils import canonicalize_name

from keyhouse.distfiles.findings import Finding, shown
from keyhouse.distfiles.metadata_rules import LONGEST_NAME, is_valid_name

# modules that other versions of Python have or had, from 2.7 on
_OTHER_VERSIONS: Final = frozenset(
    {
        "annotationlib",
        "anydbm",
        "asynchat",
        "asyncore",
        "audioop",
        "basehttpserver",
        "bastion",
        "bdb",
        "binhex",
        "bsddb",
        "cgi",
        "cgihttpserver",
        "cgitb",
        "chunk",
        "commands",
        "compiler",
        "compression",
        "configparser",
        "cookie",
        "cookielib",
        "copy-reg",
        "cpickle",
        "crypt",
        "cstringio",
        "dbhash",
        "dircache",
        "distutils",
        "dl",
        "docxmlrpcserver",
        "dummy-thread",
        "dummy-threading",
        "exceptions",
        "formatter",
        "fpformat",
        "future-builtins",
        "hotshot",
        "htmlentitydefs",
        "htmllib",
        "htmlparser",
        "httplib",
        "ihooks",
        "imageop",
        "imghdr",
        "imp",
        "imputil",
        "lib2to3",
        "linuxaudiodev",
        "macpath",
        "macurl2path",
        "mailcap",
        "md5",
        "mhlib",
        "mimetools",
        "mimewriter",
        "mimify",
        "msilib",
        "multifile",
        "mutex",
        "new",
        "nis",
        "nntplib",
        "os2emxpath",
        "ossaudiodev",
        "parser",
        "pipes",
        "popen2",
        "posixfile",
        "pydoc",
        "queue",
        "rexec",
        "rfc822",
        "robotparser",
        "sets",
        "sgmllib",
        "sha",
        "simplehttpserver",
        "simplexmlrpcserver",
        "smtpd",
        "sndhdr",
        "socketserver",
        "spwd",
        "sre",
        "statvfs",
        "string",
        "stringio",
        "stringold",
        "stringprep",
        "strop",
        "sunau",
        "sunaudio",
        "symbol",
        "telnetlib",
        "thread",
        "tkinter",
        "toaiff",
        "tomllib",
        "urllib2",
        "urlparse",
        "user",
        "userdict",
        "userlist",
        "userstring",
        "uu",
        "whichdb",
        "xdrlib",
        "xmllib",
        "xmlrpclib",
        "zoneinfo",
    }
)

STANDARD_LIBRARY: Final = frozenset(
    canonicalize_name(name) for name in (*sys.stdlib_module_names, *_OTHER_VERSIONS) if is_valid_name(name)
)

# what people would take for a part of the index itself, or type by mistake
RESERVED: Final = frozenset(
    {
        "dev-requirements-txt",
        "integrity",
        "keyhouse",
        "legacy",
        "none",
        "null",
        "pypi",
        "pyproject-toml",
        "requirements",
        "requirements-dev-txt",
        "requirements-txt",
        "setup-py",
        "simple",
        "site-packages",
        "undefined",
    }
)
_FOLDING: Final = str.maketrans("lio", "110", "-_.")


def normalise(name: str) -> str:
    """Return the one spelling that decides identity (PEP 503)."""
    return canonicalize_name(name)


def fold(name: str) -> str:
    """Return a key that is the same for names which people confuse.

    Lower case without `-`, `_` and `.`; `l` and `i` become `1`, `o` becomes `0`.
    """
    return name.lower().translate(_FOLDING)


def judge_new_name(
    name: str, existing_folded: Callable[[str], bool] | Collection[str] = ()
) -> Finding | None:
    """Return why a new project cannot be called `name`, or None.

    `existing_folded` holds the folded names of all projects that exist or left a tombstone, or
    tells whether a folded name is among them.
    """
    is_taken = existing_folded if callable(existing_folded) else existing_folded.__contains__
    if not is_valid_name(name):
        return _refuse(name, "is not a valid project name (ASCII letters, digits and inner . _ -)")
    if len(name) > LONGEST_NAME:
        return _refuse(name, f"is longer than {LONGEST_NAME} characters")
    if normalise(name) in STANDARD_LIBRARY:
        return _refuse(name, "is a module of Python's standard library")
    if fold(name) in _RESERVED_FOLDED:
        return _refuse(name, "is reserved, or too similar to a reserved name")
    if is_taken(fold(name)):
        return _refuse(name, "is too similar to the name of an existing project")
    return None


_RESERVED_FOLDED: Final = frozenset(fold(name) for name in RESERVED)


def _refuse(name: str, why: str) -> Finding:
    return Finding("name-refused", f"The name {shown(name)} {why}.")
