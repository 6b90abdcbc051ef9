"""What a module decides about its conversation with Kite."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kite.errors import PeerError, RequestError, Unavailable
from kite.sdk.core.backoff import CAP, FIRST, STEADY, Backoff
from kite.sdk.core.session import (
    Begun,
    ConnectionLost,
    Failed,
    Join,
    Joined,
    Leave,
    Phase,
    RunStartHandlers,
    SayReady,
    Session,
    Started,
    StopAsked,
    final_status,
)


def ready_session(now: float = 0.0) -> Session:
    session = Session()
    assert session.handle(Begun(), now) == [Join(delay=0.0)]
    assert session.handle(Joined(), now) == [RunStartHandlers()]
    assert session.handle(Started(), now) == [SayReady()]
    assert session.phase is Phase.READY
    return session


def test_loss_is_mended_fast_and_start_handlers_do_not_run_again() -> None:
    session = ready_session()
    (join,) = session.handle(ConnectionLost(code=1006), 100.0, jitter=0.999)
    assert isinstance(join, Join)
    assert join.delay <= FIRST
    assert session.handle(Joined(), 100.1) == [SayReady()]
    assert session.losses == 1


def test_loss_while_starting_says_ready_after_both_are_through() -> None:
    session = Session()
    session.handle(Begun(), 0.0)
    session.handle(Joined(), 0.0)
    session.handle(ConnectionLost(code=1006), 1.0)
    assert session.handle(Started(), 2.0) == []
    assert session.handle(Joined(), 3.0) == [SayReady()]


def test_join_again_while_start_handlers_still_run_waits_for_them() -> None:
    session = Session()
    session.handle(Begun(), 0.0)
    session.handle(Joined(), 0.0)
    session.handle(ConnectionLost(code=1006), 1.0)
    assert session.handle(Joined(), 2.0) == []
    assert session.handle(Started(), 3.0) == [SayReady()]


def test_all_are_back_within_about_a_second_however_long_the_outage() -> None:
    session = ready_session()
    (join,) = session.handle(ConnectionLost(code=1006), 100.0, jitter=1.0)
    delays = [join.delay]
    for _ in range(100):
        (join,) = session.handle(Failed(error=Unavailable("not_ready", what="hub")), 0.0, 1.0)
        delays.append(join.delay)
    assert delays == sorted(delays)
    assert delays[-1] == CAP <= 1.0
    assert sum(delay < 0.5 for delay in delays) >= 4


def test_flapping_does_not_start_the_delays_anew() -> None:
    session = ready_session()
    delays = []
    for second in range(20):
        (join,) = session.handle(ConnectionLost(code=1013), second * 0.1, jitter=1.0)
        delays.append(join.delay)
        session.handle(Joined(), second * 0.1)
    assert delays[-1] == CAP
    (join,) = session.handle(ConnectionLost(code=1006), 2.0 + STEADY, jitter=1.0)
    assert join.delay == FIRST


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (PeerError("unauthorized"), 6),
        (RequestError("permission_denied", who="m", what="do that"), 2),
        (RequestError("malformed_body", place="tools", detail="no list"), 2),
        (Unavailable("not_ready", what="the hub"), None),
        (Unavailable("unreachable", url="", detail=""), None),
        (Unavailable("connection_lost"), None),
        (RequestError("not_found", path="event_hub"), None),
        (RequestError("internal_error", detail="bug"), None),
        (PeerError("bad_status", url="", status=502), None),
    ],
)
def test_what_no_retry_mends(error: Exception, status: int | None) -> None:
    assert final_status(error) == status  # type: ignore[arg-type]
    session = Session()
    session.handle(Begun(), 0.0)
    (action,) = session.handle(Failed(error=error), 0.0)  # type: ignore[arg-type]
    if status is None:
        assert isinstance(action, Join)
    else:
        assert action == Leave(status=status, error=error)  # type: ignore[arg-type]
        assert session.handle(Joined(), 0.0) == []


def test_failed_heartbeat_does_not_disturb_a_ready_session() -> None:
    session = ready_session()
    assert session.handle(Failed(error=Unavailable("not_ready", what="registry")), 1.0) == []
    (leave,) = session.handle(Failed(error=PeerError("unauthorized")), 2.0)
    assert isinstance(leave, Leave)


@pytest.mark.parametrize("jitter", [0.0, 0.25, 0.999])
def test_delays_are_spread_over_the_upper_half(jitter: float) -> None:
    assert FIRST / 2 <= Backoff().next(jitter) <= FIRST


class SessionMachine(RuleBasedStateMachine):
    """Whatever happens in whatever order: start handlers once, one join at a time, one farewell."""

    def __init__(self) -> None:
        super().__init__()
        self.session = Session()
        self.now = 0.0
        self.joining = 0
        self.connected = False
        self.starting = False
        self.starts = 0
        self.left = 0
        self.tell(Begun())

    def tell(self, fact: object) -> None:
        for action in self.session.handle(fact, self.now, 0.5):  # type: ignore[arg-type]
            assert not self.left
            match action:
                case Join(delay=delay):
                    assert not self.connected
                    assert 0.0 <= delay <= CAP
                    self.joining += 1
                case RunStartHandlers():
                    self.starts += 1
                    self.starting = True
                case SayReady():
                    assert self.connected
                    assert self.starts == 1
                    assert not self.starting
                case Leave():
                    self.left += 1

    @rule(seconds=st.floats(0, 100))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(works=st.booleans())
    def join_ends(self, works: bool) -> None:
        if not self.joining or self.left:
            return
        self.joining -= 1
        if works:
            self.connected = True
            self.tell(Joined())
        else:
            self.tell(Failed(error=Unavailable("not_ready", what="hub")))

    @rule()
    def lose(self) -> None:
        if self.connected and not self.left:
            self.connected = False
            self.tell(ConnectionLost(code=1006))

    @rule()
    def start_ends(self) -> None:
        if self.starting and not self.left:
            self.starting = False
            self.tell(Started())

    @rule(status=st.integers(0, 3))
    def stop(self, status: int) -> None:
        self.tell(StopAsked(status=status))
        assert self.left == 1

    @rule()
    def heartbeat_fails(self) -> None:
        if self.connected:
            self.tell(Failed(error=Unavailable("not_ready", what="registry")))

    @invariant()
    def sane(self) -> None:
        assert self.joining <= 1
        assert self.starts <= 1
        if not self.left:
            assert self.connected or self.joining == 1


TestSessionMachine = SessionMachine.TestCase
TestSessionMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
