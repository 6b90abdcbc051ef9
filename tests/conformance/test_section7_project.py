"""Section 7, project and instance: which directory, which instance, one Launcher for each."""

from __future__ import annotations

import json
import stat

import pytest

from .running import Kite


@pytest.fixture
def three(tmp_path):
    """Three projects of the same base name with one workspace."""
    made = [Kite(tmp_path, project=f"{where}/notes") for where in ("a", "b", "c")]
    yield made
    for kite in made:
        kite.end()


def instance_of(kite, *words, **options):
    done = kite.run("up", "-d", *words, **options)
    assert done.returncode == 0, done
    owners = {}
    for path in kite.workspace.glob("*/.cwd"):
        owners[path.read_text().strip()] = path.parent
    return owners


def test_one_instance_directory_per_project(three):
    """Its base name, with `~1`, `~2` … where a directory of that name belongs to another path."""
    for kite, expected in zip(three, ("notes", "notes~1", "notes~2"), strict=True):
        owners = instance_of(kite)
        assert owners[str(kite.project)].name == expected
        assert (owners[str(kite.project)] / "launcher" / "api.json").exists()
        kite.run("down")
    owners = instance_of(three[1])
    assert owners[str(three[1].project)].name == "notes~1", "asked again, the same"
    three[1].run("down")


def test_instance_directories_are_private(kite):
    """Instance directories are the operator's alone."""
    kite.up()
    assert stat.S_IMODE(kite.instance_dir.stat().st_mode) & 0o077 == 0
    assert (kite.instance_dir / ".cwd").read_text().strip() == str(kite.project)


def test_the_nearest_ancestor_with_a_kite_yaml(kite):
    """The project directory is … else the nearest ancestor with a `kite.yaml`."""
    kite.configure()
    deep = kite.project / "src" / "deep"
    deep.mkdir(parents=True)
    owners = instance_of(kite, cwd=deep)
    assert set(owners) == {str(kite.project)}
    assert kite.run("ps", "--json", cwd=deep).returncode == 0


def test_the_working_directory_else(kite):
    """… else the working directory, resolved."""
    link = kite.project.parent / "link"
    link.symlink_to(kite.project, target_is_directory=True)
    assert set(instance_of(kite, cwd=link)) == {str(kite.project)}


def test_minus_c_and_kite_cwd(kite):
    """The project directory is `-C`, else `KITE_CWD`."""
    elsewhere = kite.project.parent / "elsewhere"
    elsewhere.mkdir()
    owners = instance_of(kite, cwd=elsewhere, environ={"KITE_CWD": str(kite.project)})
    assert set(owners) == {str(kite.project)}
    done = kite.run(
        "-C", str(kite.project), "ps", "--json", cwd=elsewhere, environ={"KITE_CWD": str(elsewhere)}
    )
    assert done.returncode == 0, done
    assert {r["name"] for r in json.loads(done.stdout)["modules"]} >= {"launcher"}
    done = kite.run("ps", cwd=elsewhere)
    assert done.returncode == 3, "nothing runs there"


def test_kite_instance_dir_overrides(kite, tmp_path):
    """`KITE_INSTANCE_DIR` overrides."""
    wished = tmp_path / "wished"
    kite.environ["KITE_INSTANCE_DIR"] = str(wished)
    done = kite.run("up", "-d")
    assert done.returncode == 0, done
    assert (wished / "launcher" / "api.json").exists()
    assert kite.run("ps").returncode == 0
    assert kite.run("down").returncode == 0


def test_an_inherited_instance_dir_of_another_project_does_not(kite, tmp_path):
    """… unless it was inherited from another project's Kite."""
    kite.module(
        "plain",
        "import os\nme.boot()\nme.note('life', environ=dict(os.environ))\nme.obey().connect().subscribe().ready().serve()\n",
    )
    kite.up("--wait")
    inherited = {
        k: v for k, v in kite.facts("plain", "life")[0]["environ"].items() if k.startswith("KITE_")
    }
    other = tmp_path / "other"
    other.mkdir()
    done = kite.run("-C", str(other), "ps", cwd=other, environ=inherited)
    assert done.returncode == 3, done
    done = kite.run("-C", str(other), "up", "-d", cwd=other, environ=inherited)
    assert done.returncode == 0, done
    try:
        assert (kite.workspace / "other" / "launcher" / "api.json").exists()
        assert kite.record("plain")["actual_state"] == "running"
    finally:
        assert kite.run("-C", str(other), "down").returncode == 0


def test_one_launcher_per_instance_directory(kite):
    """One Launcher per instance directory: the second is status 5 and disturbs nothing."""
    kite.module("plain")
    kite.up("--wait")
    before = kite.record("plain")
    assert kite.run("up", "-d").returncode == 5
    assert kite.run("up").returncode == 5
    after = kite.record("plain")
    assert (after["pid"], after["life"]) == (before["pid"], before["life"])
    assert kite.api["instance"]


def test_nothing_is_written_into_the_project(kite):
    """`KITE_PROJECT` is never written to, and the project directory only where a person asks for it."""
    kite.module("plain")
    before = sorted(str(path) for path in kite.project.rglob("*"))
    kite.up("--wait")
    kite.down()
    after = sorted(str(p) for p in kite.project.rglob("*") if "__pycache__" not in p.parts)
    assert after == before
