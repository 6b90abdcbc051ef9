"""What an answer means, and where health is asked for."""

from __future__ import annotations

import pytest

from kite.errors import ConfigError
from kite.extensions.watchdog.asking import endpoint
from kite.extensions.watchdog.config import thresholds
from kite.extensions.watchdog.core.judgement import (
    Answered,
    Health,
    Unanswered,
    Unmeasured,
    judge,
)
from kite.extensions.watchdog.core.thresholds import Thresholds


@pytest.mark.parametrize(
    ("status", "word", "meant"),
    [
        (200, "", Health.HEALTHY),
        (204, "ok", Health.HEALTHY),
        (200, "pass", Health.HEALTHY),
        (200, "degraded", Health.DEGRADED),
        (503, "", Health.DEGRADED),
        (500, "degraded", Health.DEGRADED),
        (302, "", Health.DEGRADED),
        (404, "", Health.DEGRADED),
        (500, "", Health.UNHEALTHY),
        (599, "ok", Health.UNHEALTHY),
        (200, "unhealthy", Health.UNHEALTHY),
        (503, "down", Health.UNHEALTHY),
    ],
)
def test_an_answer_means(status: int, word: str, meant: Health) -> None:
    assert judge(Answered(status=status, word=word)) is meant


def test_silence_speaks_against_the_module_and_own_trouble_against_nobody() -> None:
    assert judge(Unanswered(detail="no answer within 2 s")) is Health.UNHEALTHY
    assert judge(Unmeasured(detail="too many open files")) is None


@pytest.mark.parametrize(
    ("health", "api", "url"),
    [
        ("/health", "http://127.0.0.1:80", "http://127.0.0.1:80/health"),
        ("health", "http://127.0.0.1:80/api", "http://127.0.0.1:80/api/health"),
        ("/health?deep=1", "http://127.0.0.1:80/api/", "http://127.0.0.1:80/api/health?deep=1"),
        ("http://localhost:9/h", None, "http://localhost:9/h"),
        ("http://localhost:9/h", "http://127.0.0.1:80", "http://localhost:9/h"),
        ("//elsewhere/h", "http://127.0.0.1:80", "http://127.0.0.1:80/elsewhere/h"),
        ("/health", None, None),
        ("", "http://127.0.0.1:80", None),
        (None, "http://127.0.0.1:80", None),
        (7, "http://127.0.0.1:80", None),
        ("https://127.0.0.1/h", None, None),
        ("ftp://127.0.0.1/h", None, None),
        ("http://127.0.0.1:99999/h", None, None),
        ("http://[::1/h", None, None),
        ("http://127.0.0.1/a b", None, None),
        ("http://127.0.0.1/\r\nx: y", None, None),
        ("http:///h", None, None),
    ],
)
def test_where_health_is_asked_for(health: object, api: str | None, url: str | None) -> None:
    assert endpoint({"health_endpoint": health, "api_endpoint": api}) == url


def test_what_is_no_entry_has_no_endpoint() -> None:
    assert endpoint(None) is None
    assert endpoint([]) is None


def test_settings_come_from_the_environment_and_have_defaults() -> None:
    assert thresholds({}) == Thresholds()
    given = {
        "WATCHDOG_INTERVAL": "0.5",
        "WATCHDOG_TIMEOUT": " 1 ",
        "WATCHDOG_FAILURES": "7",
        "WATCHDOG_RESTART_AFTER": "9",
        "WATCHDOG_RESTART": "No",
    }
    assert thresholds(given) == Thresholds(
        interval=0.5, timeout=1.0, failures=7, restart_after=9, restarts=False
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("WATCHDOG_INTERVAL", "0"),
        ("WATCHDOG_INTERVAL", "soon"),
        ("WATCHDOG_INTERVAL", "nan"),
        ("WATCHDOG_TIMEOUT", "inf"),
        ("WATCHDOG_FAILURES", "2.5"),
        ("WATCHDOG_FAILURES", "0"),
        ("WATCHDOG_FAILURES", "²"),
        ("WATCHDOG_RESTART", "maybe"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(name: str, text: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        thresholds({name: text})
    assert name in str(wrong.value)
    assert f"'{text}'" in str(wrong.value)
