"""One trial: rounds of faults, each followed by calm in which everything has to be well again."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kite.chaos.arena import Arena
from kite.chaos.being import GUARD, LAUNCHER
from kite.chaos.census import Census
from kite.chaos.examination import CORES, Examination
from kite.chaos.hand import Hand
from kite.chaos.invariants import SILENT_FOR, Answer, Look, Watch, unready
from kite.chaos.ledger import Ledger
from kite.chaos.patient import Done, Patient
from kite.chaos.plan import Fault, Kind, plan
from kite.chaos.steps import Steps
from kite.chaos.violation import Violation
from kite.errors import ModuleError
from kite.locale import _

STORM_SECONDS = 10.0
"""Seconds of faults in a round."""

CALM_SECONDS = 60.0
"""Seconds after which all that is wanted has to be ready again."""

LATE_SECONDS = 4.0
"""Seconds that every second start of Kite waits, in which nothing may live on."""

_PERIOD = 1.0
_GRANULARITY = 0.1
_ENDS_KITE = frozenset({Kind.CORE, Kind.LAUNCHER, Kind.SUSPEND, Kind.DISK, Kind.STOP})
_EXPLAINED_FOR = 90.0  # seconds: a third full restart ends Kite long after what led to it


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What is to be done.

    Args:
        seed, seconds: which faults, and for how long rounds are begun.
        kinds: of faults.
        is_live: the instance is somebody's own: it is neither started nor ended, and its files are
            left alone.
    """

    seed: int
    seconds: float
    kinds: Collection[Kind]
    is_live: bool = False


@dataclass(slots=True, kw_only=True)
class Findings:
    """What came of a trial."""

    seed: int
    faults: int = 0
    rounds: list[dict[str, Any]] = field(default_factory=list)
    looks: int = 0
    lives: int = 0
    runs: int = 0
    left_out: list[str] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)


