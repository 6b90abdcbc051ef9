"""Who a connection speaks for, and what it may therefore publish and hear (CONTRACT, section 5).

A permission list covers a subject when one of its patterns matches it, and a pattern when one of
its patterns matches everything that the pattern matches: a module that may subscribe to `docs.>`
may ask for `docs.*.changed`, and may not ask for `*.changed`, some of which is not its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from kite.wire.subject import SELF_PUBLISH, allows, is_reserved

OPERATOR = "operator"
CORE = frozenset({"launcher", "registry", "event_hub"})
_REPLY = "_reply"
_SHUTDOWN = "module.shutdown"


class Identity:
    """What a token stands for. Compared by identity: a changed one is a new one.

    Args:
        module: the module's name, or `operator`.
        digest: of the token; never the token.
        publish: patterns that bound what it may publish; None is no bound.
        subscribe: likewise for what it may hear.
        scopes: extra rights; the Hub uses none, it only passes them on.
        life: which process of the module, where the table says so.
        replica: which of several side by side.
        is_session: a narrower token for a web page: it cannot speak of the module's life.
        expires_at: seconds since 1970 when the token dies by itself; None is never.
    """

    __slots__ = (
        "digest",
        "expires_at",
        "is_session",
        "life",
        "module",
        "publish",
        "replica",
        "scopes",
        "subscribe",
    )

    def __init__(
        self,
        module: str,
        *,
        digest: str = "",
        publish: Sequence[str] | None = None,
        subscribe: Sequence[str] | None = None,
        scopes: Sequence[str] = (),
        life: int | None = None,
        replica: int | None = None,
        is_session: bool = False,
        expires_at: float | None = None,
    ) -> None:
        self.module = module
        self.digest = digest
        self.publish = None if publish is None else tuple(publish)
        self.subscribe = None if subscribe is None else tuple(subscribe)
        self.scopes = tuple(scopes)
        self.life = life
        self.replica = replica
        self.is_session = is_session
        self.expires_at = expires_at

    @property
    def is_core(self) -> bool:
        """Whether it is one of the modules that Kite itself consists of."""
        return self.module in CORE

    def says_the_same(self, other: Identity) -> bool:
        """Whether the two are equal in everything that matters."""
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def may_publish(self, subject: str) -> bool:
        """Whether it may publish on a valid subject, whatever the event holds."""
        if owner := is_reserved(subject):
            return owner == self.module
        if subject.startswith(f"{_REPLY}."):
            return True
        return self.module == OPERATOR or allows(self.publish, subject)

    def may_speak_of_itself(self, subject: str) -> bool:
        """Whether it may publish on the subject where the event is about itself."""
        return subject in SELF_PUBLISH and not self.is_session and self.module != OPERATOR

    def may_subscribe(self, pattern: str) -> bool:
        """Whether it may ask for a valid pattern."""
        if self.module == OPERATOR or pattern == _SHUTDOWN:
            return True
        first, _, rest = pattern.partition(".")
        if first == _REPLY and rest:
            name, _, further = rest.partition(".")
            if name == self.module and further:
                return True
            if name not in ("*", ">", self.module):
                return False
        return allows(self.subscribe, pattern)

    def may_hear_from(self, name: str) -> bool:
        """Whether replies to `name` may be delivered to it."""
        return self.module in (name, OPERATOR)

    def may_be_answered_at(self, subject: str) -> bool:
        """Whether a valid subject may stand in its `reply_to`."""
        return subject.startswith(f"{_REPLY}.{self.module}.")


def reply_audience(subject: str) -> str | None:
    """Whose replies travel on the subject, or None when it carries none."""
    first, _, rest = subject.partition(".")
    return rest.partition(".")[0] if first == _REPLY and rest else None
