"""`env_file` and `secrets` in a whole Kite: what a module finds, and who never sees a secret."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kite.testing.system import System

SECRET = "sk-Zt7-Q4x9-WmP2-very-secret"
TELLS = """
import json, os, sys, time
names = sys.argv[1:]
print("env", json.dumps({name: os.environ.get(name) for name in names}), flush=True)
print("up", flush=True)
time.sleep(1000)
"""
BLABS = """
import os, sys, time
print("key is", os.environ["API_KEY"], flush=True)
print("key is", os.environ["API_KEY"], file=sys.stderr, flush=True)
print("up", flush=True)
time.sleep(1000)
"""
TELLER = ["python3", "-S", "-E", "main.py"]


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[System]:
    """As `system`, without the modules that come with Kite."""
    with System(tmp_path, extensions=False, environ={"INHERITED": "from outside"}) as made:
        yield made


def told(system: System, name: str, *, lives: int = 1) -> dict[str, str]:
    found: dict[str, str] = json.loads(system.printed(name, "env", count=lives)[-1])
    return found


def test_variables_come_from_files_that_are_read_at_every_start(bare: System) -> None:
    """`env` goes before `env_file`, that before what Kite inherited, and edits apply at a restart."""
    names = ["A", "B", "C", "INHERITED", "PORT"]
    bare.write(bare.project / ".env", "A=project\nB=project\n")
    folder = bare.module(
        "teller",
        TELLS,
        command=[*TELLER, *names],
        ready={"log": "^up$"},
        preferred_port=0,
        env={"A": "manifest"},
        env_file=["${KITE_CWD}/.env", "own.env", "missing.env?"],
    )
    bare.write(folder / "own.env", "C=${B}-${INHERITED}\nINHERITED=own\nPORT=${KITE_PORT}\n")
    bare.up("--wait")
    found = told(bare, "teller")
    assert found["PORT"].isdecimal()
    del found["PORT"]
    assert found == {
        "A": "manifest",
        "B": "project",
        "C": "project-from outside",
        "INHERITED": "own",
    }
    bare.write(folder / "own.env", "C='edited\nin two lines'\n")
    bare.act("restart", "teller")
    edited = told(bare, "teller", lives=2)
    assert edited["C"] == "edited\nin two lines"
    assert edited["INHERITED"] == "from outside"


def test_a_file_that_is_missing_or_wrong_is_told_with_its_line_and_found_by_check(
    bare: System,
) -> None:
    bare.module("lacks", env_file=".env")
    folder = bare.module("broken", env_file="bad.env")
    bare.write(folder / "bad.env", "A=1\nB='never closed\n")
    bare.up("--wait", status=4)
    lacks, broken = bare.record("lacks"), bare.record("broken")
    assert (lacks["actual_state"], lacks["error_code"]) == ("failed", "env_file_missing")
    assert "modules/lacks/.env" in lacks["error"]
    assert "lacks/module.md:" in lacks["error"]
    assert (broken["error_code"], broken["error_params"]["line"]) == ("env_file_wrong", 2)
    assert bare.steps("lacks", "start_failed", reason="env_file_missing")
    outcome = bare.kite("check", "--json", status=2)
    found = {each["code"]: each for each in json.loads(outcome.out)["mistakes"]}
    assert found.keys() == {"env_file_missing", "env_file_wrong"}
    assert found["env_file_wrong"]["file"] == str(folder / "bad.env")
    bare.write(folder / "bad.env", "A=1\n")
    bare.act("start", "broken")


def everything(system: System) -> str:
    """All that Kite has written or answers."""
    texts = []
    for path in [path for path in system.instance_dir.rglob("*") if path.is_file()]:
        with contextlib.suppress(FileNotFoundError):  # replaced by its next version meanwhile
            texts.append(path.read_text(errors="replace"))
    paths = ("/launcher", "/launcher/modules", "/launcher/modules/holder", "/metrics")
    texts += [json.dumps(system.call("GET", path).body) for path in paths]
    for words in (
        ("ps", "--json"),
        ("ps",),
        ("logs",),
        ("check",),
        ("doctor",),
        ("spec", "asyncapi"),
    ):
        outcome = system.kite(*words, status=None)
        texts += [outcome.out, outcome.err]
    for pid in system.census.look():
        texts.append(Path(f"/proc/{pid}/cmdline").read_text())
    return "\n".join(texts)


def test_a_secret_is_in_the_environment_of_its_module_and_nowhere_else(bare: System) -> None:
    """Not in records, logs, life, arguments, nor in the environment of anybody else."""
    path = bare.write(bare.home / "key", SECRET + "\n")
    path.chmod(0o600)
    bare.module("holder", BLABS, ready={"log": "^up$"}, secrets={"API_KEY": "~/key"})
    bare.module("other", TELLS, command=[*TELLER, "API_KEY"], ready={"log": "^up$"})
    bare.up("--wait")
    environment = Path(f"/proc/{bare.pid('holder')}/environ").read_bytes().split(b"\0")
    assert f"API_KEY={SECRET}".encode() in environment
    assert told(bare, "other") == {"API_KEY": None}
    bare.wait_log("holder", "key is •••", count=2)
    bare.act("restart", "holder")
    assert SECRET not in everything(bare)
    for name in ("launcher", "registry", "event_hub"):
        pid = bare.api["pid"] if name == "launcher" else bare.pid(name)
        assert SECRET.encode() not in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_secret_is_not_shown_when_its_module_fails(bare: System) -> None:
    """Neither what a probe's program prints nor what is said of a file that cannot be used."""
    path = bare.write(bare.home / "key", SECRET)
    path.chmod(0o600)
    bare.module(
        "holder",
        ready={"log": "^up$"},
        secrets={"API_KEY": "~/key"},
        health={
            "exec": ["sh", "-c", "echo bad $API_KEY >&2; exit 1"],
            "interval": 0.1,
            "failures": 1,
        },
        restart={"max": 1},
    )
    blurts = ["sh", "-c", "echo last words: $API_KEY; exit 1"]
    bare.module("blurter", command=blurts, secrets={"API_KEY": "~/key"}, restart={"max": 1})
    bare.up()
    bare.wait_state("holder", "failed")
    assert bare.steps("holder", "unhealthy")
    assert bare.wait_state("blurter", "failed")["last_lines"] == ["last words: •••"]
    path.chmod(0o644)
    answer = bare.call("POST", "/launcher/modules/holder/start?wait=1")
    assert (answer.status, answer.body["code"]) == (409, "failed")
    assert bare.record("holder")["error_code"] == "secret_open"
    outcome = bare.kite("check", status=2)
    assert "chmod 600" in outcome.out
    assert SECRET not in outcome.out + outcome.err + json.dumps(answer.body) + everything(bare)


