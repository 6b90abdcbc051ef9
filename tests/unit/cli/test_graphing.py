"""Maps of who waits for whom, and their drawings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kite.cli.graphing.drawings import dot, mermaid, text
from kite.cli.graphing.map import Map, around, map_of
from kite.launcher.discovery import scan
from kite.model.project import read_project

FRONTS = {
    "base": "",
    "end": "depends_on: {base: started}\n",  # a word of Mermaid's
    "web": "depends_on: [end, nowhere]\n",
    "ring": "depends_on: [gnir]\n",
    "gnir": "depends_on: [ring]\n",
}


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KITE_LANG", "en")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def drawn(project: Path, records: dict[str, dict[str, Any]] | None = None) -> Map:
    for name, front in FRONTS.items():
        folder = project / "modules" / name
        folder.mkdir(parents=True)
        body = f"---\nname: {name}\ncommand: [sleep, '9']\n{front}---\n"
        (folder / "module.md").write_text(body)
    (project / "modules" / "odd").mkdir()
    (project / "modules" / "odd" / "module.md").write_text("---\nname: [\n---\n")
    return map_of(scan(project, read_project(project)), records)


def record(state: str, *waiting: str, error: str | None = None) -> dict[str, Any]:
    return {"actual_state": state, "waiting_for": list(waiting), "error": error}


def test_layers_circles_and_what_is_missing(tmp_path: Path) -> None:
    found = drawn(tmp_path)
    layers = {point.name: point.layer for point in found.points}
    assert [layers[name] for name in ("launcher", "registry", "event_hub")] == [0, 0, 0]
    assert (layers["base"], layers["end"], layers["web"]) == (1, 2, 3)
    assert found.cycles == (("gnir", "ring", "gnir"),)
    assert found.missing == {"nowhere": ("web",)}
    assert not found.running
    broken = next(point for point in found.points if point.name == "odd")
    assert broken.error


def test_only_what_has_to_do_with_a_name(tmp_path: Path) -> None:
    """Who needs it, and all that those need: so that no arrow leads nowhere."""
    whole = drawn(tmp_path)
    assert {point.name for point in around(whole, ["end"]).points} == {"base", "end", "web"}
    part = around(whole, ["base"])
    assert {point.name for point in part.points} == {"base", "end", "web"}
    assert part.missing == {"nowhere": ("web",)}
    assert part.cycles == ()


def test_the_table_of_a_running_kite(tmp_path: Path) -> None:
    states = {"base": record("starting"), "end": record("running"), "web": record("waiting", "end")}
    lines = text(drawn(tmp_path, states), color=False, columns=None)
    assert lines[0].split() == ["LAYER", "NAME", "STATE", "DEPENDS", "ON"]
    web = next(line for line in lines if " web " in line)
    assert "waiting" in web
    assert "end (ready) [not yet], nowhere (ready) [missing]" in web
    ring = next(line for line in lines if " ring " in line and "gnir (" in line)
    assert "gnir (ready) [circle]" in ring
    assert "end (started)" not in web
    assert lines[-2:] == ["circle: gnir → ring → gnir", "missing: nowhere, needed by web"]


def test_graphviz(tmp_path: Path) -> None:
    lines = dot(drawn(tmp_path))
    assert (lines[0], lines[-1]) == ("digraph kite {", "}")
    assert '  "end" -> "base" [label="started"];' in lines
    assert '  "web" -> "nowhere" [label="ready", color=red];' in lines
    assert '  "nowhere" [style=dashed, color=red, label="nowhere\\nmissing"];' in lines


def test_mermaid_knows_no_name_of_ours(tmp_path: Path) -> None:
    """`end` would end its diagram: nodes have numbers, and names stand in quotes."""
    lines = mermaid(drawn(tmp_path))
    assert lines[0] == "flowchart BT"
    ids = {
        line.split('"')[1].partition("<")[0]: line.split("[")[0].strip()
        for line in lines
        if '["' in line
    }
    assert f"  {ids['end']} -->|started| {ids['base']}" in lines
    assert f"  {ids['web']} -.->|ready| {ids['nowhere']}" in lines
    assert not any(line.strip().startswith("end") for line in lines)
