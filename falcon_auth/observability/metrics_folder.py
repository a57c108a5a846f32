"""The folder that several processes share their metrics in: PROMETHEUS_MULTIPROC_DIR.

prometheus-client keeps the values of each process in files there, and adds up all `*.db` that it
finds, whoever wrote them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # Read by prometheus-client itself, from here too.

# As prometheus-client names its files: kind of metric, for gauges how they add up, process.
_OWN_NAME = re.compile(r"(counter|histogram|summary|gauge_[a-z]+)_[0-9]+\.db")


class UnfitFolderError(Exception):
    """Metrics cannot be shared in this folder. The message names the variable, never a file."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{VARIABLE}: {reason}")


def shared_folder() -> Path | None:
    """Return the folder in which processes share metrics; None for a single process.

    Raises `UnfitFolderError` where the variable names no folder: the library would fail at the
    first request, or fill the working directory.
    """
    name = os.environ.get(VARIABLE)
    if name is None:
        return None
    if not Path(name).is_dir() or not name:
        raise UnfitFolderError("is not a folder")
    return Path(name)


def clear(folder: Path) -> None:
    """Delete the files of earlier processes, whose process ids may be used again.

    Raises `UnfitFolderError`, and deletes nothing, where the folder holds anything else.
    """
    files = list(folder.iterdir())
    if not all(_OWN_NAME.fullmatch(each.name) for each in files):
        raise UnfitFolderError("holds files that are not prometheus-client's; name an empty one")
    for file in files:
        file.unlink()
