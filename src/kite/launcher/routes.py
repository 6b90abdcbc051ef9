"""The management API (CONTRACT, section 7)."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kite.errors import KiteError, PeerError, RequestError
from kite.http.application import application, reply
from kite.http.body import read_json
from kite.http.guard import Guard, Identity
from kite.http.problem import problem
from kite.http.query import read_query
from kite.http.witness import Witness
from kite.launcher.authority import OPERATOR
from kite.launcher.cgroup import ways
from kite.launcher.core import backbone_words as spine
from kite.launcher.core import facts
from kite.launcher.core.settling import is_settled, settlement
from kite.launcher.operations import outcome_of
from kite.launcher.requests import (
    Asked,
    Ending,
    RestartAsked,
    Rotated,
    SettledQuery,
    StateBody,
    WaitQuery,
    WatchBody,
)
from kite.launcher.service import Launcher
from kite.launcher.state_change import change_state
from kite.launcher.view import View
from kite.model.manifest import CORE_NAMES, ConfigState
from kite.model.origin import config_origin
from kite.model.watch import Watch
from kite.version import __version__

SETTLED_WAIT_LIMIT = 600.0
CONTROL = "launcher.control"
_PYTHON = ".".join(map(str, sys.version_info[:3]))


class Routes:
    """Answers requests about one Launcher."""

    def __init__(
        self, launcher: Launcher, view: View, *, ws_endpoint: str, witness: Witness
    ) -> None:
        self._launcher = launcher
        self._witness = witness
        self._view = view
        self._ws_endpoint = ws_endpoint

    # -- reading ------------------------------------------------------------------------------

    async def health(self, _: Request) -> Response:
        return reply({"status": "ok", "version": __version__})

    async def about(self, _: Request) -> Response:
        instance = self._launcher.around.instance
        return reply(
            {
                "instance": instance.id,
                "phase": self._launcher.phase,
                "version": __version__,
                "versions": {"kite": __version__, "contract": 1, "python": _PYTHON},
                "pid": os.getpid(),
                "started_at": instance.started,
                "project_dir": str(instance.project_dir),
                "instance_dir": str(instance.instance_dir),
                "registry_port": instance.registry_port,
                "ws_endpoint": self._ws_endpoint,
                "limits": ways(self._launcher.around.groups),
                "errors": [str(error) for error in self._launcher.catalog.errors()],
                "problems": [_told(error) for error in self._launcher.problems()],
            }
        )

    async def modules(self, _: Request) -> Response:
        await self._launcher.around.usage.look()
        return reply({"modules": self._view.records(self._launcher.phase)})

    async def module(self, request: Request) -> Response:
        await self._launcher.around.usage.look()
        return reply(self._record(request.path_params["name"]))

    async def explain(self, request: Request) -> Response:
        """Why a module is in the state it is in."""
        from kite.launcher.explained import explained, explained_core  # noqa: PLC0415  (few ask)

        name = request.path_params["name"]
        record, launcher = self._record(name), self._launcher
        origin = config_origin(launcher.catalog.scan, name)
        if name in CORE_NAMES:
            core = launcher.backbone.cores.get(name)
            return reply(explained_core(self._view, record, origin, core))
        now = asyncio.get_running_loop().time()
        found = launcher.supervisor.explain(name, now)
        places = launcher.supervisor.explain_places(name, now)
        return reply(explained(self._view, record, origin, found, places))

    async def settled(self, request: Request) -> Response:
        """Wait until the system has come up as far as it will by itself."""
        launcher = self._launcher
        seconds = min(SETTLED_WAIT_LIMIT, read_query(request, SettledQuery).wait)

        def is_over() -> bool:
            if launcher.phase == "stopping":
                return True
            return launcher.phase in ("modules", "running") and is_settled(launcher.supervisor)

        try:
            async with asyncio.timeout(seconds), launcher.changed:
                await launcher.changed.wait_for(is_over)
        except TimeoutError:
            pass
        now = settlement(launcher.supervisor)
        unready = [self._record(name) for name in now.unready]
        shown = ("name", "actual_state", "waiting_for", "error", "error_code")
        return reply(
            {
                "settled": is_over(),
                "ready": is_over() and not unready and launcher.phase != "stopping",
                "unready": [{key: record[key] for key in shown} for record in unready],
                "urls": launcher.modules.endpoints(self._view.records(launcher.phase)),
            }
        )

    async def metrics(self, _: Request) -> Response:
        from kite.launcher.metrics import exposition  # noqa: PLC0415  (few ask)

        await self._launcher.around.usage.look()
        body, kind = exposition(self._view.records(self._launcher.phase))
        return Response(body, media_type=None, headers={"Content-Type": kind})

    # -- acting -------------------------------------------------------------------------------

    def acting(self, verb: str) -> Callable[[Request], Awaitable[Response]]:
        """The route that starts, stops or restarts a module."""

        async def route(request: Request) -> Response:
            return await self._act(request, verb)

        return route

    async def _act(self, request: Request, verb: str) -> Response:
        name = request.path_params["name"]
        self._witness.mean(request, verb, name)
        who = _identity(request)
        if who.name != OPERATOR and CONTROL not in who.scopes:
            raise RequestError("permission_denied", who=who.name, what=f"{verb} modules")
        query = read_query(request, WaitQuery)
        kind = RestartAsked if verb == "restart" else Asked
        asked = await read_json(request, kind, absent=kind())
        self._record(name)
        if name in CORE_NAMES and (verb != "restart" or name == "launcher"):
            raise RequestError("core_module", module=name, what=verb)
        if asked.life is not None and verb != "restart":
            raise RequestError("malformed_body", place="$.life", detail="it is for a restart only")
        self._check_core_life(name, asked.life)
        meant = {} if asked.life is None else {"life": asked.life}
        self._launcher.record(
            "requested", name, verb=verb, by=who.name, reason=asked.reason, **meant
        )
        op, future = self._launcher.operations.open()
        if name in CORE_NAMES:
            self._launcher.feed_core(spine.CoreRestartAsked(name, op))
        else:
            self._launcher.feed(_fact(verb, name, op, asked, is_operator=who.name == OPERATOR))
        if future.done():
            future.result().check()
        self._witness.taken(request, reason=asked.reason)
        await self._launcher.kept()
        if future.done():
            future.result().check()
            return reply(self._record(name))
        if not query.waits:
            return reply(self._record(name), 202)
        (await outcome_of(future, name)).check()
        return reply(self._record_or_gone(name))

    async def watch(self, request: Request) -> Response:
        """Watch a module's files for as long as the caller listens."""
        from kite.launcher.watch_stream import watch_stream  # noqa: PLC0415  (few ask)

        name = request.path_params["name"]
        self._witness.mean(request, "watch", name)
        _only_operator(request, "watch modules")
        body = await read_json(request, WatchBody, absent=WatchBody())
        self._record(name)
        if name in CORE_NAMES:
            raise RequestError("core_module", module=name, what="watch")
        watch = Watch(
            paths=body.paths, ignore=body.ignore, delay=body.delay, dependents=body.dependents
        )
        watching = self._launcher.watching
        lease = watching.lend(name, watch)
        self._witness.taken(request)
        return watch_stream(watching, lease, self._launcher.stopping)

    async def rescan(self, request: Request) -> Response:
        self._witness.mean(request, "rescan")
        _only_operator(request, "rescan")
        self._witness.taken(request)
        changes = self._launcher.rescan()
        await self._launcher.kept()
        return reply(
            {
                "added": list(changes.added),
                "changed": list(changes.changed),
                "removed": list(changes.removed),
                "errors": [_told(error) for error in changes.errors],
            }
        )

    async def put_state(self, request: Request) -> Response:
        """Change a config state where it takes effect."""
        name = request.path_params["name"]
        self._witness.mean(request, "state", name)
        _only_operator(request, "change states")
        query = read_query(request, WaitQuery)
        body = await read_json(request, StateBody)
        self._record(name)
        catalog = self._launcher.catalog
        project_dir = self._launcher.around.instance.project_dir
        self._witness.mean(request, f"state {body.state}", name)
        change = change_state(catalog.scan, name, body.state, project_dir=project_dir)
        self._witness.taken(request)
        if change["file"] is not None:
            self._launcher.rescan()
            await self._launcher.kept()
        has_changed = change["old"] != change["new"]
        if has_changed and query.waits:
            await self._wait_for_state(name, ConfigState(body.state))
        return reply(change)

    async def _wait_for_state(self, name: str, state: ConfigState) -> None:
        """Enabling starts and disabling stops: wait until that is done."""
        op, future = self._launcher.operations.open()
        match state:
            case ConfigState.ENABLED:
                self._launcher.feed(facts.StartRequested(module=name, op=op))
            case ConfigState.DISABLED:
                stop = facts.StopRequested(module=name, op=op, reason="disabled", by_request=False)
                self._launcher.feed(stop)
            case ConfigState.MANUAL:
                return
        (await outcome_of(future, name)).check()

    async def rotate_token(self, request: Request) -> Response:
        """A fresh token for the operator, which is found in `api.json` and nowhere else."""
        self._witness.mean(request, "operator token")
        _only_operator(request, "change the operator's token")
        await self._launcher.operator_token.rotate()
        self._witness.taken(request)
        return reply(Rotated())

    async def shutdown(self, request: Request) -> Response:
        self._witness.mean(request, "shutdown")
        _only_operator(request, "shut Kite down")
        self._witness.taken(request)
        # The answer leaves before anything ends.
        asyncio.get_running_loop().call_soon(self._launcher.stop)
        return reply(Ending(), 202)

    # -- inside -------------------------------------------------------------------------------

    def _check_core_life(self, name: str, life: int | None) -> None:
        core = self._launcher.backbone.cores.get(name)
        if core is not None and life is not None and (life != core.life or core.is_leaving):
            raise RequestError("life_gone", module=name, life=life)

    def _record(self, name: str) -> dict[str, Any]:
        record = self._view.record(name, self._launcher.phase)
        if record is None:
            raise RequestError("unknown_module", module=name)
        return record

    def _record_or_gone(self, name: str) -> dict[str, Any]:
        return self._view.record(name, self._launcher.phase) or {"name": name}


