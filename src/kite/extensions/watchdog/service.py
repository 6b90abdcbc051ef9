"""The Watchdog's shell: hears events, asks, feeds the core, and performs what it decides."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final, assert_never

import msgspec

from kite import pulse_reader
from kite.clock import rfc3339
from kite.errors import KiteError, Unavailable
from kite.extensions.watchdog.asking import Asking, endpoint
from kite.extensions.watchdog.core.actions import (
    Action,
    Ask,
    Inspect,
    LookUp,
    Restart,
    Say,
    SaySuspended,
)
from kite.extensions.watchdog.core.facts import (
    AskEnded,
    Cut,
    Deregistered,
    Ended,
    Expired,
    Fact,
    Heartbeat,
    HubBegan,
    Inspected,
    Looked,
    Present,
    Registered,
    RestartRefused,
    Sighting,
    Started,
    TimePassed,
)
from kite.extensions.watchdog.core.thresholds import Thresholds
from kite.extensions.watchdog.core.watch import Watch
from kite.extensions.watchdog.evidence import EvidenceFiles
from kite.sdk.event import Event
from kite.sdk.module import Module

REASON: Final = "unhealthy"
_CORE: Final = frozenset({"launcher", "registry", "event_hub"})
_LOOK_AGAIN: Final = 1.0
_MOST_LOOKS: Final = 5


def clock() -> float:
    """Seconds that go on while the machine sleeps, so that a sleep is seen as what it is: time in
    which nobody could be asked."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Watchdog:
    """One Watchdog in one life of its module.

    Args:
        module: through which it hears, publishes and asks the Launcher.
        thresholds: how patient it is.
    """

    def __init__(self, module: Module, thresholds: Thresholds) -> None:
        self._module = module
        self._watch = Watch(module.name, thresholds, clock())
        self._asking = Asking(thresholds.timeout)
        self._files = EvidenceFiles(module.data_dir / "evidence")
        self._timer: asyncio.TimerHandle | None = None
        self._look_task: asyncio.Task[None] | None = None
        self._is_stale = False
        self._inspected: list[Inspected] = []
        self._arm()

    def status(self) -> dict[str, Any]:
        """All cases, as data."""
        return {"modules": self._watch.snapshot()}

    # -- hearing ---------------------------------------------------------------------------------

    def heard(self, event: Event) -> None:
        """An event of Launcher, Registry or Hub."""
        data = event.data if isinstance(event.data, dict) else {}
        name, life = data.get("module_id"), data.get("life")
        # What happens while everything is looked up may be missing from what is found.
        self._is_stale = True
        if event.subject == "hub.started":
            self._feed(HubBegan())
        if event.subject in ("hub.started", "registry.resync", "launcher.resync") or (
            event.subject == "module.ready" and name in _CORE
        ):
            self._look_up()
            return
        if not isinstance(name, str):
            return
        fact = _fact(event.subject, name, life if isinstance(life, int) else None, data)
        if fact is not None:
            self._feed(fact)

    # -- looking ---------------------------------------------------------------------------------

    def _look_up(self) -> None:
        if self._look_task is None or self._look_task.done():
            self._look_task = self._module.spawn(self._look(), name="look")

    async def _look(self) -> None:
        """Look until nothing has happened meanwhile; where something always does, take the last."""
        tries = 0
        while True:
            self._is_stale = False
            tries += 1
            try:
                records = await self._module.launcher.modules()
                entries = await self._module.registry.modules()
            except Unavailable:
                await asyncio.sleep(_LOOK_AGAIN)
                continue
            if not self._is_stale or tries >= _MOST_LOOKS:
                self._feed(Looked(sightings=sightings(records, entries)))
                return

    # -- facts in, actions out -------------------------------------------------------------------

    def _feed(self, fact: Fact) -> None:
        for action in self._watch.handle(fact, clock()):
            self._perform(action)
        self._arm()

    def _perform(self, action: Action) -> None:
        match action:
            case Ask():
                self._module.spawn(self._ask(action))
            case Inspect():
                self._inspect(action)
            case LookUp():
                self._look_up()
            case Say():
                self._say(action)
            case SaySuspended(seconds=seconds):
                self._module.log.info("watchdog.suspended seconds=%.1f", seconds)
                self._publish("watchdog.suspended", {"seconds": seconds})
            case Restart():
                self._module.spawn(self._restart(action))
            case _:
                assert_never(action)

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
        delay = max(0.0, self._watch.next_deadline() - clock())
        self._timer = loop.call_later(delay, self._feed, TimePassed())

    async def _ask(self, action: Ask) -> None:
        began, outcome = await self._asking.ask(action.url, clock)
        self._feed(
            AskEnded(module=action.module, number=action.number, began=began, outcome=outcome)
        )

    def _inspect(self, action: Inspect) -> None:
        if action.whole:
            pulse = pulse_reader.whole(action.pid)
        else:
            pulse = pulse_reader.leader(action.pid, closely=action.closely)
        if not self._inspected:
            asyncio.get_running_loop().call_soon(self._take_in)
        self._inspected.append(
            Inspected(
                module=action.module,
                life=action.life,
                whole=action.whole,
                closely=action.closely,
                pulse=pulse,
            )
        )

    def _take_in(self) -> None:
        """What was seen in one turn, together: the next instant is looked for once."""
        seen, self._inspected = self._inspected, []
        for fact in seen:
            for action in self._watch.handle(fact, clock()):
                self._perform(action)
        self._arm()

    async def _restart(self, action: Restart) -> None:
        """Ask for it, if the life that is unhealthy is the one that runs."""
        name, launcher = action.module, self._module.launcher
        try:
            record = await launcher.module(name)
            is_meant = record.get("actual_state") == "running" and (
                action.life is None or record.get("life") == action.life
            )
            if is_meant:
                await launcher.restart(name, reason=REASON)
                return
        except Unavailable as failure:
            self._module.log.warning("restart.failed module=%s error=%s", name, failure)
            self._feed(RestartRefused(module=name, again=True))
        except KiteError as refusal:
            self._module.log.warning("restart.refused module=%s error=%s", name, refusal)
            self._feed(RestartRefused(module=name, again=False))
        else:
            self._feed(RestartRefused(module=name, again=False))
            self._look_up()

    def _say(self, said: Say) -> None:
        offset = time.time() - clock()
        evidence = [
            {"kind": each.kind, "at": rfc3339(each.at + offset), **each.what}
            for each in said.evidence
        ]
        data: dict[str, Any] = {
            "module_id": said.module,
            "life": said.life,
            "failures": said.failures,
            "restarts": said.restarts,
            "evidence": evidence,
        }
        if said.verdict in ("unhealthy", "restarting"):
            data["evidence_file"] = self._files.keep(said, data)
        if said.verdict == "restarting":
            data["reason"] = REASON
        self._module.log.info(
            "module.%s module=%s life=%s failures=%d evidence=%s",
            said.verdict,
            said.module,
            said.life,
            said.failures,
            evidence[-1] if evidence else "none",
        )
        self._publish(f"watchdog.{said.verdict}", data)

    def _publish(self, subject: str, data: dict[str, Any]) -> None:
        try:
            self._module.publish(subject, data)
        except Unavailable as full:
            self._module.log.warning("verdict.unsaid subject=%s error=%s", subject, full)


