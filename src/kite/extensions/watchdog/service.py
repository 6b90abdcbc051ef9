"""The Watchdog's shell: hears events, asks, feeds the core, and performs what it decides."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
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
    Begun,
    Cut,
    Deregistered,
    Ended,
    Expired,
    Fact,
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
from kite.hang import Heartbeat
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
        """Ask for it; the Launcher refuses where that life does not run any more."""
        name, life = action.module, action.life
        try:
            await self._module.launcher.restart(name, life=life, reason=REASON)
        except Unavailable as failure:
            self._module.log.warning("restart.failed module=%s error=%s", name, failure)
            self._feed(RestartRefused(module=name, life=life, again=True))
        except KiteError as refusal:
            self._module.log.warning("restart.refused module=%s error=%s", name, refusal)
            self._feed(RestartRefused(module=name, life=life, again=False))
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
            "replica": said.replica,
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
            pid = pid if isinstance(pid, int) else None
            return Started(module=name, life=life, pid=pid, replica=_replica(data))
        case "module.starting":
            return Begun(module=name, life=life, replica=_replica(data))
        case "module.stopping" | "module.stopped" | "module.failed":
            return Ended(module=name, life=life)
        case "registry.registered":
            return Registered(module=name, life=life, url=endpoint(data))
        case "registry.deregistered":
            return Deregistered(module=name, life=life)
        case "registry.expired":
            return Expired(module=name, life=life)
        case "hub.slow_consumer":
            return Cut(module=name, life=life)
        case "hub.client.connected" | "hub.client.disconnected":
            return _present(name, life, {**data, "seconds": 0})
        case "hub.client.silent" | "hub.client.responsive":
            return _present(name, life, data)
        case _:
            return None


def _replica(data: dict[str, Any]) -> int:
    """Which place of its module; it is said where there are several."""
    replica = data.get("replica")
    return replica if isinstance(replica, int) else 0


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
    """What the Launcher's records and the Registry's entries say together, by life."""
    by_name = {str(entry.get("module_id")): entry for entry in entries}
    return tuple(
        sighting for record in records for sighting in _lives(record, by_name.get(record["name"]))
    )


def _lives(record: dict[str, Any], entry: dict[str, Any] | None) -> Iterator[Sighting]:
    """The lives of one module, each in its place; a core module has none beside the record itself."""
    for each in record.get("replicas") or [record]:
        life = each.get("life")
        # The Registry shows one entry a module, that of the life which registered last.
        is_own = entry is None or entry.get("life") in (None, life)
        yield Sighting(
            name=record["name"],
            life=life,
            running=each.get("actual_state") == "running",
            registered=entry is not None if is_own else None,
            url=endpoint(entry) if is_own else None,
            pid=each.get("pid"),
            heartbeat=heartbeat_of(record),
            replica=_replica(each),
        )
