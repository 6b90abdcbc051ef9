"""`Host` and `Origin`: the vectors of the contract and what else a page may try."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kite.errors import ERRORS_FILE, RequestError
from kite.http.guard import Guard
from kite.wire.endpoint import loopback_port

VECTORS = json.loads((Path(ERRORS_FILE).parent / "vectors" / "origins.json").read_text())
OWN, OTHER, PORT = 4001, 4002, 4000
GUARD = Guard(port=PORT, ports=lambda: {OWN}, origins=VECTORS["listed"])


def filled(text):
    return None if text is None else text.format(own=OWN, other=OTHER, port=PORT)


@pytest.mark.parametrize("origin", VECTORS["allowed"])
def test_own_origins(origin):
    origins = [] if origin is None else [filled(origin)]
    assert GUARD.check([f"127.0.0.1:{PORT}"], origins) == filled(origin)


@pytest.mark.parametrize(
    "origin", [*VECTORS["refused"], "", "http://127.0.0.1:{own} ", "http://127.0.0.1:0{own}x"]
)
def test_foreign_origins(origin):
    with pytest.raises(RequestError) as refused:
        GUARD.check([f"127.0.0.1:{PORT}"], [filled(origin)])
    assert refused.value.code == "bad_origin"


def test_two_origins_are_none_of_ours():
    own = f"http://127.0.0.1:{OWN}"
    with pytest.raises(RequestError):
        GUARD.check_origin([own, own])


@pytest.mark.parametrize("host", [*VECTORS["allowed_hosts"], "LOCALHOST:{port}"])
def test_own_hosts(host):
    GUARD.check_host([filled(host)])


@pytest.mark.parametrize(
    "hosts", [*([host] for host in VECTORS["refused_hosts"]), [], ["127.0.0.1"], ["localhost"],
              ["127.0.0.1:{port}", "127.0.0.1:{port}"], [""]]
)  # fmt: skip
def test_foreign_hosts(hosts):
    with pytest.raises(RequestError) as refused:
        GUARD.check_host([filled(host) for host in hosts])
    assert refused.value.code == "bad_host"


def test_a_page_of_a_module_that_has_left_is_foreign():
    ports = {OWN}
    guard = Guard(port=PORT, ports=lambda: ports)
    assert guard.is_own(f"http://localhost:{OWN}")
    ports.clear()
    assert not guard.is_own(f"http://localhost:{OWN}")


def test_the_default_port_of_the_scheme():
    guard = Guard(port=PORT, ports=lambda: {443})
    assert guard.is_own("https://localhost")
    assert not guard.is_own("http://localhost")


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://127.0.0.1:8080/x", 8080),
        ("ws://localhost:1/ws", 1),
        ("http://[::1]:9", 9),
        ("http://0.0.0.0:5", 5),
        ("https://localhost", 443),
        ("http://example.org:80", None),
        ("http://127.0.0.1:99999", None),
        ("http://[", None),
        ("nonsense", None),
        ("", None),
        (None, None),
        (8080, None),
    ],
)
def test_ports_of_endpoints(url, port):
    assert loopback_port(url) == port
