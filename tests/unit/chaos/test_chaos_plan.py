"""A seed is a plan, and a plan has bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kite.chaos.plan import Fault, Kind, plan

MODULES = ("a", "b", "forker")


def made(seed: int, number: int = 1, *, kinds: frozenset[Kind] = frozenset(Kind)) -> list[Fault]:
    return plan(seed, number, seconds=10.0, kinds=kinds, modules=MODULES, forkers=("forker",))


@given(st.integers(0, 1 << 63), st.integers(1, 1000))
def test_the_same_seed_gives_the_same_plan(seed: int, number: int) -> None:
    assert made(seed, number) == made(seed, number)


def test_seeds_and_rounds_differ() -> None:
    plans = [made(1, 1), made(1, 2), made(2, 1)]
    assert len({str(faults) for faults in plans}) == 3


def test_a_plan_is_what_it_was_when_a_seed_was_written_down() -> None:
    """Whoever changes how plans are made makes every seed that somebody noted worthless."""
    told = [str(fault) for fault in made(1)][:4]
    assert told == [
        "0.35 term leader a",
        "0.35 request stop a",
        "0.83 disk fill (1.06 s)",
        "0.83 kill member b",
    ]


@given(st.integers(0, 1 << 32))
def test_everything_has_a_bound(seed: int) -> None:
    faults = made(seed)
    assert len(faults) < 100
    assert [fault.at for fault in faults] == sorted(fault.at for fault in faults)
    for fault in faults:
        assert 0 <= fault.at < 10.0
        assert fault.kind is Kind.CLOCK or 0 <= fault.seconds <= 8.0
        assert abs(fault.seconds) <= 86_400.0


@given(st.integers(0, 1 << 32), st.frozensets(st.sampled_from(Kind)))
def test_only_what_was_asked_for_is_done(seed: int, kinds: frozenset[Kind]) -> None:
    assert {fault.kind for fault in made(seed, kinds=kinds)} <= kinds


def test_where_there_is_nobody_to_strike_the_core_is() -> None:
    faults = plan(1, 1, seconds=60.0, kinds=frozenset(Kind), modules=(), forkers=())
    assert faults
    assert not {fault.kind for fault in faults} & {Kind.KILL, Kind.REQUEST, Kind.FORKS}


def test_every_kind_comes_about() -> None:
    seen = {fault.kind for seed in range(40) for fault in made(seed)}
    assert seen == set(Kind)
