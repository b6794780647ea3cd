"""Load: `wrk` for as fast as it goes, `h2load` for an equal offered rate, both on the processor the servers leave free."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from bench.servers import LOAD_CPU

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
_BYTES = {"B": 1.0, "KB": 2**10, "MB": 2**20, "GB": 2**30}


@dataclass(frozen=True)
class Result:
    """What one round gave: requests per second, bytes per second, latencies in seconds."""

    rate: float
    bytes_rate: float
    p50: float
    p99: float


def wrk(url: str, headers: Mapping[str, str], *, seconds: int = 3, connections: int = 32) -> Result:
    """Ask for one address as fast as it goes."""
    options = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    how = ["-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "60s"]
    command = ["taskset", "-c", LOAD_CPU, "wrk", *how, *options, url]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in text and "If-None-Match" not in headers:
        raise RuntimeError(f"{url} answered with errors:\n{text}")
    return Result(
        float(_find(r"Requests/sec:\s+([\d.]+)", text)),
        _size(_find(r"Transfer/sec:\s+([\d.]+\w+)", text)),
        _time(_find(r"50%\s+([\d.]+\w+)", text)),
        _time(_find(r"99%\s+([\d.]+\w+)", text)),
    )


def at_rate(
    url: str, headers: Mapping[str, str], *, rate: float, seconds: int = 3, clients: int = 16
) -> Result:
    """Ask for one address at a fixed offered rate (requests per second over all clients), open loop."""
    options = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    each = max(1, int(rate / clients))
    log = "/dev/stdout"
    command = [
        "taskset", "-c", LOAD_CPU, "h2load", "--h1", "-t1", f"-c{clients}", f"-n{each * clients * seconds}",
        f"--rps={each}", f"--log-file={log}", *options, url,
    ]  # fmt: skip
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    times = sorted(
        int(parts[2]) / 1e6
        for parts in (line.split("\t") for line in text.splitlines())
        if len(parts) == 3 and parts[2].isdigit()
    )
    return Result(float(each * clients), 0.0, times[len(times) // 2], times[int(len(times) * 0.99)])


def _find(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if not found:
        raise RuntimeError(f"can't read this:\n{text}")
    return found[1]


def _time(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(\w+)", text).groups()  # type: ignore[union-attr]  # wrk's own form
    return float(number) * _SECONDS[unit]


def _size(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(\w+)", text).groups()  # type: ignore[union-attr]  # wrk's own form
    return float(number) * _BYTES[unit]
