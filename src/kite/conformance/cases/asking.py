"""request: answers, refusals, and silence."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from kite.conformance.case import Family, Unmet
from kite.conformance.ear import Ear
from kite.conformance.stage import Stage
from kite.errors import KiteError
from kite.wire import frame

request = Family("request", "README.md 7")

_CONTENTS: tuple[Any, ...] = (
    None,
    True,
    0,
    -1.5e-7,
    9007199254740991,
    "",
    'quotes " and \\ and / and \n\t\x01',
    "\u6587\u6863 \U0001f642",
    [],
    {},
    [[[]], {"a": {"b": [None]}}],
    {"type": "error", "event": "not.the.subject", "data": {"reply_to": "nor.this"}, "": "}"},
)
_SIZES = (100, 125, 126, 1_000, 65_535, 65_536, 500_000)
_MANY = 100
_MEANWHILE = 3


@request.case("answer", "it answers with any JSON value, as it got it")
async def answer(stage: Stage) -> None:
    await stage.running()
    for data in _CONTENTS:
        found = await stage.ask("echo", data)
        if found != data or type(found) is not type(data):
            raise Unmet(json.dumps(data), json.dumps(found)[:300])


@request.case(
    "sizes", "it takes and sends frames of every size up to 500 kB", section="README.md 3"
)
async def sizes(stage: Stage) -> None:
    await stage.running()
    for size in _SIZES:
        data = "\u00e9" * (size // 2) + "x" * (size % 2)
        if (found := await stage.ask("echo", data)) != data:
            raise Unmet(f"a text of {size} bytes again", f"one of {len(str(found).encode())}")


@request.case("many", f"{_MANY} requests at once get each their own answer")
async def many(stage: Stage) -> None:
    await stage.running()
    found = await asyncio.gather(*(stage.ask("echo", number) for number in range(_MANY)))
    if found != list(range(_MANY)):
        raise Unmet(f"the numbers 0 to {_MANY - 1}", str(found)[:300])


@request.case(
    "unknown_keys", "it ignores keys of a frame that it does not know", section="README.md 6"
)
async def unknown_keys(stage: Stage) -> None:
    await stage.running()
    async with stage.ear(f"{stage.name}.out") as ear:
        more = {
            "x-later": {"event": "not.this", "data": [1]},
            "\u00e9": None,
            "headers": {"a": "b"},
        }
        ear.send({**more, "type": "event", "event": f"{stage.name}.in", "data": "it", "y": '"}'})
        await ear.until(bool, stage.patience)
        if ear.data(f"{stage.name}.out") != ["it"]:
            raise Unmet('the data "it" again', json.dumps(ear.data(f"{stage.name}.out")))


@request.case("failed", "a request that it cannot serve gets an error answer (header kite-error)")
async def failed(stage: Stage) -> None:
    before = await stage.running()
    subject = f"_reply.operator.conformance-{before['life']}"
    async with stage.ear(f"{subject}.*") as ear:
        ear.send({"type": "event", "event": f"{stage.name}.fail", "reply_to": f"{subject}.1"})
        await ear.until(bool, stage.patience)
        if not ear.events:
            raise Unmet("an answer", "none")
        headers, data = ear.events[0].headers, ear.events[0].data
    code = headers.get("kite-error") if isinstance(headers, dict) else None
    if not isinstance(code, str) or not code:
        raise Unmet("a header kite-error with a code", json.dumps(headers if code else None))
    if not isinstance(data, dict) or data.get("code") != code or "message" not in data:
        raise Unmet('data {"code": …, "message": …} with the same code', json.dumps(data))
    if (after := await stage.serves("a module that lives on")) != before:
        raise Unmet(f"the same process, {json.dumps(before)}", json.dumps(after))


@request.case("asks", "it can ask others, and gets their answer")
async def asks(stage: Stage) -> None:
    await stage.running()
    async with _others(stage) as ear:
        ear.answer("driver.double", lambda event: {"data": event.data * 2})
        data = {"subject": "driver.double", "data": 21, "timeout": stage.patience}
        await _ask(stage, data, {"data": 42})


@request.case("is_refused", "an error answer to its question is an error with that code")
async def is_refused(stage: Stage) -> None:
    def refuse(_: frame.Event) -> dict[str, Any]:
        code = "no_such_fruit"
        return {"headers": {"kite-error": code}, "data": {"code": code, "message": "none here"}}

    await stage.running()
    async with _others(stage) as ear:
        ear.answer("driver.refuse", refuse)
        data = {"subject": "driver.refuse", "data": None, "timeout": stage.patience}
        await _ask(stage, data, {"error": "no_such_fruit"})


@request.case("no_responders", "it is told at once when nobody answers on a subject")
async def no_responders(stage: Stage) -> None:
    await stage.running()
    data = {"subject": "driver.nobody", "data": 1, "timeout": 60 * stage.patience}
    await _ask(stage, data, {"error": "no_responders"})


@request.case("timeout", "it gives up a question when its time is over")
async def timeout(stage: Stage) -> None:
    await stage.running()
    async with _others(stage):
        data = {"subject": "driver.silent", "data": 1, "timeout": 0.2}
        await _ask(stage, data, {"error": "request_timeout"})


@request.case(
    "concurrent", "it serves other requests while one waits in its handler", feature="concurrent"
)
async def concurrent(stage: Stage) -> None:
    await stage.running()
    waiting = asyncio.create_task(stage.ask("wait"))
    try:
        for number in range(_MEANWHILE):
            try:
                await stage.ask("echo", number)
            except KiteError as failed:
                raise Unmet(f"an answer on {stage.name}.echo meanwhile", failed.code) from None
        if waiting.done():
            raise Unmet(f"no answer on {stage.name}.wait yet", json.dumps(waiting.result()))
        await stage.publish(f"{stage.name}.go", None)
        await waiting
    finally:
        waiting.cancel()


def _others(stage: Stage) -> Ear:
    """The modules that it asks."""
    return stage.ear("driver.double", "driver.refuse", "driver.silent")


async def _ask(stage: Stage, data: dict[str, Any], expected: dict[str, Any]) -> None:
    try:
        found = await stage.ask("ask", data)
    except KiteError as failure:
        raise Unmet(f"{json.dumps(expected)} on {stage.name}.ask", failure.code) from None
    if found != expected:
        raise Unmet(json.dumps(expected), json.dumps(found)[:300])
