from __future__ import annotations

import pytest

from kite.launcher.progress import Progress, duration, error_text, reason_of
from kite.launcher.story import Story, event_text, signal_name
from kite.wire.frame import Event


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0, "0 ms"), (0.1124, "112 ms"), (1.0, "1.00 s"), (12.34, "12.3 s"), (200, "3 min 20 s")],
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("value", "name"), [(9, "SIGKILL"), ("SIGTERM", "SIGTERM"), ("TERM", "SIGTERM"), (99, "99")]
)
def test_signals(value: object, name: str) -> None:
    assert signal_name(value) == name


def test_an_error_with_a_code_is_told_in_the_readers_language(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = {"code": "request_timeout", "params": {"subject": "a.b", "timeout": 5}, "message": "x"}
    monkeypatch.setenv("KITE_LANG", "en")
    assert error_text(error) == "no answer to 'a.b' within 5 s"
    monkeypatch.setenv("KITE_LANG", "zh_CN")
    assert "a.b" in error_text(error)
    assert error_text(error) != "no answer to 'a.b' within 5 s"
    assert error_text({"code": "from_the_future", "message": "plain words"}) == "plain words"
    assert error_text(None) == ""
    record = {"error": "x", "error_code": error["code"], "error_params": error["params"]}
    assert reason_of(record) == error_text(error)
    assert reason_of({"error": "plain", "error_code": "request_timeout"}) == "plain"


def test_an_exit_without_failure_is_not_called_a_crash() -> None:
    line = Story().line({"event": "exited", "module": "job", "exit_code": 0}, 0.0, verbose=False)
    assert line is not None
    assert "crash" not in line.text


def test_steps_of_the_future_are_shown_by_name_with_verbose_only() -> None:
    step = {"event": "teleported", "module": "web"}
    assert Story().line(step, 0.0, verbose=False) is None
    line = Story().line(step, 0.0, verbose=True)
    assert line is not None
    assert line.text == "teleported"


def test_an_event_stays_on_one_line_of_bearable_length() -> None:
    text = event_text(Event(event="a.b", source="web", data={"x": "y\n" * 5000}))
    assert "\n" not in text
    assert len(text) < 2100


def test_progress_from_records_leaves_out_what_is_not_to_run() -> None:
    progress = Progress()
    progress.record({"name": "a", "actual_state": "starting", "desired_state": "running"}, 10.0)
    progress.record({"name": "b", "actual_state": "stopped", "desired_state": "stopped"}, 10.0)
    progress.record({"name": "a", "actual_state": "running", "desired_state": "running"}, 10.5)
    lines = progress.lines(11.0, columns=60, rows=10, color=False)
    assert len(lines) == 1
    assert lines[0].endswith("500 ms")


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ({"reason": "crashed", "exit_code": 3, "retry_in": None}, "gave up: exit status 3"),
        (
            {"reason": "crashed", "exit_code": 3, "retry_in": 30},
            "gave up: exit status 3; next try in 30.0 s",
        ),
        ({"reason": "launch_timeout", "signal": 15, "retry_in": None}, "gave up: launch_timeout"),
    ],
)
def test_giving_up_tells_how_it_ended_and_when_it_is_tried_again(
    step: dict[str, object], text: str
) -> None:
    told = {"event": "failed", "module": "web", "life": 3, "error": "said elsewhere", **step}
    line = Story().line(told, 0.0, verbose=False)
    assert line is not None
    assert line.text == text


def test_a_core_crash_is_one_line_whether_the_process_ended_or_hung() -> None:
    story = Story()

    def told(event: str, **fields: object) -> str | None:
        step = {"event": event, "module": "event_hub", "life": 1, **fields}
        line = story.line(step, 0.0, verbose=False)
        return line and line.text

    assert told("exited", signal=9) == "crashed: killed by SIGKILL"
    assert told("core_crash", reason="killed by SIGKILL") is None
    told("starting")
    assert told("core_crash", reason="not ready") is not None
