"""Which ports a tree listens on: a network probe must not pass because a stranger answers."""

from __future__ import annotations

from collections.abc import Iterable

from kite.launcher import platform_linux, tree
from kite.launcher.kin import Kin


def listening_ports(pids: Iterable[int]) -> set[int]:
    """The TCP ports on which any of these processes listens, whatever the address."""
    ports = platform_linux.listeners()
    return {
        ports[inode]
        for pid in pids
        for inode in platform_linux.socket_inodes(pid)
        if inode in ports
    }


def owns_port(kin: Kin, port: int) -> bool:
    """Whether a member of the tree listens on the port."""
    inodes = {inode for inode, number in platform_linux.listeners().items() if number == port}
    # Most tries during a start end here, before any process is looked at.
    return bool(inodes) and any(
        inodes & platform_linux.socket_inodes(pid) for pid in tree.members(kin)
    )