def _fact(  # noqa: PLR0911 - a table
    subject: str, name: str, life: int | None, data: dict[str, Any]
) -> Fact | None:
    """What an event means to the core."""
    match subject:
        case "module.started":
            pid = data.get("pid")
            return Started(module=name, life=life, pid=pid if isinstance(pid, int) else None)
        case "module.starting" | "module.stopping" | "module.stopped" | "module.failed":
            return Ended(module=name, life=life)
        case "registry.registered":
            return Registered(module=name, life=life, url=endpoint(data))
        case "registry.deregistered":
            return Deregistered(module=name, life=life)
        case "registry.expired":
            return Expired(module=name, life=life)
        case "hub.slow_consumer":
            return Cut(module=name)
        case "hub.client.connected" | "hub.client.disconnected":
            return _present(name, life, {**data, "seconds": 0})
        case "hub.client.silent" | "hub.client.responsive":
            return _present(name, life, data)
        case _:
            return None


def _present(name: str, life: int | None, data: dict[str, Any]) -> Present | None:
    counts = data.get("connections"), data.get("silent"), data.get("seconds")
    match counts:
        case int(connections), int(silent), int() | float() as seconds:
            return Present(
                module=name,
                life=life,
                connections=connections,
                silent=silent,
                seconds=float(seconds),
            )
        case _:
            return None


def heartbeat_of(record: dict[str, Any]) -> Heartbeat:
    """What a module's manifest says about standing still, as the Launcher tells it."""
    health = record.get("health")
    said = health.get("heartbeat") if isinstance(health, dict) else None
    try:
        return msgspec.convert(said if isinstance(said, dict) else {}, Heartbeat)
    except msgspec.ValidationError:
        return Heartbeat()


def sightings(records: list[dict[str, Any]], entries: list[dict[str, Any]]) -> tuple[Sighting, ...]:
    """What the Launcher's records and the Registry's entries say together, by module."""
    by_name = {entry.get("module_id"): entry for entry in entries}
    return tuple(
        Sighting(
            name=record["name"],
            life=record.get("life"),
            running=record.get("actual_state") == "running",
            registered=record["name"] in by_name,
            url=endpoint(by_name.get(record["name"])),
            pid=record.get("pid"),
            heartbeat=heartbeat_of(record),
        )
        for record in records
    )
