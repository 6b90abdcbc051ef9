"""`kite tools` and `kite call` against a real Kite."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from kite.testing.system import System

MODULE = '''
from kite import Module, RequestError

module = Module()


@module.tool()
def double(number: int, loud: bool = False) -> int:
    """Twice a number."""
    return 2 * number


@module.tool()
def liar() -> int:
    return "no number"


@module.tool()
def refuse(why: str) -> None:
    raise RequestError("out_of_paper", detail=why)


@module.handle("hand.made")
def made(request):
    return request.data


@module.handle("hand.broken")
def broken(request):
    return None


module.register(tools=[
    {"name": "made", "subject": "hand.made", "input_schema": {"type": "array", "maxItems": 2}},
    {"name": "broken", "subject": "hand.broken", "input_schema": {"type": "strin"}},
    {"name": "away", "subject": "nobody.answers"},
    "told-only",
])
module.run()
'''


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One Kite for all: nothing here changes it."""
    with System(tmp_path_factory.mktemp("tools"), extensions=False) as made:
        made.module("sums", MODULE, runtime="python")
        made.module(
            "other",
            MODULE.split("@module.handle", maxsplit=1)[0] + "module.run()\n",
            runtime="python",
        )
        made.up("-d", "--wait")
        yield made


def test_tools_are_listed_with_what_they_take(system: System) -> None:
    head, *listed = (" ".join(line.split()) for line in system.kite("tools").out.splitlines())
    assert head == "TOOL MODULE TAKES DESCRIPTION"
    assert "double sums number: integer, [loud]: boolean Twice a number." in listed
    assert "told-only sums (cannot be called)" in listed
    document = json.loads(system.kite("tools", "--json", "sums/d*").out)
    (double,) = document["tools"]
    assert (double["module_id"], double["subject"]) == ("sums", "sums.double")
    assert double["output_schema"] == {"type": "integer"}


def test_one_tool_is_shown_whole(system: System) -> None:
    page = system.kite("tools", "sums/double").out
    for part in ("Twice a number.", "module: sums", "subject: sums.double", '"loud"', "answers:"):
        assert part in page
    missing = system.kite("tools", "sums/nothing", status=1)
    assert "no module offers a tool 'sums/nothing'" in missing.err


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("sums/double", '{"number": 21}'), 42),
        (("sums/double", "number=21", "loud=true"), 42),
        (("other/double", "number=1"), 2),
        (("made", "[1, 2.50]"), [1, 2.5]),
        (("made", "[]", "--raw"), []),
    ],
)
def test_a_tool_is_called_with_json_or_fields(
    system: System, words: tuple[str, ...], answer: object
) -> None:
    called = system.kite("call", *words)
    assert (json.loads(called.out), called.err) == (answer, "")


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (
            ("double", "number=1"),
            1,
            "several modules offer a tool 'double': other/double, sums/double",
        ),
        (("sums/double",), 1, '"number" is a required property'),
        (("sums/double", "number=x"), 1, "at $.number"),
        (("sums/double", "number=1", "more=2"), 1, "'more' was unexpected"),
        (("made", "[1,2,3]"), 1, "has more than 2 items"),
        (("sums/refuse", "why=empty"), 1, "sums refuses 'sums.refuse': empty (out_of_paper)"),
        (("broken", "1"), 1, "the input_schema that sums gives for 'broken' is no JSON Schema"),
        (("away",), 1, "nobody answers requests on 'nobody.answers'"),
        (("told-only",), 1, "sums offers 'told-only', and says no subject"),
        (("nothing",), 1, "no module offers a tool 'nothing'"),
        (("sums/double", "{"), 2, "'{' is no JSON"),
        (("sums/double", "number=1", "number=2"), 2, "the field number is given twice"),
        (("sums/double", "number=1", "--timeout", "0"), 2, "a number of seconds above 0"),
    ],
)
def test_what_cannot_be_called_is_told(
    system: System, words: tuple[str, ...], status: int, says: str
) -> None:
    refused = system.kite("call", *words, status=status)
    assert says in refused.err
    assert refused.out == ""


def test_an_answer_that_is_not_what_was_promised_is_printed_and_told(system: System) -> None:
    called = system.kite("call", "sums/liar")
    assert called.out == "no number\n"
    assert "this is not what sums/liar says that it answers" in called.err


def test_input_that_no_schema_saw_is_refused_by_the_module(system: System) -> None:
    """Another client need not check: the tool does."""
    refused = system.kite("request", "sums.double", '{"number": "x"}', status=1)
    assert "invalid_input" in refused.err
    assert "$.number" in refused.err
