"""What is a word, and by which words a project is found. Pure; the same for every database."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet

FORM: Final = 3  # of these rules; rows made by others are made anew
LONGEST_QUERY: Final = 200  # characters
MOST_FOUND: Final = 1000  # projects; whoever finds more narrows the search
MOST_WORDS: Final = 20  # of a query; all after them are passed over
LONGEST_WORD: Final = 40  # characters; what is longer is cut, here and there
MOST_TEXT: Final = 20_000  # characters of a description, and of what is said in brief, that are read
MOST_CLASSIFIERS: Final = 200
LONGEST_CLASSIFIER: Final = 200  # characters
SEPARATOR: Final = " :: "
# Versions of Python that projects can be filtered by.
PYTHONS: Final = tuple(f"3.{minor}" for minor in range(7, 16))

# A run of letters and digits is a word, and so is each sign of a script that puts no spaces between words.
_UNSPACED: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORD: Final = re.compile(f"[{_UNSPACED}]|[^\\W_{_UNSPACED}]+")
_ACCENTS: Final = re.compile("[\u0300-\u036f\u3099\u309a]")
_NOT_LETTERS: Final = re.compile(r"[-_.\s]+")
_LETTERS: Final = re.compile("[a-z0-9]+")
_SIGN: Final = re.compile(r"[!-/:-@\[-`{-~]")
_NO_SIGN_OF_NAMES: Final = re.compile(r"[!-,/:-@\[-^`{-~]")  # all of them but `-`, `_` and `.`


def words_of(text: str) -> list[str]:
    """Return the words of a text, each once, without case and accents; they hold letters and digits only."""
    found = (word[:LONGEST_WORD] for word in _WORD.findall(_plain(text)))
    return list(dict.fromkeys(found))


def _plain(text: str) -> str:
    if text.isascii():
        return text.lower()
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", text).casefold())


def _literal(text: str) -> str:
    return " ".join(_plain(text).split())


def letters_of(name: str) -> str:
    """Return what all spellings of a name share: its letters and digits. Empty for what can be no name."""
    letters = _NOT_LETTERS.sub("", name).lower()
    return letters if _LETTERS.fullmatch(letters) else ""


@dataclass(frozen=True, slots=True)
class Words:
    """By which words a project is found: of its name, in brief (name, summary, keywords), of the whole, and marks."""

    name: Sequence[str]
    brief: Sequence[str]
    whole: Sequence[str]
    marks: Sequence[str]

    @property
    def digest(self) -> str:
        """Return a digest of all of them."""
        return digest_of(self.name, self.brief, self.whole, self.marks)


@dataclass(frozen=True, slots=True)
class Source:
    """What a project is found by.

    `release` is the key of the release that stands for it (None: none that may be seen), `pythons` the Requires-Python of
    its files.
    """

    name: str
    release: int | None
    is_from_publisher: bool
    pythons: frozenset[str]

    @property
    def digest(self) -> str:
        """Return what changes when any of it does; what a release says of itself never changes."""
        return digest_of(self.name, self.release, self.is_from_publisher, sorted(self.pythons))


def digest_of(*parts: object) -> str:
    """Return a short digest of some values."""
    return blake2b(repr(parts).encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()


def words_for(source: Source, normalized_name: str, metadata: Mapping[str, Any]) -> Words:
    """Return the words of a project whose release has this metadata (`distfiles` gives the shape)."""
    name = dict.fromkeys([*words_of(normalized_name), letters_of(normalized_name)])
    short = " ".join([source.name, *_texts(metadata.get("summary")), *_texts(metadata.get("keywords"))])
    brief = dict.fromkeys([*name, *words_of(short[:MOST_TEXT])])
    description = " ".join(_texts(metadata.get("description")))[:MOST_TEXT]
    whole = dict.fromkeys([*brief, *words_of(description)])
    return Words([*name], [*brief], [*whole], _marks_for(source, classifiers_in(metadata)))


def _texts(value: object) -> list[str]:
    """Return the texts in a value of metadata, which is one, a list of them, or nothing."""
    values = value if isinstance(value, list | tuple) else [value]
    return [one for one in values if isinstance(one, str)]


def nodes_of(classifiers: Iterable[str]) -> list[str]:
    """Return these classifiers with all that stand above them, sorted; some that nobody could read are left out."""
    found: set[str] = set()
    for classifier in list(classifiers)[:MOST_CLASSIFIERS]:
        if len(classifier) <= LONGEST_CLASSIFIER and classifier.isprintable():
            parts = classifier.split(SEPARATOR)
            found |= {SEPARATOR.join(parts[: length + 1]) for length in range(len(parts))}
    return sorted(found - {""})


def classifiers_in(metadata: Mapping[str, Any]) -> list[str]:
    """Return what a release's metadata states, with all that stands above."""
    return nodes_of(_texts(metadata.get("classifiers")))


