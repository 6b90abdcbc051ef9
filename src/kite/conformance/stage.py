"""Where a case is tried: the module under test in a running Kite, and all that can be asked and done."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from kite.conformance.candidate import LAUNCH_SECONDS, Candidate
from kite.conformance.case import Unmet
from kite.conformance.ear import Ear
from kite.conformance.ground import Ground
from kite.errors import KiteError
from kite.http.client import Response, call
from kite.testing.instance import pause
from kite.testing.operator import Operator

_T = TypeVar("_T")


class Stage:
    """One running Kite with the module under test in it.

    Args:
        ground: the project; its Kite is up.
        candidate: the module under test.
        patience: seconds that a fact may take which the contract gives no time of its own.

    Attributes:
        name: the module's; also where a method is given none.
        declared: what its registration says of it under `metadata.conformance`, once somebody has looked.
    """

    def __init__(self, ground: Ground, candidate: Candidate, *, patience: float) -> None:
        self.ground = ground
        self.candidate = candidate
        self.name = candidate.name
        self.patience = patience
        self.declared: dict[str, Any] | None = None
        self._operator: Operator | None = None

    # -- the API, the Registry and the files --------------------------------------------------

    async def record(self, name: str = "") -> dict[str, Any]:
        """The record of a module at the Launcher."""
        answer = await self.launcher("GET", f"/launcher/modules/{name or self.name}")
        found: dict[str, Any] = answer.json()
        return found

    async def launcher(self, method: str, path: str, body: Any = msgspec.UNSET) -> Response:
        """One call at the Launcher.

        Raises:
            KiteError: nobody answers.
        """
        api = self.ground.api
        return await call(method, api["url"] + path, token=api["token"], json=body, timeout=70.0)

    async def act(self, verb: str, name: str = "", **body: Any) -> Response:
        """Start, stop or restart a module, and wait until it is done or cannot be."""
        return await self.launcher(
            "POST", f"/launcher/modules/{name or self.name}/{verb}?wait=1", body
        )

    async def entry(self, name: str = "") -> dict[str, Any]:
        """The module's entry in the Registry; empty where there is none, or nobody answers."""
        api = self.ground.api
        url = f"http://127.0.0.1:{api['registry_port']}/modules/{name or self.name}"
        try:
            answer = await call("GET", url, token=api["token"])
        except KiteError:
            return {}
        found: dict[str, Any] = answer.json() if answer.status == 200 else {}
        return found

    def steps(self, event: str, name: str = "") -> list[dict[str, Any]]:
        """The lines of `lifecycle.jsonl` about a module, of one kind."""
        return self.ground.steps(name or self.name, event)

    # -- the Hub ------------------------------------------------------------------------------

    def ear(self, *patterns: str, since: str = "") -> Ear:
        """Somebody who listens."""
        api = self.ground.api
        return Ear(api["ws_endpoint"], api["token"], *patterns, since=since)

    async def ask(
        self, verb: str, data: Any = None, *, name: str = "", timeout: float | None = None
    ) -> Any:
        """Ask the module on `<name>.<verb>`; the data of its answer.

        Raises:
            KiteError: `no_responders`, `request_timeout`, or the code of an error answer.
        """
        operator = self._speaker()
        return await operator.request(f"{name or self.name}.{verb}", data, timeout or self.patience)

    async def publish(self, subject: str, data: Any) -> None:
        """Publish an event; returns when the Hub has accepted it."""
        await self._speaker().publish(subject, data)

    def _speaker(self) -> Operator:
        if self._operator is None:
            api = self.ground.api
            self._operator = Operator(api["ws_endpoint"], api["token"])
        return self._operator

    async def close(self) -> None:
        """End the operator's connection."""
        if self._operator is not None:
            await self._operator.close()
            self._operator = None

    # -- waiting ------------------------------------------------------------------------------

    async def until(
        self,
        look: Callable[[], Awaitable[_T]],
        expected: str,
        *,
        seconds: float | None = None,
        show: Callable[[_T], object] = str,
        suffices: Callable[[_T], bool] = bool,
    ) -> _T:
        """What `look` finds, as soon as it suffices.

        Args:
            expected: in words, for the report.
            show: what of the last look is reported as seen.

        Raises:
            Unmet: it did not within `seconds` (default: the patience).
        """
        began = time.monotonic()
        bound = self.patience if seconds is None else seconds
        while True:
            found = await look()
            if suffices(found):
                return found
            waited = time.monotonic() - began
            if waited > bound:
                raise Unmet(f"{expected} within {bound:g} s", str(show(found)))
            await asyncio.sleep(pause(waited))

    async def report(self, name: str = "") -> dict[str, Any]:
        """What the module says of itself (`pid`, `life`); empty where it does not answer.

        Raises:
            Unmet: it answers something else.
        """
        try:
            found = await self.ask("report", name=name, timeout=min(2.0, self.patience))
        except (KiteError, OSError):
            return {}
        numbers = [found.get(key) for key in ("pid", "life")] if isinstance(found, dict) else [None]
        if not all(type(number) is int for number in numbers):
            shown = json.dumps(found, ensure_ascii=False)[:300]
            raise Unmet(f'{{"pid": …, "life": …}} on {name or self.name}.report', shown)
        return {"pid": found["pid"], "life": found["life"]}

    async def serves(self, expected: str, name: str = "") -> dict[str, Any]:
        """The module's report as soon as it answers.

        Raises:
            Unmet: it does not.
        """
        return await self.until(
            lambda: self.report(name), expected, show=lambda _: "no answer on <name>.report"
        )

    async def running(self) -> dict[str, Any]:
        """The report of a module that serves: where a former case left it ill, it is restarted.

        Raises:
            Unmet: it cannot be had.
        """
        record = await self.record()
        if record["actual_state"] == "running" and (found := await self.report()):
            return found
        if record["desired_state"] == "running" and record["actual_state"] in (
            "starting",
            "backing_off",
        ):
            await self.until(
                self.record,
                "the module running",
                seconds=LAUNCH_SECONDS,
                show=lambda last: f"it is {last['actual_state']}",
                suffices=lambda last: last["actual_state"] == "running",
            )
        else:
            await self.act("restart")
        return await self.serves("a module that answers")


async def gone(look: Callable[[], bool], seconds: float) -> bool:
    """Wait until `look` says no more; whether it does in time."""
    began = time.monotonic()
    while look():
        waited = time.monotonic() - began
        if waited > seconds:
            return False
        await asyncio.sleep(pause(waited))
    return True
