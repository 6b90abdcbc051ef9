"""Which sockets listen where, as `/proc/net` tells."""

from __future__ import annotations

import contextlib
import ipaddress
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LISTEN = "0A"
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


@dataclass(frozen=True, slots=True)
class Listener:
    """One socket.

    Args:
        address: as it is written, `127.0.0.1` or `::`.
        inode: names it among the descriptors of processes.
    """

    address: str
    port: int
    inode: int


def listeners() -> list[Listener]:
    """All TCP sockets that listen in this network namespace."""
    found = []
    for table in _TABLES:
        with contextlib.suppress(OSError):
            found += list(parse(Path(table).read_text(encoding="ascii")))
    return found


def parse(table: str) -> Iterator[Listener]:
    """The listening ones in a table of the kernel's."""
    for line in table.splitlines()[1:]:
        words = line.split()
        if len(words) > 9 and words[3] == _LISTEN:
            address, port = words[1].split(":")
            yield Listener(_address(address), int(port, 16), int(words[9]))


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches it."""
    found = ipaddress.ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def sockets_of(pid: int) -> frozenset[int]:
    """The inodes of a process's sockets; none where it may not be looked at."""
    found = set()
    with contextlib.suppress(OSError):
        for descriptor in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208  (no path is made of it)
            with contextlib.suppress(OSError):
                name = os.readlink(f"/proc/{pid}/fd/{descriptor}")  # noqa: PTH115  (likewise)
                if name.startswith("socket:["):
                    found.add(int(name[8:-1]))
    return frozenset(found)


def _address(text: str) -> str:
    """Hexadecimal words of four bytes, each in the machine's own order."""
    words = [bytes.fromhex(text[begin : begin + 8])[::-1] for begin in range(0, len(text), 8)]
    return str(ipaddress.ip_address(b"".join(words)))
