"""Django's own settings, made from ours and from the logins file.

The process's role (`POSTMUSTER_ROLE`: application, intake or owner) chooses the login of the default connection.
Statements are bound on the client, because named statements cast their arguments themselves.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from postmuster.settings import ROLE_VARIABLE, load, settings_path

_ROOMS = (
    "ledger",
    "control",
    "access",
    "vault",
    "roster",
    "assessments",
    "notices",
    "outbound",
    "inbound",
    "replies",
    "jobs",
)
# A server that nobody answers for is given up: else a sender would hang for a quarter of an hour, its stop unseen.
_PATIENCE = {"connect_timeout": 10, "tcp_user_timeout": 30_000}  # seconds; milliseconds without an acknowledgement
_OWN_KEYS = ("dbname", "user", "password", "host", "port")


def _logins(file: Path) -> dict[str, dict[str, str]]:
    try:
        found: dict[str, dict[str, str]] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _connection(login: dict[str, str]) -> dict[str, Any]:
    extra = {key: value for key, value in login.items() if key not in _OWN_KEYS}  # TLS of a server that is not ours
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": login.get("dbname", "postmuster"),
        "USER": login.get("user", ""),
        "PASSWORD": login.get("password", ""),
        "HOST": login.get("host", ""),
        "PORT": login.get("port", ""),
        "CONN_MAX_AGE": None,
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": {"application_name": "postmuster", "options": "-c TimeZone=UTC", **_PATIENCE} | extra,
    }


def databases() -> dict[str, dict[str, Any]]:
    """Django's connections: `default` by the process's role, `owner` for migrations; empty logins before `init`."""
    file = settings_path()
    logins = _logins(load(file).logins_file) if file.exists() else {}
    role = os.environ.get(ROLE_VARIABLE, "application")
    return {
        "default": _connection(logins.get(role, {})),
        "owner": _connection(logins.get("owner", {})),
    }


DATABASES = databases()
INSTALLED_APPS = ["procrastinate.contrib.django", *(f"postmuster.{room}" for room in _ROOMS)]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
# No sessions, cookies or pages yet: nothing is signed with it. The web room brings a real one with its first page.
SECRET_KEY = "unused"  # noqa: S105
LOGGING_CONFIG = None
PROCRASTINATE_IMPORT_PATHS = ["postmuster.jobs.notice", "postmuster.jobs.reply", "postmuster.jobs.upkeep"]
