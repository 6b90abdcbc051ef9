"""A map as text for people, for Graphviz, and for Mermaid. Pure."""

from __future__ import annotations

import json

from kite.cli.graphing.map import Edge, Map, Point
from kite.cli.table import Cell, table
from kite.launcher.progress import state_color, state_word
from kite.locale import _

_COLORS = {"running": "palegreen", "failed": "salmon", "stopped": "lightgrey"}
_OTHER = "lightyellow"


def text(drawn: Map, *, color: bool, columns: int | None) -> list[str]:
    """A table by layers, and below it what is circular or missing."""
    headers = [_("LAYER"), _("NAME"), _("STATE"), _("DEPENDS ON")]
    rows: list[list[str | Cell]] = []
    before = -1
    for point in drawn.points:
        state = point.actual_state or point.config_state
        word = state_word(state) if point.actual_state else _config_word(state)
        style = (state_color(state),) if point.actual_state else ("dim",)
        layer = str(point.layer) if point.layer != before else ""
        before = point.layer
        needs = ", ".join(_edge(edge) for edge in point.depends_on)
        rows.append([layer, point.name, Cell(word, style), needs])
    lines = table(headers, rows, color=color, columns=columns)
    for cycle in drawn.cycles:
        lines.append(_("circle: {cycle}").format(cycle=" → ".join(cycle)))
    for name, needing in drawn.missing.items():
        told = _("missing: {name}, needed by {names}")
        lines.append(told.format(name=name, names=", ".join(needing)))
    return lines


def _config_word(state: str) -> str:
    return {"enabled": _("enabled"), "manual": _("manual"), "disabled": _("disabled")}[state]


def _edge(edge: Edge) -> str:
    condition = {"ready": _("ready"), "started": _("started"), "completed": _("completed")}
    told = f"{edge.name} ({condition[edge.condition]})"
    if not edge.is_known:
        return told + " " + _("[missing]")
    if edge.is_circular:
        return told + " " + _("[circle]")
    return told + " " + _("[not yet]") if edge.is_met is False else told


def dot(drawn: Map) -> list[str]:
    """Graphviz: an arrow goes from a module to what it depends on."""
    lines = ["digraph kite {", "  rankdir=BT;", "  node [shape=box, style=filled];"]
    for point in drawn.points:
        fill = _COLORS.get(point.actual_state or "", _OTHER)
        label = f"{point.name}\\n{_state(point)}"
        lines.append(f'  {json.dumps(point.name)} [label="{label}", fillcolor={fill}];')
    lines += [
        f'  {json.dumps(name)} [style=dashed, color=red, label="{name}\\nmissing"];'
        for name in drawn.missing
    ]
    for point in drawn.points:
        for edge in point.depends_on:
            style = "color=red" if edge.is_circular or not edge.is_known else ""
            style = "style=dashed" if not style and edge.is_met is False else style
            more = ", ".join(filter(None, [f'label="{edge.condition}"', style]))
            lines.append(f"  {json.dumps(point.name)} -> {json.dumps(edge.name)} [{more}];")
    return [*lines, "}"]


def mermaid(drawn: Map) -> list[str]:
    """Mermaid; its own words (`end`) may be names, so that nodes have numbers."""
    names = [*(point.name for point in drawn.points), *drawn.missing]
    ids = {name: f"n{number}" for number, name in enumerate(names)}
    shown = {point.name: _state(point) for point in drawn.points}
    shown |= dict.fromkeys(drawn.missing, "missing")
    lines = ["flowchart BT"]
    lines += [f'  {ids[name]}["{name}<br/>{state}"]' for name, state in shown.items()]
    for point in drawn.points:
        for edge in point.depends_on:
            arrow = "-.->" if edge.is_met is False or not edge.is_known else "-->"
            lines.append(f"  {ids[point.name]} {arrow}|{edge.condition}| {ids[edge.name]}")
    return lines


def _state(point: Point) -> str:
    return point.actual_state or point.config_state
