"""The webhooks of the OpenAPI document: one for each type of event."""

from __future__ import annotations

from typing import Any

from falcon_auth.api.bodies import MEDIA_JSON
from falcon_auth.api.schemas import SCHEMAS

SCHEMA = "webhook_event"

Node = dict[str, Any]


def webhooks(shared: Node) -> Node:
    """Return a webhook for each type in the schema; *shared* is what all operations have."""
    types = SCHEMAS[SCHEMA]["properties"]["type"]["enum"]
    return {name: {"post": _operation(name, shared)} for name in types}


def _operation(name: str, shared: Node) -> Node:
    words = name.replace("_", ".").split(".")
    example = SCHEMAS[SCHEMA]["examples"][0]
    example = example | {"type": name, "data": example["data"] | {"event": name}}
    schema: Node = {
        "allOf": [
            {"$ref": f"#/components/schemas/{SCHEMA}"},
            {"type": "object", "properties": {"type": {"const": name}}},
        ]
    }
    return {
        "operationId": "on" + "".join(word.capitalize() for word in words),
        "summary": f"{name} happened",
        **shared,
        "requestBody": {
            "required": True,
            "content": {MEDIA_JSON: {"schema": schema, "example": example}},
        },
    }
