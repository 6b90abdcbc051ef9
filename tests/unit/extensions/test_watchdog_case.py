"""One module's case: what counts against it, and what is said when."""

from __future__ import annotations

from kite.extensions.watchdog.core.case import KEPT_EVIDENCE, Case, State
from kite.extensions.watchdog.core.judgement import Answered, Unanswered, Unmeasured
from kite.extensions.watchdog.core.thresholds import LONGEST_DELAY, Thresholds

PATIENCE = Thresholds()
GOOD = Answered(status=200)
BAD = Answered(status=500)
TIRED = Answered(status=503)
SILENT = Unanswered(detail="nobody listens")


def running(thresholds: Thresholds = PATIENCE, **options: object) -> Case:
    case = Case("m", thresholds, **options)  # type: ignore[arg-type]
    case.started(1)
    case.registered(1, "http://127.0.0.1:1/health")
    return case


def answer(case: Case, *outcomes: object, now: float = 0.0) -> list[str]:
    """The verdicts that are said."""
    said = []
    for outcome in outcomes:
        case.answered(outcome, now)  # type: ignore[arg-type]
        said += [each.verdict for each in case.conclude(now)]
    return said


def test_each_verdict_is_said_once() -> None:
    case = running()
    assert answer(case, GOOD, GOOD) == []
    assert answer(case, BAD, SILENT) == []
    assert case.state is State.SUSPECT
    assert answer(case, BAD, BAD) == ["unhealthy"]
    assert case.state is State.UNHEALTHY
    assert answer(case, GOOD, GOOD) == ["healthy"]


def test_failures_count_in_a_row() -> None:
    case = running()
    assert answer(case, *[BAD, BAD, GOOD] * 5) == []
    assert case.failures == 0


def test_degraded_is_said_and_never_restarted() -> None:
    case = running()
    assert answer(case, *[TIRED] * 50) == ["degraded"]
    assert not case.wants_restart
    assert answer(case, GOOD) == ["healthy"]


def test_from_unhealthy_to_degraded_and_back() -> None:
    case = running()
    assert answer(case, *[BAD] * 5, TIRED) == ["unhealthy", "degraded"]
    assert not case.wants_restart
    assert answer(case, *[BAD] * 3) == ["unhealthy"]


def test_own_trouble_changes_nothing() -> None:
    case = running()
    answer(case, BAD, BAD)
    assert answer(case, *[Unmeasured(detail="too many open files")] * 9) == []
    assert case.failures == 2


def test_the_evidence_says_what_was_seen_and_is_bounded() -> None:
    case = running()
    for at in range(20):
        case.answered(BAD, float(at))
    said = case.conclude(20.0)[0]
    assert said.failures == 20
    assert [each.at for each in said.evidence] == [float(at) for at in range(12, 20)]
    assert len(said.evidence) == KEPT_EVIDENCE
    expected = {"url": "http://127.0.0.1:1/health", "http_status": 500}
    assert said.evidence[-1].what == expected


def test_a_restart_is_wanted_when_it_stays_unhealthy_and_later_each_time() -> None:
    case = running()
    needed = []
    for life in range(1, 12):
        case.started(life)
        count = 0
        while not case.wants_restart:
            answer(case, BAD)
            count += 1
        needed.append(count)
        case.restart(0.0)
        assert case.state is State.RESTARTING
        assert not case.wants_restart
    assert needed[:4] == [5, 7, 11, 19]
    assert needed[-1] == needed[-2] == 3 + 2 * LONGEST_DELAY


def test_former_restarts_are_forgotten_after_long_health() -> None:
    case = running()
    answer(case, *[BAD] * 5)
    case.restart(0.0)
    case.started(2)
    answer(case, GOOD, now=10.0)
    answer(case, GOOD, now=609.0)
    assert case.restarts == 1
    answer(case, GOOD, now=610.0)
    assert case.restarts == 0


def test_no_restart_where_none_is_allowed() -> None:
    for case in (running(may_restart=False), running(Thresholds(restarts=False))):
        assert answer(case, *[BAD] * 500) == ["unhealthy"]
        assert not case.wants_restart


def test_a_lost_lease_alone_convicts_and_a_registration_clears() -> None:
    case = running()
    answer(case, GOOD)
    case.expired(1, 0.0)
    assert [each.verdict for each in case.conclude(0.0)] == ["unhealthy"]
    assert case.conclude(1.0) == []
    for now in (5.0, 10.0):
        answer(case, GOOD)  # a good answer does not stand for heartbeats
        case.missed_interval(now)
    assert case.wants_restart
    case.registered(1, "http://127.0.0.1:1/health")
    assert [each.verdict for each in case.conclude(15.0)] == ["healthy"]


def test_a_module_without_an_endpoint_is_well_when_it_is_registered_again() -> None:
    case = Case("m", PATIENCE)
    case.started(1)
    case.registered(1, None)
    case.expired(1, 0.0)
    case.missed_interval(0.0)
    assert [each.verdict for each in case.conclude(0.0)] == ["unhealthy"]
    case.registered(1, None)
    assert [each.verdict for each in case.conclude(1.0)] == ["healthy"]


def test_what_does_not_run_is_left_alone() -> None:
    case = running()
    answer(case, *[BAD] * 4)
    case.ended(1)
    assert case.state is State.ABSENT
    case.expired(1, 0.0)
    case.missed_interval(0.0)
    assert case.conclude(0.0) == []
    assert not case.wants_restart
    assert not case.is_watched
    assert case.url is None


def test_a_word_about_an_earlier_life_is_ignored() -> None:
    case = running()
    case.started(2)
    case.registered(2, "http://127.0.0.1:2/health")
    case.ended(1)
    case.deregistered(1)
    case.expired(1, 0.0)
    case.registered(1, "http://127.0.0.1:1/health")
    assert case.running
    assert case.url == "http://127.0.0.1:2/health"
    assert case.failures == 0


def test_nothing_of_a_life_speaks_against_the_next() -> None:
    case = running()
    answer(case, *[BAD] * 4)
    case.ended(1)
    case.started(2)
    assert case.failures == 0
    assert case.said.value == "unhealthy"
    case.registered(2, "http://127.0.0.1:2/health")
    assert case.conclude(0.0) == []  # not before it was asked
    said = answer(case, GOOD)
    assert said == ["healthy"]


def test_a_restart_that_could_not_be_asked_for_does_not_count() -> None:
    case = running()
    answer(case, *[BAD] * 5)
    case.restart(0.0)
    case.restart_over(counts=False)
    assert case.restarts == 0
    assert case.wants_restart
    case.restart(0.0)
    case.restart_over(counts=True)
    assert case.restarts == 1
    assert case.failures == 0
    case.restart_over(counts=False)
    assert case.restarts == 1
