"""Phrases by which programs are known, kept as data so that a language or a server is added without touching a rule.

Promises: a file is read once; a file that is not as it should be is a `Defect` at start, never a surprise in the
middle.
"""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from postmuster.base.errors import Defect


@cache
def load_table(name: str) -> Mapping[str, object]:
    """Return data/`name`.toml as read.

    Raises `Defect` when it is not there or not TOML.
    """
    try:
        return tomllib.loads(files("postmuster.mail").joinpath(f"data/{name}.toml").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Defect(
            f"The phrases {name}.toml could not be read; nothing was sorted. Install the release again."
        ) from error


def strings(value: object, name: str) -> tuple[str, ...]:
    """Return a list of texts out of a table.

    Raises `Defect` when it is something else.
    """
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Defect(f"The phrases {name}.toml hold something else than texts in lists; install the release again.")
    return tuple(value)


@cache
def alternatives(name: str) -> Mapping[str, str]:
    """Return each list of data/`name`.toml as one regular expression, not compiled."""
    return {
        key: "|".join(f"(?:{phrase})" for phrase in strings(value, name)) for key, value in load_table(name).items()
    }


@cache
def patterns(name: str) -> Mapping[str, re.Pattern[str]]:
    """Return each list of data/`name`.toml compiled, letters of either case."""
    return {key: re.compile(text, re.IGNORECASE) for key, text in alternatives(name).items()}
