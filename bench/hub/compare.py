"""The Hub and its peers, side by side: runs in turns, medians as ratios."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from bench.figure import Figure
from bench.hub import crowd, programs, throughput
from bench.hub.latency import RATE, Latency, one_way
from bench.hub.peers import Kite, Missing, Mosquitto, Nats, NatsWebSocket, Peer, Redis
from bench.hub.throughput import EIGHT_TO_EIGHT, ONE_TO_EIGHT, ONE_TO_ONE, Scene

ROUNDS = 5
KITE, NATS, NATS_WS, MOSQUITTO, REDIS = (
    kind.name for kind in (Kite, Nats, NatsWebSocket, Mosquitto, Redis)
)
_CLIENT_EVENTS = {KITE: 100_000, NATS: 100_000, REDIS: 40_000, MOSQUITTO: 10_000}
_QUESTIONS = 4_000
_LATENCY_ROUNDS = 3

Samples = Mapping[str, Sequence[float]]


def measure() -> list[Figure]:
    """All figures; a peer that is not installed is named and left out."""
    figures: list[Figure] = []
    with ExitStack() as stack:
        peers = dict(_start(stack))
        kite = peers[KITE]
        assert isinstance(kite, Kite)
        for scene, targets in (
            (ONE_TO_ONE, {NATS: 1.0, MOSQUITTO: 4.0, REDIS: None, NATS_WS: 1.5}),
            (ONE_TO_EIGHT, {NATS: 1.8, REDIS: None, MOSQUITTO: None}),
            (EIGHT_TO_EIGHT, {NATS: 1.2, REDIS: None, MOSQUITTO: None}),
        ):
            figures += _rates(scene, targets, peers)
        figures += _latencies(peers)
        figures += _clients(peers)
        figures.append(_crowd(kite))
    idle, crowded = crowd.mebibytes()
    figures += [
        Figure(name="hub memory: idle", value=idle, unit="MiB", target=40),
        Figure(
            name=f"hub memory: {crowd.CONNECTIONS} idle connections",
            value=crowded,
            unit="MiB",
            target=80,
        ),
    ]
    return figures


def _start(stack: ExitStack) -> list[tuple[str, Peer]]:
    started: list[tuple[str, Peer]] = []
    for kind in (Kite, Nats, NatsWebSocket, Mosquitto, Redis):
        try:
            started.append((kind.name, stack.enter_context(kind())))
        except Missing as missing:
            print(f"left out: {missing}", file=sys.stderr)
    return started


def _in_turns(peers: Mapping[str, Peer], run: Callable[[Peer], float], rounds: int) -> Samples:
    """A sample of each peer after the other, so many times: what disturbs, disturbs all."""
    found: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(rounds):
        for name, peer in peers.items():
            found[name].append(run(peer))
    return found


def _rates(
    scene: Scene, targets: Mapping[str, float | None], peers: Mapping[str, Peer]
) -> list[Figure]:
    there = {name: peers[name] for name in (KITE, *targets) if name in peers}
    print(f"  {scene.name} …", file=sys.stderr, flush=True)
    rates = _in_turns(there, lambda peer: throughput.deliveries_per_second(peer, scene), ROUNDS)
    own = statistics.median(rates[KITE])
    figures = [
        Figure(
            name=f"hub {scene.name}",
            value=own,
            unit="deliveries/s",
            detail=f"median of {ROUNDS}",
            samples=rates[KITE],
        )
    ]
    figures += [
        _ratio(f"hub {scene.name}: Kite / {name}", own, rates[name], target, "deliveries/s")
        for name, target in targets.items()
        if name in there
    ]
    return figures


def _ratio(
    name: str, own: float, others: Sequence[float], target: float | None, unit: str
) -> Figure:
    """How many times as much Kite does."""
    theirs = statistics.median(others)
    return Figure(
        name=name,
        value=own / theirs,
        unit="×",
        target=target,
        at_least=True,
        detail=f"{theirs:,.0f} {unit}, median of {len(others)}",
        samples=others,
    )


def _latencies(peers: Mapping[str, Peer]) -> list[Figure]:
    print(f"  latency at {RATE} events/s …", file=sys.stderr, flush=True)
    there = {name: peers[name] for name in (KITE, NATS, REDIS) if name in peers}
    found: dict[str, list[Latency]] = {name: [] for name in there}
    for turn in range(_LATENCY_ROUNDS):
        for name, peer in there.items():
            found[name].append(one_way(peer, f"l{turn}"))
    figures = []
    for which in ("p50", "p99"):
        values = {
            name: statistics.median(getattr(each, which) for each in runs)
            for name, runs in found.items()
        }
        figures.append(
            Figure(
                name=f"hub latency {which} at {RATE:,} events/s",
                value=values[KITE],
                unit="µs",
                target=1.3 * values[NATS] if NATS in values else None,
                detail=", ".join(f"{name} {value:.0f}" for name, value in values.items())
                + "; the target is 1.3 × nats-server's",
            )
        )
    return figures


def _clients(peers: Mapping[str, Peer]) -> list[Figure]:
    print("  Python clients …", file=sys.stderr, flush=True)
    there = {name: peers[name] for name in _CLIENT_EVENTS if name in peers}
    rates = _in_turns(
        there, lambda peer: programs.events_per_second(peer, _CLIENT_EVENTS[peer.name]), ROUNDS
    )
    medians = {name: statistics.median(samples) for name, samples in rates.items()}
    best = max((value for name, value in medians.items() if name != KITE), default=None)
    told = ", ".join(f"{name} {value:,.0f}" for name, value in medians.items())
    figures = [
        Figure(
            name="Python client to Python client: Kite / the best peer",
            value=medians[KITE] / best if best else 1.0,
            unit="×",
            target=2.0 if best else None,
            at_least=True,
            detail=f"events/s: {told}",
            samples=rates[KITE],
        )
    ]
    asked = {name: there[name] for name in (KITE, NATS) if name in there}
    trips = _in_turns(asked, lambda peer: programs.round_trip(peer, _QUESTIONS), ROUNDS)
    values = {name: statistics.median(samples) for name, samples in trips.items()}
    figures.append(
        Figure(
            name="request and reply through the SDK, p50",
            value=values[KITE],
            unit="µs",
            target=values.get(NATS),
            detail=", ".join(f"{name} {value:.0f}" for name, value in values.items()),
            samples=trips[KITE],
        )
    )
    return figures


def _crowd(kite: Kite) -> Figure:
    print("  a crowd …", file=sys.stderr, flush=True)
    pairs = [crowd.rate_in_a_crowd(kite) for _ in range(ROUNDS)]
    alone = statistics.median(pair[0] for pair in pairs)
    among = statistics.median(pair[1] for pair in pairs)
    return Figure(
        name=f"hub among {crowd.CONNECTIONS:,} connections and "
        f"{crowd.CONNECTIONS * crowd.PATTERNS_EACH:,} patterns: rate",
        value=among / alone,
        unit="× alone",
        target=0.8,
        at_least=True,
        detail=f"{among:,.0f} and {alone:,.0f} events/s, median of {ROUNDS}",
    )
