"""The settings: one frozen, checked value."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from falcon_auth.settings.checks import check_together
from falcon_auth.settings.fields import Fields


class Settings(Fields):
    """The settings of one service. Values come in by name (tests) or from the environment."""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        faults = check_together(self)
        if faults:
            raise ValueError("\n".join(faults))
        return self
