"""The reference pages name every key that the readers know, and their examples are right."""

from __future__ import annotations

import json
import re
from pathlib import Path

from kite.model.project import parse_project

ROOT = Path(__file__).parents[3]


def test_the_manifests_page_names_every_key() -> None:
    page = (ROOT / "docs/reference/module-md.md").read_text()
    schema = json.loads((ROOT / "protocol/schemas/module.schema.json").read_text())
    named = set(re.findall(r"`([a-z_]+)`", page))
    assert schema["properties"].keys() <= named
    for section in ("launch", "restart", "stop", "limits", "events"):
        assert schema["properties"][section]["properties"].keys() <= named


def test_the_projects_page_shows_a_file_that_is_right() -> None:
    page = (ROOT / "docs/reference/kite-yaml.md").read_text()
    example = page.partition("```yaml\n")[2].partition("```")[0]
    project = parse_project(example, Path("/here"))
    schema = json.loads((ROOT / "protocol/schemas/kite.schema.json").read_text())
    assert all(f"\n{key}:" in f"\n{example}" for key in schema["properties"])
    limits = schema["properties"]["hub"]["properties"]["limits"]["properties"]
    assert limits.keys() <= set(re.findall(r"`([a-z_]+)`", page))
    assert project.hub["streams"]["docs"]["max_age"] == 7 * 86400
