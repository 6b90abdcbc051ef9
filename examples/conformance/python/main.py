"""The conformance module of Kite's Python SDK; `protocol/conformance.md` says what it has to do.

kite conformance -- python main.py
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from kite import Event, KiteError, Module, Request, RequestError
from kite.sdk.core.mirror import Mirror
from kite.wire.boot import decode_boot_line
from kite.wire.cloudevents import from_cloudevent, members_of, to_cloudevent
from kite.wire.subject import covers, matches, pattern_problem, subject_problem

NAME = os.environ["KITE_MODULE"]
module = Module()
told_to_go = asyncio.Event()


def crash(status: int) -> None:
    """Leave without a farewell."""
    sys.stdout.flush()
    os._exit(status)


async def told(work: Callable[[], Awaitable[Any]]) -> dict[str, Any]:
    """What it returns as `data`, or the code of what it raised as `error`."""
    try:
        return {"data": await work()}
    except KiteError as failed:
        return {"error": failed.code}


@module.handle(f"{NAME}.echo")
def echo(request: Request) -> Any:
    return request.data


@module.handle(f"{NAME}.report")
def report(_: Request) -> dict[str, int]:
    return {"pid": os.getpid(), "life": module.life}


@module.handle(f"{NAME}.fail")
def fail(_: Request) -> None:
    raise RequestError("no_such_thing", detail="this request always fails")


@module.handle(f"{NAME}.publish")
async def publish(request: Request) -> None:
    for number in range(request.data["count"]):
        module.publish(request.data["subject"], number)
        await module.drained()


@module.handle(f"{NAME}.try")
async def attempt(request: Request) -> dict[str, Any]:
    outcome = await told(lambda: module.publish_acked(request.data["subject"]))
    return {"error": outcome.get("error")}


@module.handle(f"{NAME}.ask")
async def ask(request: Request) -> dict[str, Any]:
    asked = request.data
    return await told(
        lambda: module.request(asked["subject"], asked["data"], timeout=asked["timeout"])
    )


@module.handle(f"{NAME}.wait")
async def wait(_: Request) -> None:
    await told_to_go.wait()


@module.on(f"{NAME}.go")
def go(_: Event) -> None:
    told_to_go.set()


@module.on(f"{NAME}.in")
def repeat(event: Event) -> None:
    module.publish(f"{NAME}.out", event.data)


@module.on(f"{NAME}.exit")
def leave(event: Event) -> None:
    crash(event.data["status"])


@module.on(f"{NAME}.keep")
async def keep(event: Event) -> None:
    for number in range(event.data["count"]):
        await module.publish_acked(event.data["subject"], number, timeout=60.0)


@module.on(f"{NAME}.work", durable="conformance", start="all")
def work(event: Event) -> None:
    if "exit" in event.data and event.attempt == 1:
        crash(event.data["exit"])
    module.publish(f"{NAME}.done", {"n": event.data["n"], "attempt": event.attempt})


# -- the golden vectors --------------------------------------------------------------------------


def boot_line(case: dict[str, Any]) -> Any:
    line = decode_boot_line(case["line"].encode())
    return line and {"token": line.token, "life": line.life, "replica": line.replica}


def copy_of(records: list[dict[str, Any]]) -> Mirror:
    """What the SDK answers look-ups from, holding these."""
    mirror = Mirror()
    mirror.begin()
    for record in records:
        mirror.feed(written("present", {"module_id": record["module_id"], "record": record}))
    return mirror


def written(event: str, data: Any) -> bytes:
    return f"event: {event}\ndata: {json.dumps(data)}\n\n".encode()


def look_up(case: dict[str, Any]) -> list[str]:
    found = copy_of(case["records"]).lookup(case["query"])
    return [record["module_id"] for record in found]


def at_path(case: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"found": True, "value": copy_of(case["records"]).get(case["path"])}
    except RequestError:
        return {"found": False}


def cloudevent(case: dict[str, Any]) -> Any:
    given = case.get("event") or case["cloudevent"]
    members = members_of(json.dumps(given).encode())
    try:
        if "event" in case:
            return json.loads(to_cloudevent(members))
        return json.loads(from_cloudevent(members, case["sender"]))
    except KiteError as refused:
        return {"error": refused.code}


VECTORS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "subjects": lambda case: subject_problem(case["subject"]) is None,
    "patterns": lambda case: pattern_problem(case["pattern"]) is None,
    "matching": lambda case: matches(case["pattern"], case["subject"]),
    "coverage": lambda case: covers(case["wide"], case["narrow"]),
    "boot_lines": boot_line,
    "globs": look_up,
    "dotted_paths": at_path,
    "cloudevents": cloudevent,
}


@module.handle(f"{NAME}.vector")
def vector(request: Request) -> Any:
    return VECTORS[request.data["kind"]](request.data["case"])


module.register(
    metadata={
        "conformance": {
            "language": "python",
            "features": ["acked", "concurrent", "durable"],
            "vectors": sorted(VECTORS),
        }
    }
)
module.run()
