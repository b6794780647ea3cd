"""Valid small and large wheels to publish."""

from __future__ import annotations

import base64
import hashlib
import os
import zipfile
from pathlib import Path

MEGABYTE = 2**20
PAYLOAD = b"value = 1\n"
_WHEEL = "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\n"


PLATFORMS = (
    "any", "win32", "win_amd64", "win_arm64", "macosx_11_0_arm64", "macosx_10_9_x86_64", "manylinux_2_17_x86_64",
    "manylinux_2_17_aarch64", "manylinux_2_17_i686", "musllinux_1_2_x86_64",
)  # fmt: skip


def write_wheel(
    folder: Path, name: str, version: str, payload: bytes = PAYLOAD, platform: str = "any"
) -> Path:
    """Write a wheel of one module and return its path."""
    return _write(folder / f"{name}-{version}-py3-none-{platform}.whl", {f"{name}.py": payload})


def write_told_wheel(folder: Path, name: str, version: str, metadata: str, tag: str = "py3-none-any") -> Path:
    """Write a wheel that says that of itself, beside name and version, and return its path."""
    return _write(folder / f"{name}-{version}-{tag}.whl", {f"{name}.py": tag.encode()}, metadata)


def write_large_wheel(folder: Path, name: str, version: str, megabytes: int) -> Path:
    """Write a wheel of about that size whose members hardly compress, 10 MB each."""
    members = {f"{name}/part{number}.bin": os.urandom(10 * MEGABYTE) for number in range(megabytes // 10)}
    return _write(folder / f"{name}-{version}-py3-none-any.whl", members)


def _write(path: Path, members: dict[str, bytes], metadata: str = "Summary: Made up\n") -> Path:
    name, version, tag = path.stem.split("-", 2)
    info = f"{name}-{version}.dist-info"
    members = {
        **members,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}".encode(),
        f"{info}/WHEEL": f"{_WHEEL}Tag: {tag}\n".encode(),
    }
    record = "".join(f"{member},sha256={_digest(body)},{len(body)}\n" for member, body in members.items())
    members[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, body in members.items():
            archive.writestr(zipfile.ZipInfo(member, (2024, 1, 1, 0, 0, 0)), body, zipfile.ZIP_DEFLATED)
    return path


def _digest(body: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()
