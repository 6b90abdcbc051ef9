"""Ports for modules."""

from __future__ import annotations

import socket

import pytest

from kite.errors import ModuleError
from kite.launcher import ports as ports_module
from kite.launcher.ports import Ports


@pytest.fixture
def taken() -> socket.socket:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server  # type: ignore[misc]


def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_the_preferred_one_if_it_is_free() -> None:
    wanted, ports = free(), Ports()
    assert ports.take("m", 1, wanted) == wanted
    assert ports.take("m", 1, wanted) == wanted, "its own is not in its way"
    assert ports.take("m", 2, wanted) != wanted, "two lives may be there at once"


def test_another_one_if_it_is_not(taken: socket.socket) -> None:
    wanted = taken.getsockname()[1]
    found = Ports().take("m", 1, wanted)
    assert found != wanted
    assert 1024 <= found <= 65535


def test_no_two_of_ours_get_the_same() -> None:
    wanted, ports = free(), Ports()
    found = [ports.take(name, 1, wanted) for name in "abc"]
    assert found[0] == wanted
    assert len(set(found)) == 3
    ports.release("a", 2)
    assert ports.take("d", 1, wanted) != wanted, "another life has it"
    ports.release("a", 1)
    ports.release("never had one", 1)
    assert ports.take("d", 2, wanted) == wanted


def test_a_port_is_really_free_when_it_is_given() -> None:
    port = Ports().take("m", 1, 0)
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_when_there_is_none_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports_module, "_bind", lambda port: None)
    with pytest.raises(ModuleError) as none:
        Ports().take("m", 1, 0)
    assert none.value.code == "no_free_port"
