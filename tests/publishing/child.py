"""Upload one file in a process of its own, on a data folder of its own: it may be killed on the way.

`python -m tests.publishing.child WHEEL` prints the status of the answer; with `look` instead of a file it prints what
is there as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from unittest import mock

import django


def main(what: str) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "keyhouse.settings.base"
    django.setup()
    from django.core.management import call_command  # noqa: PLC0415 - after the settings are there

    call_command("migrate", verbosity=0)
    print(json.dumps(look()) if what == "look" else push(Path(what)))  # noqa: T201 - read by the parent


def push(path: Path) -> int:
    from tests.publishing.driver import upload  # noqa: PLC0415 - after the settings are there
    from tests.publishing.world import Asked, actor_of, make_user  # noqa: PLC0415 - after the settings are there

    from keyhouse.accounts.models import User  # noqa: PLC0415 - after the settings are there
    from keyhouse.core import actions  # noqa: PLC0415 - after the settings are there
    from keyhouse.publishing.upload.checks import credential  # noqa: PLC0415 - after the settings are there

    actor = actor_of(User.objects.filter(username="ada").first() or make_user())
    actions.wire(gate=Asked(), authority=Asked())
    with mock.patch.object(credential, "authenticate", return_value=actor):
        return upload(path).status


def look() -> dict[str, object]:
    from keyhouse.audit.models import Record  # noqa: PLC0415 - after the settings are there
    from keyhouse.core import configuration  # noqa: PLC0415 - after the settings are there
    from keyhouse.projects.models import File, IndexPage, Project, Release, UsedFileName  # noqa: PLC0415 - after the settings are there
    from keyhouse.storage import blobs  # noqa: PLC0415 - after the settings are there

    incoming = configuration.current().files_folder / ".incoming"
    rows = (Project, Release, File, UsedFileName, IndexPage, Record)
    whole = [blobs().size(file.path) == file.size for file in File.objects.all()]
    return {
        "rows": sum(model.objects.count() for model in rows),
        "files": list(File.objects.values_list("filename", flat=True)),
        "whole": whole,
        "blobs": len(list(blobs().keys())),
        "temporary": len(list(incoming.iterdir())) if incoming.is_dir() else 0,
    }


if __name__ == "__main__":
    main(sys.argv[1])
