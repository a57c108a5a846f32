"""The settings: everything the service reads from its environment, as one frozen value.

`fields` defines every setting, `checks` the rules between them, and `model` combines the two;
`loading` reads them from the environment and `.env`, and `variables` finds misspelt names there.
"""

from falcon_auth.settings.loading import load_settings, setting_names
from falcon_auth.settings.model import Settings

__all__ = ["Settings", "load_settings", "setting_names"]
