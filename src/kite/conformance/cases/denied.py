"""denial: what the manifest forbids."""

from __future__ import annotations

import json

from kite.conformance.case import Family, Unmet
from kite.conformance.stage import Stage, gone

denial = Family("denial", "README.md 7")

_CODE = "permission_denied"


@denial.case("publish", "told permission_denied about an event, it says so and lives on")
async def publish(stage: Stage) -> None:
    await _refused(stage, "forbidden.subject")


@denial.case("reserved", "likewise about a subject that is Kite's own")
async def reserved(stage: Stage) -> None:
    await _refused(stage, "module.started")


async def _refused(stage: Stage, subject: str) -> None:
    before = await stage.running()
    answer = await stage.ask("try", {"subject": subject})
    if answer != {"error": _CODE}:
        raise Unmet(f'{{"error": "{_CODE}"}} for {subject}', json.dumps(answer))
    answer = await stage.ask("try", {"subject": f"{stage.name}.out"})
    if answer != {"error": None}:
        raise Unmet(f'{{"error": null}} for {stage.name}.out', json.dumps(answer))
    after = await stage.serves("a module that lives on")
    if after != before:
        raise Unmet(f"the same process and life, {json.dumps(before)}", json.dumps(after))


@denial.case(
    "subscribe", "refused a subscription, it does not say it is ready, and its log has the reason"
)
async def subscribe(stage: Stage) -> None:
    answer = await stage.act("start", stage.candidate.narrow)
    try:
        if answer.status == 200:
            expected = "no module.ready: it hears nothing of what it is there for"
            raise Unmet(expected, "it is ready", module=stage.candidate.narrow)
        if not await gone(lambda: not _says_why(stage), stage.patience):
            expected = f"{_CODE}, or what it may not subscribe to, in its log"
            raise Unmet(expected, "neither", module=stage.candidate.narrow)
    finally:
        await stage.act("stop", stage.candidate.narrow)


def _says_why(stage: Stage) -> bool:
    log = stage.ground.log(stage.candidate.narrow)
    return _CODE in log or f"{stage.candidate.narrow}." in log
