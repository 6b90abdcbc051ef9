"""The Kite that is treated, reached as anybody else reaches one: by command line, API and files."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from kite.chaos.invariants import Answer
from kite.errors import KiteError
from kite.http.client import Response, call

_COMMAND = (sys.executable, "-P", "-m", "kite.cli.entry")
COMMAND_SECONDS = 70.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a command line ended; `status` is None where it did not and was killed."""

    words: tuple[str, ...]
    status: int | None
    said: str

    def __str__(self) -> str:
        said = f": {self.said[-400:]}" if self.said else ""
        return f"kite {' '.join(self.words)} left with {self.status}{said}"


class Patient:
    """One project's Kite.

    Args:
        project, instance_dir: its directories.
        environ: for the command lines.
    """

    def __init__(self, project: Path, instance_dir: Path, environ: Mapping[str, str]) -> None:
        self.project = project
        self.instance_dir = instance_dir
        self._environ = dict(environ)

    async def kite(self, *words: str) -> Done:
        """`kite WORDS` to its end."""
        process = await asyncio.create_subprocess_exec(
            *_COMMAND,
            *words,
            cwd=self.project,
            env=self._environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                _, said = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            return Done(words=words, status=None, said="")
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        text = said.decode(errors="replace").strip()
        return Done(words=words, status=process.returncode, said=text)

    def api(self) -> dict[str, Any] | None:
        """What `api.json` says, None when there is none."""
        try:
            found = json.loads((self.instance_dir / "launcher" / "api.json").read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    async def ask(
        self, method: str, path: str, body: Any = None, *, timeout: float = 5.0
    ) -> Response | None:
        """One call to the API; None when nobody answers."""
        api = self.api()
        if api is None:
            return None
        json_body = msgspec.UNSET if body is None else body
        try:
            return await call(
                method, api["url"] + path, token=api["token"], json=json_body, timeout=timeout
            )
        except KiteError:
            return None

    async def answer(self, *, timeout: float = 5.0) -> Answer | None:
        """Who answers, and what it says of its modules."""
        about, modules = await asyncio.gather(
            self.ask("GET", "/launcher", timeout=timeout),
            self.ask("GET", "/launcher/modules", timeout=timeout),
        )
        if about is None or modules is None or (about.status, modules.status) != (200, 200):
            return None
        instance, records = about.json(), modules.json()["modules"]
        return Answer(
            instance=instance["instance"],
            phase=instance["phase"],
            records={record["name"]: record for record in records},
        )
