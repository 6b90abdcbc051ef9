"""What the supervisor's tests share: a supervisor with a clock, and words for facts and actions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kite.launcher.core import actions as act
from kite.launcher.core import facts
from kite.launcher.core.actions import Action
from kite.launcher.core.lifecycle import ModuleState, Phase
from kite.launcher.core.plan import Condition, Plan
from kite.launcher.core.supervisor import Supervisor


def plan(name: str, *needs: str, **more: Any) -> Plan:
    """A module; `needs` are names, or `name:condition`."""
    dependencies = tuple(
        (need.partition(":")[0], Condition(need.partition(":")[2] or "ready")) for need in needs
    )
    return Plan(name=name, dependencies=dependencies, **more)


class Desk:
    """A supervisor whose time stands still until a test moves it.

    Every action ever asked for is kept in `log`, those of the last fact in `last`.
    """

    def __init__(
        self,
        *plans: Plan,
        concurrency: int = 100,
        max_failed: int = 0,
        chance: float | Callable[[], float] = 1.0,
        doors: bool = True,
    ) -> None:
        self.now = 1000.0
        self.log: list[Action] = []
        self.last: list[Action] = []
        self.ops = 0
        self.supervisor = Supervisor(
            concurrency=concurrency,
            max_failed=max_failed,
            chance=chance if callable(chance) else lambda: chance,
        )
        if doors:
            self.tell(facts.DoorsOpened())
        if plans:
            self.scan(*plans)

    # -- facts --------------------------------------------------------------------------------

    def tell(self, fact: facts.Fact) -> list[Action]:
        self.last = self.supervisor.handle(fact, self.now)
        self.log += self.last
        return self.last

    def scan(self, *plans: Plan, start: bool = True) -> list[Action]:
        return self.tell(facts.Scanned(plans=plans, start=start))

    def wait(self, seconds: float) -> list[Action]:
        """Let time pass, stopping at every deadline on the way, as the shell's timer does."""
        end, done = self.now + seconds, []
        while (due := self.supervisor.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            done += self.tell(facts.TimePassed())
        self.now = end
        done += self.tell(facts.TimePassed())
        self.last = done
        return done

    def start(self, name: str) -> int:
        self.ops += 1
        self.tell(facts.StartRequested(module=name, op=self.ops))
        return self.ops

    def stop(self, name: str, reason: str = "stop_requested") -> int:
        self.ops += 1
        self.tell(facts.StopRequested(module=name, op=self.ops, reason=reason))
        return self.ops

    def restart(self, name: str, *, revive: bool = True) -> int:
        self.ops += 1
        self.tell(facts.RestartRequested(module=name, op=self.ops, revive=revive))
        return self.ops

    def spawned(self, *names: str) -> list[Action]:
        done: list[Action] = []
        for name in names:
            done += self.tell(facts.Spawned(module=name, life=self.life(name), pid=4000))
        return done

    def ready(self, *names: str) -> list[Action]:
        done: list[Action] = []
        for name in names:
            done += self.tell(facts.BecameReady(module=name, life=self.life(name)))
        return done

    def up(self, *names: str) -> None:
        """Their processes exist, are ready and connected."""
        for name in names:
            self.spawned(name)
            self.ready(name)
            self.connected(name)

    def connected(self, name: str, count: int = 1) -> list[Action]:
        return self.tell(
            facts.ConnectionsChanged(module=name, life=self.life(name), connections=count)
        )

    def acked(self, name: str, estimate: float = 0.0) -> list[Action]:
        return self.tell(
            facts.ShutdownAcked(module=name, life=self.life(name), estimated_cleanup=estimate)
        )

    def cleaned(self, name: str) -> list[Action]:
        return self.tell(facts.ShutdownReady(module=name, life=self.life(name)))

    def exited(
        self,
        name: str,
        code: int | None = 0,
        signal: int | None = None,
        last_lines: tuple[str, ...] = (),
    ) -> list[Action]:
        code = None if signal is not None else code
        about = {"module": name, "life": self.life(name), "last_lines": last_lines}
        return self.tell(facts.Exited(exit_code=code, signal=signal, **about))

    def gone(self, name: str, *survivors: int, last_lines: tuple[str, ...] = ()) -> list[Action]:
        about = {"module": name, "life": self.life(name), "last_lines": last_lines}
        return self.tell(facts.TreeGone(survivors=tuple(survivors), **about))

    def crash(self, name: str, code: int = 1) -> list[Action]:
        """It ends unasked, and nothing of its tree is left."""
        done = self.exited(name, code) + self.gone(name)
        self.last = done
        return done

    def stop_everything(
        self, *layers: Iterable[str], budget: float = 10.0, is_restart: bool = False
    ) -> list[Action]:
        reason = "restart" if is_restart else "system_shutdown"
        return self.tell(
            facts.StopEverything(
                reason=reason,
                is_restart=is_restart,
                layers=tuple(tuple(layer) for layer in layers),
                budget=budget,
            )
        )

    # -- what is the case ---------------------------------------------------------------------

    def state(self, name: str) -> ModuleState:
        return self.supervisor.states[name]

    def phase(self, name: str) -> Phase:
        return self.state(name).phase

    def life(self, name: str) -> int:
        return self.state(name).life.number

    def spawns(self, actions: Iterable[Action] | None = None) -> list[str]:
        """The names in the last actions (or those given) that are to be spawned, in order."""
        return [a.module for a in self.pick(act.Spawn, actions)]

    def pick(self, kind: type[Any], actions: Iterable[Action] | None = None) -> list[Any]:
        return [a for a in (self.last if actions is None else actions) if isinstance(a, kind)]

    def outcome(self, op: int) -> str | None:
        """`open`, `done`, or the code it was refused with; fails when it was settled twice."""
        found = [a for a in self.log if isinstance(a, act.Settle) and a.op == op]
        assert len(found) <= 1, f"op {op} was settled {len(found)} times"
        return "open" if not found else found[0].code or "done"

    def records(self, actions: Iterable[Action] | None = None) -> list[str]:
        return [f"{a.event} {a.module}" for a in self.pick(act.Record, actions)]

    def published(self, subject: str, actions: Iterable[Action] | None = None) -> list[Any]:
        return [a.data for a in self.pick(act.Publish, actions) if a.subject == subject]
