"""Detects clients that have disconnected."""

from __future__ import annotations

from collections.abc import Callable

from falcon import Request


def hung_up(req: Request) -> Callable[[], bool] | None:
    """Return a function that checks for a closed connection; None if the server has none."""
    return req.env.get("waitress.client_disconnected")
