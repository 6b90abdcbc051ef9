"""Who is who: the tokens that are live, by their digests.

Pure: `now` is monotonic seconds, `wall` seconds since 1970. The table holds digests only; looking
one up tells nothing about other tokens, since what a guess shares with them is lost in hashing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from kite.errors import RequestError
from kite.registry.core.leases import Leases
from kite.registry.core.posted import Grant, Patterns, Posted, wrong
from kite.wire.subject import allows
from kite.wire.token import same

MAX_SESSIONS: Final = 256
"""Live session tokens of one module."""

MAX_SESSIONS_OF_ALL: Final = 4096


class TokenTable:
    """The grants of one life of the Registry.

    Duties: nothing is known before the first `post`; a name's grants are those of the last `post`
    that named it; a session's grant is never wider than its parent's and never outlives it; one
    digest means one name; a refused `post` changes nothing.

    Args:
        kite_digest: of the kite token, which is not in the table and may be given to nobody.
    """

    def __init__(self, kite_digest: str) -> None:
        self.kite_digest = kite_digest
        self.is_known = False
        self._by_digest: dict[str, Grant] = {}
        self._by_name: dict[str, tuple[Grant, ...]] = {}
        self._sessions: dict[str, Grant] = {}
        self._deadlines: Leases[str] = Leases()
        # Sessions of the Registry's former life, until their parents are known again.
        self._restored: list[tuple[Grant, float]] = []

    def post(self, posted: Posted) -> bool:
        """Take over what the Launcher says; says whether anything is different now.

        Raises:
            RequestError: `malformed_body`, for a token that is somebody else's.
        """
        for name, grants in posted.items():
            for grant in grants:
                self._check_owner(name, grant, posted)
        former = (self.is_known, dict(self._by_digest), dict(self._sessions))
        for name, grants in posted.items():
            for grant in self._by_name.pop(name, ()):
                del self._by_digest[grant.digest]
            if grants:
                self._by_name[name] = grants
        for name in posted:
            for grant in self._by_name.get(name, ()):
                self._by_digest[grant.digest] = grant
        self.is_known = True
        restored, self._restored = self._restored, []
        for session, deadline in restored:
            self._sessions[session.digest] = session
            self._deadlines.grant(session.digest, deadline)
        for session in list(self._sessions.values()):
            if not self._may_stay(session):
                self._drop_session(session.digest)
        return former != (self.is_known, self._by_digest, self._sessions)

    def grant_of(self, digest: str) -> Grant | None:
        """What a token means, or None when it is not live (call `expire` first)."""
        return self._by_digest.get(digest) or self._sessions.get(digest)

    def grants_of(self, name: str) -> tuple[Grant, ...]:
        """The live grants of a name, without sessions."""
        return self._by_name.get(name, ())

    def open_session(
        self,
        parent: Grant,
        digest: str,
        *,
        publish: Patterns,
        subscribe: Patterns,
        ttl: float,
        now: float,
        wall: float,
    ) -> Grant:
        """Add a session token of the parent's module; None as a list means the parent's own.

        Raises:
            RequestError: `permission_denied` when a list is wider than the parent's,
                `limit_reached`.
        """
        session = Grant(
            digest=digest,
            name=parent.name,
            publish=parent.publish if publish is None else publish,
            subscribe=parent.subscribe if subscribe is None else subscribe,
            life=parent.life,
            replica=parent.replica,
            parent=parent.digest,
            expires_at=wall + ttl,
        )
        if (pattern := _wider(parent, session)) is not None:
            what = f"give a session '{pattern}', which its own lists do not cover"
            raise RequestError("permission_denied", who=parent.name, what=what)
        mine = sum(each.name == parent.name for each in self._sessions.values())
        if mine >= MAX_SESSIONS:
            raise RequestError(
                "limit_reached", what=f"session tokens of {parent.name}", limit=MAX_SESSIONS
            )
        if len(self._sessions) >= MAX_SESSIONS_OF_ALL:
            raise RequestError("limit_reached", what="session tokens", limit=MAX_SESSIONS_OF_ALL)
        self._sessions[digest] = session
        self._deadlines.grant(digest, now + ttl)
        return session

    def restore(self, session: Grant, *, now: float, wall: float) -> None:
        """Take over a session of the Registry's former life; it counts when its parent is posted."""
        if session.expires_at is not None and session.parent is not None:
            self._restored.append((session, now + session.expires_at - wall))

    def expire(self, now: float) -> list[Grant]:
        """Take out the sessions that are over."""
        return [self._sessions.pop(digest) for digest in self._deadlines.due(now)]

    def next_deadline(self) -> float | None:
        """When the next session is over."""
        return self._deadlines.next_deadline()

    def grants(self) -> list[Grant]:
        """All live grants, sessions last."""
        return [*self._by_digest.values(), *self._sessions.values()]

    def sessions(self) -> list[Grant]:
        """All live sessions, and those whose parents are not known again yet."""
        return [*self._sessions.values(), *(session for session, _ in self._restored)]

    def count(self) -> Counter[str]:
        """How many: `tokens` and `sessions`."""
        return Counter(tokens=len(self._by_digest), sessions=len(self._sessions))

    def _check_owner(self, name: str, grant: Grant, posted: Posted) -> None:
        owner = self.grant_of(grant.digest)
        if same(grant.digest, self.kite_digest):
            raise wrong(f"$.{name}", "this token is the Launcher's")
        if owner is None or (owner.name == name and owner.parent is None):
            return
        # Somebody else's token may pass on only if this very body takes it away from them.
        if owner.parent is not None or owner.name not in posted:
            raise wrong(f"$.{name}", f"this token is live and belongs to '{owner.name}'")

    def _may_stay(self, session: Grant) -> bool:
        parent = self._by_digest.get(session.parent or "")
        return (
            parent is not None and parent.name == session.name and _wider(parent, session) is None
        )

    def _drop_session(self, digest: str) -> None:
        del self._sessions[digest]
        self._deadlines.drop(digest)


def _wider(parent: Grant, session: Grant) -> str | None:
    """The first thing that the session may do and its parent may not, or None."""
    # Whatever its lists say, a module may read the answers to its own requests.
    reads = _with(parent.subscribe, f"_reply.{parent.name}.>")
    for wide, narrow in ((parent.publish, session.publish), (reads, session.subscribe)):
        if narrow is None:
            if wide is not None:
                return ">"
            continue
        for pattern in narrow:
            if not allows(wide, pattern):
                return pattern
    return None


def _with(patterns: Patterns, pattern: str) -> Sequence[str] | None:
    return None if patterns is None else (*patterns, pattern)
