"""The Event Hub of a running Kite, measured by the extension that comes with it (`kite bench`)."""

from __future__ import annotations

import json

from bench.figure import Figure
from bench.running import Running


def measure() -> list[Figure]:
    """What `kite bench` prints."""
    with Running() as running:
        running.up()
        running.kite("bench")
        path = running.workspace / running.project.name / "event_hub_bench" / "result.json"
        rows = json.loads(path.read_text(encoding="utf-8"))["results"]
    return [
        Figure(
            name=f"hub: {row['name']}",
            value=row["value"],
            unit=row["unit"],
            detail=row["detail"],
        )
        for row in rows
    ]
