"""The streams' file as one life of the Hub uses it."""

from __future__ import annotations

from pathlib import Path

from kite.event_hub.core.streams.jobs import Append, Found, Read, Write
from kite.event_hub.limits import Deduplication, StreamConfig
from kite.event_hub.store.file import StreamFile

NOW = 1_800_000_000.0


def event(number: int, source: str = "writer", size: int = 0) -> bytes:
    filler = "x" * size
    return (
        f'{{"type":"event","event":"docs.a","source":"{source}","event_id":"i{number}",'
        f'"data":"{filler}"}}'
    ).encode()


class Life:
    """A file that is open."""

    def __init__(self, directory: Path, now: float = NOW, **bounds: float) -> None:
        config = StreamConfig(subjects=["docs.>"], **bounds)  # type: ignore[arg-type]
        self.file = StreamFile(directory, {"docs": config}, Deduplication(seconds=120, ids=5))
        self.stored = self.file.open(now)
        self.last = self.stored.extents["docs"].last

    def write(self, *payloads: bytes, at: float = NOW) -> None:
        sources = frozenset({"writer"})
        append = Append(
            stream="docs", first=self.last + 1, payloads=list(payloads), sources=sources
        )
        extent = self.file.write(Write(appends=(append,), at=at, sync=False)).extents["docs"]
        self.last = extent.last

    def read(self, after: int = 0, since: float | None = None) -> Found:
        return self.file.read(Read(stream="docs", after=after, since=since, ticket=1))

    def everything(self) -> list[tuple[int, bytes]]:
        found: list[tuple[int, bytes]] = []
        at = 0
        while at < self.last:
            part = self.read(at)
            found += part.records
            assert part.through > at
            at = part.through
        return found


def die(life: Life, directory: Path, elsewhere: Path) -> None:
    """Copy the files as they lie there: what a killed process leaves."""
    elsewhere.mkdir()
    for path in directory.iterdir():
        if not path.name.endswith("-shm"):
            (elsewhere / path.name).write_bytes(path.read_bytes())
    life.file.close()
