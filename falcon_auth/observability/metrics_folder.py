"""The folder in which several processes share their metrics: PROMETHEUS_MULTIPROC_DIR.

prometheus-client keeps the values of each process in files there, and adds up all `*.db` files that
it finds, even those of other programs.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # Also read by prometheus-client itself.

# The file names of prometheus-client: kind of metric (with the mode of gauges) and process id.
_OWN_NAME = re.compile(r"(counter|histogram|summary|gauge_[a-z]+)_[0-9]+\.db")


class UnfitFolderError(Exception):
    """The folder cannot be used for metrics. The message names the variable, never a file."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{VARIABLE}: {reason}")


def shared_folder() -> Path | None:
    """Return the folder in which processes share metrics; None for a single process.

    Raises `UnfitFolderError` if the variable does not name a folder: the library would fail at the
    first request, or write into the working directory.
    """
    name = os.environ.get(VARIABLE)
    if name is None:
        return None
    if not Path(name).is_dir() or not name:
        raise UnfitFolderError("is not a folder")
    return Path(name)


def clear(folder: Path) -> None:
    """Delete the files of earlier processes, whose process ids may be used again.

    Raises `UnfitFolderError`, and deletes nothing, if the folder contains any other file.
    """
    files = list(folder.iterdir())
    if not all(_OWN_NAME.fullmatch(each.name) for each in files):
        raise UnfitFolderError(
            "contains files that are not prometheus-client's; name an empty folder"
        )
    for file in files:
        file.unlink()
