"""Performs what the backbone decides about the processes of Registry and Event Hub."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

from kite.errors import KiteError
from kite.launcher.authority import new_token
from kite.launcher.core.backbone_words import (
    BootHub,
    ConnectHub,
    CoreExited,
    CoreFact,
    CoreLost,
    CoreReady,
    CoreSpoke,
    EndCore,
    SpawnCore,
    TokensAcked,
)
from kite.launcher.core.pair import HUB, REGISTRY
from kite.launcher.hub_link import HubLink
from kite.launcher.instance import PACKAGE, inherited_environment
from kite.launcher.life import RunningLife
from kite.launcher.module_runner import Surroundings
from kite.launcher.process import Exit, Spawn
from kite.wire.boot import (
    BootLine,
    EndpointLine,
    LauncherTokenLine,
    PortLine,
    decode_core_line,
    encode_line,
)

END_GRACE = 2.0


class CoreRunner:
    """The living processes of the two, over sockets that stay.

    Args:
        around: what all lives share.
        sockets: the listening socket of each.
        config: what `kite.yaml` says to each; goes into the boot line.
        hub: the Launcher's connection.
        feed: takes the facts.
        on_hub_gone: called at once when the Hub's process has ended.
    """

    def __init__(
        self,
        around: Surroundings,
        *,
        sockets: Mapping[str, socket.socket],
        config: Mapping[str, dict[str, Any]],
        hub: HubLink,
        feed: Callable[[CoreFact], None],
        on_hub_gone: Callable[[], None],
    ) -> None:
        self.ws_endpoint = ""
        self._on_hub_gone = on_hub_gone
        self._around = around
        self._sockets = sockets
        self._config = config
        self._hub = hub
        self._feed = feed
        self._lives: dict[str, RunningLife] = {}
        self._tasks: dict[str, list[asyncio.Task[Any]]] = {HUB: [], REGISTRY: []}
        self._hub_token = ""
        self._launcher_ws_token = ""

    def pid(self, name: str) -> int | None:
        """The process of its newest life, while it lives."""
        life = self._lives.get(name)
        return life.pid if life is not None and life.process.exit is None else None

    def is_warm(self, name: str) -> bool | None:
        """Whether its newest life was forked from a warm template; None where there is none."""
        life = self._lives.get(name)
        return life.is_warm if life is not None else None

    def spawn(self, action: SpawnCore) -> None:
        """Make its process; the Registry gets its boot line at once, the Hub when tokens are told."""
        name, number = action.name, action.life
        around, instance = self._around, self._around.instance
        folder = PACKAGE / name
        try:
            spec = Spawn(
                instance=instance.id,
                module=name,
                life=number,
                argv=(sys.executable, "-m", f"kite.{name}.entry"),
                cwd=folder,
                env={**inherited_environment(os.environ), **instance.variables(name, folder)},
                listener=self._sockets[name],
                nursery=around.nursery,
                group=around.groups.make(name, number) if around.groups is not None else None,
            )
            life = RunningLife(
                spec,
                logs=around.logs,
                records=around.records,
                usage=around.usage,
                on_lines=lambda is_error, lines: self._heard(name, number, is_error, lines),
                on_exit=lambda how: self._exited(name, number, how),
            )
        except (KiteError, OSError) as error:
            self._feed(CoreExited(name, number, str(error)))
            return
        self._lives[name] = life
        if name == REGISTRY:
            authority = around.authority
            authority.issue(REGISTRY, number)
            boot = BootLine(
                token=authority.renew_kite_token(),
                life=number,
                config=self._settings(name),
                epoch=authority.epoch,
            )
            life.boot(encode_line(boot))
        else:
            self._hub_token = around.authority.issue(HUB, number)

    def _settings(self, name: str) -> dict[str, Any]:
        return self._config.get(name, {})

    def boot_hub(self, action: BootHub) -> None:
        """Write its boot line, and the token by which it knows the Launcher."""
        life = self._lives.get(HUB)
        if life is None or life.number != action.life:
            return
        self._launcher_ws_token = new_token()
        boot = BootLine(token=self._hub_token, life=life.number, config=self._settings(HUB))
        said = LauncherTokenLine(launcher_ws_token=self._launcher_ws_token)
        life.boot(encode_line(boot), encode_line(said))

    def tell_tokens(self, registry_life: int) -> None:
        """Name everybody to the Registry; `TokensAcked` is fed."""
        self._help(REGISTRY, self._tell_tokens(registry_life), "tell tokens")

    async def _tell_tokens(self, registry_life: int) -> None:
        hub = self._lives.get(HUB)
        hub_life = hub.number if hub is not None else 0
        await self._around.registry.tell_everybody()
        self._feed(TokensAcked(registry_life, hub_life))

    def connect_hub(self, action: ConnectHub) -> None:
        """Connect the Launcher; the Hub then opens to everybody and says that it is ready."""
        self._help(HUB, self._hub.connect(self.ws_endpoint, self._launcher_ws_token), "connect")
        del action

    def reconnect_hub(self, on_connected: Callable[[], None]) -> None:
        """The Launcher's connection is gone: if that Hub lives on, connect to it again."""

        async def reconnect() -> None:
            await self._hub.connect(self.ws_endpoint, self._launcher_ws_token)
            on_connected()

        if self.pid(HUB) is not None:
            self._help(HUB, reconnect(), "reconnect")

    def end(self, action: EndCore) -> None:
        """End its process and nothing else."""
        life = self._lives.get(action.name)
        if life is not None and life.number == action.life:
            life.signal_stop("SIGTERM")
            self._around.start_task(self._finish(life, END_GRACE), name=f"end {action.name}")

    async def end_all(self, seconds: float) -> list[int]:
        """End both at once, within a time; the pids that could not be ended."""
        lives = list(self._lives.values())
        for life in lives:
            life.signal_stop("SIGTERM")
        ended = await asyncio.gather(*(self._finish(life, seconds) for life in lives))
        return [pid for survivors in ended for pid in survivors]

    async def _finish(self, life: RunningLife, grace: float) -> tuple[int, ...]:
        survivors = await life.end(grace=grace)
        if self._lives.get(life.module) is life:
            del self._lives[life.module]
        return survivors

    # -- what they say ------------------------------------------------------------------------

    def _heard(self, name: str, number: int, is_error: bool, lines: list[str]) -> None:
        text: list[str] = []
        for line in lines:
            said = None if is_error else decode_core_line(line.encode())
            match said:
                case PortLine() if name == REGISTRY:
                    self._feed(CoreSpoke(name, number))
                case EndpointLine() if name == HUB:
                    self.ws_endpoint = said.ws_endpoint
                    self._feed(CoreSpoke(name, number))
                case _:
                    text.append(line)
        if text:
            self._around.logs.lines(name, is_error, text)
            self._around.show(name, is_error, text)

    def said_ready(self, name: str, life: int | None) -> None:
        """Its `module.ready` came through the Hub."""
        living = self._lives.get(name)
        if living is not None and life in (None, living.number):
            self._feed(CoreReady(name, living.number))

    def _exited(self, name: str, number: int, how: Exit) -> None:
        for task in self._tasks[name]:
            task.cancel()
        self._tasks[name].clear()
        self._around.authority.revoke(name, number)
        if name == REGISTRY:
            self._around.registry.closed()
        else:
            self._on_hub_gone()
        self._around.logs.note(name, f"life {number}: {how}")
        life = self._lives.get(name)
        if life is None or life.number != number:
            return
        self._feed(CoreLost(name, number, how.exit_code, how.signal, life.last_lines))
        self._around.start_task(self._sweep_and_tell(life, how), name=f"sweep {name}")

    async def _sweep_and_tell(self, life: RunningLife, how: Exit) -> None:
        """Nothing of the old life may hold the socket when the next one comes."""
        await self._finish(life, 0.0)
        self._feed(CoreExited(life.module, life.number, str(how)))

    def _help(self, name: str, work: Any, what: str) -> None:
        task = self._around.start_task(work, name=f"{what}: {name}")
        self._tasks[name].append(task)
