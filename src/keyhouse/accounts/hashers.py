"""How passwords are kept: Argon2id by the second recommended option of RFC 9106 section 4."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2(Argon2PasswordHasher):
    """64 MiB, three passes, four lanes. Hashes made with other parameters are replaced at the next sign-in."""

    time_cost = 3
    memory_cost: Any = 64 * 1024  # KiB
    parallelism: Any = 4
