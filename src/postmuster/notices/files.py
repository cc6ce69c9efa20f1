"""The folder in which an officer keeps a notice: `notice.toml`, `body.md`, `body.es.md` and so on.

What for: the readers of `content` take octets; this is the one place that fetches them from disk. Nothing larger than
a body may be is read whole. Errors are `Refused`, with one sentence that names the file and what to do.
"""

from __future__ import annotations

import re
from pathlib import Path

from postmuster.assessments.table import MAX_FILE_OCTETS
from postmuster.base.errors import Refused
from postmuster.notices.body import MAX_BODY_OCTETS
from postmuster.notices.content import DEFAULT_BODY

_BODY_NAME = re.compile(r"body(?:\.([A-Za-z0-9-]{1,35}))?\.md")


def collect_bodies(folder: Path) -> dict[str, bytes]:
    """Read the bodies in a folder: `body.md` under `content.DEFAULT_BODY`, `body.es.md` under "es".

    Raises Refused when the folder or a body cannot be read. A body over the limit is read one octet beyond it, so that
    `content.read_notice` says that it is too long.
    """
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError as error:
        raise Refused(f"The folder {folder} cannot be read ({error.strerror}); name one that holds body.md.") from None
    matches = (_BODY_NAME.fullmatch(name) for name in names)
    return {match[1] or DEFAULT_BODY: _read(folder / match[0], MAX_BODY_OCTETS) for match in matches if match}


def read_notice_file(path: Path) -> tuple[bytes, dict[str, bytes]]:
    """Read a notice's TOML file and the bodies beside it. Raises Refused when a file cannot be read."""
    return _read(path, MAX_FILE_OCTETS), collect_bodies(path.parent)


def _read(path: Path, limit_octets: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limit_octets + 1)
    except OSError as error:
        raise Refused(f"The file {path} cannot be read ({error.strerror}); correct its name or its rights.") from None