def test_the_foreground_shows_no_secret(bare: System) -> None:
    path = bare.write(bare.home / "key", SECRET)
    path.chmod(0o600)
    bare.module("holder", BLABS, ready={"log": "^up$"}, secrets={"API_KEY": "~/key"})
    process = bare.spawn("up", "-v")
    bare.wait(lambda: bare.is_up and bare.record("holder")["actual_state"] == "running")
    bare.remember()
    bare.kite("down")
    out, err = process.communicate(timeout=30)
    assert "key is •••" in out
    assert SECRET not in out + err


def test_a_module_that_is_forked_warm_has_its_secrets_alone(bare: System) -> None:
    """They come with its own order, and stay out of the process it is forked from."""
    path = bare.write(bare.home / "key", SECRET)
    path.chmod(0o600)
    program = "from kite import Module\n" + BLABS.replace("time.sleep(1000)", "Module().run()")
    bare.module("holder", program, runtime="python", secrets={"API_KEY": "~/key"})
    other = (
        "import os\nfrom kite import Module\nprint('key', os.environ.get('API_KEY'), flush=True)\n"
    )
    bare.module("other", other + "Module().run()\n", runtime="python", depends_on=["holder"])
    bare.up("--wait")
    assert bare.record("holder")["warm"]
    bare.wait_log("holder", "key is •••", count=2)
    assert bare.printed("other", "key") == ["None"]
    for pid in bare.census.look():
        assert SECRET.encode() not in Path(f"/proc/{pid}/environ").read_bytes() or pid == bare.pid(
            "holder"
        )
