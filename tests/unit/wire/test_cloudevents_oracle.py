"""Our CloudEvents, read and written by the CloudEvents project's own library."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kite.wire.cloudevents import from_cloudevent, members_of, to_cloudevent

formats = pytest.importorskip(
    "cloudevents.core.formats.json",
    reason="the library is not installed: pip install cloudevents, or --group peers",
)
events = pytest.importorskip("cloudevents.core.v1.event")

ROWS = json.loads(
    (Path(__file__).parents[3] / "protocol" / "vectors" / "cloudevents.json").read_text("utf-8")
)


def theirs(text: bytes | str) -> Any:
    return formats.JSONFormat().read(events.CloudEvent, text)


def again(text: bytes) -> Any:
    """What the library writes when it has read."""
    return json.loads(formats.JSONFormat().write(theirs(text)))


@pytest.mark.parametrize("row", ROWS["out"], ids=lambda row: row["why"])
def test_what_we_write_the_library_reads_and_writes_again(row: dict[str, Any]) -> None:
    out = to_cloudevent(members_of(json.dumps(row["event"])))
    found, back = json.loads(out), again(out)
    time = back.pop("time")  # where there is none, the library has its own
    if "time" in found:
        assert time[:19] == found.pop("time")[:19]
    assert {**back, "data": back.get("data")} == {**found, "data": found.get("data")}


def test_the_library_takes_what_we_take() -> None:
    for row in ROWS["in"]:
        given = {k: v for k, v in row["cloudevent"].items() if v is not None and k != "time"}
        assert theirs(json.dumps(given)).get_id() == row["cloudevent"]["id"], row["why"]


@pytest.mark.parametrize("why", ["another version", "no source", "no type"])
def test_the_library_refuses_what_we_refuse(why: str) -> None:
    """Where it looks: it makes an `id` up, takes `specversion` for granted, and trusts values."""
    (row,) = (row for row in ROWS["invalid"] if row["why"] == why)
    with pytest.raises(Exception, match=r"(?i)validat|specversion"):
        theirs(json.dumps(row["cloudevent"]))


names = st.from_regex(r"[a-z][a-z0-9]{0,19}", fullmatch=True).filter(
    lambda name: not name.startswith("kite") and name not in RESERVED
)
RESERVED = {"id", "source", "type", "time", "subject", "data", "specversion", "datacontenttype"}
RESERVED |= {"dataschema", "datacontentencoding"}
text = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), min_size=1, max_size=12)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(names, text | st.booleans() | st.integers(-(1 << 31), (1 << 31) - 1)),
    st.datetimes(),
    st.binary(max_size=9) | st.dictionaries(text, st.integers() | text) | text,
    text,
)
def test_what_the_library_writes_comes_back_through_kite(
    extensions: dict[str, Any], at: datetime, data: Any, subject: str
) -> None:
    attributes = {
        **extensions, "id": subject, "source": "https://example.com/x", "type": "com.example.one",
        "specversion": "1.0", "time": at.replace(tzinfo=UTC), "subject": subject,
    }  # fmt: skip
    written = formats.JSONFormat().write(events.CloudEvent(attributes, data))
    frame = from_cloudevent(members_of(written), "bridge")
    back = to_cloudevent(members_of(frame))
    found = json.loads(back)
    assert found.pop("kitesource") == "bridge"
    assert found == json.loads(written)
    assert theirs(back).get_data() == data
    assert theirs(back).get_time() == attributes["time"]