def _fact(
    verb: str, name: str, op: int, asked: Asked, *, is_operator: bool
) -> facts.StartRequested | facts.StopRequested | facts.RestartRequested:
    match verb:
        case "start":
            return facts.StartRequested(module=name, op=op)
        case "stop":
            return facts.StopRequested(module=name, op=op, reason=asked.reason or "stop_requested")
        case _:
            return facts.RestartRequested(
                module=name,
                op=op,
                reason=asked.reason or "restart",
                revive=is_operator,
                is_rolling=isinstance(asked, RestartAsked) and asked.rolling,
                life=asked.life,
            )


def _told(error: KiteError) -> dict[str, Any]:
    return {**problem(error), "location": str(error.location) if error.location else None}


def _identity(request: Request) -> Identity:
    who: Identity = request.state.identity
    return who


def _only_operator(request: Request, what: str) -> None:
    who = _identity(request)
    if who.name != OPERATOR:
        raise RequestError("permission_denied", who=who.name, what=what)


def launcher_application(
    launcher: Launcher, view: View, *, port: int, ws_endpoint: str
) -> Starlette:
    """The API as an application.

    Args:
        port: where it will be served.
        ws_endpoint: where the Hub is.
    """
    authority = launcher.around.authority
    witness = Witness(launcher.around.trail, acts=("POST", "PUT"))
    routes = Routes(launcher, view, ws_endpoint=ws_endpoint, witness=witness)

    async def authenticate(token: str) -> Identity:
        found = authority.find(token)
        if found is None:
            raise PeerError("unauthorized")
        name, grant = found
        return Identity(name=name, scopes=frozenset(grant.scopes), life=grant.life)

    guard = Guard(
        port=port,
        ports=lambda: launcher.around.registry.ports,
        origins=launcher.catalog.project.hub.get("origins", ()),
    )
    one = "/launcher/modules/{name}"
    return application(
        [
            Route("/health", routes.health),
            Route("/metrics", routes.metrics),
            Route("/launcher", routes.about),
            Route("/launcher/settled", routes.settled),
            Route("/launcher/modules", routes.modules),
            Route(one, routes.module),
            Route(one + "/explain", routes.explain),
            Route(one + "/state", routes.put_state, methods=["PUT"]),
            *(
                Route(f"{one}/{verb}", routes.acting(verb), methods=["POST"])
                for verb in ("start", "stop", "restart")
            ),
            Route(one + "/watch", routes.watch, methods=["POST"]),
            Route("/launcher/rescan", routes.rescan, methods=["POST"]),
            Route("/launcher/token", routes.rotate_token, methods=["POST"]),
            Route("/launcher/shutdown", routes.shutdown, methods=["POST"]),
        ],
        authenticate=authenticate,
        guard=guard,
        open_paths=("/health",),
        witness=witness,
    )
