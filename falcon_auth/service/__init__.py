"""The composition root: the one place that builds the service's collaborators and wires them."""

from falcon_auth.service.application import FalconAuth, create_app
from falcon_auth.service.service import Service

__all__ = ["FalconAuth", "Service", "create_app"]
