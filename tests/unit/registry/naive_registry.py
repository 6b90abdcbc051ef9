"""What the contract says of leases and permissions, written down once more, as plainly as it can be."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product

CORE = ("launcher", "registry", "event_hub")
WORDS = ("a", "b", "q", "_reply", "alpha", "beta", "module", "hub", "started")
"""Of all subjects that are looked at; `q` stands in no list."""

TTL, MOST = 30.0, 3600.0
Lists = tuple[str, ...] | None


@dataclass
class Token:
    """A token and what it is good for; `parent` and `deadline` of a session."""

    text: str
    name: str
    life: int | None = None
    publish: Lists = None
    subscribe: Lists = None
    parent: str | None = None
    deadline: float | None = None


@dataclass
class Lease:
    """An entry; `deadline` None: it stays."""

    name: str
    life: int | None
    serial: int
    ttl: float
    deadline: float | None
    is_own: bool
    is_fixed: bool


@cache
def subjects_of(pattern: str) -> frozenset[tuple[str, ...]]:
    """Every subject of at most four words that a pattern matches."""
    wanted = pattern.split(".")
    return frozenset(
        subject
        for count in range(1, 5)
        for subject in product(WORDS, repeat=count)
        if is_match(wanted, subject)
    )


def is_match(wanted: list[str], subject: tuple[str, ...]) -> bool:
    if wanted[-1] == ">":
        head = wanted[:-1]
        return len(subject) > len(head) and is_match_of_words(head, subject[: len(head)])
    return len(wanted) == len(subject) and is_match_of_words(wanted, subject)


def is_match_of_words(wanted: list[str], subject: tuple[str, ...]) -> bool:
    return all(one in ("*", word) for one, word in zip(wanted, subject, strict=True))


def is_within(lists: Lists, pattern: str) -> bool:
    """Whether one of the patterns matches everything that the pattern matches."""
    return lists is None or any(subjects_of(pattern) <= subjects_of(wide) for wide in lists)


def first_wider(parent: Token, publish: Lists, subscribe: Lists) -> bool:
    """Whether a session would be allowed more than who asks for it."""
    own = f"_reply.{parent.name}.>"
    reads = None if parent.subscribe is None else (*parent.subscribe, own)
    return any(
        wide is not None and (narrow is None or not all(is_within(wide, each) for each in narrow))
        for wide, narrow in ((parent.publish, publish), (reads, subscribe))
    )


def may_publish(who: Token, subject: str) -> bool:
    """What the Hub allows on any subject, whatever the event says."""
    first, *rest = subject.split(".")
    owners = {"module": "launcher", "launcher": "launcher", "registry": "registry",
              "hub": "event_hub", "_dead": "event_hub"}  # fmt: skip
    if rest and first in owners:
        return who.name == owners[first]
    if rest and first == "_reply":
        return True
    return who.name == "operator" or is_within(who.publish, subject)


def may_subscribe(who: Token, pattern: str) -> bool:
    """Own replies and `module.shutdown` always, others' replies never, the rest by the list."""
    if who.name == "operator" or pattern == "module.shutdown":
        return True
    words = pattern.split(".")
    if words[0] == "_reply" and len(words) > 1:
        if words[1] == who.name and len(words) > 2:
            return True
        if words[1] not in (who.name, "*", ">"):
            return False
    return is_within(who.subscribe, pattern)


def speaks_for(who: Token | None, module_id: str, life: int | None) -> tuple[str, int | None]:
    """The code of the refusal, or "" and the life that is meant; None: the kite token."""
    if who is None:
        return "", life
    if who.parent is not None:
        return "session_token", None
    differs = None not in (who.life, life) and who.life != life
    if who.name == "operator" or who.name != module_id or differs:
        return "permission_denied", None
    return "", life if who.life is None else who.life
