"""The index: one SQLite file, one writing connection, one reading.

`documents` and `bodies` hold what is shown, `terms` (FTS5, without a copy of the text) what is
looked up. Both change in one transaction, so whatever moment the process dies at, the file is a
whole index of some of the documents; which ones are missing or old, their `version` tells.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from query import KINDS, highlights, match_of, parse, relaxed_match_of
from snippet import mark, snippets
from text import VERSION, count_words, joined_words, read_text, read_title, spread

__all__ = ["KINDS", "Document", "Store"]

MAX_LIMIT = 100

_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime REAL NOT NULL,
    version TEXT NOT NULL,
    title TEXT NOT NULL,
    words INTEGER NOT NULL
);
CREATE INDEX documents_by_mtime ON documents (mtime DESC);
CREATE TABLE bodies (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE VIRTUAL TABLE terms USING fts5(
    title, path, body, joined, content='', tokenize="unicode61 remove_diacritics 2"
);
INSERT INTO terms (terms, rank) VALUES ('rank', 'bm25(12.0, 5.0, 1.0, 0.5)');
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file as it was when it was read.

    Args:
        path: relative to the folder, with `/`.
        kind: `markdown`, `text`, `html` or `source`.
        size: bytes.
        mtime: seconds since 1970.
        version: changes when the file does.
        content: its bytes.
    """

    path: str
    kind: str
    size: int
    mtime: float
    version: str
    content: bytes


