"""Kite's number beside etcd's: taken in turns, told as medians and their ratio."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from bench.figure import Figure
from bench.registry.peers import Kite, Peer

ROUNDS = 5

T = TypeVar("T")


def in_turns(
    peers: Mapping[str, Peer], run: Callable[[Peer], T], rounds: int = ROUNDS
) -> dict[str, list[T]]:
    """One run of each after the other, so many times: what disturbs, disturbs all."""
    found: dict[str, list[T]] = {name: [] for name in peers}
    for _ in range(rounds):
        for name, peer in peers.items():
            found[name].append(run(peer))
    return found


def compared(
    name: str,
    samples: Mapping[str, Sequence[float]],
    unit: str,
    *,
    detail: str = "",
    target: float | None = None,
    at_least: bool = False,
) -> Figure:
    """The median of Kite's samples, with that of each peer, and how they stand to each other."""
    medians = {who: statistics.median(each) for who, each in samples.items()}
    own = medians.pop(Kite.name)
    said = [f"Kite / {who} {own / theirs:.2f}" for who, theirs in medians.items() if theirs]
    rounds = len(samples[Kite.name])
    said += [f"median of {rounds}"] if rounds > 1 else []
    return Figure(
        name=f"registry: {name}",
        value=_short(own),
        unit=unit,
        target=target,
        at_least=at_least,
        detail="; ".join([*said, detail] if detail else said),
        samples=[_short(each) for each in samples[Kite.name]],
        peers={who: _short(theirs) for who, theirs in medians.items()},
    )


def _short(number: float) -> float:
    return round(number, 1 if abs(number) >= 1000 else 4)
