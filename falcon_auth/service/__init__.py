"""The service: the one place that builds its collaborators and puts them together."""

from falcon_auth.service.application import FalconAuth, create_app
from falcon_auth.service.service import Service

__all__ = ["FalconAuth", "Service", "create_app"]
