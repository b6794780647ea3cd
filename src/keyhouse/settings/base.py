"""Django's settings. Nothing is set here that `core.configuration` already names."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from keyhouse.core import configuration, keys
from keyhouse.core.configuration import Configuration

_configuration = configuration.current()


def _sqlite(settings: Configuration) -> dict[str, Any]:
    """WAL with full sync, and write transactions that take the lock at once and wait for it."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": settings.sqlite_path,
        "CONN_MAX_AGE": None,  # a thread keeps its connection: to open one costs more than most requests read
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
        },
    }


def _postgresql(settings: Configuration) -> dict[str, Any]:
    """Psycopg 3 with its pool; connections are checked before they are handed out."""
    parts = urlsplit(settings.database_url)
    pool = {"min_size": 1, "max_size": 16, "timeout": 20}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"pool": pool, **dict(parse_qsl(parts.query))},
    }


DATABASES = {
    "default": _postgresql(_configuration) if _configuration.database_url else _sqlite(_configuration)
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.staticfiles",
    "keyhouse.audit",
    "keyhouse.mail",
    "keyhouse.accounts",
    "keyhouse.organizations",
    "keyhouse.projects",
    "keyhouse.credentials.tokens",
    "keyhouse.credentials.trusted_publishers",
    "keyhouse.publishing.staging",
    "keyhouse.mandate",
    "keyhouse.mandate.notices",
    "keyhouse.mandate.simulation",
    "keyhouse.mandate.shadow",
    "keyhouse.mandate.by_organizations",
    "keyhouse.mandate.metrics",
    "keyhouse.mandate.exits",
    "keyhouse.mandate.completion",
    "keyhouse.mandate.campaigns",
    "keyhouse.safety",
    "keyhouse.web",
]
SECRET_KEY = keys.ensure_ring(_configuration.key_file).derive("django").hex()
SECRET_KEY_FALLBACKS = [keys.ring().derive("django", key_id=key.id).hex() for key in keys.ring().keys[1:]]
DEBUG = False
ALLOWED_HOSTS = ["*"]  # links and origins come from the base URL, never from Host
ROOT_URLCONF = "keyhouse.web.urls"
MIDDLEWARE = [
    "keyhouse.web.middleware.SecurityHeaders",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "keyhouse.web.middleware.Refusals",
    "keyhouse.accounts.middleware.Sessions",
    "keyhouse.accounts.middleware.Csrf",
    "keyhouse.web.middleware.Doors",
]
TEMPLATES = [
    {
        "BACKEND": "keyhouse.web.rendering.Templates",
        "NAME": "django",  # by which others ask for it; else it had that of its module
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["keyhouse.web.context.site"]},
    }
]
PASSWORD_HASHERS = ["keyhouse.accounts.hashers.Argon2"]
AUTH_USER_MODEL = "accounts.User"
CSRF_FAILURE_VIEW = "keyhouse.web.errors.csrf_failure"
LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 300
DATA_UPLOAD_MAX_MEMORY_SIZE = 2**20
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
LOGGING_CONFIG = None  # `core.logs` sets logging up for every entry point
