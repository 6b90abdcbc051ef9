"""What docsearch promises: how soon a folder is indexed, a change is found, a query answered."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from bench.figure import Figure, percentile
from bench.running import PATIENCE, Running
from bench.start import DOCSEARCH
from kite.testing.operator import Operator

FILES = 5000
CHANGES = 20
ROUNDS = 40
QUERIES = ("event loop ", "item42", '"before noon"', "frames -gull", "quick subscribed")

_SENTENCE = "The quick event loop forwards frames to whoever subscribed before noon. "
_LOOK_EVERY = 0.005


def measure() -> list[Figure]:
    """Over a folder of its own, asked by a client at the Hub as the page asks."""
    with tempfile.TemporaryDirectory(prefix="kite-bench-") as directory:
        folder = Path(directory)
        size = _write(folder)
        with Running(DOCSEARCH, DOCSEARCH_FOLDER=directory) as running:
            began = time.perf_counter()
            running.up()
            api = running.system.api
            return asyncio.run(_measure(api["ws_endpoint"], api["token"], folder, size, began))


async def _measure(
    endpoint: str, token: str, folder: Path, size: int, began: float
) -> list[Figure]:
    async with Operator(endpoint, token) as operator:
        indexed = await _indexed(operator, began)
        queries = await _queries(operator)
        changes = [await _change(operator, folder, number) for number in range(CHANGES)]
    what = f"{FILES} files of {size / FILES / 1000:.1f} kB"
    return [
        Figure(
            name="docsearch: a folder indexed",
            value=round(indexed, 3),
            unit="s",
            target=60,
            detail=f"{what}, from before kite up",
        ),
        Figure(
            name="docsearch: a changed file findable",
            value=round(max(changes), 3),
            unit="s",
            target=1.0,
            detail=f"worst of {CHANGES}, median {statistics.median(changes):.3g};"
            f" among {FILES}, from before it is written",
            samples=[round(each, 4) for each in changes],
        ),
        *(
            Figure(
                name=f"docsearch: query p{share * 100:.0f}",
                value=round(1000 * percentile(queries, share), 3),
                unit="ms",
                detail=f"{len(queries)} one after the other, among {FILES} files, answer included",
            )
            for share in (0.5, 0.95)
        ),
    ]


def _write(folder: Path) -> int:
    """Write the documents; how many bytes they have together."""
    size = 0
    for number in range(FILES):
        text = f"# Document {number}\n\n" + f"{_SENTENCE}Item{number * 7919 % FILES} " * 90
        file = folder / f"{number % 40}" / f"{number}.md"
        file.parent.mkdir(exist_ok=True)
        size += file.write_text(text, encoding="utf-8")
    return size


async def _indexed(operator: Operator, began: float) -> float:
    async with asyncio.timeout(2 * PATIENCE):
        while True:
            stats = await operator.request("docs.stats", timeout=PATIENCE)
            if stats["documents"] == FILES and stats["state"] == "idle":
                return time.perf_counter() - began
            await asyncio.sleep(_LOOK_EVERY)


async def _queries(operator: Operator) -> list[float]:
    times = []
    for _ in range(ROUNDS):
        for query in QUERIES:
            began = time.perf_counter()
            found = await operator.request("docs.search", {"query": query}, timeout=PATIENCE)
            times.append(time.perf_counter() - began)
            if not found["total"]:
                raise RuntimeError(f"nothing was found for {query!r}")
    return times


async def _change(operator: Operator, folder: Path, number: int) -> float:
    """Seconds until a search finds what a file was changed to."""
    word = f"heron{number}x"
    began = time.perf_counter()
    (folder / "7" / "7.md").write_text(f"# Changed\n\nNow about {word}.\n", encoding="utf-8")
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await operator.request("docs.search", {"query": f"{word} "}, timeout=PATIENCE)
            if found["total"]:
                return time.perf_counter() - began
            await asyncio.sleep(_LOOK_EVERY)
