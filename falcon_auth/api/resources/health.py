"""Liveness and readiness."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import falcon
from falcon import Request, Response

from falcon_auth import __version__
from falcon_auth.api.guard import public
from falcon_auth.api.views import show_time


@public
class Health:
    """Liveness: the process answers, and shows its time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def on_get(self, req: Request, resp: Response) -> None:  # noqa: ARG002 - Falcon's shape
        """Answer 200 without any check."""
        resp.media = {
            "status": "ok",
            "timestamp": show_time(self._clock()),
            "version": __version__,
        }


@public
class Ready:
    """Readiness: whether the service can serve. Each check returns a mapping with `status`."""

    def __init__(self, checks: Mapping[str, Callable[[], Mapping[str, Any]]]) -> None:
        self._checks = checks

    def on_get(self, req: Request, resp: Response) -> None:  # noqa: ARG002 - Falcon's shape
        """Answer 200 if every check is ok, else 503."""
        checks = {name: check() for name, check in self._checks.items()}
        ready = all(check["status"] == "ok" for check in checks.values())
        resp.status = falcon.HTTP_200 if ready else falcon.HTTP_503
        resp.media = {"status": "ok" if ready else "unavailable", "checks": checks}
