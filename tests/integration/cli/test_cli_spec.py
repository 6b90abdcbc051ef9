"""`kite spec asyncapi` in a project whose Kite is down."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import yaml

from .conftest import Outcome

Kite = Callable[..., Outcome]

ASKER = """---
name: asker
version: "1.2"
description: Asks.
command: [./asker]
events:
  publish: [docs.search]
  subscribe: [docs.*.changed, _reply.asker.>]
---
"""
SEARCH = """---
name: search
command: [./search]
events: {publish: [_reply.>], subscribe: [docs.search]}
---
"""


def write(name: str, text: str) -> None:
    folder = Path("modules") / name
    folder.mkdir(parents=True)
    (folder / "module.md").write_text(text)


def told(found: Outcome) -> tuple[int, str, str]:
    return found.status, found.out, found.err


def test_the_project_as_yaml_and_as_json(instance_dir: Path, kite: Kite) -> None:
    write("asker", ASKER)
    write("search", SEARCH)
    write("off", "---\nname: off\nstate: disabled\ncommand: [./off]\n---\n")
    status, out, err = told(kite("spec", "asyncapi"))
    assert (status, err) == (0, "")
    found = yaml.safe_load(out)
    assert "&" not in out, "anchors are not for everybody"
    assert found["asyncapi"] == "3.0.0"
    assert found["info"]["title"] == Path.cwd().name
    assert [tag["name"] for tag in found["info"]["tags"]] == ["asker", "search"]
    assert found["channels"]["docs.any.changed"]["address"] == "docs.{token1}.changed"
    assert "reply" in found["operations"]["asker.send.docs.search"]
    assert found["components"]["schemas"]["event"]["required"] == ["type", "event"]
    for arguments in (("--format", "json"), ("--json",)):
        status, out, _ = told(kite("spec", "asyncapi", *arguments))
        assert (status, json.loads(out)) == (0, found)
    assert yaml.safe_load(kite("--json", "spec", "asyncapi", "--format", "yaml").out) == found


def test_modules_by_name(instance_dir: Path, kite: Kite) -> None:
    write("asker", ASKER)
    write("search", SEARCH)
    status, out, _ = told(kite("spec", "asyncapi", "asker", "--json"))
    found = json.loads(out)
    assert (status, found["info"]["title"], found["info"]["version"]) == (0, "asker", "1.2")
    assert "reply" in found["operations"]["asker.send.docs.search"]
    found = json.loads(kite("spec", "asyncapi", "watchdog", "asker", "--json").out)
    assert [tag["name"] for tag in found["info"]["tags"]] == ["watchdog", "asker"]
    status, out, err = told(kite("spec", "asyncapi", "nobody"))
    assert (status, out) == (1, "")
    assert "there is no module 'nobody'" in err


def test_a_wrong_manifest_is_told_and_leaves_the_others(instance_dir: Path, kite: Kite) -> None:
    write("asker", ASKER)
    write("broken", "---\nname: broken\nrun: ./x\n---\n")
    status, out, err = told(kite("spec", "asyncapi"))
    assert status == 2
    assert [tag["name"] for tag in yaml.safe_load(out)["info"]["tags"]] == ["asker"]
    assert "broken/module.md" in err
    status, out, err = told(kite("spec", "asyncapi", "broken"))
    assert (status, out) == (2, "")
    assert "broken/module.md" in err


def test_an_empty_project_and_help(instance_dir: Path, kite: Kite) -> None:
    status, out, _ = told(kite("spec", "asyncapi"))
    assert (status, yaml.safe_load(out)["operations"]) == (0, {})
    assert "asyncapi" in kite("spec").out


def test_openapi_of_each_interface_as_yaml_and_as_json(instance_dir: Path, kite: Kite) -> None:
    """Without a running Kite, and the same as is kept."""
    kept = Path(__file__).parents[3] / "protocol" / "openapi"
    for name in ("registry", "launcher", "event_hub"):
        status, out, err = told(kite("spec", "openapi", name))
        assert (status, err) == (0, "")
        assert "&" not in out
        found = yaml.safe_load(out)
        assert found == json.loads((kept / f"{name}.json").read_text("utf-8"))
        assert json.loads(kite("spec", "openapi", name, "--json").out) == found
    status, out, err = told(kite("spec", "openapi", "gateway"))
    assert (status, out) == (2, "")
    assert "registry, launcher, event_hub" in err
    status, out, err = told(kite("spec", "openapi"))
    assert (status, out) == (2, "")
    assert "openapi" in kite("spec").out
