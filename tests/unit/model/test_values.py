"""Durations, sizes, backoff, schedules, variables: the small readers."""

from __future__ import annotations

import calendar
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.errors import ConfigError
from kite.model import phrases
from kite.model.duration import seconds, size
from kite.model.expand import expand, expand_manifest
from kite.model.fields import nearest
from kite.model.manifest import Manifest
from kite.model.probe_spec import HealthProbe, Probe, ProbeKind
from kite.model.restart_policy import Backoff
from kite.model.schedule import Schedule


@pytest.mark.parametrize(
    ("value", "expected"),
    [(10, 10), (0.5, 0.5), ("500ms", 0.5), ("2m", 120), ("1.5 h", 5400), ("1d", 86400), (0, 0)],
)
def test_durations(value: object, expected: float) -> None:
    assert seconds(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "10",
        "",
        "s",
        "-1s",
        "1 week",
        -1,
        True,
        None,
        [],
        float("nan"),
        float("inf"),
        10**400,
        "9" * 400 + "d",
    ],
)
def test_no_durations(value: object) -> None:
    assert seconds(value) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5),
        ("5", 5),
        ("1k", 1000),
        ("1Ki", 1024),
        ("1.5KiB", 1536),
        ("2GB", 2 * 10**9),
        ("1TiB", 1 << 40),
    ],
)
def test_sizes(value: object, expected: int) -> None:
    assert size(value) == expected


@pytest.mark.parametrize(
    "value", [-1, 1.5, True, "many", "1XB", "1iB", None, 1 << 63, "9" * 400 + "T"]
)
def test_no_sizes(value: object) -> None:
    assert size(value) is None


@given(st.integers(1, 10_000), st.floats(0, 100), st.floats(1, 100), st.floats(1, 100))
def test_backoff_never_shrinks_and_never_passes_its_maximum(
    n: int, initial: float, longest: float, factor: float
) -> None:
    backoff = Backoff(initial=initial, max=longest, factor=factor)
    assert backoff.delay(n) <= backoff.delay(n + 1) <= longest
    assert backoff.delay(1) == min(initial, longest)


class TestSchedule:
    def at(self, text: str) -> float:
        date, _, clock = text.partition(" ")
        year, month, day = map(int, date.split("-"))
        hour, minute = map(int, clock.split(":"))
        return float(calendar.timegm((year, month, day, hour, minute, 0)))

    def test_an_interval(self) -> None:
        assert Schedule(interval=90.0).next_run(1000.0) == 1090.0

    def test_cron_in_a_time_zone(self) -> None:
        schedule = Schedule(cron="30 2 * * *", timezone="Asia/Shanghai")
        assert schedule.next_run(self.at("2026-01-31 12:00")) == self.at("2026-01-31 18:30")
        assert schedule.next_run(self.at("2026-01-31 18:30")) == self.at("2026-02-01 18:30")

    def test_cron_over_a_clock_change(self) -> None:
        # On 2026-03-29 there is no 02:30 in Berlin: the run comes when the gap is over, at 03:00.
        schedule = Schedule(cron="30 2 * * *", timezone="Europe/Berlin")
        assert schedule.next_run(self.at("2026-03-28 12:00")) == self.at("2026-03-29 01:00")

    def test_cron_on_a_rare_day(self) -> None:
        schedule = Schedule(cron="0 0 29 2 *", timezone="UTC")
        assert schedule.next_run(self.at("2026-01-01 00:00")) == self.at("2028-02-29 00:00")

    def test_the_machines_own_zone(self) -> None:
        due = Schedule(cron="*/15 * * * *").next_run(self.at("2026-01-31 12:01"))
        assert due == self.at("2026-01-31 12:15")


class TestVariables:
    VARIABLES: ClassVar = {"KITE_PORT": "8080", "KITE_MODULE": "a$b"}

    @pytest.mark.parametrize(
        ("text", "expanded"),
        [
            ("", ""),
            ("plain", "plain"),
            ("${KITE_PORT}", "8080"),
            ("x${KITE_PORT}y${KITE_PORT}", "x8080y8080"),
            ("$$", "$"),
            ("$$$$", "$$"),
            ("$${KITE_PORT}", "${KITE_PORT}"),
            ("$$${KITE_PORT}", "$8080"),
            ("${KITE_MODULE}", "a$b"),
            ("$HOME ${HOME} $(x) $1 end$", "$HOME ${HOME} $(x) $1 end$"),
            ("$KITE_PORT", "$KITE_PORT"),
        ],
    )
    def test_texts(self, text: str, expanded: str) -> None:
        assert expand(text, self.VARIABLES) == expanded

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("${KITE_PROT}", "unknown_variable_near"),
            ("${KITE_ZZZZZZZZ}", "unknown_variable"),
            ("${KITE_PORT", "bad_dollar"),
            ("${KITE_PORT:-1}", "bad_dollar"),
            ("${KITE_port}", "bad_dollar"),
            ("${KITE_}", "unknown_variable"),
        ],
    )
    def test_mistakes(self, text: str, code: str) -> None:
        with pytest.raises(ConfigError) as raised:
            expand(text, self.VARIABLES)
        assert raised.value.code.removesuffix("_near") == code.removesuffix("_near")

    def test_a_port_that_was_not_asked_for(self) -> None:
        with pytest.raises(ConfigError) as raised:
            expand("${KITE_PORT}", {})
        assert raised.value.code == "port_not_asked"

    @given(st.text())
    def test_doubled_dollars_are_what_was_meant(self, text: str) -> None:
        assert expand(text.replace("$", "$$"), {}) == text

    def test_a_manifest(self) -> None:
        manifest = Manifest(
            name="a",
            command=("./run", "--port=${KITE_PORT}", "$$"),
            env={"WHO": "${KITE_MODULE}"},
            ready=Probe(kind=ProbeKind.TCP, target="${KITE_PORT}"),
            health=HealthProbe(
                probe=Probe(kind=ProbeKind.EXEC, command=("./well", "${KITE_PORT}"))
            ),
            api_endpoint="http://127.0.0.1:${KITE_PORT}",
            health_endpoint="/health",
        )
        filled = expand_manifest(manifest, self.VARIABLES)
        assert filled.command == ("./run", "--port=8080", "$")
        assert filled.env == {"WHO": "a$b"}
        assert filled.ready is not None
        assert filled.ready.target == "8080"
        assert filled.health is not None
        assert filled.health.probe.command == ("./well", "8080")
        assert (filled.api_endpoint, filled.health_endpoint) == ("http://127.0.0.1:8080", "/health")

    def test_a_port_that_is_none(self) -> None:
        manifest = Manifest(name="a", ready=Probe(kind=ProbeKind.TCP, target="${KITE_MODULE}"))
        with pytest.raises(ConfigError) as raised:
            expand_manifest(manifest, self.VARIABLES)
        assert (raised.value.code, raised.value.params["found"]) == ("bad_port", "a$b")


def test_the_nearest_word() -> None:
    known = ("preferred_port", "depends_on", "state")
    assert nearest("prefered-port", known) == "preferred_port"
    assert nearest("Depends_On", known) == "depends_on"
    assert nearest("zzz", known) == ""


def test_every_phrase_is_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    from kite.locale import translate

    monkeypatch.setenv("KITE_LANG", "zh_CN")
    texts = [value for name, value in vars(phrases).items() if name.isupper()]
    assert len(texts) > 30
    assert [text for text in texts if translate(text) == text] == []
