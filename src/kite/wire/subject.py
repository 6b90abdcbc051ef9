"""Subjects and patterns: the names of events, and what subscriptions say.

A subject is tokens joined by dots (`docs.file.changed`). A pattern is a subject in which a token
may be `*` (any one token) and the last may be `>` (one or more tokens). Matching is NATS's.
A token holds any characters but white space, control characters, `.`, `*` and `>`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from kite.errors import RequestError
from kite.wire.limits import MAX_SUBJECT_BYTES

# White space in the Unicode sense, the C0 and C1 control characters, DEL, and the two wildcards.
_FORBIDDEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f*>]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# Nearly all subjects: whatever matches is one, if it is not too long.
_USUAL = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*", re.ASCII)


def _problem(name: str) -> str | None:
    if not name:
        return "it is empty"
    if (
        len(name) > MAX_SUBJECT_BYTES
        or len(name.encode("utf-8", "surrogatepass")) > MAX_SUBJECT_BYTES
    ):
        return f"it is longer than {MAX_SUBJECT_BYTES} bytes"
    if _SURROGATE.search(name):
        return "it holds a lone surrogate"
    if name[0] == "." or name[-1] == "." or ".." in name:
        return "it has an empty token"
    return None


def subject_problem(subject: str) -> str | None:
    """Why this is no subject, or None when it is one."""
    if len(subject) <= MAX_SUBJECT_BYTES and _USUAL.fullmatch(subject):
        return None
    problem = _problem(subject)
    if problem is None and (found := _FORBIDDEN.search(subject)):
        return _name_character(found.group())
    return problem


def pattern_problem(pattern: str) -> str | None:
    """Why this is no pattern, or None when it is one."""
    if problem := _problem(pattern):
        return problem
    tokens = pattern.split(".")
    for position, token in enumerate(tokens):
        if token == "*":
            continue
        if token == ">":
            if position != len(tokens) - 1:
                return "'>' may only be the last token"
            continue
        if found := _FORBIDDEN.search(token):
            if found.group() in "*>":
                return f"'{found.group()}' must be a token of its own"
            return _name_character(found.group())
    return None


def _name_character(character: str) -> str:
    if character in "*>":
        return f"'{character}' is for patterns only"
    return f"it holds white space or a control character (U+{ord(character):04X})"


def check_subject(subject: str) -> str:
    """Return the subject.

    Raises:
        RequestError: `invalid_subject`.
    """
    if problem := subject_problem(subject):
        raise RequestError("invalid_subject", subject=subject[:300], detail=problem)
    return subject


def check_pattern(pattern: str) -> str:
    """Return the pattern.

    Raises:
        RequestError: `invalid_pattern`.
    """
    if problem := pattern_problem(pattern):
        raise RequestError("invalid_pattern", pattern=pattern[:300], detail=problem)
    return pattern


def matches(pattern: str, subject: str) -> bool:
    """Whether a valid pattern matches a valid subject."""
    if pattern in (subject, ">"):
        return True
    wanted = pattern.split(".")
    tokens = subject.split(".")
    if wanted[-1] == ">":
        wanted.pop()
        if len(tokens) <= len(wanted):
            return False
    elif len(wanted) != len(tokens):
        return False
    return all(want in ("*", token) for want, token in zip(wanted, tokens, strict=False))


def covers(wide: str, narrow: str) -> bool:
    """Whether every subject that `narrow` matches is matched by `wide` (both valid patterns)."""
    if wide in (">", narrow):
        return True
    outer = wide.split(".")
    inner = narrow.split(".")
    if outer[-1] == ">":
        outer.pop()
        if len(inner) <= len(outer):
            return False
    elif len(outer) != len(inner) or inner[-1] == ">":
        return False
    return all(
        want == token or (want == "*" and token != ">")
        for want, token in zip(outer, inner, strict=False)
    )


def overlaps(one: str, other: str) -> bool:
    """Whether some subject matches both (valid) patterns."""
    first, second = one.split("."), other.split(".")
    for left, right in zip(first, second, strict=False):
        if ">" in (left, right):
            return True
        if "*" not in (left, right) and left != right:
            return False
    return len(first) == len(second)


def allows(lists: Iterable[str] | None, pattern: str) -> bool:
    """Whether a permission list covers a subject or a pattern whole; None allows everything."""
    return lists is None or any(covers(allowed, pattern) for allowed in lists)


def is_reserved(subject: str) -> str | None:
    """Who alone may publish on the subject: a core module's name, or None when it is free.

    `_reply.` subjects are not reserved: anybody may answer.
    """
    head, _, rest = subject.partition(".")
    return RESERVED.get(head) if rest else None


RESERVED = {
    "module": "launcher",
    "launcher": "launcher",
    "registry": "registry",
    "hub": "event_hub",
    "_dead": "event_hub",
}
"""First token of a reserved subject, and the one module that may publish below it."""

SELF_PUBLISH = frozenset({"module.ready", "module.shutdown.ack", "module.shutdown.ready"})
"""What every module may publish about itself, whatever its lists say."""
