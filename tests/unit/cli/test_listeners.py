"""Which sockets listen where, as the kernel writes it."""

from __future__ import annotations

import os
import socket

import pytest

from kite.cli.weaknesses.listeners import Listener, is_loopback, listeners, parse, sockets_of

TABLE = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1
   2: 0100007F:D431 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 4713 1
"""


def test_a_table_of_the_kernels() -> None:
    assert list(parse(TABLE)) == [
        Listener("127.0.0.1", 8080, 4711),
        Listener("0.0.0.0", 80, 4712),
    ]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.7", False),
        ("::ffff:10.0.0.1", False),
    ],
)
def test_who_reaches_an_address(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_real_socket_is_found_by_its_process(family: socket.AddressFamily) -> None:
    address = "127.0.0.1" if family == socket.AF_INET else "::1"
    try:
        server = socket.create_server((address, 0), family=family)
    except OSError:
        pytest.skip("no IPv6 here")
    with server:
        port, own = server.getsockname()[1], sockets_of(os.getpid())
        found = [each for each in listeners() if each.inode in own and each.port == port]
        assert [each.address for each in found] == [address]


def test_of_a_process_that_is_gone_nothing_is_known() -> None:
    assert sockets_of(2**22 + 5) == frozenset()
