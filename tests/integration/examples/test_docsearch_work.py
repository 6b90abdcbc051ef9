"""The queue of what is to be indexed."""

from __future__ import annotations

from work import Work


def drain(work: Work) -> list[tuple[str, str | None]]:
    taken = []
    while work:
        taken.append(work.take())
    work.finish()
    return taken


def test_the_latest_word_about_a_path_counts() -> None:
    work = Work()
    work.add("a", "text")
    work.add("b", "text")
    work.add("a", None)
    assert drain(work) == [("a", None), ("b", "text")]


def test_what_could_not_be_written_waits_again_unless_there_is_later_word() -> None:
    work = Work()
    work.add("a", "text")
    work.add("b", "text")
    work.take()
    work.take()
    work.add("b", None)
    work.put_back()
    assert drain(work) == [("a", "text"), ("b", None)]


def test_progress_counts_from_the_last_rest() -> None:
    work = Work()
    for path in "abc":
        work.add(path, "text")
    work.take()
    assert work.progress() == (0, 3)
    work.finish()
    assert work.progress() == (1, 3)
    drain(work)
    assert work.progress() == (3, 3)
    work.add("d", "text")
    assert work.progress() == (0, 1)


def test_knows_what_was_named_during_a_comparison() -> None:
    work = Work()
    work.add("a", "text")
    work.watch_touched()
    work.add("b", None)
    assert work.touched == {"b"}
