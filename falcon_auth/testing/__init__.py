"""A test kit for teams whose services use Falcon Auth.

If Falcon Auth is installed, pytest loads it automatically; docs/testing-against-the-contract.md
describes its fixtures. It forges tokens and uses the cheapest hashes, so it can only be imported in
tests.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping

__all__ = ["refuse_outside_tests"]


def refuse_outside_tests(environment: Mapping[str, str], modules: Collection[str]) -> None:
    """Raise `ImportError` unless pytest runs in this process, and never in production."""
    if environment.get("ENVIRONMENT", "").strip().lower() == "production":
        message = "falcon_auth.testing is not for production, which ENVIRONMENT says this is"
        raise ImportError(message)
    # pytest sets the variable for as long as it runs; child processes inherit it, but have no
    # pytest loaded.
    if "PYTEST_VERSION" not in environment or "_pytest" not in modules:
        message = "falcon_auth.testing is for tests, and pytest is not running"
        raise ImportError(message)


refuse_outside_tests(os.environ, sys.modules)
