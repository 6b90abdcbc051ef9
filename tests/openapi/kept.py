"""What is made from types and kept in `protocol/`: the documents of the interfaces, and the schemas of
bodies. `./dev spec` writes it anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kite.event_hub.interface import INTERFACE as EVENT_HUB
from kite.http.interface import Interface
from kite.http.openapi import document, schema_of
from kite.launcher.interface import INTERFACE as LAUNCHER
from kite.registry.core.registration import ModulesRequest
from kite.registry.interface import INTERFACE as REGISTRY
from kite.registry.requests import SessionRequest

PROTOCOL = Path(__file__).parents[2] / "protocol"
INTERFACES: dict[str, Interface] = {each.name: each for each in (REGISTRY, LAUNCHER, EVENT_HUB)}
_BODIES: dict[str, tuple[type[Any], str]] = {
    "registry-request": (ModulesRequest, "Body of POST /modules"),
    "registry-session": (SessionRequest, "Body of POST /tokens/session"),
}


def documents() -> dict[Path, str]:
    """Every file with what it has to hold."""
    made: dict[Path, Any] = {
        PROTOCOL / f"openapi/{name}.json": document(interface)
        for name, interface in INTERFACES.items()
    }
    for name, (kind, title) in _BODIES.items():
        made[PROTOCOL / f"schemas/{name}.schema.json"] = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"urn:kite:schema:{name}:1",
            **schema_of(kind),
            "title": title,
        }
    return {path: _text(value) for path, value in made.items()}


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    for kept, text in documents().items():
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(text, encoding="utf-8")
