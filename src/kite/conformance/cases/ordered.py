"""order: one event after the other, in both directions."""

from __future__ import annotations

from typing import Any

from kite.conformance.case import Family, Unmet
from kite.conformance.stage import Stage

order = Family("order", "README.md 7")

COUNT = 1000


@order.case("heard", f"it handles {COUNT} events of one publisher in the order they came")
async def heard(stage: Stage) -> None:
    """It repeats each on another subject."""
    await stage.running()
    async with stage.ear(f"{stage.name}.out") as ear:
        for number in range(COUNT):
            ear.send({"type": "event", "event": f"{stage.name}.in", "data": number})
        await ear.until_or_silence(lambda events: len(events) >= COUNT, stage.patience)
        _check(ear.data(f"{stage.name}.out"))


@order.case("said", f"what it publishes, {COUNT} events, arrives in that order")
async def said(stage: Stage) -> None:
    await stage.running()
    subject = f"{stage.name}.numbered"
    async with stage.ear(subject) as ear:
        await stage.ask("publish", {"subject": subject, "count": COUNT})
        await ear.until_or_silence(lambda events: len(events) >= COUNT, stage.patience)
        _check(ear.data(subject))


def _check(found: list[Any]) -> None:
    expected = list(range(COUNT))
    if found == expected:
        return
    at = next(
        (
            at
            for at, pair in enumerate(zip(found, expected, strict=False))
            if len(set(map(str, pair))) > 1
        ),
        len(found),
    )
    raise Unmet(
        f"the numbers 0 to {COUNT - 1} in order",
        f"{len(found)} events; from position {at}: {found[at : at + 5]}",
    )
