"""Reading three audit logs as one: older files, torn lines, what is added, what is wanted."""

from __future__ import annotations

import json
from pathlib import Path

from kite.cli.audit_book import AuditTail, Choice, merged


def said(ts: str, who: str = "web", outcome: str = "done", where: str = "launcher") -> str:
    found = {"ts": ts, "who": who, "what": "stop", "outcome": outcome, "where": where}
    return json.dumps(found) + "\n"


def instants(tails: list[AuditTail], choice: Choice | None = None) -> list[str]:
    return [line["ts"] for line in merged(tails, choice or Choice())]


def test_older_files_come_first_and_all_are_merged_by_time(tmp_path: Path) -> None:
    one, two = tmp_path / "launcher", tmp_path / "registry"
    one.mkdir()
    two.mkdir()
    (one / "audit.jsonl.2").write_text(said("01") + said("04"))
    (one / "audit.jsonl.1").write_text(said("05"))
    (one / "audit.jsonl").write_text(said("08"))
    (two / "audit.jsonl").write_text(said("02") + said("06") + said("09"))
    tails = [AuditTail(one), AuditTail(two), AuditTail(tmp_path / "event_hub")]
    assert instants(tails) == ["01", "02", "04", "05", "06", "08", "09"]
    for tail in tails:
        tail.close()


def test_what_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").write_text(
        said("01") + said("02", who="api", outcome="refused") + said("03", who="operator")
    )
    for choice, expected in (
        (Choice(since="02"), ["02", "03"]),
        (Choice(who=frozenset({"api", "operator"})), ["02", "03"]),
        (Choice(only_refused=True), ["02"]),
        (Choice(only_refused=True, who=frozenset({"web"})), []),
    ):
        tail = AuditTail(tmp_path)
        assert instants([tail], choice) == expected
        tail.close()


def test_what_is_added_is_read_on_over_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    tail = AuditTail(tmp_path)
    assert list(tail.new()) == []
    path.write_text(said("01"))
    assert [line["ts"] for line in tail.new()] == ["01"]
    with path.open("a") as file:
        file.write(said("02") + said("03")[:20])
    assert [line["ts"] for line in tail.new()] == ["02"], "half a line is no line yet"
    with path.open("a") as file:
        file.write(said("03")[20:])
    path.rename(tmp_path / "audit.jsonl.1")
    path.write_text(said("04"))
    assert [line["ts"] for line in tail.new()] == ["03", "04"]
    tail.close()


def test_what_is_no_line_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").write_text("[]\nnonsense\n{}\n\x00\n" + said("01"))
    tail = AuditTail(tmp_path)
    assert instants([tail]) == ["01"]
    tail.close()