class Store:
    """The index of one folder.

    Raises (from the constructor):
        sqlite3.OperationalError: the file cannot be opened or written.
    """

    def __init__(self, file: Path, folder: str) -> None:
        self.file = file
        self.folder = folder
        try:
            self._open()
        except sqlite3.DatabaseError as broken:
            # Only what says that this is no sound index; a full disk or a lock is the operator's.
            if isinstance(broken, sqlite3.OperationalError):
                raise
            self._remove()
            self._open()

    def _open(self) -> None:
        self._writer = sqlite3.connect(self.file, isolation_level=None)
        self._writer.execute("PRAGMA journal_mode = WAL")
        # A killed process loses nothing with it; a power cut may lose the last moments, which the
        # next comparison with the folder brings back.
        self._writer.execute("PRAGMA synchronous = NORMAL")
        self._writer.execute("PRAGMA cache_size = -16000")
        wanted = {"format": VERSION, "folder": self.folder}
        if self._facts() != wanted:
            self._writer.close()
            self._remove()
            self._writer = sqlite3.connect(self.file, isolation_level=None)
            self._writer.execute("PRAGMA journal_mode = WAL")
            self._writer.execute("PRAGMA synchronous = NORMAL")
            self._writer.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
            self._writer.executemany("INSERT INTO facts VALUES (?, ?)", wanted.items())
        self._reader = sqlite3.connect(f"{self.file.as_uri()}?mode=ro", uri=True)
        self._reader.row_factory = sqlite3.Row

    def _facts(self) -> dict[str, str]:
        try:
            return dict(self._writer.execute("SELECT name, value FROM facts"))
        except sqlite3.OperationalError:  # no such table: a new file
            return {}

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self.file.with_name(self.file.name + suffix).unlink(missing_ok=True)

    def close(self) -> None:
        """Fold the journal into the file and let go of it."""
        self._reader.close()
        self._writer.close()

    # ---- writing ----------------------------------------------------------------------------

    def begin(self) -> None:
        """Open a transaction; what follows is seen by searches when it is committed."""
        self._writer.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """End the transaction."""
        self._writer.execute("COMMIT")

    def rollback(self) -> None:
        """Forget the transaction, if there is one."""
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")

    def put(self, document: Document) -> str:
        """Index a document in place of what stood at its path, and return its title."""
        body = read_text(document.content, document.kind)
        title = read_title(document.content, document.kind, body, document.path)
        self.remove(document.path)
        row = (
            document.path,
            document.kind,
            document.size,
            document.mtime,
            document.version,
            title,
            count_words(body),
        )
        identity = self._writer.execute(
            "INSERT INTO documents (path, kind, size, mtime, version, title, words)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            row,
        ).lastrowid
        self._writer.execute("INSERT INTO bodies VALUES (?, ?)", (identity, body))
        self._writer.execute(
            "INSERT INTO terms (rowid, title, path, body, joined) VALUES (?, ?, ?, ?, ?)",
            (identity, *_looked_up(title, document.path, body)),
        )
        return title

    def remove(self, path: str) -> bool:
        """Take a document out; False when it was not there."""
        row = self._writer.execute(
            "SELECT id, title, body FROM documents JOIN bodies USING (id) WHERE path = ?", (path,)
        ).fetchone()
        if row is None:
            return False
        identity, title, body = row
        # A table without its own copy of the text is told what it had been given.
        self._writer.execute(
            "INSERT INTO terms (terms, rowid, title, path, body, joined)"
            " VALUES ('delete', ?, ?, ?, ?, ?)",
            (identity, *_looked_up(title, path, body)),
        )
        self._writer.execute("DELETE FROM documents WHERE id = ?", (identity,))
        self._writer.execute("DELETE FROM bodies WHERE id = ?", (identity,))
        return True

    def versions(self) -> dict[str, str]:
        """The version of every document that is indexed."""
        return dict(self._writer.execute("SELECT path, version FROM documents"))

    def version(self, path: str) -> str | None:
        """The version of one document, or None."""
        row = self._writer.execute(
            "SELECT version FROM documents WHERE path = ?", (path,)
        ).fetchone()
        return row[0] if row else None

    # ---- reading ----------------------------------------------------------------------------

    def search(
        self,
        typed: str,
        *,
        limit: int = 20,
        offset: int = 0,
        kinds: Iterable[str] = (),
        is_finished: bool = False,
    ) -> dict[str, Any]:
        """What is found, best first; for nothing typed, what was changed last.

        Args:
            typed: see `query`.
            limit: at most this many results.
            offset: so many of the best are left out.
            kinds: documents of these kinds alone.
            is_finished: the last word is whole, nobody is typing.
        """
        started = time.perf_counter()
        query = parse(typed, as_typed=not is_finished)
        conditions, values = _conditions({*kinds} or {*query.kinds}, query.extensions)
        wanted, excluded = match_of(query)
        if excluded:
            conditions.append("documents.id NOT IN (SELECT rowid FROM terms WHERE terms MATCH ?)")
            values.append(excluded)
        page = (max(min(limit, MAX_LIMIT), 1), max(offset, 0))
        is_relaxed = False
        if wanted:
            total, rows = self._matching(wanted, conditions, values, page)
            if not total and (relaxed := relaxed_match_of(query)) and relaxed != wanted:
                is_relaxed = True
                total, rows = self._matching(relaxed, conditions, values, page)
        elif typed.strip() and not (query.terms or conditions):
            total, rows = 0, []  # signs alone: there is nothing to look for
        else:
            total, rows = self._latest(conditions, values, page)
        marks = highlights(query, is_relaxed=is_relaxed)
        results = [
            {
                "path": row["path"],
                "kind": row["kind"],
                "size": row["size"],
                "mtime": row["mtime"],
                "title": mark(row["title"], marks),
                "place": mark(row["path"], marks),
                "snippets": snippets(row["body"], marks),
            }
            for row in rows
        ]
        return {
            "total": total,
            "offset": page[1],
            "relaxed": is_relaxed and total > 0,
            "results": results,
            "seconds": round(time.perf_counter() - started, 6),
        }

    def _matching(
        self, match: str, conditions: list[str], values: list[str], page: tuple[int, int]
    ) -> tuple[int, list[sqlite3.Row]]:
        where = " AND ".join(["terms MATCH ?", *conditions])
        joined = "JOIN documents ON documents.id = terms.rowid" if conditions else ""
        # Ranking looks at every match anyway, so one pass counts them too.
        found = self._reader.execute(
            f"SELECT terms.rowid FROM terms {joined} WHERE {where} ORDER BY rank", (match, *values)
        ).fetchall()
        limit, offset = page
        rows = [
            self._reader.execute(
                "SELECT * FROM documents JOIN bodies USING (id) WHERE id = ?", tuple(row)
            ).fetchone()
            for row in found[offset : offset + limit]
        ]
        return len(found), rows

    def _latest(
        self, conditions: list[str], values: list[str], page: tuple[int, int]
    ) -> tuple[int, list[sqlite3.Row]]:
        where = " AND ".join(conditions) or "TRUE"
        total = self._reader.execute(
            f"SELECT count(*) FROM documents WHERE {where}", values
        ).fetchone()[0]
        rows = self._reader.execute(
            f"SELECT documents.*, bodies.body FROM documents JOIN bodies USING (id)"
            f" WHERE {where} ORDER BY mtime DESC, path LIMIT ? OFFSET ?",
            (*values, *page),
        ).fetchall()
        return total, rows

    def text(self, path: str) -> dict[str, Any] | None:
        """A document's text as it is indexed, or None."""
        row = self._reader.execute(
            "SELECT path, kind, title, body FROM documents JOIN bodies USING (id) WHERE path = ?",
            (path,),
        ).fetchone()
        return dict(row) if row else None

    def count(self) -> int:
        """How many documents are indexed."""
        count: int = self._reader.execute("SELECT count(*) FROM documents").fetchone()[0]
        return count

    def stats(self) -> dict[str, Any]:
        """How much is indexed."""
        kinds = self._reader.execute(
            "SELECT kind, count(*), sum(size), sum(words) FROM documents GROUP BY kind ORDER BY 2 DESC"
        ).fetchall()
        return {
            "folder": self.folder,
            "documents": sum(row[1] for row in kinds),
            "bytes": sum(row[2] for row in kinds),
            "words": sum(row[3] for row in kinds),
            "kinds": [{"kind": row[0], "documents": row[1], "words": row[3]} for row in kinds],
            "index_bytes": self.file.stat().st_size,
        }


def _looked_up(title: str, path: str, body: str) -> tuple[str, str, str, str]:
    """What the full-text table gets; the same for taking a document out as for putting it in."""
    return spread(title), f"{spread(path)} {path}", spread(body), joined_words(f"{title} {body}")


def _conditions(kinds: set[str], extensions: tuple[str, ...]) -> tuple[list[str], list[str]]:
    conditions = []
    values: list[str] = []
    if kinds:
        conditions.append(f"documents.kind IN ({', '.join('?' * len(kinds))})")
        values += sorted(kinds)
    if extensions:
        conditions.append(
            "(" + " OR ".join(["documents.path LIKE ? ESCAPE '\\'"] * len(extensions)) + ")"
        )
        values += [
            "%." + extension.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
            for extension in extensions
        ]
    return conditions, values
