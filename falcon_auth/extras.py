"""The extras of the distribution, for messages about packages that are not installed."""

from __future__ import annotations

DISTRIBUTION = "falcon-auth-service"
# The extra of each package; all others are part of `server`.
_EXTRAS = {"psycopg": "postgresql", "redis": "redis"}


def say_missing(error: ModuleNotFoundError) -> str:
    """Return a sentence that names the missing package and the extra that installs it."""
    package = (error.name or "a package").partition(".")[0]
    extra = _EXTRAS.get(package, "server")
    return f"{package} is not installed: it comes with {DISTRIBUTION}[{extra}]"
