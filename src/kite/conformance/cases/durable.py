"""durable: what a stream keeps is worked through, whatever happens to the module."""

from __future__ import annotations

import json
from typing import Any

from kite.conformance.case import Family, Unmet
from kite.conformance.stage import Stage

durable = Family("durable", "README.md 7")

_STATUS = 9


@durable.case(
    "redelivery",
    "what it had not acknowledged when it crashed comes again, what it had does not",
    feature="durable",
)
async def redelivery(stage: Stage) -> None:
    before = await stage.running()
    async with stage.ear(f"{stage.name}.done") as ear:
        for work in ({"n": 1}, {"n": 2, "exit": _STATUS}, {"n": 3}):
            await stage.publish(f"{stage.name}.work", work)
        await ear.until(
            lambda _: _numbers(ear.data(f"{stage.name}.done")) >= {1, 2, 3}, 2 * stage.patience
        )
        done = ear.data(f"{stage.name}.done")
        if _numbers(done) != {1, 2, 3}:
            raise Unmet("the numbers 1, 2 and 3 done", json.dumps(done))
        again = [each["attempt"] for each in done if each["n"] == 2]
        if len(again) != 1 or again[0] < 2:
            raise Unmet("number 2 done at its second attempt", json.dumps(done))
        after = await stage.running()
        if after["life"] <= before["life"]:
            raise Unmet("a later life", json.dumps(after))
        await stage.publish(f"{stage.name}.work", {"n": 4})
        await ear.until(lambda _: 4 in _numbers(ear.data(f"{stage.name}.done")), stage.patience)
        last = [each["n"] for each in ear.data(f"{stage.name}.done")]
        if last[-1:] != [4] or last.count(4) != 1 or last.count(2) != 1:
            raise Unmet("number 4 done once and nothing again", json.dumps(last))


def _numbers(done: list[Any]) -> set[Any]:
    return {each.get("n") for each in done if isinstance(each, dict)}
