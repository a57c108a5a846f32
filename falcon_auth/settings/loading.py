"""Loads the settings from the environment and `.env`, reporting every fault at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from falcon_auth.errors import ConfigurationError
from falcon_auth.settings.model import Settings
from falcon_auth.settings.variables import env_file_faults

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def setting_names() -> list[str]:
    """Return the names of all variables that are read."""
    return [name.upper() for name in Settings.model_fields]


def load_settings() -> Settings:
    """Read the environment and `.env`.

    Raises `ConfigurationError` with one line per fault; no line quotes a value.
    """
    faults = env_file_faults(setting_names())
    stand_ins: dict[str, Any] = {}
    while True:
        try:
            settings = Settings(**stand_ins)
        except ValidationError as error:
            found = error.errors(include_input=False, include_url=False)
        else:
            found = []
        faults += [line for fault in found for line in _describe(fault)]
        faulty = {str(fault["loc"][0]) for fault in found if fault["loc"]}
        if not faulty:
            break
        # Check again with defaults in place of faulty values, so that faults between settings are
        # reported in the same message, not at the next start.
        stand_ins |= {name: Settings.model_fields[name].default for name in faulty}
    if faults:
        raise ConfigurationError("\n".join(sorted(faults)))
    return settings


def _describe(fault: ErrorDetails) -> list[str]:
    """Turn one of pydantic's faults into lines that begin with the variable's name."""
    text = fault["msg"].removeprefix("Value error, ")
    if not fault["loc"]:
        return text.splitlines()
    return [f"{str(fault['loc'][0]).upper()}: {text[:1].lower()}{text[1:]}"]
