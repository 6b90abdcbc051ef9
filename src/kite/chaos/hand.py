"""Performs faults, and takes back those that last. It signals nobody who is not proven to belong to
the instance (`census`)."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, assert_never

from kite.chaos.arena import Arena
from kite.chaos.being import GUARD, LAUNCHER, LIFE, Being
from kite.chaos.census import Census
from kite.chaos.patient import Patient
from kite.chaos.plan import Fault, Kind
from kite.chaos.violation import Violation

REQUEST_SECONDS = 65.0
_BODY = {"reason": "chaos"}
_EXTRA = "chaos-extra"


class Hand:
    """Does what a plan says.

    Args:
        patient, census: the Kite that is struck.
        arena: what it lies in; None for one that is not thrown away afterwards.
        found: takes violations.
        rolls: takes the name of a module before a rolling restart of it is asked for.
    """

    def __init__(
        self,
        patient: Patient,
        census: Census,
        arena: Arena | None,
        found: Callable[[Violation], None],
        rolls: Callable[[str], None],
    ) -> None:
        self._patient = patient
        self._census = census
        self._arena = arena
        self._found = found
        self._rolls = rolls
        self._lasting: dict[asyncio.Task[None], Callable[[], None]] = {}
        self._asked: set[asyncio.Task[None]] = set()
        self._manifests: dict[Path, bytes] = {}
        self.lacks_guard = False  # whether the guard of this run was killed
        self.hindered_until = 0.0  # the loop's time until which Launcher or guard are stopped

    async def perform(self, fault: Fault) -> str:  # noqa: PLR0911 - a table
        """Do it; what came of it, in a few words."""
        match fault.kind:
            case Kind.KILL:
                return self._signal(self._member(fault), signal.SIGKILL)
            case Kind.TERM:
                return self._signal(self._member(fault), signal.SIGTERM)
            case Kind.STOP:
                return self._stop(self._member(fault), fault.seconds)
            case Kind.CORE:
                return await self._core(fault)
            case Kind.LAUNCHER:
                return await self._launcher(fault)
            case Kind.REQUEST:
                return self._request(fault)
            case Kind.RESCAN:
                return self._rescan(fault)
            case Kind.DISK:
                return self._fill_disk(fault.seconds)
            case Kind.CLOCK:
                return self._jump(fault.seconds)
            case Kind.FORKS:
                return self._signal(self._leader(fault.target), signal.SIGUSR1)
            case Kind.SUSPEND:
                return self._stop(list(self._census.look()), fault.seconds)
            case _:
                assert_never(fault.kind)

    async def let_go(self) -> None:
        """Take back what lasts, and wait for what was asked."""
        for task, undo in list(self._lasting.items()):
            task.cancel()
            undo()
        self._lasting.clear()
        self.continue_all()
        self.hindered_until = min(self.hindered_until, asyncio.get_running_loop().time())
        if self._arena is not None:
            self._arena.set_clock(0.0)
            if self._arena.disk is not None:
                self._arena.disk.free()
        if self._asked:
            await asyncio.wait(self._asked, timeout=REQUEST_SECONDS)

    def continue_all(self) -> None:
        """Nobody is stopped by a signal of ours any more."""
        stopped = [being for being in self._census.look() if being.is_stopped]
        if stopped:
            self._census.signal(stopped, signal.SIGCONT)

    def restore(self) -> bool:
        """Put the manifests back as they were; whether there was anything to put back."""
        changed = bool(self._manifests)
        for path, text in self._manifests.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
        self._manifests.clear()
        if self._arena is not None:
            extra = self._arena.project / "modules" / _EXTRA / "module.md"
            if extra.exists():
                changed = True
                extra.unlink()
                extra.parent.rmdir()
        return changed

    # -- whom it strikes ----------------------------------------------------------------------

    def _leader(self, name: str) -> list[Being]:
        return [b for b in self._census.look() if b.module == name and b.is_leader][:1]

    def _member(self, fault: Fault) -> list[Being]:
        if fault.what == "leader":
            return self._leader(fault.target)
        tree = [b for b in self._census.look() if b.role == LIFE and b.module == fault.target]
        return [tree[fault.number % len(tree)]] if tree else []

    def _of_role(self, role: str) -> list[Being]:
        return [being for being in self._census.look() if being.role == role]

    # -- signals ------------------------------------------------------------------------------

    def _signal(self, beings: list[Being], number: signal.Signals) -> str:
        struck = list(map(str, self._census.signal(beings, number)))
        return f"{number.name} to {', '.join(struck)}" if struck else "nobody was there"

    def _stop(self, beings: list[Being], seconds: float) -> str:
        said = self._signal(beings, signal.SIGSTOP)

        if any(being.role in (GUARD, LAUNCHER) for being in beings):
            self.hindered_until = asyncio.get_running_loop().time() + seconds
        self._last(seconds, lambda: self._go_on(beings))
        return f"{said}, for {seconds:.2f} s"

    def _go_on(self, beings: list[Being]) -> None:
        self._census.signal(beings, signal.SIGCONT)

    async def _core(self, fault: Fault) -> str:
        core = self._leader(fault.target)
        match fault.what:
            case "kill":
                return self._signal(core, signal.SIGKILL)
            case "term":
                return self._signal(core, signal.SIGTERM)
            case "stop":
                return self._stop(core, fault.seconds)
            case _:
                self._ask("POST", f"/launcher/modules/{fault.target}/restart?wait=1", _BODY)
                return "asked"

    async def _launcher(self, fault: Fault) -> str:
        match fault.what, fault.target:
            case "kill", "both":
                guards = self._of_role(GUARD)
                self.lacks_guard = self.lacks_guard or bool(guards)
                return self._signal(guards + self._of_role(LAUNCHER), signal.SIGKILL)
            case "kill", "guard":
                guards = self._of_role(GUARD)
                self.lacks_guard = self.lacks_guard or bool(guards)
                return self._signal(guards, signal.SIGKILL)
            case "kill", _:
                return self._signal(self._of_role(LAUNCHER), signal.SIGKILL)
            case "term", _:
                return self._signal(self._of_role(LAUNCHER), signal.SIGTERM)
            case "stop", _:
                return self._stop(self._of_role(LAUNCHER), fault.seconds)
            case _:
                for _number in range(3):
                    self._start(self._up())
                return "three times kite up"

    async def _up(self) -> None:
        await self._patient.kite("up", "-d")

    # -- requests -----------------------------------------------------------------------------

    def _request(self, fault: Fault) -> str:
        path = f"/launcher/modules/{fault.target}"
        match fault.what:
            case "enable" | "disable":
                if self._arena is None:
                    return "left out: the manifests are not ours"
                state = "enabled" if fault.what == "enable" else "disabled"
                self._ask("PUT", f"{path}/state", {"state": state})
            case "rolling":
                self._rolls(fault.target)
                self._ask("POST", f"{path}/restart?wait=1", {**_BODY, "rolling": True})
            case _:
                wait = "?wait=1" if fault.number % 2 else ""
                self._ask("POST", f"{path}/{fault.what}{wait}", _BODY)
        return "asked"

    def _rescan(self, fault: Fault) -> str:
        """Change what is found, and say so or not: the next rescan finds it."""
        if self._arena is None:
            return "left out: the manifests are not ours"
        folder = self._arena.project / "modules"
        extra = folder / _EXTRA / "module.md"
        said = "nothing to change"
        match fault.what:
            case "add":
                extra.parent.mkdir(parents=True, exist_ok=True)
                extra.write_text(
                    f"---\nname: {_EXTRA}\ncommand: [sh, -c, 'echo up; exec sleep 1000']\n"
                    f"ready: {{log: ^up$}}\n---\n# in life {fault.number}\n"
                )
                said = f"added {_EXTRA}"
            case _:
                manifests = sorted(p for p in folder.glob("*/module.md") if p != extra)
                if manifests:
                    path = manifests[fault.number % len(manifests)]
                    text = self._manifests.setdefault(path, path.read_bytes())
                    if fault.what == "remove":
                        path.unlink()
                    else:
                        path.write_bytes(text + b"\nchanged\n")
                    said = f"{fault.what}: {path.parent.name}"
        self._ask("POST", "/launcher/rescan", None)
        return said

    def _ask(self, method: str, path: str, body: Any) -> None:
        async def ask() -> None:
            answer = await self._patient.ask(method, path, body, timeout=REQUEST_SECONDS)
            if answer is None or answer.status != 500:
                return
            document: Any = None
            with contextlib.suppress(Exception):
                document = answer.json()
            code = document.get("code") if isinstance(document, dict) else None
            if code in (None, "internal_error", "survivors"):
                text = f"{method} {path} was answered with 500: {answer.body[:500]!r}"
                self._found(Violation(invariant="requests_answered", text=text, about=path))

        self._start(ask())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    # -- disk and clock -----------------------------------------------------------------------

    def _fill_disk(self, seconds: float) -> str:
        disk = self._arena.disk if self._arena is not None else None
        if disk is None:
            return "left out: no small disk"
        disk.fill()
        self._last(seconds, disk.free)
        return f"full for {seconds:.2f} s"

    def _jump(self, seconds: float) -> str:
        if self._arena is None:
            return "left out: the clock is not ours"
        self._arena.set_clock(seconds)
        return f"{seconds:+g} s against the machine's"

    def _last(self, seconds: float, undo: Callable[[], None]) -> None:
        async def wait() -> None:
            await asyncio.sleep(seconds)
            self._lasting.pop(task, None)
            undo()

        task = asyncio.get_running_loop().create_task(wait())
        self._lasting[task] = undo
