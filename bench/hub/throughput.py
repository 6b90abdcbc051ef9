"""How many messages a second a server carries from its publishers to its subscribers."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from bench.hub.load import Reader, run
from bench.hub.message import SIZE, envelopes
from bench.hub.peers import Peer

_runs = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """So many publishers and subscribers; every subscriber gets everything.

    Args:
        messages: of each publisher.
    """

    name: str
    publishers: int
    subscribers: int
    messages: int

    @property
    def deliveries(self) -> int:
        return self.publishers * self.subscribers * self.messages


ONE_TO_ONE = Scene(name="1 → 1", publishers=1, subscribers=1, messages=200_000)
ONE_TO_EIGHT = Scene(name="1 → 8", publishers=1, subscribers=8, messages=100_000)
EIGHT_TO_EIGHT = Scene(name="8 → 8", publishers=8, subscribers=8, messages=15_000)


def deliveries_per_second(peer: Peer, scene: Scene) -> float:
    """One run, over fresh connections."""
    number = next(_runs)
    subject = f"bench.load{number:03}"
    readers = []
    writers = []
    try:
        for index in range(scene.subscribers):
            connection = peer.connect(f"subscriber_{index}")
            peer.subscribe(connection, subject)
            expected = scene.publishers * scene.messages * peer.delivery_size(subject, SIZE)
            readers.append(Reader(connection=connection, expected=expected, counter=peer.counter()))
        for index in range(scene.publishers):
            name = f"publisher_{index}"
            made = envelopes(subject, name, scene.messages, run=f"{number:03}")
            data = b"".join([peer.publication(subject, envelope) for envelope in made])
            writers.append((peer.connect(name), data))
        return scene.deliveries / run(writers, readers)
    finally:
        for reader in readers:
            reader.connection.close()
        for connection, _ in writers:
            connection.close()
