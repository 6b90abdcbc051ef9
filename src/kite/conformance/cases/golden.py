"""vectors: the golden vectors of `protocol/vectors` that are a module's own business."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qsl

from kite.conformance.case import Case, Unmet
from kite.conformance.stage import Stage
from kite.errors import ERRORS_FILE, KiteError

FOLDER: Final = ERRORS_FILE.parent / "vectors"
_TOKEN: Final = "0123456789abcdef" * 4
_AT_ONCE: Final = 16
_SHOWN: Final = 300

Row = tuple[dict[str, Any], Any]
"""What is asked, and the answer that is right."""


def _file(kind: str) -> Any:
    return json.loads((FOLDER / f"{kind}.json").read_text(encoding="utf-8"))


def _subjects() -> Iterator[Row]:
    found = _file("subjects")
    yield from (({"subject": text}, True) for text in found["valid"])
    yield from (({"subject": row["subject"]}, False) for row in found["invalid"])
    for row in found["by_length"]:
        yield {"subject": row["token"] * row["times"]}, row["valid"]


def _patterns() -> Iterator[Row]:
    found = _file("patterns")
    yield from (({"pattern": text}, True) for text in found["valid"])
    yield from (({"pattern": row["pattern"]}, False) for row in found["invalid"])


def _matching() -> Iterator[Row]:
    for pattern, subject, matches in _file("matching")["pairs"]:
        yield {"pattern": pattern, "subject": subject}, matches


def _coverage() -> Iterator[Row]:
    for wide, narrow, covers in _file("coverage")["pairs"]:
        yield {"wide": wide, "narrow": narrow}, covers


def _boot_lines() -> Iterator[Row]:
    found = _file("boot_lines")
    for row in found["boot_valid"]:
        right = {"token": _TOKEN, "life": row["life"], "replica": row.get("replica", 0)}
        yield {"line": _with_token(row["line"])}, right
    yield from (({"line": _with_token(text)}, None) for text in found["boot_invalid"])


def _with_token(line: str) -> str:
    return line.replace('"T"', f'"{_TOKEN}"')


def _globs() -> Iterator[Row]:
    found = _file("globs")
    for row in found["queries"]:
        query = dict(parse_qsl(row["query"], keep_blank_values=True))
        yield {"records": found["records"], "query": query}, row["found"]


def _dotted_paths() -> Iterator[Row]:
    found = _file("dotted_paths")
    for row in found["paths"]:
        right = {"found": True, "value": row["value"]} if "value" in row else {"found": False}
        yield {"records": found["records"], "path": row["path"]}, right


def _cloudevents() -> Iterator[Row]:
    found = _file("cloudevents")
    for row in found["in"]:
        yield {"cloudevent": row["cloudevent"], "sender": found["sender"]}, row["event"]
    for row in found["out"]:
        yield {"event": row["event"]}, row["cloudevent"]
    for row in found["invalid"]:
        yield {"cloudevent": row["cloudevent"], "sender": found["sender"]}, {"error": row["code"]}


KINDS: Final = {
    "subjects": (_subjects, "which texts are subjects"),
    "patterns": (_patterns, "which texts are patterns"),
    "matching": (_matching, "which pattern matches which subject"),
    "coverage": (_coverage, "which pattern covers which"),
    "boot_lines": (_boot_lines, "what is a boot line, and what it says"),
    "globs": (_globs, "which records a look-up finds"),
    "dotted_paths": (_dotted_paths, "what stands at a dotted path of the Registry"),
    "cloudevents": (_cloudevents, "how events and CloudEvents become each other"),
}
"""By the name of the file: its rows, and what they are about."""


def rows(kind: str) -> list[Row]:
    """All that can be asked of a kind over the Hub, with the right answers."""
    return [row for row in KINDS[kind][0]() if _travels(row)]


def _travels(row: Row) -> bool:
    """Whether there are frames for it: half a surrogate pair cannot be written in UTF-8."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def cases() -> list[Case]:
    """One case for each kind."""
    return [
        Case(
            name=f"vectors.{kind}",
            promise=f"it knows {about}",
            section=f"vectors/{kind}.json",
            attempt=_Attempt(kind),
            vectors=kind,
        )
        for kind, (_, about) in KINDS.items()
    ]


class _Attempt:
    """Asks for every row of a kind."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    async def __call__(self, stage: Stage) -> None:
        await stage.running()
        slots = asyncio.Semaphore(_AT_ONCE)

        async def ask(row: Row) -> Any:
            async with slots:
                try:
                    return await stage.ask("vector", {"kind": self._kind, "case": row[0]})
                except KiteError as failed:
                    return f"the error {failed.code}"

        everything = rows(self._kind)
        answers = await asyncio.gather(*(ask(row) for row in everything))
        pairs = zip(everything, answers, strict=True)
        wrong = [(row, got) for row, got in pairs if got != row[1] or type(got) is not type(row[1])]
        if wrong:
            (asked, right), got = wrong[0]
            shown = json.dumps(asked, ensure_ascii=False)
            shown = shown if len(shown) <= _SHOWN else f"…{shown[-_SHOWN:]}"
            raise Unmet(
                f"{json.dumps(right, ensure_ascii=False)} for {shown}",
                f"{json.dumps(got, ensure_ascii=False)[:_SHOWN]} ({len(wrong)} of {len(answers)} wrong)",
            )
