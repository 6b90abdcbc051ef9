"""Forked from the template is only what nobody could tell from a process of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.launcher.core.warmth import Ground, why_cold

ENVIRON = {"PATH": "/bin", "HOME": "/home/ada", "LANG": "C.UTF-8", "PYTHONHASHSEED": "1"}
GROUND = Ground(
    interpreter="/usr/bin/python3",
    environ=ENVIRON,
    modules=frozenset({"json", "asyncio", "starlette", "kite"}),
)
ARGV = ("/usr/bin/python3", "-u", "/p/modules/a/main.py")


def test_a_plain_module_is_warm() -> None:
    env = {**ENVIRON, "KITE_MODULE": "a", "GREETING": "hello"}
    assert why_cold(ARGV, env, ["main.py", "module.md", "parts/", "kite.yaml"], GROUND) is None


def test_so_is_a_core_process() -> None:
    argv = ("/usr/bin/python3", "-m", "kite.registry.entry")
    assert why_cold(argv, ENVIRON, [], GROUND) is None


@pytest.mark.parametrize(
    "argv",
    [
        ("/p/modules/a/.venv/bin/python", *ARGV[1:]),
        ("/usr/bin/node", "main.js"),
        (*ARGV, "further"),
        (ARGV[0], "-O", ARGV[2]),
        (ARGV[0], "-u", "/p/modules/a/main.pyz"),
        (ARGV[0], "-u", "/p/modules/a/main"),
        (),
    ],
)
def test_another_command_is_cold(argv: tuple[str, ...]) -> None:
    assert why_cold(argv, ENVIRON, [], GROUND)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PYTHONPATH", "/elsewhere"),
        ("PYTHONHASHSEED", "2"),
        ("LD_PRELOAD", "lib.so"),
        ("MALLOC_ARENA_MAX", "1"),
        ("GLIBC_TUNABLES", "glibc.malloc.check=3"),
        ("LC_ALL", "de_DE.UTF-8"),
        ("LANG", "C"),
        ("HOME", "/home/grace"),
        ("OPENSSL_CONF", "/etc/other.cnf"),
    ],
)
def test_what_an_interpreter_reads_at_its_start_must_be_the_templates(
    name: str, value: str
) -> None:
    assert name in str(why_cold(ARGV, {**ENVIRON, name: value}, [], GROUND))


@pytest.mark.parametrize("name", ["PYTHONHASHSEED", "HOME", "LANG"])
def test_also_where_it_is_missing(name: str) -> None:
    env = {key: value for key, value in ENVIRON.items() if key != name}
    assert name in str(why_cold(ARGV, env, [], GROUND))


def test_a_safe_path_has_nothing_beside_the_file() -> None:
    environ = {**ENVIRON, "PYTHONSAFEPATH": "1"}
    ground = Ground(interpreter=ARGV[0], environ=environ, modules=frozenset())
    assert why_cold(ARGV, environ, [], ground)


@pytest.mark.parametrize(
    "name",
    ["json.py", "starlette/", "asyncio.pyc", "json.cpython-311-x86_64-linux-gnu.so", "kite/"],
)
def test_a_file_that_an_import_would_have_found_first_makes_it_cold(name: str) -> None:
    assert name in str(why_cold(ARGV, ENVIRON, ["main.py", name], GROUND))


@pytest.mark.parametrize("name", ["json", "json.md", "kite.yaml", "starlette.txt", "parts.py"])
def test_other_files_do_not(name: str) -> None:
    assert why_cold(ARGV, ENVIRON, [name], GROUND) is None


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=5), max_size=5))
def test_only_what_is_read_at_the_start_matters(env: dict[str, str]) -> None:
    """Whatever else a module's environment says, the answer is the same."""
    mine = {f"MINE_{name}": value for name, value in env.items()}
    assert why_cold(ARGV, {**ENVIRON, **mine}, [], GROUND) is None
