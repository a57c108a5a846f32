"""A kit for teams that use Falcon Auth, to test against its contract.

pytest loads it by itself where Falcon Auth is installed; docs/testing-against-the-contract.md
shows its fixtures. It holds a forge for tokens and the cheapest hashes, so it refuses to be
imported anywhere but in tests.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping

__all__ = ["refuse_outside_tests"]


def refuse_outside_tests(environment: Mapping[str, str], modules: Collection[str]) -> None:
    """Raise `ImportError` unless pytest runs in this process, and never in production."""
    if environment.get("ENVIRONMENT", "").strip().lower() == "production":
        message = "falcon_auth.testing is not for production: ENVIRONMENT says it is that"
        raise ImportError(message)
    # pytest sets the variable for as long as it runs; child processes inherit it, but have no
    # pytest loaded.
    if "PYTEST_VERSION" not in environment or "_pytest" not in modules:
        message = "falcon_auth.testing is for tests, and pytest does not run here"
        raise ImportError(message)


refuse_outside_tests(os.environ, sys.modules)
