"""Misspelt variables in the environment and `.env`, found before they are silently ignored.

A misspelt variable has no effect, and the default that applies instead may be wrong. In `.env`, a
name that differs from a setting's by a letter or two prevents the start. Any other name that
resembles a setting only causes a warning, because variables of other programs may be present,
especially in the environment. Messages contain names only, never values.
"""

from __future__ import annotations

import io
import os
from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from falcon_auth.errors import ConfigurationError

ENV_FILE = ".env"
ENV_ENCODING = "utf-8-sig"  # Some editors begin with a byte order mark.

# The similarity of two names, from 0 to 1 (difflib's ratio).
ALIKE = 0.75  # BCRYPT_COST and BCRYPT_ROUNDS, CORS_ALLOWED_ORIGINS and CORS_ORIGINS.
TYPO = 0.9  # A letter or two: RATE_LIMIT_ENABLE. TEST_DATABASE_URL is less.


def env_file_faults(known: Collection[str]) -> list[str]:
    """Return a sentence for each line of `.env` that would be silently ignored.

    *known* are the names of all settings. Raises `ConfigurationError`.
    """
    bindings = _read_env_file()
    broken = [binding.original.line for binding in bindings if binding.error]
    faults = [f"{ENV_FILE}: line {line} is not written NAME=value" for line in broken]
    for name, nearest in _near(_names_of(bindings), known, TYPO):
        faults.append(f"{ENV_FILE}: {name} is not a setting; did you mean {nearest}?")
    return faults


def suspicious_names(known: Collection[str]) -> dict[str, str]:
    """Return the variables that look like misspelt settings, each with the nearest setting.

    In the environment, only names with the prefix of a setting are considered. Raises
    `ConfigurationError`.
    """
    prefixes = {name.partition("_")[0] for name in known if "_" in name}
    in_environment = (name for name in os.environ if name.upper().partition("_")[0] in prefixes)
    return dict(_near([*in_environment, *_names_of(_read_env_file())], known, ALIKE))


def _near(names: Iterable[str], known: Collection[str], ratio: float) -> Iterator[tuple[str, str]]:
    for name in names:
        nearest = get_close_matches(name.upper(), known, n=1, cutoff=ratio)
        if nearest and nearest[0] != name.upper():  # Settings are found in any case.
            yield name, nearest[0]


def _read_env_file() -> list[Binding]:
    path = Path(ENV_FILE)
    if not os.path.lexists(path):
        return []
    try:
        return list(parse_stream(io.StringIO(path.read_text(encoding=ENV_ENCODING))))
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{path.name}: cannot be read as UTF-8 text") from None


def _names_of(bindings: Iterable[Binding]) -> list[str]:
    return [binding.key for binding in bindings if binding.key is not None]
