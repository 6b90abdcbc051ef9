"""What is looked at in the calm after a round, and at the end: more than one look, and more than `/proc`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from kite.chaos import invariants
from kite.chaos.arena import Arena
from kite.chaos.being import Being
from kite.chaos.census import Census
from kite.chaos.invariants import Answer, Look
from kite.chaos.patient import Patient
from kite.chaos.steps import tracebacks
from kite.chaos.violation import Violation

CORES = ("launcher", "registry", "event_hub")
"""The modules that everything rests on."""

WAITS_TURNS = 25
"""So often is asked in the beginning how long jobs wait."""

SOON_SECONDS = 8.0
"""A job that runs as often as this is waited for in the calm."""

GONE_SECONDS = 3.0
"""Seconds in which the last process may go after `kite down` has returned."""

UNREAPED_SECONDS = 5
"""Seconds in which a dead child of Launcher or guard has to be reaped."""

DESCRIPTORS_MORE = 24
"""By so many the Launcher's open descriptors may vary from calm to calm."""

_PERIOD = 1.0
_GRANULARITY = 0.1


class Examination:
    """Examines one Kite; each method is a promise of docs/how-to/test-with-chaos.md.

    Args:
        patient, census: the Kite.
        arena: what it lies in; None for a live one.
        found: takes violations.

    Attributes:
        ports: where it has listened, to be free at the end.
    """

    def __init__(
        self,
        patient: Patient,
        census: Census,
        arena: Arena | None,
        found: Callable[[Violation], None],
    ) -> None:
        self._patient = patient
        self._census = census
        self._arena = arena
        self._found = found
        self._loop = asyncio.get_running_loop()
        self._waits: dict[str, float] = {}
        self._descriptors = 0
        self.ports: set[int] = set()

    def read_logs(self) -> None:
        logs = self._patient.instance_dir / "logs"
        for last, text in tracebacks(logs, CORES).items():
            self._found(Violation(invariant="no_tracebacks", text=text, about=last))

    async def told_truly(self) -> None:
        """Twice: a module may end between the question and the look."""
        wrong: list[Violation] = []
        for turn in range(2):
            answer = await self._patient.answer()
            look = Look(at=self._loop.time(), beings=self._census.look(), answer=answer)
            now = {violation.key: violation for violation in invariants.told_truly(look)}
            wrong = list(now.values()) if turn == 0 else [v for v in wrong if v.key in now]
            if not wrong:
                return
            await asyncio.sleep(_PERIOD)
        for violation in wrong:
            self._found(violation)

    async def tidy(self) -> None:
        """Whoever is dead has been reaped, and descriptors do not become more with each round."""
        dead = self._census.unreaped()
        for _turn in range(UNREAPED_SECONDS):
            if not dead:
                break
            await asyncio.sleep(_PERIOD)
            dead &= self._census.unreaped()
        if dead:
            pids = ", ".join(str(pid) for pid, _ in sorted(dead))
            self._found(Violation(invariant="tidy", text=f"dead and not reaped: {pids}"))
        count = self._census.descriptors()
        self._descriptors = self._descriptors or count
        if count > self._descriptors + DESCRIPTORS_MORE:
            text = (
                f"the Launcher has {count} descriptors open, where {self._descriptors} were usual"
            )
            self._found(Violation(invariant="tidy", text=text, about="descriptors"))

    async def answers_come(self) -> None:
        """In the system that comes with it a module is asked through the Hub: tokens, connections
        and subscriptions are as they should be."""
        if self._arena is None or not self._arena.is_sample:
            return
        asked = await self._patient.kite(
            "request", "store.put", '{"name": "chaos", "number": 1}', "--timeout", "20"
        )
        if asked.status != 0:
            self._found(Violation(invariant="answers_come", text=str(asked)))

    # -- schedules ----------------------------------------------------------------------------

    async def remember(self) -> None:
        """How long jobs wait for their next runs (whoever runs just now is asked again), and how many
        descriptors are open."""
        self._descriptors = self._census.descriptors()
        for _turn in range(WAITS_TURNS):
            answer = await self._patient.answer()
            for name, record in answer.records.items() if answer is not None else ():
                if (wait := _wait(record)) is not None:
                    self._waits[name] = max(wait, self._waits.get(name, 0.0))
            await asyncio.sleep(_GRANULARITY)

    async def schedules_go_on(self, now: Answer) -> None:
        """No jump of the clock keeps a job waiting longer than it ever had to: one whose time comes
        soon is waited for, of any other the announced instant is looked at."""
        for name, usual in self._waits.items():
            record = now.records.get(name, {})
            if usual <= SOON_SECONDS and record.get("desired_state") == "running":
                await self._check_next_run(name, record["life"], 2 * usual + SOON_SECONDS)
                continue
            wait = _wait(record)
            if wait is not None and wait > max(60.0, 2 * usual):
                text = f"the next run of {name} is in {wait:.0f} s, where {usual:.0f} s were usual"
                self._found(Violation(invariant="schedules_go_on", text=text, about=name))

    async def _check_next_run(self, name: str, life: int, seconds: float) -> None:
        """It runs once more within so many seconds."""
        deadline = self._loop.time() + seconds
        while self._loop.time() < deadline:
            answer = await self._patient.answer()
            if answer is not None and answer.records.get(name, {}).get("life", life) > life:
                return
            await asyncio.sleep(_GRANULARITY)
        text = f"{name} has not run again within {seconds:.0f} s"
        self._found(Violation(invariant="schedules_go_on", text=text, about=name))

    async def ends_well(self) -> None:
        """`kite down` leaves nothing: no process, no port, no file outside."""
        assert self._arena is not None
        if self._patient.api() is not None:
            down = await self._patient.kite("down")
            if down.status not in (0, 3):
                self._found(Violation(invariant="ends_well", text=str(down)))
        if left := await self._wait_gone():
            text = f"left after kite down: {', '.join(map(str, left))}"
            self._found(Violation(invariant="ends_well", text=text))
        ports = [port for port in self.ports if port and _is_listening(port)]
        if ports:
            self._found(Violation(invariant="ends_well", text=f"ports still listen: {ports}"))
        if files := self._arena.litter():
            text = f"files were left outside: {', '.join(map(str, files))}"
            self._found(Violation(invariant="ends_well", text=text))

    async def _wait_gone(self) -> Sequence[Being]:
        """Who is still there after a while."""
        deadline = self._loop.time() + GONE_SECONDS
        while True:
            left = self._census.look()
            if not left or self._loop.time() > deadline:
                return left
            await asyncio.sleep(_GRANULARITY)


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(record: Any) -> float | None:
    """Seconds until the next run of a job that waits for it."""
    if record.get("actual_state") != "stopped" or not record.get("next_try"):
        return None
    at = datetime.fromisoformat(record["next_try"])
    return at.timestamp() - datetime.now(at.tzinfo).timestamp()
