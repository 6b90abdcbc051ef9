"""Whether the doors of the Kite that runs are as they should be: tried from outside."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

from kite.cli.control import ApiFile, Control, is_alive
from kite.cli.doctor import FAIL, OK, WARN, Finding
from kite.cli.session import Session
from kite.cli.weaknesses.listeners import is_loopback, listeners, sockets_of
from kite.locale import _
from kite.model.token_scan import TokenScan, digests_of

_SECONDS = 5.0
_PROBE = "/metrics"
"""A path that every one of the three has and that needs a token."""

_UNAUTHORIZED, _FORBIDDEN = 401, 403


def doors(session: Session) -> Iterator[Finding]:
    """Nobody comes in without a token, under another name, or from a foreign page."""
    name, control = _("doors"), _running(session)
    if control is None:
        yield Finding(name, OK, _("Kite is not running: its ports were not tried"))
        return
    amiss = False
    for who, port in _ports(control.api).items():
        own = f"127.0.0.1:{port}"
        tries: list[tuple[str, dict[str, str], int]] = [
            (_("without a token"), {"Host": own}, _UNAUTHORIZED),
            (_("under another name"), {"Host": "kite.invalid"}, _FORBIDDEN),
            (
                _("from a foreign page"),
                {"Host": own, "Origin": "https://kite.invalid"},
                _FORBIDDEN,
            ),
        ]
        for how, headers, expected in tries:
            status = _knock(port, headers)
            if status != expected:
                amiss = True
                detail = _("{who} answers {how} with {status}, expected is {expected}")
                detail = detail.format(who=who, how=how, status=status, expected=expected)
                yield Finding(name, FAIL, detail, _("see whether something else took its port"))
    if not amiss:
        yield Finding(name, OK, _("no port lets anybody in without a token or from elsewhere"))


def sockets(session: Session) -> Iterator[Finding]:
    """Kite listens on the loopback interface, and so should modules."""
    name, control = _("sockets"), _running(session)
    if control is None:
        return
    open_ones = listeners()
    ports = _ports(control.api)
    amiss = False
    for who, port in ports.items():
        for each in open_ones:
            if each.port == port and not is_loopback(each.address):
                amiss = True
                detail = _("{who}: its port {port} is open on {address}")
                detail = detail.format(who=who, port=port, address=each.address)
                yield Finding(name, FAIL, detail, _("see whether something else took its port"))
    for record in control.get("/launcher/modules").json()["modules"]:
        own = sockets_of(record["pid"]) if record["pid"] else frozenset()
        for each in open_ones:
            if each.inode in own and each.port not in ports.values():
                if is_loopback(each.address):
                    continue
                amiss = True
                detail = _("{who} listens on {address}:{port}, where other machines reach it")
                detail = detail.format(who=record["name"], address=each.address, port=each.port)
                yield Finding(name, WARN, detail, _("let it listen on 127.0.0.1"))
    if not amiss:
        yield Finding(name, OK, _("everything listens on 127.0.0.1 only"))


def tokens(session: Session) -> Iterator[Finding]:
    """No live token stands in an argument, an environment, a log, or a file of the project."""
    name, control = _("tokens"), _running(session)
    if control is None:
        return
    scan = TokenScan(digests_of(control.registry("/tokens/digests").json()))
    instance = control.instance_dir
    leaks = [
        *scan.processes(),
        *scan.folder(instance, but=(instance / "launcher" / "api.json",)),
        *scan.folder(session.project_dir()),
    ]
    for leak in leaks:
        detail = _("a live token stands in {where}").format(where=leak.where)
        yield Finding(
            name, FAIL, detail, _("take it out, then change all tokens: kite token rotate")
        )
    if not leaks:
        detail = _("no live token lies open, in {count} processes and files")
        yield Finding(name, OK, detail.format(count=scan.looked))


def _running(session: Session) -> Control | None:
    folder = session.instance_dir()
    api = ApiFile.read(folder / "launcher" / "api.json") if folder is not None else None
    return session.control() if api is not None and is_alive(api.pid) else None


def _ports(api: ApiFile) -> dict[str, int]:
    found = {"launcher": urlsplit(api.url).port, "registry": api.registry_port}
    found["event_hub"] = urlsplit(api.ws_endpoint or "").port
    return {name: port for name, port in found.items() if port}


def _knock(port: int, headers: dict[str, str]) -> int | str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.putrequest("GET", _PROBE, skip_host=True, skip_accept_encoding=True)
        for key, value in headers.items():
            connection.putheader(key, value)
        connection.endheaders()
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as failed:
        return f"{failed}"
    finally:
        connection.close()
