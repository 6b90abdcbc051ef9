"""The cases, and the page that promises them."""

from __future__ import annotations

import json
import re

import pytest

from kite.conformance.case import Case, Family
from kite.conformance.cases.everything import CASES, FAMILIES
from kite.conformance.cases.golden import FOLDER, KINDS, rows
from kite.conformance.trial import FIRST
from kite.errors import ERRORS_FILE

PAGE = (ERRORS_FILE.parent / "conformance.md").read_text(encoding="utf-8")
NO_MODULES_AFFAIR = {"frames", "origins", "instance_names"}


def test_names_are_unique_and_the_families_are_those_of_the_contract() -> None:
    """What the module is asked about first is whether it starts; what ends Kite comes last."""
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert set(FAMILIES) >= {
        "start", "crash", "reconnect", "shutdown", "denial", "order", "request", "vectors",
    }  # fmt: skip
    assert names[0] == FIRST
    assert names[-1] == "shutdown.everything"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_page_has_each_case_with_its_promise(case: Case) -> None:
    """Who reads `protocol/conformance.md` reads what the driver does."""
    assert f"| `{case.name}` | {case.promise}" in PAGE


def test_the_page_has_no_other_case() -> None:
    """A case that is gone is gone from the page."""
    families = "|".join(FAMILIES)
    listed = re.findall(rf"^\| `((?:{families})\.\w+)` \|", PAGE, re.MULTILINE)
    assert listed == [case.name for case in CASES]


def test_the_page_has_each_feature_and_each_kind_of_vectors() -> None:
    """What a module may declare can be looked up."""
    for word in {case.feature or case.vectors for case in CASES} - {""}:
        assert f"| `{word}` |" in PAGE, word


def test_each_promise_says_where_it_stands() -> None:
    """The page that a case names is there."""
    for case in CASES:
        for page in re.findall(r"[\w./-]+\.(?:md|json)", case.section):
            assert (ERRORS_FILE.parent / page).exists(), f"{case.name}: {page}"
        assert re.search(r"\.(md|json)", case.section), case.name


def test_every_file_of_vectors_is_asked_or_said_to_be_no_modules_affair() -> None:
    """A new file of vectors is not forgotten."""
    files = {path.stem for path in FOLDER.glob("*.json")}
    assert files == set(KINDS) | NO_MODULES_AFFAIR
    for name in NO_MODULES_AFFAIR | {"manifests"}:
        assert f"`{name}`" in PAGE


@pytest.mark.parametrize("kind", KINDS)
def test_rows_can_be_asked(kind: str) -> None:
    """Each is JSON in UTF-8, and both or all answers occur: to say always the same is not right."""
    found = rows(kind)
    assert len(found) > 5
    for row in found:
        json.dumps(row, ensure_ascii=False).encode()
    assert len({json.dumps(right) for _, right in found}) > 1


async def test_a_family_names_its_cases() -> None:
    """A case is called by its family, and has its section unless it says its own."""
    family = Family("leap", "somewhere.md")

    @family.case("high", "it leaps high")
    @family.case("far", "it leaps far", section="else.md", feature="legs")
    async def leap(stage: object) -> None:
        raise NotImplementedError

    far, high = family.cases
    assert (far.name, far.section, far.feature, far.family) == (
        "leap.far",
        "else.md",
        "legs",
        "leap",
    )
    assert (high.name, high.section, high.feature) == ("leap.high", "somewhere.md", "")
