"""How a setting writes a list."""

from __future__ import annotations

import json


def split_list(text: str) -> list[str]:
    """Read a list written with commas, or as a JSON list of strings."""
    if text.lstrip().startswith("["):
        try:
            items = json.loads(text)
        except ValueError:
            items = None
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            message = "separate the items with commas, or write a JSON list of strings"
            raise ValueError(message)
        return items
    return [item.strip() for item in text.split(",") if item.strip()]
