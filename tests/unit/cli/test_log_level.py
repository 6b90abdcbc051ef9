"""The level of a line, as the loggers of many languages write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.cli.log_level import LEVELS, Level, LevelReader, level_of

SAID = [
    # JSON
    ('{"level":30,"time":1700000000000,"pid":1,"msg":"pino"}', Level.INFO),
    ('{"name":"app","level":50,"msg":"bunyan","v":0}', Level.ERROR),
    ('{"level":35,"msg":"a level of one\'s own"}', Level.INFO),
    ('{"level":5,"msg":"below all"}', Level.TRACE),
    ('{"level":"warn","ts":1700000000.1,"msg":"zap"}', Level.WARN),
    ('{"time":"2026-01-31T09:05:07Z","level":"ERROR+2","msg":"slog"}', Level.ERROR),
    ('{"severity":"CRITICAL","message":"GCP"}', Level.FATAL),
    ('{"event":"structlog","level":"warning"}', Level.WARN),
    ('{"levelname":"DEBUG","message":"python-json-logger"}', Level.DEBUG),
    ('{"log.level":"error","message":"ECS"}', Level.ERROR),
    ('{"log":{"level":"info"},"message":"ECS, nested"}', Level.INFO),
    ('{"@l":"Fatal","@mt":"Serilog"}', Level.FATAL),
    ('{"lvl":"eror","msg":"log15"}', Level.ERROR),
    ('{"message":"level=error is only text"}', None),
    ('{"level":true}', None),
    ('{"level": "of water"}', None),
    ("{not JSON", None),
    # logfmt
    ('time="2026-01-31T09:05:07Z" level=warning msg="logrus"', Level.WARN),
    ("ts=2026-01-31T09:05:07Z caller=main.go:7 level=info msg=go-kit", Level.INFO),
    # Python
    ("WARNING:root:the default", Level.WARN),
    ("2026-01-31 09:05:07,123 - my.app - ERROR - the usual", Level.ERROR),
    ("[2026-01-31 09:05:07 +0000] [7] [INFO] Booting worker", Level.INFO),
    ("INFO:     Uvicorn running on http://127.0.0.1:8000", Level.INFO),
    ("2026-01-31 09:05:07 [warning  ] structlog's console    key=1", Level.WARN),
    ("2026-01-31 09:05:07.123 | DEBUG    | __main__:<module>:3 - loguru", Level.DEBUG),
    ("CRITICAL: it is over", Level.FATAL),
    ("info     module.stopping reason=restart", Level.INFO),
    ("critical module.gone", Level.FATAL),
    # Go
    ("I0131 09:05:07.123456       7 main.go:12] klog", Level.INFO),
    ("E0131 09:05:07.123456       7 main.go:12] klog", Level.ERROR),
    ("2026-01-31T09:05:07.123Z\tWARN\tapp/main.go:7\tzap's console", Level.WARN),
    ("9:05AM ERR zerolog's console error=boom", Level.ERROR),
    ("2026/01/31 09:05:07 INFO slog's text count=3", Level.INFO),
    ("panic: runtime error: index out of range", Level.FATAL),
    # Rust
    ("[2026-01-31T09:05:07Z INFO  app::server] env_logger", Level.INFO),
    (" WARN app > pretty_env_logger", Level.WARN),
    ("2026-01-31T09:05:07.123456Z ERROR app: tracing", Level.ERROR),
    ("thread 'main' panicked at src/main.rs:2:5:", Level.ERROR),
    # Java
    ("2026-01-31T09:05:07.123Z  WARN 7 --- [main] c.e.App : Spring", Level.WARN),
    ("09:05:07.123 [main] ERROR com.example.App - logback", Level.ERROR),
    ("SEVERE: java.util.logging", Level.ERROR),
    ('Exception in thread "main" java.lang.IllegalStateException: boom', Level.ERROR),
    # servers and tools
    ("2026/01/31 09:05:07 [error] 7#7: *1 open() failed (2: No such file)", Level.ERROR),
    ("[Sat Jan 31 09:05:07 2026] [core:warn] [pid 7] httpd", None),
    ("2026-01-31 09:05:07.123 UTC [7] FATAL:  the database system is starting up", Level.FATAL),
    ("2026-01-31 09:05:07.123 UTC [7] LOG:  listening", Level.INFO),
    ("npm ERR! code ELIFECYCLE", Level.ERROR),
    ("error[E0382]: borrow of moved value", Level.ERROR),
    ("main.c:3:1: warning: unused variable", Level.WARN),
    ("Error: Cannot find module 'express'", Level.ERROR),
    ("fatal: not a git repository", Level.FATAL),
    ("Warning: something is old", Level.WARN),
    ("<4>for journald", Level.WARN),
    ("<7>for journald", Level.DEBUG),
    # what says nothing
    ("served 3 requests", None),
    ("", None),
    ('127.0.0.1 - - [31/Jan/2026] "GET /ERROR HTTP/1.1" 200', None),
    ("see INFO.md for more", None),
    ("no error was found", None),
    ("[app] listening", None),
    ("information is free", None),
    ("error handling is an art", None),
]


@pytest.mark.parametrize(("text", "level"), SAID)
def test_a_line_says_its_level(text: str, level: Level | None) -> None:
    assert level_of(text) is level


@given(st.text())
def test_no_line_is_too_odd(text: str) -> None:
    level_of(text)
    reader = LevelReader()
    for line in text.split("\n"):
        reader.read(line)


@pytest.mark.parametrize("word", LEVELS)
def test_every_word_is_known_in_a_field(word: str) -> None:
    assert level_of(f"level={word} msg=x") is LEVELS[word]
    assert level_of(f'{{"level": "{word.upper()}"}}') is LEVELS[word]


def read(*lines: str) -> list[Level | None]:
    reader = LevelReader()
    return [reader.read(line) for line in lines]


def test_a_traceback_belongs_together_and_is_an_error() -> None:
    assert read(
        "INFO:root:before",
        "Traceback (most recent call last):",
        '  File "main.py", line 1, in <module>',
        "    INFO = 1",
        "",
        "app.errors.OutOfPaper: no more",
        "a line of its own",
    ) == [Level.INFO] + [Level.ERROR] * 5 + [None]


def test_a_traceback_in_a_chain() -> None:
    levels = read(
        "CRITICAL:root:it broke",
        "Traceback (most recent call last):",
        '  File "main.py", line 1, in <module>',
        "KeyError: 1",
        "",
        "During handling of the above exception, another exception occurred:",
        "",
        "Traceback (most recent call last):",
        "ValueError: 2",
    )
    assert levels == [Level.FATAL] * 9


def test_what_is_indented_or_closes_belongs_to_the_line_before() -> None:
    assert read("ERROR: got {", "  a: 1", "}", "Caused by: x", "\tat y", "next") == [
        *[Level.ERROR] * 5,
        None,
    ]
    assert read("nothing said", "  indented") == [None, None]
    assert read("ERROR: one", "  INFO two") == [Level.ERROR, Level.INFO]
