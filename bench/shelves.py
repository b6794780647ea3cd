"""Many made projects with texts, in an index that is there: `python -m bench.shelves COUNT` with its environment.

The rows are written past the services, since publishing so many files would take an hour; what they are found by is
made by the product. Words are as common as words are: the n-th one has a share of 1/n. Whoever has an account there owns
as many of the projects, the newest account most.
"""

from __future__ import annotations

import hashlib
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from trove_classifiers import classifiers

AT_ONCE = 2000
VOCABULARY = 20_000
START = datetime(2019, 1, 1, tzinfo=UTC)
SYLLABLES = ("ba", "co", "di", "fu", "ga", "he", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu", "va", "ze")


def word(number: int) -> str:
    """Return the word that is the n-th most common one."""
    syllables = []
    while number or not syllables:
        number, place = divmod(number, len(SYLLABLES))
        syllables.append(SYLLABLES[place])
    return "".join(syllables)


class Texts:
    """Made-up texts, the same for the same seed."""

    def __init__(self) -> None:
        """Weigh the words once."""
        self._random = random.Random(7)
        self._words = [word(number) for number in range(VOCABULARY)]
        self._until = [0.0]
        for number in range(VOCABULARY):
            self._until.append(self._until[-1] + 1 / (number + 1))
        self._classifiers = sorted(classifiers)

    def words(self, count: int) -> str:
        """Return so many words."""
        return " ".join(self._random.choices(self._words, cum_weights=self._until[1:], k=count))

    def name(self, number: int) -> str:
        """Return a name that no other project has."""
        return f"{self._random.choice(self._words)}-{self._random.choice(self._words)}-{number}"

    def metadata(self) -> dict[str, Any]:
        """Return what a release says of itself."""
        return {
            "summary": self.words(8),
            "keywords": self.words(3).split(),
            "description": self.words(self._random.randrange(50, 500)),
            "classifiers": self._random.sample(self._classifiers, 6),
        }


def main(count: int) -> None:
    """Make the projects, then what they are found by, and print how long that took."""
    from keyhouse.cli.surroundings import open_index  # noqa: PLC0415 - Django is set up by it

    open_index()
    from keyhouse.accounts.models import User  # noqa: PLC0415 - Django is set up by now

    numbers = iter(range(count))
    texts = Texts()
    people = list(User.objects.order_by("-pk"))
    while some := list(islice(numbers, AT_ONCE)):
        _own(people, _make(texts, some))
    from keyhouse.projects.search import filling  # noqa: PLC0415 - Django is set up by now

    filling.AT_ONCE = AT_ONCE  # nobody waits for the database meanwhile
    started = time.perf_counter()
    with _without_indexes_over_texts():
        done = filling.fill()
    print(f"{done} rows in {time.perf_counter() - started:.0f} s")


@contextmanager
def _without_indexes_over_texts() -> Iterator[None]:
    """Take PostgreSQL's indexes over texts away and make the same ones again: row by row they cost more than all else."""
    from django.db import connection  # noqa: PLC0415 - Django is set up by now

    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes"
            " WHERE tablename = 'projects_searchrow' AND indexdef LIKE '%USING gin%'"
        )
        found = cursor.fetchall()
        for name, _ in found:
            cursor.execute(f'DROP INDEX "{name}"')
        yield
        cursor.execute("SET maintenance_work_mem = '512MB'")
        for _, statement in found:
            cursor.execute(statement)
        # as autovacuum does in a while on a server that runs; without it nothing is read from an index alone
        cursor.execute("VACUUM (ANALYZE)")


def _make(texts: Texts, numbers: list[int]) -> list[Any]:
    from keyhouse.projects.models import File, Project, Release  # noqa: PLC0415 - Django is set up by now

    projects = Project.objects.bulk_create(_projects(texts, numbers))
    releases = []
    for project, number in zip(projects, numbers, strict=True):
        metadata = texts.metadata()
        project.summary, project.latest_version, project.size = metadata["summary"], "1.0", 1
        at = START + timedelta(minutes=30 * number)
        releases.append(
            Release(project=project, version="1.0", created_at=at, summary=project.summary, metadata=metadata)
        )
    Project.objects.bulk_update(projects, ["summary", "latest_version", "size"], batch_size=200)
    File.objects.bulk_create([_file(release) for release in Release.objects.bulk_create(releases)])
    return projects


def _own(people: list[Any], projects: list[Any]) -> None:
    """Give each project an owner: the n-th of the people has a share of 1/n."""
    from keyhouse.projects.models import Role  # noqa: PLC0415 - Django is set up by now

    if not people:
        return
    owners = random.Random(projects[0].name).choices(
        people, weights=[1 / (number + 1) for number in range(len(people))], k=len(projects)
    )
    Role.objects.bulk_create(
        Role(project=project, user=owner, kind=Role.Kind.OWNER, since_at=project.created_at)
        for project, owner in zip(projects, owners, strict=True)
    )


def _projects(texts: Texts, numbers: list[int]) -> Iterator[Any]:
    from keyhouse.projects.models import Project  # noqa: PLC0415 - Django is set up by now

    for number in numbers:
        name = texts.name(number)
        folded = hashlib.sha256(name.encode()).hexdigest()
        at = START + timedelta(minutes=30 * number)
        yield Project(name=name, normalized_name=name, folded_name=folded, created_at=at)


def _file(release: Any) -> Any:
    from keyhouse.projects.models import File  # noqa: PLC0415 - Django is set up by now

    filename = f"{release.project.name.replace('-', '_')}-1.0.tar.gz"
    digest = hashlib.sha256(filename.encode()).hexdigest()
    return File(
        release=release,
        project=release.project,
        filename=filename,
        kind="sdist",
        python_tag="source",
        size=1,
        md5=digest[:32],
        sha256=digest,
        blake2=digest,
        requires_python=">=3.9",
        uploaded_at=release.created_at,
        uploaded_via="token",
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
