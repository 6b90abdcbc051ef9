"""A server without a command line, and a package that is whole for whoever wants it whole."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(program: str) -> str:
    """In an interpreter of its own: what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_server_comes_without_the_command_line() -> None:
    heavy = "{'click', 'multiprocessing', 'watchfiles', 'uvicorn.main'}"
    assert run(f"import sys, kite.http.server; print({heavy} & set(sys.modules))") == "set()"


@pytest.mark.parametrize(
    "program",
    [
        "import uvicorn; print(callable(uvicorn.run) and uvicorn.Server.__module__)",
        "from uvicorn import Config, Server, run; print(callable(run) and Server.__module__)",
        "import uvicorn; uvicorn.main; print(callable(uvicorn.main) and uvicorn.Server.__module__)",
        "import uvicorn; uvicorn.config.LOGGING_CONFIG; print(uvicorn.server.Server.__module__)",
    ],
)
def test_a_program_that_uses_the_package_finds_all_of_it(program: str) -> None:
    """As without Kite, and after Kite has imported the server."""
    alone = "from uvicorn.main import main; print(main.name)"
    assert run(f"import kite.http.server\n{alone}") == run(alone)
    assert run(f"import kite.http.server\n{program}") == "uvicorn.server"


def test_what_it_does_not_have_it_does_not_have() -> None:
    program = "import kite.http.server, uvicorn\nprint(hasattr(uvicorn, 'nothing'))"
    assert run(program) == "False"


def test_one_that_was_imported_before_stays_as_it_is() -> None:
    program = (
        "import uvicorn; run = uvicorn.run\nimport kite.http.server\nprint(uvicorn.run is run)"
    )
    assert run(program) == "True"