class Trial:
    """Breaks one Kite.

    Args:
        orders: what is to be done.
        patient: the Kite.
        arena: what it lies in; None for a live one.
        say: takes a line for whoever watches, for each round and each violation.
        tell: takes a line for each fault as well.
    """

    def __init__(
        self,
        orders: Orders,
        patient: Patient,
        arena: Arena | None,
        *,
        say: Callable[[str], None],
        tell: Callable[[str], None],
    ) -> None:
        self._orders = orders
        self._patient = patient
        self._arena = arena
        self._say = say
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._census = Census(patient.instance_dir)
        self._watch = Watch()
        self._ledger = Ledger()
        self._steps = Steps(patient.instance_dir / "launcher")
        self._examination = Examination(patient, self._census, arena, self._found)
        self._hand = Hand(patient, self._census, arena, self._found, self._rolls)
        self._seen: set[tuple[str, str]] = set()
        self._explained_until = 0.0
        self._had_launcher = False
        self._up: asyncio.Task[Done] | None = None
        self._replicas: dict[str, int] = {}
        self._absences = 0
        self._start_at = 0.0
        self._looked_at = 0.0
        self._question: asyncio.Task[Answer | None] | None = None
        self._is_over = False
        self.findings = Findings(seed=orders.seed)

    async def run(self) -> Findings:
        """All of it.

        Raises:
            ModuleError: `chaos_sick`: it is not well before anything is done to it.
        """
        if self._orders.is_live:
            for line in self._steps.read():
                self._ledger.read(line)  # what was before is not ours to judge
        else:
            up = await self._patient.kite("up", "-d", "--wait")
            if up.status != 0:
                raise ModuleError("chaos_sick", detail=str(up))
        first = await self._wait_well(self._loop.time() + CALM_SECONDS)
        if isinstance(first, str):
            raise ModuleError("chaos_sick", detail=first)
        self._replicas = {name: len(r["replicas"]) for name, r in first.records.items()}
        self._allow(self._replicas)
        await self._examination.remember()
        self._began = self._loop.time()
        looking = asyncio.create_task(self._look_on())
        try:
            await self._rounds(first)
        finally:
            looking.cancel()
            await asyncio.wait({looking})
            if self._question is not None:
                self._question.cancel()
                await asyncio.wait({self._question})
            await self._hand.let_go()
        if looking.done() and not looking.cancelled() and (error := looking.exception()):
            raise error
        if not self._orders.is_live:
            if self._up is not None:
                await asyncio.wait({self._up})
            await self._examination.ends_well()
        self._read_steps()
        self._examination.read_logs()
        self.findings.lives, self.findings.runs = self._ledger.lives, self._ledger.runs
        return self.findings

    def _allow(self, lives: Mapping[str, int]) -> None:
        """How many lives of each module may be there together."""
        for name, count in lives.items():
            self._watch.allow(name, max(1, count))
            self._ledger.allow(name, max(1, count))

    def _rolls(self, name: str) -> None:
        """Until it is calm there may be one more."""
        self._allow({name: self._replicas.get(name, 1) + 1})

    # -- rounds -------------------------------------------------------------------------------

    async def _rounds(self, first: Answer) -> None:
        orders = self._orders
        kinds = self._possible()
        names = sorted(name for name, record in first.records.items() if _is_fair_game(record))
        forkers = [name for name in names if name == "forker" and self._arena is not None]
        number = 0
        while self._loop.time() - self._began < orders.seconds:
            number += 1
            left = orders.seconds - (self._loop.time() - self._began)
            faults = plan(
                orders.seed,
                number,
                seconds=STORM_SECONDS,
                kinds=kinds,
                modules=names,
                forkers=forkers,
            )
            await self._storm(number, faults, left)
            await self._calm(number, first)
            if self._is_over:
                return

    def _possible(self) -> set[Kind]:
        """The kinds of faults that this machine and this system can have."""
        kinds = set(self._orders.kinds)
        if self._arena is None:
            kinds -= {Kind.DISK, Kind.CLOCK, Kind.RESCAN, Kind.FORKS}
        elif self._arena.disk is None:
            kinds -= {Kind.DISK}
        self.findings.left_out = sorted(set(self._orders.kinds) - kinds)
        return kinds

    async def _storm(self, number: int, faults: list[Fault], left: float) -> None:
        began = self._loop.time()
        for fault in faults:
            if fault.at > left:
                break
            await asyncio.sleep(max(0.0, began + fault.at - self._loop.time()))
            if fault.kind in _ENDS_KITE:
                self._explained_until = self._loop.time() + fault.seconds + _EXPLAINED_FOR
            done = await self._hand.perform(fault)
            self.findings.faults += 1
            self._note(f"round {number}: {fault}: {done}", self._tell)

    async def _calm(self, number: int, first: Answer) -> None:
        """Nothing is done any more but what a person would do, and then all has to be well."""
        began = self._loop.time()
        await self._hand.let_go()
        deadline = self._loop.time() + CALM_SECONDS
        await self._bring_back(first, deadline)
        state: Answer | str = "nobody answers"
        while self._loop.time() < deadline:
            state = await self._well()
            if isinstance(state, Answer):
                break
            await self._start_again(first)
            await asyncio.sleep(_GRANULARITY * 5)
        took = self._loop.time() - began
        self.findings.rounds.append({"round": number, "calm_seconds": round(took, 2)})
        if isinstance(state, str):
            text = f"not well {CALM_SECONDS:g} s after round {number}: {state}"
            self._found(Violation(invariant="well_when_calm", text=text))
            self._is_over = True  # whatever follows would be judged by this
            return
        self._allow(self._replicas)
        await self._examination.told_truly()
        await self._examination.tidy()
        await self._examination.answers_come()
        await self._examination.schedules_go_on(state)
        self._examination.read_logs()
        text = _("round {number}: well again after {seconds} s of calm")
        self._note(text.format(number=number, seconds=f"{took:.1f}"), self._say)

    async def _bring_back(self, first: Answer, deadline: float) -> None:
        """What was stopped, disabled, removed by us is asked for again."""
        while await self._patient.answer() is None and self._loop.time() < deadline:
            if not any(being.role == LAUNCHER for being in self._census.look()):
                await self._start_kite()
            await asyncio.sleep(_GRANULARITY)
        if self._hand.restore():
            await self._patient.ask("POST", "/launcher/rescan", timeout=30.0)
        await self._start_again(first)

    async def _start_again(self, first: Answer) -> None:
        """Start what ran at first and is stopped or was given up."""
        now = await self._patient.answer()
        if now is None:
            if not any(being.role == LAUNCHER for being in self._census.look()):
                await self._start_kite()
            return
        for name, record in sorted(first.records.items()):
            if name in CORES or name not in now.records:
                continue
            current = now.records[name]
            written = record["config_state"]
            if self._arena is not None and current["config_state"] != written:
                path = f"/launcher/modules/{name}/state"
                await self._patient.ask("PUT", path, {"state": written})
            wanted = record["desired_state"]
            is_given_up = current["actual_state"] == "failed"
            if wanted == "running" and (current["desired_state"] != wanted or is_given_up):
                await self._patient.ask("POST", f"/launcher/modules/{name}/start")
            elif wanted == "stopped" and current["desired_state"] != wanted:
                await self._patient.ask("POST", f"/launcher/modules/{name}/stop")

    async def _wait_well(self, deadline: float) -> Answer | str:
        """Poll: one that falls over by itself is away now and then."""
        while True:
            state = await self._well()
            if isinstance(state, Answer) or self._loop.time() > deadline:
                return state
            await asyncio.sleep(_GRANULARITY)

    async def _well(self) -> Answer | str:
        """The answer when all is well, else what is not."""
        answer = await self._patient.answer()
        if answer is None:
            return "nobody answers"
        if wrong := unready(answer):
            return "; ".join(wrong)
        api = self._patient.api() or {}
        self._examination.ports |= {int(api.get("registry_port") or 0)}
        self._examination.ports |= {_port(api.get("url")), _port(api.get("ws_endpoint"))}
        return answer

    # -- looks --------------------------------------------------------------------------------

    async def _look_on(self) -> None:
        due = self._loop.time()
        while True:
            lag = max(0.0, self._loop.time() - due - _GRANULARITY)
            await self._look(lag)
            due = max(due + _PERIOD, self._loop.time())
            await asyncio.sleep(max(0.0, due - self._loop.time()))

    async def _look(self, lag: float) -> None:
        # Whoever is slow to answer does not keep the looks waiting.
        if self._question is None:
            self._question = asyncio.create_task(self._patient.answer(timeout=2 * SILENT_FOR))
        await asyncio.wait({self._question}, timeout=_PERIOD / 2)
        answer: Answer | None = None
        if self._question.done():
            answer, self._question = self._question.result(), None
        api = self._patient.api() or {}
        look = Look(
            at=self._loop.time(),
            beings=self._census.look(),
            answer=answer,
            announced=int(api.get("pid") or 0),
            lag=lag,
            is_hindered=self._hand.hindered_until > self._looked_at,
            lacks_guard=self._hand.lacks_guard,
        )
        self._looked_at = look.at
        for violation in self._watch.see(look):
            if violation.invariant == "no_leftovers" and not self._is_still_answering(look):
                continue
            self._found(violation)
        self._read_steps()
        self._mind_the_launcher(look)
        self.findings.looks += 1

    def _is_still_answering(self, look: Look) -> bool:
        api = self._patient.api()
        return bool(api and look.answer and api.get("instance") == look.answer.instance)

    def _mind_the_launcher(self, look: Look) -> None:
        """Where Kite has gone it is started again, as a person would; without a reason it may not go."""
        has_launcher = bool(look.of(LAUNCHER))
        if self._had_launcher and not has_launcher:
            # At once to meet what is left over, or late enough to see whether anything is.
            self._absences += 1
            self._start_at = look.at + (LATE_SECONDS if self._absences % 2 else 0.0)
        if self._had_launcher and not has_launcher and look.at > self._explained_until:
            text = "Kite has ended, and nobody had touched Launcher, guard or core for a long time"
            self._found(Violation(invariant="stays_up", text=text))
        self._had_launcher = has_launcher
        if has_launcher and look.of(GUARD):
            self._hand.lacks_guard = False
        if not has_launcher and look.at >= self._start_at:
            self._begin_start()

    def _begin_start(self) -> None:
        is_starting = self._up is not None and not self._up.done()
        if not is_starting and not self._orders.is_live:
            self._up = asyncio.create_task(self._patient.kite("up", "-d"))

    async def _start_kite(self) -> None:
        """Wait for the start that is under way; begin one when it is time for it."""
        if self._loop.time() >= self._start_at:
            self._begin_start()
        if self._up is not None:
            await asyncio.wait({self._up})

    def _read_steps(self) -> None:
        for line in self._steps.read():
            for violation in self._ledger.read(line):
                self._found(violation)

    # -- what is told -------------------------------------------------------------------------

    def end_all(self) -> None:
        """Kill what is left, whatever happened; only what is proven to be of this instance."""
        for _turn in range(20):
            left = self._census.look()
            if not left:
                return
            self._census.signal(left, signal.SIGKILL)

    def _found(self, violation: Violation) -> None:
        if violation.key in self._seen:
            return
        self._seen.add(violation.key)
        self.findings.violations.append(violation)
        self._note(f"VIOLATION {violation.invariant}: {violation.text}", self._say)

    def _note(self, text: str, say: Callable[[str], None]) -> None:
        """Tell whoever watches, and whoever reads the directory afterwards."""
        say(f"{self._loop.time() - self._began:7.2f} {text}")
        if self._arena is not None:
            instant = datetime.now(UTC).isoformat(timespec="milliseconds")
            with (self._arena.directory / "chaos.log").open("a") as log:
                log.write(f"{instant} {text}\n")


def _is_fair_game(record: Any) -> bool:
    """Not the core, which has faults of its own, nor a benchmark: starting that is no fault but load."""
    return record["name"] not in CORES and record["type"] != "bench"


def _port(url: Any) -> int:
    text = str(url or "").partition("://")[2].partition("/")[0].rpartition(":")[2]
    return int(text) if text.isdecimal() else 0
