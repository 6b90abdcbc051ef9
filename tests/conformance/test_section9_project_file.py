"""Section 9, `kite.yaml`: each key, and what a wrong one does."""

from __future__ import annotations

import json

import pytest

from . import raw


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("max_failed_module: 1\n", ["kite.yaml:1", "max_failed_modules"]),
        ("hub:\n  origin: []\n", ["kite.yaml:2", "origins"]),
        ("start_concurrency: many\n", ["kite.yaml:1"]),
        ("on_core_crash: maybe\n", ["kite.yaml:1", "full"]),
        ("a: 1\na: 2\n", ["kite.yaml:"]),
        ("hub: [\n", ["kite.yaml"]),
    ],
)
def test_a_wrong_kite_yaml_is_status_2(kite, text, told):
    """Files that people write are read strictly: file, line and the nearest known key; status 2."""
    kite.module("plain")
    (kite.project / "kite.yaml").write_text(text)
    for words in (("check",), ("up", "-d")):
        done = kite.run(*words)
        assert done.returncode == 2, (words, done)
        for part in told:
            assert part in done.stdout + done.stderr, (words, part, done)


def test_a_wrong_override_is_an_error_of_its_module(kite):
    """`modules`: overrides of manifest keys; a wrong one breaks that module, and `check` names the place."""
    kite.module("plain")
    kite.module("other")
    (kite.project / "kite.yaml").write_text("modules:\n  plain:\n    stat: manual\n")
    done = kite.run("check")
    assert done.returncode == 2
    assert "kite.yaml:3" in done.stdout + done.stderr
    kite.up()
    assert "state" in json.dumps(kite.record("plain")["error"])
    kite.wait_state("other", "running")


def test_everything_at_once(kite, tmp_path):
    """All keys of the section; keys that begin with `x-` are free."""
    kite.configure(
        **{
            "x-note": {"anything": [1]},
            "discovery": {"more": {"path": str(tmp_path / "more"), "depth": 1}},
            "modules": {"plain": {"env": {"WORD": "yes"}}},
            "start_concurrency": 3,
            "max_failed_modules": 5,
            "on_core_crash": "isolated",
            "hub": {"origins": ["https://app.example"]},
            "logs": {"size": "1MiB", "count": 2},
        }
    )
    (tmp_path / "more").mkdir()
    kite.module(
        "plain",
        "import os\nme.boot()\nme.note('life', word=os.environ['WORD'])\nme.obey().connect().subscribe().ready().serve()\n",
    )
    kite.up("--wait")
    assert kite.facts("plain", "life")[0]["word"] == "yes"
    raw.WebSocket(kite.api["ws_endpoint"], kite.api["token"], origin="https://app.example").close()
    with pytest.raises(raw.Refused) as refused:
        raw.WebSocket(kite.api["ws_endpoint"], kite.api["token"], origin="https://other.example")
    assert refused.value.status == 403


def test_a_modules_own_port_is_an_own_origin(kite):
    """Own origins: a port that a live module has registered; on the Hub and on the APIs."""
    kite.module("page", preferred_port=0, api_endpoint="http://127.0.0.1:${KITE_PORT}")
    kite.up("--wait")

    def registered():
        answer = kite.registry("GET", "/get/page.api_endpoint")
        return answer.json() if answer.status == 200 else None

    origin = kite.wait(registered, 3)

    def let_in():
        try:
            raw.WebSocket(kite.api["ws_endpoint"], kite.api["token"], origin=origin).close()
        except raw.Refused:
            return False
        return True

    kite.wait(let_in, 3)


def test_without_kite_yaml(kite):
    """Optional: what is not said has a default that serves a laptop."""
    kite.up("--wait")
    assert json.loads(kite.run("ps", "--json").stdout)["modules"]
