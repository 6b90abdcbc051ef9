"""What modules say to the Launcher, and what it tells the Registry on their behalf."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from kite.errors import KiteError
from kite.launcher.core import facts
from kite.launcher.core.pair import HUB, REGISTRY
from kite.launcher.core.wellbeing import Status
from kite.launcher.sentry import WATCHDOG
from kite.wire.frame import Event

if TYPE_CHECKING:
    from kite.launcher.service import Launcher

_log = logging.getLogger("kite.launcher")


class Hearing:
    """Turns what comes through the Hub into facts."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher

    def hear(self, event: Event) -> None:
        """An event of the Hub that is meant for the Launcher."""
        launcher = self._launcher
        source = event.source if isinstance(event.source, str) else ""
        data = event.data if isinstance(event.data, dict) else {}
        life = data.get("life") if isinstance(data.get("life"), int) else None
        match event.event:
            case "module.ready":
                self._heard_ready(source, life)
            case "module.shutdown.ack":
                seconds = data.get("estimated_cleanup")
                estimate = float(seconds) if isinstance(seconds, int | float) else 0.0
                launcher.feed(
                    facts.ShutdownAcked(module=source, life=life, estimated_cleanup=estimate)
                )
            case "module.shutdown.ready":
                launcher.feed(facts.ShutdownReady(module=source, life=life))
            case "hub.client.connected" | "hub.client.disconnected":
                name, count = data.get("module_id"), data.get("connections")
                if isinstance(name, str) and isinstance(count, int):
                    launcher.feed(
                        facts.ConnectionsChanged(module=name, life=life, connections=count)
                    )
                self._heard_of_watchdog(life, data)
            case "hub.client.silent" | "hub.client.responsive":
                self._heard_of_watchdog(life, data)
            case "watchdog.unhealthy" | "watchdog.degraded" | "watchdog.healthy":
                if source == WATCHDOG:
                    self._heard_verdict(event.event.partition(".")[2], data)
            case _:
                pass

    def _heard_of_watchdog(self, life: int | None, data: dict[str, Any]) -> None:
        """Others are the Watchdog's business; it alone is the Launcher's."""
        if data.get("module_id") == WATCHDOG:
            self._launcher.sentry.hear(life, data)

    def _heard_verdict(self, verdict: str, data: dict[str, Any]) -> None:
        """What the Watchdog has found is shown with the module's record."""
        name, life, evidence = data.get("module_id"), data.get("life"), data.get("evidence")
        if name not in self._launcher.supervisor.states or not isinstance(life, int):
            return
        last = evidence[-1] if isinstance(evidence, list) and evidence else {}
        told = last if isinstance(last, dict) else {}
        words = [told.get(key) for key in ("kind", "condition", "http_status", "status", "detail")]
        detail = " ".join(str(word) for word in words if word not in (None, ""))
        self._launcher.feed(
            facts.HealthChanged(
                module=str(name), life=life, status=Status(verdict), detail=detail, by="watchdog"
            )
        )

    def _heard_ready(self, source: str, life: int | None) -> None:
        launcher = self._launcher
        if source in (HUB, REGISTRY):
            launcher.cores.said_ready(source, life)
            if source == HUB:
                launcher.say_phase("registry_ready", only_after="event_hub")
            return
        launcher.hub.wait_no_more(source)
        meant = launcher.supervisor.roster.find(source, life)
        if meant is None or not launcher.modules.is_booted(source, meant.life.number):
            return
        manifest = launcher.modules.expanded(source, meant.life.number)
        if manifest is not None and manifest.ready is not None:
            return  # its probe says when it is ready
        launcher.feed(facts.BecameReady(module=source, life=meant.life.number))

    def welcome(self, name: str, life: int) -> None:
        """A life is ready: watch its health, and register it where it has no entry of its own."""
        launcher = self._launcher
        launcher.modules.watch_health(name, life)
        manifest = launcher.modules.expanded(name, life)
        if manifest is None:
            return
        endpoints = {
            "api_endpoint": manifest.api_endpoint,
            "health_endpoint": manifest.health_endpoint,
        }
        said = {key: value for key, value in endpoints.items() if value}
        if said or manifest.ready is not None:
            about = {"name": manifest.display_name, "module_type": manifest.type, "life": life}
            entry = {**about, **said}
            launcher.start_task(self._register(name, entry), name=f"register {name}")

    async def _register(self, name: str, entry: dict[str, Any]) -> None:
        try:
            await self._launcher.around.registry.register_for(
                name, entry, replace=name == "launcher"
            )
        except KiteError as error:
            _log.warning("registry.refused_entry module=%s error=%s", name, error)

    def register_self(self, api_url: str) -> None:
        """The Launcher's own entry."""
        entry = {
            "name": "Launcher",
            "module_type": "infrastructure",
            "api_endpoint": api_url,
            "health_endpoint": "/health",
        }
        self._launcher.start_task(self._register("launcher", entry), name="register launcher")
