"""Requests that wait for an answer: who asked, and who is still there to give it.

A request is forgotten with its first answer, at its deadline, and when the asker leaves. When
everybody who got it has left before that, the asker is told. An answer that belongs to no request
that is known here is late.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

C = TypeVar("C", bound=Hashable)


class Question(Generic[C]):
    """One request that was passed on.

    Attributes:
        asker: the connection that sent it.
        event_id: the request's.
        subject: what was asked.
        reply_to: where the answer goes.
        awaited: connections that may still answer.
        deadline: from when on nobody waits, on the Hub's clock.
    """

    __slots__ = ("asker", "awaited", "deadline", "event_id", "reply_to", "subject")

    def __init__(
        self, asker: C, *, event_id: str, subject: str, reply_to: str, awaited: Iterable[C]
    ) -> None:
        self.asker = asker
        self.event_id = event_id
        self.subject = subject
        self.reply_to = reply_to
        self.awaited = set(awaited)
        self.deadline = 0.0


class Questions(Generic[C]):
    """All requests that wait.

    Args:
        per_asker: how many of one connection are kept; beyond that its oldest is forgotten.
        pairs: how many pairs of a request and a connection that may answer it are kept in all;
            beyond that the oldest requests are forgotten.
    """

    def __init__(self, *, per_asker: int, pairs: int) -> None:
        self._per_asker = per_asker
        self._most_pairs = pairs
        self._pairs = 0
        self._all: OrderedDict[Question[C], None] = OrderedDict()
        self._of: dict[C, OrderedDict[Question[C], None]] = {}
        self._due_from: dict[C, set[Question[C]]] = {}
        self._at: dict[str, dict[Question[C], None]] = {}
        self._by_second: dict[int, set[Question[C]]] = {}

    def __len__(self) -> int:
        return len(self._all)

    @property
    def pairs(self) -> int:
        """Requests, each counted once for everybody who may answer it."""
        return self._pairs

    def ask(self, question: Question[C], deadline: float) -> float | None:
        """Remember a request that somebody may answer.

        Returns:
            When to `advance`, if that is news.
        """
        question.deadline = deadline
        self._all[question] = None
        own = self._of.setdefault(question.asker, OrderedDict())
        own[question] = None
        self._at.setdefault(question.reply_to, {})[question] = None
        for each in question.awaited:
            self._due_from.setdefault(each, set()).add(question)
        self._pairs += len(question.awaited)
        second = math.ceil(deadline)
        due = self._by_second.get(second)
        is_news = due is None
        if due is None:
            due = self._by_second[second] = set()
        due.add(question)
        if len(own) > self._per_asker:
            self._forget(next(iter(own)))
        while self._pairs > self._most_pairs:
            self._forget(next(iter(self._all)))
        return float(second) if is_news else None

    def answer(self, reply_to: str, responder: C, now: float) -> bool:
        """An event has come on a reply subject; False when nobody waits for it any more.

        Several requests may share the subject: the answer is taken for the oldest one that the
        responder has got, or else for the oldest one.
        """
        waiting = self._at.get(reply_to)
        if not waiting:
            return False
        found = next((each for each in waiting if responder in each.awaited), None)
        if found is None:
            found = next(iter(waiting))
        self._forget(found)
        return now < found.deadline

    def leave(self, gone: C, now: float) -> list[Question[C]]:
        """A connection leaves.

        Returns:
            The requests of others that nobody is left to answer.
        """
        for question in list(self._of.get(gone, ())):
            self._forget(question)
        lost = []
        for question in self._due_from.pop(gone, set()):
            question.awaited.discard(gone)
            self._pairs -= 1
            if not question.awaited:
                self._forget(question)
                if now < question.deadline:
                    lost.append(question)
        return lost

    def advance(self, now: float) -> float | None:
        """Forget what is past its deadline; returns when to look again."""
        for second in [second for second in self._by_second if second <= now]:
            for question in list(self._by_second[second]):
                self._forget(question)
        return float(min(self._by_second)) if self._by_second else None

    def _forget(self, question: Question[C]) -> None:
        del self._all[question]
        _take_out(self._of, question.asker, question)
        _take_out(self._at, question.reply_to, question)
        _take_out(self._by_second, math.ceil(question.deadline), question)
        for each in question.awaited:
            _take_out(self._due_from, each, question)
        self._pairs -= len(question.awaited)


def _take_out(table: dict, key: Hashable, question: Question) -> None:  # type: ignore[type-arg]
    """Remove a question from one of the sets, and the set with the last one."""
    questions = table[key]
    if isinstance(questions, set):
        questions.discard(question)
    else:
        questions.pop(question, None)
    if not questions:
        del table[key]
