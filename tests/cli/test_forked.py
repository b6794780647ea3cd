"""What tests fork is what they would start: the same program on the same terms does the same."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest
from tests import forked
from tests.cli.places import Place
from tests.cli.started import environment

pytestmark = pytest.mark.skipif(not forked.IS_POSSIBLE, reason="nothing is forked on this machine")

PROGRAMS = {
    "terms": "import os, sys; print(sys.argv, os.getcwd(), dict(os.environ), sys.path, __name__)",
    "streams": "import sys; print(sys.stdin.read()[::-1]); print('é', file=sys.stderr)",
    "kinds of streams": "import sys; print([s.isatty() for s in (sys.stdin, sys.stdout)], sys.stdout.line_buffering)",
    "open files": "import os; print(sorted(os.listdir('/proc/self/fd'))[:3], len(os.listdir('/proc/self/fd')))",
    # not the interrupt: whoever runs the tests may have it passed over, which a fork never does
    "signals": "import signal; print([signal.getsignal(number) for number in (10, 13, 15, 17)])",
    "threads": "import threading as t; e = t.Event(); t.Thread(target=lambda: print(e.wait(9))).start(); e.set()",
    "end": "import atexit, sys; atexit.register(print, 'at the end'); sys.exit(3)",
    "sentence": "import sys; sys.exit('It is over.')",
    "killed": "import os; os.kill(os.getpid(), 9)",
    "terminated": "import os; print('not flushed'); os.kill(os.getpid(), 15)",
    "settings": "from keyhouse.core import configuration; print(configuration.current().data)",
    "models": "from keyhouse.cli import surroundings as s; s.load_features(); from django.conf import settings as d;"
    " from django.db import connection as c; print(d.DATABASES, c.settings_dict['NAME'], c.vendor)",
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_fork_does_what_a_process_that_is_started_does(program: str, tmp_path: Path) -> None:
    around = environment(KEYHOUSE_DATA=str(tmp_path / "data"), KEYHOUSE_BASE_URL="https://one.example.org")
    (tmp_path / "data").mkdir()
    one, other = (
        run(["-c", program, "a word", "--b"], environment=around, seconds=60, cwd=tmp_path, typed="Grüße")
        for run in (forked.run, partial(forked.run, is_anew=True))
    )
    assert (one.returncode, one.stdout, one.stderr) == (other.returncode, other.stdout, other.stderr)


def test_what_is_raised_ends_it(tmp_path: Path) -> None:
    done = forked.run(["-c", "1 / 0"], environment=environment(), seconds=60, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_one_that_hangs_is_ended(tmp_path: Path) -> None:
    said = tmp_path / "pid"
    program = f"import os, time; open({str(said)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    with pytest.raises(subprocess.TimeoutExpired):
        forked.run(["-c", program], environment=environment(), seconds=1, cwd=tmp_path)
    until = time.monotonic() + 20
    while said.exists() and Path(f"/proc/{said.read_text()}").exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_signal_reaches_it_and_is_its_end(tmp_path: Path) -> None:
    around = environment()
    with (tmp_path / "out").open("wb") as out, Path(os.devnull).open("rb") as nothing:
        streams = (nothing.fileno(), out.fileno(), out.fileno())
        process = forked.Forked(["-c", "import time; time.sleep(600)"], streams, environment=around)
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == process.poll() == -signal.SIGTERM
    process.kill()  # which says nothing about one that is gone


def test_each_has_its_own_index(index: Place, elsewhere: Place) -> None:
    assert index.run("audit", "verify").returncode == 0
    assert elsewhere.run("audit", "verify").returncode == 2
    assert index.run("audit", "verify").returncode == 0
