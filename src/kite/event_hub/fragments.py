"""A message that comes in pieces."""

from __future__ import annotations

_SMALL = 4096


class TooBig(Exception):  # noqa: N818  (a verdict on a message)
    """The pieces are more than a message may have."""


class Fragments:
    """The pieces so far.

    Args:
        most: bytes of a message.

    Attributes:
        is_open: whether a message has begun.
        are_text: whether it is text.
        size: bytes that have come.
    """

    def __init__(self, most: int) -> None:
        self.is_open = False
        self.are_text = True
        self.size = 0
        self._most = most
        self._pieces: list[bytes] = []

    def begin(self, *, is_text: bool) -> None:
        """A message begins; its first piece comes through `add`."""
        self.is_open = True
        self.are_text = is_text

    def add(self, piece: bytes, *, is_last: bool) -> bytes | None:
        """The whole message, with its last piece.

        Raises:
            TooBig: it has become larger than it may be.
            UnicodeDecodeError: it should be text, and is not.
        """
        self.size += len(piece)
        if self.size > self._most:
            raise TooBig
        # Many small pieces are joined as they come: a list of them would weigh far more.
        if self._pieces and len(self._pieces[-1]) < _SMALL:
            self._pieces[-1] += piece
        else:
            self._pieces.append(piece)
        if not is_last:
            return None
        whole = b"".join(self._pieces)
        self.clear()
        if self.are_text:
            whole.decode()
        return whole

    def clear(self) -> None:
        """There is no message any more."""
        self._pieces.clear()
        self.size = 0
        self.is_open = False
