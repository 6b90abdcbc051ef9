"""How a client names the thread whose event loop reads from its connection.

In its handshake, as `Kite-Loop-Thread: <namespace>/<process>/<thread>`: three numbers as the kernel
gives them, the first of the namespace of process ids in which the other two are to be understood.
"""

from __future__ import annotations

import re
from typing import Final, Self

import msgspec

HEADER: Final = "Kite-Loop-Thread"

_FORM = re.compile(r"([0-9]{1,20})/([0-9]{1,10})/([0-9]{1,10})")


class LoopThread(msgspec.Struct, frozen=True, kw_only=True):
    """A thread of a process.

    Args:
        namespace: the inode of `/proc/<process>/ns/pid`.
        process, thread: their ids there.
    """

    namespace: int
    process: int
    thread: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """What a client has said; None where that is nothing of the kind."""
        found = _FORM.fullmatch(text)
        if found is None:
            return None
        namespace, process, thread = map(int, found.groups())
        return cls(namespace=namespace, process=process, thread=thread)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.process}/{self.thread}"
