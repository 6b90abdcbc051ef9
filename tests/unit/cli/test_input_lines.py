"""Lines of a pipe and of a file, as they come."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from kite.cli.hub.input_lines import InputLines
from kite.errors import ConfigError
from kite.wire.limits import MAX_FRAME_BYTES


async def everything(lines: InputLines) -> list[tuple[int, bytes]]:
    found = []
    while (line := await lines.next()) is not None:
        found.append(line)
    return found


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b"", []),
        (b"a", [b"a"]),
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\r\n\nb", [b"a", b"", b"b"]),
        (b"x" * 200_000 + b"\ny", [b"x" * 200_000, b"y"]),
    ],
)
def test_a_file(text: bytes, lines: list[bytes], tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(text)
    with (tmp_path / "input").open("rb") as file:
        found = asyncio.run(everything(InputLines(file.fileno())))
    assert found == list(enumerate(lines, start=1))


def test_a_line_is_there_before_the_next_one_is_written() -> None:
    """As with `tail -f`: nothing waits for the end."""

    async def run() -> None:
        reader, writer = os.pipe()
        lines = InputLines(reader)
        os.write(writer, b"one\ntw")
        assert await lines.next() == (1, b"one")
        following = asyncio.create_task(lines.next())
        os.write(writer, b"o\n")
        assert await following == (2, b"two")
        assert os.get_blocking(reader), "it may be shared with others"
        os.close(writer)
        assert await lines.next() is None
        os.close(reader)

    asyncio.run(run())


def test_a_line_without_end_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"ok\n" + b"x" * (4 * MAX_FRAME_BYTES))
    with (tmp_path / "input").open("rb") as file:
        lines = InputLines(file.fileno())
        assert asyncio.run(lines.next()) == (1, b"ok")
        with pytest.raises(ConfigError) as caught:
            asyncio.run(lines.next())
        assert caught.value.params["line"] == 2
        assert file.tell() < 2 * MAX_FRAME_BYTES