def _marks_for(source: Source, nodes: Sequence[str]) -> list[str]:
    fits = {python for text in source.pythons for python in _pythons_in(text)}
    marks = [mark("classifier", node) for node in nodes]
    marks += [mark("python", python) for python in PYTHONS if python in fits]
    return [*marks, *([mark("publisher")] if source.is_from_publisher else [])]


def mark(kind: str, value: str = "") -> str:
    """Return the word that marks what has this value; a digest, since a word may hold letters and digits only."""
    return "x" + blake2b(f"{kind}\0{value}".encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()


@lru_cache(maxsize=1024)
def _pythons_in(requires_python: str) -> frozenset[str]:
    """Return the versions of Python of which some bugfix release is allowed; all where none is demanded."""
    try:
        allowed = SpecifierSet(requires_python)
    except InvalidSpecifier:
        return frozenset()
    named = _bugfixes_in(requires_python) if len(allowed) <= _MOST_CLAUSES else {}
    return frozenset(
        python
        for python in PYTHONS
        if any(allowed.contains(f"{python}.{last}") for last in [*_BUGFIXES, *named.get(python, ())])
    )


def _bugfixes_in(requires_python: str) -> dict[str, set[int]]:
    """Return by version the bugfix releases that a demand names, and those beside them: what it allows changes there alone."""
    found: dict[str, set[int]] = {}
    for python, last in _NAMED_BUGFIX.findall(requires_python):
        found.setdefault(python, set()).update(range(max(int(last) - 1, 0), int(last) + 2))
    return found


_BUGFIXES: Final = (0, 99)  # the first one, and one after all
_NAMED_BUGFIX: Final = re.compile(r"(3\.\d{1,2})\.(\d{1,2})(?!\d)")
_MOST_CLAUSES: Final = (
    50  # of a demand in which more is looked at than that; nobody who means well writes so many
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for; empty and None ask for nothing."""

    text: str = ""
    classifier: str = ""
    python: str = ""
    maintainer: str = ""
    is_from_publisher: bool = False
    released_since: datetime | None = None
    reader_id: int | None = None  # who looks; what they may not read isn't found

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for."""
        return not (self.text or self.maintainer or self.released_since or self.marks)

    @property
    def words(self) -> list[str]:
        """Return the words of the text, the one that may be unfinished last."""
        return _in_order(self.text)

    @property
    def letters(self) -> str:
        """Return the letters of the name that the text may be, whatever signs stand between them."""
        return letters_of("".join(_WORD.findall(_plain(self.text[:LONGEST_QUERY]))))

    @property
    def literal(self) -> str:
        """Return the text itself, sign by sign, without case and accents."""
        return _literal(self.text[:LONGEST_QUERY])

    @property
    def has_signs(self) -> bool:
        """Whether more stands in the text than words and spaces, so that it says more than its words do."""
        return _SIGN.search(self.literal) is not None

    @property
    def may_be_name(self) -> bool:
        """Whether no sign stands in the text that no name of a project holds."""
        return _NO_SIGN_OF_NAMES.search(self.literal) is None

    @property
    def may_go_on(self) -> bool:
        """Whether the last word may be unfinished: no sign closes it."""
        return _NO_SIGN_OF_NAMES.match(self.literal[-1:]) is None

    def is_said_in(self, text: str) -> bool:
        """Tell whether a text holds this very one."""
        return self.literal in _literal(text)

    @property
    def marks(self) -> list[str]:
        """Return the marks that what is found has."""
        return [
            *([mark("classifier", self.classifier)] if self.classifier else []),
            *([mark("python", self.python)] if self.python else []),
            *([mark("publisher")] if self.is_from_publisher else []),
        ]


def _in_order(text: str) -> list[str]:
    """Return the words of a query, a repeated one where it stands last."""
    words = [word[:LONGEST_WORD] for word in _WORD.findall(_plain(text[:LONGEST_QUERY]))]
    return list(dict.fromkeys(reversed(words)))[::-1][:MOST_WORDS]


def lines_of(nodes: Iterable[str]) -> str:
    """Return classifiers as a row keeps them."""
    return "\n".join(nodes)


def nodes_in(lines: str) -> Iterator[str]:
    """Return the classifiers that a row keeps."""
    return (line for line in lines.split("\n") if line)
