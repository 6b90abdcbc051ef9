"""A whole Kite with the Watchdog in a hurry, a module whose health is a file, and an ear."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kite.testing.system import System

PATIENT = """
import asyncio

from kite import Module

module = Module()
answer = module.data_dir / "answer"
asked = module.data_dir / "asked"

async def serve(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    with asked.open("a") as file:
        file.write(".")
    status, _, body = (answer.read_text() if answer.exists() else '200 {"status": "ok"}').partition(" ")
    if status != "silence":
        head = f"HTTP/1.1 {status} X\\r\\nContent-Type: application/json\\r\\nContent-Length: {len(body)}"
        writer.write(f"{head}\\r\\n\\r\\n{body}".encode())
        await writer.drain()
    else:
        await reader.read()
    writer.close()

@module.on_start
async def start():
    answer.unlink(missing_ok=True)
    await asyncio.start_server(serve, "127.0.0.1", module.port)

module.register(api_endpoint=f"http://127.0.0.1:{module.port}", health_endpoint="/health")
module.run()
"""
"""Answers its health endpoint with what the file `answer` says; each life begins in good health."""

EAR = """
import json
from kite import Module

module = Module()

@module.on("watchdog.>")
def heard(event):
    print("heard", json.dumps([event.subject, event.data]))

module.run()
"""

INTERVAL = 0.3


class Ward(System):
    """A system with patients."""

    def patient(self, name: str) -> None:
        """Write a module with a health endpoint."""
        self.module(name, PATIENT, runtime="python", preferred_port=0)

    def says(self, name: str, answer: str) -> None:
        """From now on this is what its health endpoint answers: status and body, or `silence`."""
        path = self.instance_dir / name / "answer"
        path.with_name("answer.new").write_text(answer)
        path.with_name("answer.new").rename(path)

    def times_asked(self, name: str) -> int:
        """How often its health endpoint was asked."""
        path = self.instance_dir / name / "asked"
        return len(path.read_text()) if path.exists() else 0

    def wait_asked(self, name: str, more: int) -> None:
        """Wait until it was asked so many times more."""
        before = self.times_asked(name)
        self.wait(lambda: self.times_asked(name) >= before + more, what=f"{name} is asked")

    def heard(self, subject: str, module: str | None = None) -> list[dict[str, Any]]:
        """The data of the events that the ear has heard."""
        lines = [json.loads(line) for line in self.printed("ear", "heard", count=0)]
        return [d for s, d in lines if s == subject and module in (None, d.get("module_id"))]

    def wait_heard(self, subject: str, module: str | None = None, *, count: int = 1) -> Any:
        """The `count`-th of them."""
        self.wait(lambda: len(self.heard(subject, module)) >= count, what=f"{subject} {module}")
        return self.heard(subject, module)[count - 1]


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    """Not started; its Watchdog looks every 0.3 s."""
    config = {
        "registry": {"ttl": 1.2},
        "modules": {
            "watchdog": {"env": {"WATCHDOG_INTERVAL": str(INTERVAL), "WATCHDOG_TIMEOUT": "0.5"}}
        },
    }
    with Ward(tmp_path, config=config) as ward:
        ward.module("ear", EAR, runtime="python")
        yield ward
