"""Published test data, found through the environment variable AUTH_VECTORS."""

import base64
import json
import os
from pathlib import Path

import pytest

FOLDER = os.environ.get("AUTH_VECTORS")

needs_vectors = pytest.mark.skipif(
    FOLDER is None, reason="AUTH_VECTORS names no folder of published vectors"
)


def load(name):
    """Return a file's content; nothing where there are no vectors, so that tests collect."""
    return json.loads((Path(FOLDER) / name).read_bytes()) if FOLDER else []


def naughty_strings():
    """The published ones, and what they lack: NUL, lone surrogates, length, depth."""
    own = ["\x00", "a\x00b", "\ud800", "x\udfffy", "\r\n", "a\r\nX-Injected: 1", "\x7f", "\ufeff"]
    own += ["9" * 5000, "x" * 5000, "é" * 5000, "\U0001f600" * 200, "../" * 50, "%" * 50]
    return [*load("blns.json"), *own]


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
