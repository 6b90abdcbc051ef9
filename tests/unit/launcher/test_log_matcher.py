"""The line that says ready, and patterns that would never end."""

from __future__ import annotations

import signal
import time

import pytest

from kite.errors import ConfigError
from kite.launcher.log_matcher import LogMatcher


def test_the_first_line_that_matches_is_told() -> None:
    matcher = LogMatcher(r"listening on .*:(\d+)")
    assert matcher.feed(["starting", "", "warming up"]) is None
    line = "2026 INFO listening on 127.0.0.1:8080"
    assert matcher.feed(["x", line, "listening on :1"]) == line


def test_a_pattern_that_is_none_is_told_with_what_is_wrong() -> None:
    with pytest.raises(ConfigError) as caught:
        LogMatcher("ready (")
    assert caught.value.code == "bad_regex"
    assert "ready (" in str(caught.value)


def test_an_explosive_pattern_is_ended_and_given_up() -> None:
    matcher = LogMatcher(r"^(a+)+$")
    handler = signal.getsignal(signal.SIGVTALRM)
    started = time.process_time()
    for _ in range(5):
        assert matcher.feed(["a" * 60 + "!"]) is None
    assert time.process_time() - started < 1.0
    assert matcher.failed is not None
    assert "takes too long" in matcher.failed
    assert matcher.feed(["aaa"]) is None  # not tried any more
    assert signal.getsignal(signal.SIGVTALRM) == handler
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_a_slow_batch_now_and_then_is_forgiven() -> None:
    matcher = LogMatcher(r"^(a+)+$")
    assert matcher.feed(["a" * 60 + "!"]) is None
    assert matcher.feed(["aaa"]) == "aaa"


def test_a_long_line_is_looked_at_from_its_start() -> None:
    matcher = LogMatcher("ready")
    assert matcher.feed(["x" * 10_000 + "ready"]) is None
    assert matcher.feed(["ready" + "x" * 10_000]) is not None
