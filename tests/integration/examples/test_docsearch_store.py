"""The index: what goes in is found, what is taken out is not, and what dies in between is whole."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store import Document, Store
from tests.integration.examples.conftest import PROJECT


def document(path: str, text: str, *, kind: str = "markdown", mtime: float = 1.0) -> Document:
    return Document(
        path=path,
        kind=kind,
        size=len(text),
        mtime=mtime,
        version=f"{len(text)}-{mtime}",
        content=text.encode(),
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "index.db", "/docs")
    yield made
    made.close()


def fill(store: Store, files: dict[str, str]) -> None:
    store.begin()
    for path, text in files.items():
        kind = {"py": "source", "txt": "text", "html": "html"}.get(path.split(".")[-1], "markdown")
        store.put(document(path, text, kind=kind))
    store.commit()


def paths(store: Store, typed: str) -> list[str]:
    return [result["path"] for result in store.search(typed)["results"]]


FILES = {
    "hub.md": "# Event Hub\nIt forwards frames. A graceful stop takes time.\n",
    "stop.md": "# Stopping\nThe stop is graceful. See the hub.\n",
    "connection.py": "class HubConnection:\n    def on_event(self): ...\n",
    "zh.md": "# 事件中心\n内存泄漏问题的原因是缓存没有上限。\n",
    "cafe.txt": "A naïve café in Zürich\n",
}


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("event hub ", {"hub.md", "connection.py"}),
        ('"graceful stop" ', {"hub.md"}),
        ("stop -frames ", {"stop.md"}),
        ("frames OR cafe ", {"hub.md", "cafe.txt"}),
        ("hubconnection ", {"connection.py"}),
        ("HubConnection ", {"connection.py"}),
        ("connection ", {"connection.py"}),
        ("hubconn", {"connection.py"}),
        ("on_event ", {"connection.py"}),
        ("NAIVE zurich ", {"cafe.txt"}),
        ("泄漏", {"zh.md"}),
        ("漏", {"zh.md"}),
        ("内存泄漏", {"zh.md"}),
        ("title:stopping", {"stop.md"}),
        ("path:stop.md ", {"stop.md"}),
        ("graceful ext:md", {"hub.md", "stop.md"}),
        ("kind:source", {"connection.py"}),
        ("-graceful ", {"connection.py", "zh.md", "cafe.txt"}),
        ("...", set()),
    ],
)
def test_finds(store: Store, typed: str, found: set[str]) -> None:
    fill(store, FILES)
    result = store.search(typed)
    assert {hit["path"] for hit in result["results"]} == found
    assert result["total"] == len(found)
    assert not result["relaxed"]


def test_a_word_in_the_title_ranks_first(store: Store) -> None:
    fill(store, FILES)
    assert paths(store, "hub ")[0] == "hub.md"
    assert paths(store, "stop ")[0] == "stop.md"


def test_where_nothing_has_all_of_it_parts_are_found(store: Store) -> None:
    fill(store, FILES)
    result = store.search("graceful nonsense ")
    assert result["relaxed"]
    assert {hit["path"] for hit in result["results"]} == {"hub.md", "stop.md"}
    assert paths(store, "缓存泄漏 ") == ["zh.md"]


def test_nothing_typed_shows_what_changed_last(store: Store) -> None:
    store.begin()
    for number in range(5):
        store.put(document(f"{number}.md", "text", mtime=float(number)))
    store.commit()
    assert paths(store, " ") == ["4.md", "3.md", "2.md", "1.md", "0.md"]


def test_pages(store: Store) -> None:
    fill(store, {f"{number:02}.md": f"common number{number}" for number in range(30)})
    first = store.search("common ", limit=20)
    rest = store.search("common ", limit=20, offset=20)
    assert first["total"] == rest["total"] == 30
    together = [hit["path"] for hit in first["results"] + rest["results"]]
    assert sorted(together) == sorted({*together})
    assert len(together) == 30
    assert len(store.search("common ", limit=-5)["results"]) == 1


def test_highlights_are_parts_not_markup(store: Store) -> None:
    fill(store, {"x.md": "# <b>Title</b>\nsome <mark>evil</mark> text & the evil <script>\n"})
    (result,) = store.search("evil ")["results"]
    (snippet,) = result["snippets"]
    assert snippet["line"] == 2
    assert snippet["parts"][1::2] == ["evil", "evil"]
    assert "<mark>" in "".join(snippet["parts"])


def test_marks_what_was_found(store: Store) -> None:
    fill(store, {"a.py": "class AbstractEventLoop:\n    pass\n", "c.txt": "Ein Café, 看见咖啡\n"})

    def marked(typed: str) -> list[str]:
        (result,) = store.search(typed)["results"]
        return [part for one in result["snippets"] for part in one["parts"][1::2]]

    assert marked("event loop") == ["Event", "Loop"]
    assert marked("eventloop ") == ["EventLoop"]
    assert marked("cafe ") == ["Café"]
    assert marked("咖啡") == ["咖啡"]


def test_what_is_taken_out_is_gone(store: Store) -> None:
    fill(store, FILES)
    store.begin()
    assert store.remove("hub.md")
    assert not store.remove("hub.md")
    store.put(document("stop.md", "# Other\nnothing of before\n"))
    store.commit()
    assert paths(store, "forwards ") == []
    assert paths(store, "graceful ") == []
    assert paths(store, "before ") == ["stop.md"]
    assert store.stats()["documents"] == 4


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from("abcd"),
            st.one_of(st.none(), st.text(alphabet="xY zä你好_<\n", max_size=40)),
        ),
        max_size=15,
    )
)
def test_the_word_table_agrees_with_the_documents(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str | None]]
) -> None:
    """Whatever is put and removed in whatever order, nothing stale stays in the full-text table."""
    file = tmp_path_factory.mktemp("agree") / "index.db"
    store = Store(file, "/docs")
    held: dict[str, str] = {}
    for path, text in steps:
        store.begin()
        if text is None:
            assert store.remove(path) == (path in held)
            held.pop(path, None)
        else:
            store.put(document(path, text))
            held[path] = text
        store.commit()
    rows = {path for (path,) in store._reader.execute("SELECT path FROM documents")}
    assert rows == set(held)
    counted = store._reader.execute("SELECT count(*) FROM terms_docsize").fetchone()[0]
    assert counted == len(held)
    for typed, part in (("你好 ", "你好"), ("zä ", None)):
        found = set(paths(store, typed))
        assert found <= set(held)
        if part:
            assert found >= {path for path, text in held.items() if part in text}
    store._writer.execute("INSERT INTO terms (terms) VALUES ('integrity-check')")
    store.close()


def test_a_broken_file_is_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "index.db"
    store = Store(file, "/docs")
    fill(store, FILES)
    store.close()
    file.write_bytes(b"this is no database, but it is long enough to be read as one" * 100)
    again = Store(file, "/docs")
    assert again.versions() == {}
    fill(again, FILES)
    assert paths(again, "frames ") == ["hub.md"]
    again.close()


def test_another_folder_begins_anew(tmp_path: Path) -> None:
    store = Store(tmp_path / "index.db", "/docs")
    fill(store, FILES)
    store.close()
    same = Store(tmp_path / "index.db", "/docs")
    assert len(same.versions()) == len(FILES)
    same.close()
    other = Store(tmp_path / "index.db", "/other")
    assert other.versions() == {}
    other.close()


_INDEX_FOR_EVER = """
import itertools, sys
from pathlib import Path
from store import Document, Store
store = Store(Path(sys.argv[1]), "/docs")
print("begun", flush=True)
for number in itertools.count():
    store.begin()
    for path in ("same", f"n{number}"):
        text = f"word{number} common " * 200
        store.put(Document(path=path, kind="text", size=1, mtime=1.0, version=str(number),
                           content=text.encode()))
    store.commit()
"""


def test_a_kill_leaves_a_whole_index(tmp_path: Path) -> None:
    file = tmp_path / "index.db"
    for round_ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", _INDEX_FOR_EVER, str(file)],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(PROJECT / "modules" / "indexer")},
        )
        assert process.stdout
        assert process.stdout.readline() == b"begun\n"
        time.sleep(0.15 + 0.07 * round_)  # anywhere in its work: no fact to wait for
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        store = Store(file, "/docs")
        versions = store.versions()
        assert len(versions) > 1
        assert store.search("common ")["total"] == len(versions)
        latest = versions["same"]
        assert set(paths(store, f"word{latest} ")) == {"same", f"n{latest}"}
        store.close()
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
