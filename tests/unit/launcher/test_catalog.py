"""What was found in the folders, as the supervisor needs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kite.launcher.catalog import Catalog
from kite.launcher.core.plan import Condition, ConfigState, Desired, Plan, Policy, ReadyBy


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    found = tmp_path / "project"
    (found / "modules").mkdir(parents=True)
    return found


def write(project: Path, name: str, front: str = "", *, folder: str = "") -> Path:
    path = project / "modules" / (folder or name)
    path.mkdir(exist_ok=True)
    (path / "module.md").write_text(f"---\nname: {name}\ncommand: [sleep, '9']\n{front}---\n")
    return path


def plans(catalog: Catalog, kept: dict[str, Desired] | None = None) -> dict[str, Plan]:
    return {plan.name: plan for plan in catalog.plans((kept or {}).get)}


def test_the_core_modules_are_nobodys_plan(project: Path) -> None:
    catalog = Catalog(project)
    catalog.look()
    assert not {"launcher", "registry", "event_hub"} & set(plans(catalog))
    assert "watchdog" in plans(catalog)


def test_a_manifest_becomes_a_plan(project: Path) -> None:
    write(
        project,
        "a",
        "state: manual\nlaunch: {timeout: 4}\nstop: {timeout: 2}\ndepends_on: {b: started}\n"
        "restart: {max: 7, window: 30, retry: false, policy: on-failure}\n",
    )
    write(project, "b")
    catalog = Catalog(project)
    catalog.look()
    found = plans(catalog)["a"]
    assert (found.config_state, found.launch_timeout, found.stop_timeout) == (
        ConfigState.MANUAL,
        4.0,
        2.0,
    )
    assert found.dependencies == (("b", Condition.STARTED),)
    rule = found.restart
    assert (rule.policy, rule.max, rule.window, rule.retry) == (Policy.ON_FAILURE, 7, 30.0, False)
    assert found.ready_by is ReadyBy.MODULE
    assert found.problem is None


def test_those_first_that_others_wait_for(project: Path) -> None:
    write(project, "a", "depends_on: [b]\n")
    write(project, "b", "depends_on: [c]\n")
    write(project, "c")
    catalog = Catalog(project)
    catalog.look()
    order = [name for name in plans(catalog) if name in "abc"]
    assert order == ["c", "b", "a"]


def test_jobs_have_no_launch_timeout_and_another_policy(project: Path) -> None:
    write(project, "made")
    write(project, "user", "depends_on: {made: completed}\n")
    write(project, "night", "schedule: '0 3 * * *'\n")
    catalog = Catalog(project)
    catalog.look()
    for name in ("made", "night"):
        found = plans(catalog)[name]
        assert (found.launch_timeout, found.ready_by) == (None, ReadyBy.PROCESS)
        assert found.restart.policy is Policy.ON_FAILURE
        assert found.is_job
    assert plans(catalog)["night"].is_scheduled
    assert list(catalog.schedules()) == ["night"]


def test_the_default_window_follows_the_launch_timeout(project: Path) -> None:
    write(project, "quick", "launch: {timeout: 2}\n")
    write(project, "slow", "launch: {timeout: 100}\n")
    catalog = Catalog(project)
    catalog.look()
    assert plans(catalog)["quick"].restart.window == 60.0
    assert plans(catalog)["slow"].restart.window == 500.0


def test_a_cycle_and_a_missing_dependency_are_problems_of_those_concerned(project: Path) -> None:
    write(project, "a", "depends_on: [b]\n")
    write(project, "b", "depends_on: [a]\n")
    write(project, "c", "depends_on: [ghost]\n")
    write(project, "fine")
    catalog = Catalog(project)
    changes = catalog.look()
    found = plans(catalog)
    for name in ("a", "b"):
        problem = found[name].problem
        assert problem is not None
        assert "a" in problem.message
        assert "b" in problem.message
    assert found["c"].problem is not None
    assert "ghost" in found["c"].problem.message
    assert found["fine"].problem is None
    assert len(changes.errors) >= 3


def test_a_broken_manifest_is_listed_under_its_folders_name(project: Path) -> None:
    path = write(project, "a", folder="folder")
    (path / "module.md").write_text("---\nname: a\nstat: manual\n---\n")
    catalog = Catalog(project)
    changes = catalog.look()
    found = plans(catalog)["folder"]
    assert found.problem is not None
    assert "module.md" in found.problem.message
    assert "stat" in found.problem.message
    assert "a" not in plans(catalog)
    assert "folder" in changes.added
    assert catalog.manifest("folder") is None
    assert catalog.folder("folder") == path.resolve()


def test_a_manifest_that_breaks_keeps_the_config_state_it_had(project: Path) -> None:
    path = write(project, "a", "state: manual\n")
    catalog = Catalog(project)
    catalog.look()
    kept = Desired(running=False, config_state=ConfigState.MANUAL)
    (path / "module.md").write_text("---\nname: [\n---\n")
    catalog.look()
    assert plans(catalog, {"a": kept})["a"].config_state is ConfigState.MANUAL
    assert not plans(catalog, {"a": kept})["a"].is_readable


def test_a_manifest_that_breaks_keeps_the_name_it_had(project: Path) -> None:
    """Its folder is called like another module, which is well."""
    path = write(project, "a", folder="b")
    write(project, "b", "depends_on: [a]\n", folder="other")
    catalog = Catalog(project)
    catalog.look()
    sound = (path / "module.md").read_text()
    for text in ("---\nname: [\n---\n", "---\nname: a\nstat: manual\n---\n"):
        (path / "module.md").write_text(text)
        changes = catalog.look()
        assert (changes.added, changes.changed, changes.removed) == ((), ("a",), ())
        assert catalog.folder("a") == path.resolve()
        assert not plans(catalog)["a"].is_readable
        assert plans(catalog)["b"].problem is None
    (path / "module.md").write_text(sound)
    assert catalog.look().changed == ("a",)
    assert plans(catalog)["a"].problem is None


def test_a_manifest_that_is_mended_under_another_name_is_another_module(project: Path) -> None:
    path = write(project, "a", folder="folder")
    catalog = Catalog(project)
    catalog.look()
    (path / "module.md").write_text("---\nname: [\n---\n")
    catalog.look()
    write(project, "c", folder="folder")
    changes = catalog.look()
    assert (changes.added, changes.changed, changes.removed) == (("c",), (), ("a",))


def test_a_search_says_what_is_different(project: Path) -> None:
    catalog = Catalog(project)
    catalog.look()
    write(project, "a")
    write(project, "b")
    changes = catalog.look()
    assert set(changes.added) == {"a", "b"}
    assert catalog.look().added == ()
    write(project, "a", "state: manual\n")
    (project / "modules" / "b" / "module.md").unlink()
    changes = catalog.look()
    assert (changes.added, changes.changed, changes.removed) == ((), ("a",), ("b",))


def test_overrides_of_the_project_count(project: Path) -> None:
    write(project, "a")
    (project / "kite.yaml").write_text("modules:\n  a:\n    state: disabled\n")
    catalog = Catalog(project)
    catalog.look()
    assert plans(catalog)["a"].config_state is ConfigState.DISABLED


def test_a_project_file_that_breaks_leaves_the_last_one_in_force(project: Path) -> None:
    write(project, "a")
    (project / "kite.yaml").write_text("modules:\n  a:\n    state: manual\n")
    catalog = Catalog(project)
    catalog.look()
    (project / "kite.yaml").write_text("moduls: {}\n")
    changes = catalog.look()
    assert any("moduls" in str(error) for error in changes.errors)
    assert plans(catalog)["a"].config_state is ConfigState.MANUAL
    (project / "kite.yaml").unlink()
    assert catalog.look().errors == ()
    assert plans(catalog)["a"].config_state is ConfigState.ENABLED


def test_replicas_are_part_of_the_plan(project: Path) -> None:
    write(project, "a", "replicas: 3\n")
    catalog = Catalog(project)
    catalog.look()
    assert plans(catalog)["a"].replicas == 3
    assert plans(catalog)["a"].problem is None


def test_who_is_watched(project: Path) -> None:
    path = write(project, "a", "watch: true\n")
    write(project, "b")
    catalog = Catalog(project)
    catalog.look()
    [(name, (folder, _))] = catalog.watched().items()
    assert (name, folder) == ("a", path.resolve())


def test_a_broken_manifest_counts_as_changed_when_it_was_touched(project: Path) -> None:
    folder = write(project, "a", "stat: manual\n")
    catalog = Catalog(project)
    first = catalog.look()
    assert "a" in first.added
    assert [error.code for error in first.errors] == ["unknown_key_near"]
    again = catalog.look()
    assert (again.added, again.changed, again.removed) == ((), (), ())
    assert [error.code for error in again.errors] == ["unknown_key_near"]
    write(project, "a", "stat: manual\nstat2: manual\n")
    assert catalog.look().changed == ("a",)
    # Its own file is untouched, and what is wrong is another thing.
    write(project, "a", "")
    assert catalog.look().changed == ("a",)
    for wrong, changed in (("stat", ("a",)), ("stat", ()), ("state2", ("a",))):
        (project / "kite.yaml").write_text(f"modules:\n  a: {{{wrong}: manual}}\n")
        assert catalog.look().changed == changed
    (folder / "module.md").unlink()
    assert catalog.look().removed == ("a",)


def test_kite_yaml_silences_a_module_that_cannot_be_read(project: Path) -> None:
    write(project, "broken", "nonsense: 1\n")
    (project / "kite.yaml").write_text("modules: {broken: {state: disabled}}\n")
    catalog = Catalog(project)
    catalog.look()
    plan = plans(catalog)["broken"]
    assert (plan.config_state, plan.problem) == (ConfigState.DISABLED, None)
    (project / "kite.yaml").write_text("modules: {broken: {state: manual}}\n")
    assert catalog.look().changed == ("broken",)
    assert plans(catalog)["broken"].problem is not None


def test_what_is_wrong_is_told_with_its_place(project: Path) -> None:
    folder = write(project, "a", "depends_on: [ghost]\n")
    catalog = Catalog(project)
    catalog.look()
    problem = plans(catalog)["a"].problem
    assert problem is not None
    assert problem.message.startswith(f"{folder / 'module.md'}:4")
