"""What is registered: a module's record of about 700 bytes, the same for all, with a count that tells changes apart."""

from __future__ import annotations

import json
from typing import Any, Final

MARK: Final = b'"bench_count":'
"""Stands once in each record."""

RARE: Final = 250
"""Of so many entries one is of a rare type."""


def names(prefix: str, count: int) -> list[str]:
    """Of modules."""
    return [f"{prefix}{number:04}" for number in range(count)]


def entry(module_id: str, count: int) -> dict[str, Any]:
    """The record of a module, after so many changes."""
    number = int(module_id[-4:])
    return {
        "module_type": "agent" if number % RARE == 0 else "service",
        "name": f"Module {module_id}",
        "api_endpoint": f"http://127.0.0.1:{20_000 + number}",
        "health_endpoint": "/health",
        "events_publish": {
            f"{module_id}.indexed": "a document has been indexed",
            f"{module_id}.failed": "a document could not be indexed",
        },
        "events_subscribe": ["docs.>", f"{module_id}.commands.*"],
        "tools": [
            {
                "name": "find",
                "subject": f"{module_id}.find",
                "description": "documents that hold all words",
                "input_schema": {"type": "object", "properties": {"words": {"type": "string"}}},
            }
        ],
        "metadata": {"version": "1.2.3", "language": "en", "bench_count": count},
    }


def encoded(module_id: str, count: int, **keys: Any) -> bytes:
    """As JSON without spaces.

    Args:
        keys: come first.
    """
    document = {**keys, "module_id": module_id, **entry(module_id, count)}
    return json.dumps(document, separators=(",", ":")).encode()
