"""A running Kite seen from outside: its API, its files, and waiting for what they say."""

from __future__ import annotations

import gzip
import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from kite.testing.census import is_alive, parent_of

PATIENCE = 20.0
"""Seconds that a fact may take before a test gives up: a bound, no expectation."""

GRANULARITY = 0.02
"""Seconds between two looks at something that tells nobody when it changes."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the API (or the Registry) answered; `body` is its JSON, or None."""

    status: int
    body: Any


class Instance:
    """What is known of a Kite by its instance directory.

    Attributes:
        instance_dir: the directory; it need not exist yet.
    """

    instance_dir: Path

    @property
    def launcher_dir(self) -> Path:
        """The Launcher's own directory."""
        return self.instance_dir / "launcher"

    @property
    def api(self) -> dict[str, Any]:
        """What `api.json` says now.

        Raises:
            FileNotFoundError: nothing runs.
        """
        found: dict[str, Any] = json.loads((self.launcher_dir / "api.json").read_text())
        return found

    @property
    def is_up(self) -> bool:
        """Whether there is an `api.json` whose process lives."""
        try:
            return is_alive(self.api["pid"])
        except (OSError, ValueError):
            return False

    @property
    def guard_pid(self) -> int:
        """The Launcher's parent, which outlives it."""
        return parent_of(self.api["pid"])

    def pid(self, name: str) -> int | None:
        """The process of a module, core or not, now."""
        found: int | None = self.record(name)["pid"]
        return found

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        url: str | None = None,
        timeout: float = 70.0,
    ) -> Answer:
        """One request to the Launcher's API.

        Args:
            body: JSON, or bytes as they are; None: no body.
            token: the operator's unless another is given; an empty one is not sent.
            url: where, instead of the Launcher's API.

        Raises:
            OSError: nobody answers.
        """
        api = self.api
        port = urlsplit(url or api["url"]).port
        headers = {}
        if token != "":
            headers["Authorization"] = f"Bearer {token or api['token']}"
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        try:
            connection.request(method, path, body=data, headers=headers)
            answer = connection.getresponse()
            text = answer.read()
        except http.client.HTTPException as broken:
            raise ConnectionError(f"{method} {path}: {broken!r}") from broken
        finally:
            connection.close()
        try:
            return Answer(status=answer.status, body=json.loads(text))
        except ValueError:
            return Answer(status=answer.status, body=None)

    def act(self, verb: str, name: str, *, wait: bool = True, status: int = 200) -> Any:
        """Start, stop or restart a module through the API; its record, or the problem."""
        answer = self.call("POST", f"/launcher/modules/{name}/{verb}" + "?wait=1" * wait)
        if answer.status != status:
            raise AssertionError(f"{verb} {name}: {answer}\n{self.tell()}")
        return answer.body

    def record(self, name: str) -> dict[str, Any]:
        """The record of a module."""
        answer = self.call("GET", f"/launcher/modules/{name}")
        assert answer.status == 200, answer
        found: dict[str, Any] = answer.body
        return found

    def records(self) -> dict[str, dict[str, Any]]:
        """All records, by name."""
        answer = self.call("GET", "/launcher/modules")
        assert answer.status == 200, answer
        return {record["name"]: record for record in answer.body["modules"]}

    def steps(
        self, module: str | None = None, event: str | None = None, **fields: Any
    ) -> list[dict[str, Any]]:
        """The lines of `lifecycle.jsonl` that fit, whole ones only."""
        try:
            text = (self.launcher_dir / "lifecycle.jsonl").read_bytes()
        except OSError:
            return []
        wanted = {"module": module, "event": event, **fields}
        wanted = {key: value for key, value in wanted.items() if value is not None}
        found = [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]
        return [s for s in found if all(s.get(key) == value for key, value in wanted.items())]

    def log(self, name: str) -> str:
        """What `logs/<name>.log` holds, and before it what was rotated away."""
        folder = self.instance_dir / "logs"
        paths = [*sorted(folder.glob(f"{name}.log.[0-9]*"), reverse=True), folder / f"{name}.log"]
        return "".join(_text(path) for path in paths if path.exists())

    def wait_log(self, name: str, text: str, *, count: int = 1) -> str:
        """The log once it holds `text` so often: it is written behind the back of all else."""

        def found() -> str:
            log = self.log(name)
            return log if log.count(text) >= count else ""

        return self.wait(found, what=f"'{text}' in the log of {name}")

    def printed(self, name: str, word: str, *, count: int = 1) -> list[str]:
        """What follows `<word> ` in the lines that a module printed on its standard output, once
        there are `count` of them; 0: as many as there are."""

        def found() -> list[str]:
            lines = (line.partition(f" | {word} ") for line in self.log(name).splitlines())
            rests = [rest for _, there, rest in lines if there]
            return rests if len(rests) >= count else []

        return found() if not count else self.wait(found, what=f"{count} '{word}' of {name}")

    def tell(self) -> str:
        """What a failed test wants to see: the last steps and the Launcher's log."""
        steps = "\n".join(json.dumps(step) for step in self.steps()[-30:])
        return f"-- steps\n{steps}\n-- launcher.log\n{self.log('launcher')[-4000:]}"

    def wait(self, fact: Callable[[], _T], timeout: float = PATIENCE, what: str = "") -> _T:
        """The first true value of `fact()`.

        Raises:
            AssertionError: there was none within `timeout` seconds.
        """
        began = time.monotonic()
        while True:
            if value := fact():
                return value
            waited = time.monotonic() - began
            if waited > timeout:
                raise AssertionError(f"not within {timeout:g} s: {what or fact}\n{self.tell()}")
            time.sleep(pause(waited))

    def wait_step(
        self, module: str, event: str, *, count: int = 1, timeout: float = PATIENCE, **fields: Any
    ) -> dict[str, Any]:
        """The `count`-th step of this kind."""

        def found() -> dict[str, Any] | None:
            steps = self.steps(module, event, **fields)
            return steps[count - 1] if len(steps) >= count else None

        step = self.wait(found, timeout, f"{count} x {event} {fields} of {module}")
        assert step is not None
        return step

    def wait_state(self, name: str, *states: str, timeout: float = PATIENCE) -> dict[str, Any]:
        """The record of a module as soon as its actual state is one of these."""

        def found() -> dict[str, Any] | None:
            record = self.record(name)
            return record if record["actual_state"] in states else None

        record = self.wait(found, timeout, f"{name} {' or '.join(states)}")
        assert record is not None
        return record

    def wait_phase(self, phase: str, *, timeout: float = PATIENCE) -> None:
        """Wait until the Launcher has come to a phase."""
        self.wait(lambda: self._phase() == phase, timeout, f"phase {phase}")

    def _phase(self) -> str | None:
        try:
            phase: str = self.call("GET", "/launcher").body["phase"]
        except (OSError, ValueError, TypeError):
            return None
        return phase

    def wait_gone(self, *pids: int, timeout: float = PATIENCE) -> None:
        """Wait until these processes are dead."""
        self.wait(lambda: not any(map(is_alive, pids)), timeout, f"the end of {pids}")


def pause(waited: float) -> float:
    """Seconds until the next look, after so many of waiting: looking costs what is waited for."""
    return min(max(GRANULARITY, waited / 20), 5 * GRANULARITY)


def _text(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode(errors="replace")
