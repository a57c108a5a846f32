"""The settings: everything the service reads from its environment, as one frozen value.

`fields` has every setting, `checks` what can be wrong between them, and `model` puts the two
together; `loading` reads them from the environment and `.env`, and `variables` finds the names that
were misspelt there.
"""

from falcon_auth.settings.loading import load_settings, setting_names
from falcon_auth.settings.model import Settings

__all__ = ["Settings", "load_settings", "setting_names"]
