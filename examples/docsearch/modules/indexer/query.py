"""What a person typed, understood without ever complaining.

    hub connection       both words
    "graceful stop"      the words side by side
    snapshot -draft      without this word
    kill OR term         either (also |)
    conf*                words that begin so; the last word is taken so anyway while it is typed
    title:limits path:docs/adr kind:markdown ext:py

Whatever stands there, the result is a query that SQLite accepts: every word goes into it quoted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from text import CJK_RUN, fold, spread

MAX_TERMS = 32
MAX_LENGTH = 1000
KINDS = ("markdown", "text", "html", "source")

_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "「": '"', "」": '"',
                         "：": ":", "－": "-", "　": " "})  # fmt: skip
_PIECE = re.compile(
    r'(?P<minus>-?)(?:(?P<field>[a-z]{3,5}):)?(?:"(?P<quoted>[^"]*)"?|(?P<word>[^\s"]+))'
)
_FIELDS = ("title", "path", "kind", "ext")


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One word or phrase.

    Args:
        text: as it was typed, without quotes.
        is_excluded: documents with it are left out.
        is_prefix: the last word of it may go on.
        is_alternative: it and the term before it are alternatives.
        field: `title` or `path` to look there alone.
    """

    text: str
    is_excluded: bool = False
    is_prefix: bool = False
    is_alternative: bool = False
    field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Everything typed.

    Args:
        terms: words and phrases.
        kinds: one of these kinds, if there are any.
        extensions: one of these file endings, if there are any, without the dot.
    """

    terms: tuple[Term, ...] = ()
    kinds: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()

    @property
    def wanted(self) -> tuple[Term, ...]:
        """The terms that a hit has."""
        return tuple(term for term in self.terms if not term.is_excluded)


def parse(typed: str, *, as_typed: bool = True) -> Query:
    """Understand what was typed.

    Args:
        typed: any text.
        as_typed: the person may still be typing: the last word may go on.
    """
    line = typed[:MAX_LENGTH].translate(_QUOTES)
    terms: list[Term] = []
    kinds: list[str] = []
    extensions: list[str] = []
    is_alternative = False
    is_excluded_next = False
    last_end = 0
    for piece in _PIECE.finditer(line):
        field = piece["field"]
        quoted = piece["quoted"]
        word = piece["word"]
        if field not in _FIELDS and field is not None:  # `http:` or `todo:` are words
            word, field = (f"{field}:{word or quoted or ''}", None)
            quoted = None
        if quoted is None and field is None and word in ("OR", "|", "||", "AND", "&&", "NOT"):
            is_alternative = word in ("OR", "|", "||") and bool(terms)
            is_excluded_next = word == "NOT"
            continue
        text = quoted if quoted is not None else word
        if field == "kind":
            kinds += [kind for kind in KINDS if text and kind.startswith(text.lower())]
            continue
        if field == "ext":
            extensions.append(text.lower().lstrip("."))
            continue
        if not any(character.isalnum() for character in text) or len(terms) == MAX_TERMS:
            continue
        last_end = piece.end()
        is_excluded = is_excluded_next or bool(piece["minus"])
        terms.append(
            Term(
                text=text.rstrip("*"),
                is_excluded=is_excluded,
                is_prefix=quoted is None and text.endswith("*"),
                is_alternative=is_alternative and not is_excluded,
                field=field,
            )
        )
        is_alternative = is_excluded_next = False
    # A word that ends the line is still being typed; after a space it is finished.
    if as_typed and terms and last_end == len(line) and line[-1:].isalnum():
        last = terms[-1]
        is_one_letter = len(last.text) == 1 and last.text.isascii()  # that would be everything
        if not (last.is_excluded or is_one_letter):
            terms[-1] = Term(
                text=last.text,
                is_prefix=True,
                is_alternative=last.is_alternative,
                field=last.field,
            )
    return Query(terms=tuple(terms), kinds=tuple(kinds), extensions=tuple(extensions))


def match_of(query: Query) -> tuple[str, str]:
    """The two expressions for SQLite's full-text search: what is wanted, what is excluded.

    An empty one stands for nothing said.
    """
    groups: list[list[str]] = []
    for term in query.wanted:
        expression = _expression(term)
        if term.is_alternative and groups:
            groups[-1].append(expression)
        else:
            groups.append([expression])
    wanted = " AND ".join(f"({' OR '.join(group)})" for group in groups)
    excluded = " OR ".join(_expression(term) for term in query.terms if term.is_excluded)
    return wanted, excluded


def relaxed_match_of(query: Query) -> str:
    """The expression for when nothing has all of it: documents with any part of it.

    Of a run of Chinese, Japanese or Korean each pair of neighbours is a part.
    """
    parts: dict[str, None] = {}
    for term in query.wanted:
        rest = CJK_RUN.sub(" ", term.text)
        for run in CJK_RUN.findall(term.text):
            for pair in _pairs(run):
                parts[_expression(Term(text=pair, field=term.field))] = None
        for word in re.findall(r"[^\W_]+", rest):
            parts[_expression(Term(text=word, is_prefix=term.is_prefix, field=term.field))] = None
    return " OR ".join(list(parts)[: 4 * MAX_TERMS])


def _expression(term: Term) -> str:
    phrases = {_quote(spread(term.text)): None, _quote(term.text): None}
    if term.is_prefix:
        # The exact word is asked for beside its continuations: it then ranks before them.
        phrases |= {f"{phrase} *": None for phrase in phrases}
    column = f"{term.field} : " if term.field else ""
    return f"{column}({' OR '.join(phrases)})"


def _quote(text: str) -> str:
    return '"' + " ".join(text.replace('"', " ").replace("\0", " ").split()) + '"'


@dataclass(frozen=True, slots=True)
class Highlight:
    """What is to be marked for one term, in folded text (see `text.fold`).

    Args:
        pattern: matches the letters of it.
        is_whole: the match must end where a word does.
    """

    pattern: re.Pattern[str]
    is_whole: bool


def highlights(query: Query, *, is_relaxed: bool = False) -> list[Highlight]:
    """What is to be marked in the documents that were found."""
    marks: dict[str, bool] = {}
    for term in query.wanted:
        pieces = re.findall(r"[^\W_]+", spread(fold(term.text)))
        if not pieces:
            continue
        if is_relaxed:
            pairs = [pair for run in CJK_RUN.findall(fold(term.text)) for pair in _pairs(run)]
            words = [piece for piece in pieces if not CJK_RUN.fullmatch(piece)]
            marks |= dict.fromkeys([re.escape(part) for part in pairs + words], False)
        else:
            # Between the words of a phrase there is something, within camel case nothing.
            joined = r"[\W_]{0,8}".join(map(re.escape, pieces))
            marks[joined] = not term.is_prefix and not CJK_RUN.fullmatch(pieces[-1])
    return [Highlight(re.compile(pattern), is_whole) for pattern, is_whole in marks.items()]


def _pairs(run: str) -> list[str]:
    """Each two neighbours; a single character alone."""
    return [run[at : at + 2] for at in range(max(len(run) - 1, 1))]
