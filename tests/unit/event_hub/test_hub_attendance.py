"""Who of the connected modules is asked for a sign of life, and who is silent."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from kite.event_hub.core.attendance import UNASKED, Attendance, Heard, Ping, Turned

SILENCE = 7.5


class Hall:
    """An Attendance with connections that answer, or not."""

    def __init__(self) -> None:
        self.now = 100.0
        self.asleep = 0.0
        self.attendance = Attendance(SILENCE)
        self.talks: set[int] = set()
        self.answers: set[int] = set()
        self.unread: set[int] = set()
        self.fresh: set[int] = set()
        self.at_rest: set[int] = set()
        self.pings: list[tuple[float, int]] = []
        self.told: list[tuple[float, str, int]] = []
        self.counts: list[tuple[int, int, int]] = []
        self.times: list[float] = []

    def add(self, number: int, life: str = "m", *, answers: bool = True) -> None:
        self.attendance.add(number, life, self.now)
        self.fresh.add(number)
        if answers:
            self.answers.add(number)

    def look(self, after: float = 0.0) -> None:
        """At the instant that is due, or so many seconds after it."""
        assert self.attendance.due is not None
        self.now = self.attendance.due + after
        self.times.append(self.now)
        rests = self.at_rest.__contains__
        for action in self.attendance.look(self.now, self.asleep, self._heard, rests):
            if isinstance(action, Ping):
                self.pings.append((self.now, action.number))
                if action.number in self.answers:
                    self._tell(self.attendance.answered(action.number, self.now))
            else:
                self._tell([action])

    def looks(self, count: int) -> None:
        for _ in range(count):
            self.look()

    def _heard(self, number: int) -> Heard:
        if number in self.unread:
            return Heard.UNKNOWN
        was_heard = number in self.fresh or number in self.talks
        self.fresh.discard(number)
        return Heard.SOMETHING if was_heard else Heard.NOTHING

    def _tell(self, turned: list[Turned]) -> None:
        for each in turned:
            self.told.append((self.now, each.to, each.number))
            self.counts.append((each.connections, each.answering, each.silent))

    def words(self) -> list[tuple[str, int]]:
        return [(to, number) for _, to, number in self.told]


def test_who_is_quiet_is_asked_every_five_seconds() -> None:
    hall = Hall()
    hall.add(1)
    hall.looks(41)
    times = [at for at, _ in hall.pings]
    assert {later - earlier for earlier, later in pairwise(times)} == {5.0}
    assert hall.told == []


def test_while_everybody_is_quiet_and_answers_there_is_one_look_each_five_seconds() -> None:
    hall = Hall()
    hall.add(1)
    hall.add(2)
    hall.looks(41)
    assert {later - earlier for earlier, later in pairwise(hall.times[2:])} == {5.0}


def test_a_newcomer_is_looked_at_soon_however_calm_it_was() -> None:
    hall = Hall()
    hall.add(1)
    hall.looks(10)
    hall.now += 0.1
    hall.add(2)
    assert hall.attendance.due == hall.now + 2.5
    hall.now += 1.0
    hall.add(3)
    assert hall.attendance.due == hall.now + 1.5, "and it puts nobody off"


def test_who_rests_is_not_asked_but_once_in_a_while() -> None:
    hall = Hall()
    hall.add(1)
    hall.at_rest.add(1)
    hall.looks(1 + 3 * (UNASKED + 1))
    assert len(hall.pings) == 3
    assert {later - earlier for (earlier, _), (later, _) in pairwise(hall.pings)} == {65.0}
    assert hall.told == []


def test_who_rested_and_hangs_is_silent_within_12_5_s() -> None:
    hall = Hall()
    hall.attendance.add(1, "m", hall.now, answers=True)
    hall.at_rest.add(1)
    hall.looks(6)
    hung_at = hall.now
    hall.at_rest.discard(1)
    hall.looks(5)
    assert hall.words() == [("silent", 1)]
    assert hall.told[0][0] - hung_at <= 12.5


def test_who_says_a_word_between_two_looks_and_hangs_is_silent_within_12_5_s() -> None:
    hall = Hall()
    hall.add(1)
    hall.looks(6)
    hung_at = hall.now
    hall.fresh.add(1)
    hall.answers.discard(1)
    hall.looks(8)
    assert hall.words() == [("silent", 1)]
    assert hall.told[0][0] - hung_at <= 12.5


def test_who_owes_an_answer_is_not_excused_by_rest() -> None:
    """Its loop waits for events, and does not read from this connection."""
    hall = Hall()
    hall.add(1)
    hall.looks(2)
    hall.answers.discard(1)
    hall.looks(1)
    hall.at_rest.add(1)
    hall.looks(5)
    assert hall.words() == [("silent", 1)]


def test_who_talks_is_asked_at_first_and_known_to_answer() -> None:
    hall = Hall()
    hall.add(1)
    hall.talks.add(1)
    hall.looks(20)
    assert len(hall.pings) == 1
    assert hall.pings[0][0] == 105.0
    hall.answers.discard(1)
    hall.talks.discard(1)
    hall.looks(10)
    assert hall.words() == [("silent", 1)]


def test_who_answers_no_more_is_silent_within_12_5_s_and_that_is_said_once() -> None:
    hall = Hall()
    hall.add(1)
    hall.looks(3)
    hung_at = hall.now
    hall.answers.discard(1)
    hall.looks(20)
    assert hall.words() == [("silent", 1)]
    assert hall.told[0][0] - hung_at <= 12.5
    assert [each.number for each in hall.attendance.silences(hall.now)] == [1]


def test_who_never_answered_is_never_silent() -> None:
    hall = Hall()
    hall.add(1, answers=False)
    hall.looks(50)
    assert len(hall.pings) == 1
    assert hall.told == []


def test_whatever_comes_from_it_makes_it_responsive() -> None:
    hall = Hall()
    hall.add(1)
    hall.looks(2)
    hall.answers.discard(1)
    hall.looks(8)
    hall.talks.add(1)
    hall.looks(3)
    assert hall.words() == [("silent", 1), ("responsive", 1)]
    assert hall.attendance.silences(hall.now) == []


def test_connections_of_a_life_are_counted() -> None:
    hall = Hall()
    for number in (1, 2):
        hall.add(number, "m")
    hall.add(3, "other")
    hall.looks(2)
    hall.answers.clear()
    hall.talks = {2, 3}
    hall.looks(8)
    assert hall.counts == [(2, 2, 1)]
    hall.talks = {3}
    hall.looks(8)
    assert hall.counts == [(2, 2, 1), (2, 2, 2)]
    assert hall.attendance.answering("m") == 2
    assert hall.attendance.silent("m") == 2
    hall.attendance.remove(2)
    assert hall.attendance.silent("m") == 1
    assert hall.attendance.answering("m") == 1
    assert hall.attendance.silent("other") == 0


def test_who_is_not_read_owes_nothing() -> None:
    hall = Hall()
    hall.add(1)
    hall.looks(2)
    hall.answers.discard(1)
    hall.unread.add(1)
    hall.looks(20)
    assert hall.told == []


def test_a_look_that_is_late_measures_nothing() -> None:
    hall = Hall()
    hall.add(1)
    hall.looks(2)
    hall.answers.discard(1)
    for _ in range(20):
        hall.looks(2)
        hall.look(after=1.1)
    assert hall.told == []


def test_a_machine_that_slept_measures_nothing() -> None:
    hall = Hall()
    hall.add(1)
    hall.looks(2)
    hall.answers.discard(1)
    for _ in range(20):
        hall.looks(2)
        hall.asleep += 60.0
    assert hall.told == []


@given(
    steps=st.lists(
        st.sampled_from(["look", "late", "sleep", "hang", "wake", "hold", "release"]), max_size=60
    )
)
@example(steps=["look", "hang", "look", "look", "look", "hang", "look"])
@settings(max_examples=200, deadline=None)
def test_silent_and_responsive_take_turns_and_are_true(steps: list[str]) -> None:
    hall = Hall()
    hall.add(1)
    hall.looks(2)
    good_since = 0
    for step in steps:
        before = len(hall.told)
        hangs_already = step == "hang" and 1 not in hall.answers
        match step:
            case "look":
                hall.look()
            case "late":
                hall.look(after=30.0)
            case "sleep":
                hall.asleep += 30.0
            case "hang":
                hall.answers.discard(1)
            case "wake":
                hall.answers.add(1)
                hall.fresh.add(1)
            case "hold":
                hall.unread.add(1)
            case "release":
                hall.unread.discard(1)
        spoils = step in ("hang", "late", "sleep", "hold") and not hangs_already
        good_since = 0 if spoils else good_since + 1
        if len(hall.told) > before and hall.told[-1][1] == "silent":
            assert 1 not in hall.answers
            assert good_since >= 3
    words = [to for to, _ in hall.words()]
    assert words == ["silent", "responsive"] * (len(words) // 2) + ["silent"] * (len(words) % 2)


def test_who_says_that_it_answers_is_believed_before_it_has() -> None:
    hall = Hall()
    hall.attendance.add(1, "m", hall.now, answers=True)
    hall.fresh.add(1)
    hall.looks(8)
    assert hall.words() == [("silent", 1)]
    assert hall.told[0][0] - 100.0 <= 12.5
