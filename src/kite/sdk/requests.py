"""Questions and answers: waiting for a reply, and giving one."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from kite.errors import KiteError, RequestError
from kite.sdk.cancellation import is_meant
from kite.sdk.core.envelopes import Envelopes
from kite.sdk.core.pending import Pending
from kite.sdk.event import Request
from kite.sdk.outgoing import encode_event
from kite.sdk.publisher import Publisher
from kite.sdk.refusal import refusal
from kite.sdk.trace import carried
from kite.wire import frame

ERROR_HEADER = "kite-error"

_REMEMBERED = 1024
"""Answers whose refusal by the Hub can still be told to whoever asked."""


class Questions:
    """Requests of this module that wait for their answers."""

    def __init__(self, envelopes: Envelopes, publisher: Publisher) -> None:
        self.pending: Pending[asyncio.Future[frame.Event]] = Pending()
        self._envelopes = envelopes
        self._publisher = publisher

    async def ask(
        self, subject: str, data: Any, *, timeout: float, headers: Mapping[str, str] | None
    ) -> Any:
        """Publish a request and return the data of its answer; see `Module.request`."""
        event = self._envelopes.make_request(
            subject, data, time.time(), timeout=timeout, headers=carried(headers)
        )
        assert isinstance(event.event_id, str)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[frame.Event] = loop.create_future()
        expiry: asyncio.TimerHandle | None = None
        self.pending.add(event.event_id, answer)
        try:
            self._publisher.send(encode_event(event))
            expiry = loop.call_later(timeout, _expire, answer)
            reply = await answer
        except TimeoutError:
            raise RequestError("request_timeout", subject=subject, timeout=timeout) from None
        finally:
            self.pending.give_up(event.event_id)
            if expiry is not None:
                expiry.cancel()
        headers_back = reply.headers if isinstance(reply.headers, dict) else {}
        if ERROR_HEADER in headers_back:
            raise _error_of(reply, str(headers_back[ERROR_HEADER]))
        return reply.data

    def answered(self, event: frame.Event, request: str) -> None:
        """An answer has come."""
        waiter = self.pending.answered(request)
        if waiter is not None and not waiter.done():
            waiter.set_result(event)

    def refused(self, error: frame.Error) -> bool:
        """The Hub has refused an event; False when it was no request of ours."""
        waiter = self.pending.refused(error.event_id) if isinstance(error.event_id, str) else None
        if waiter is None:
            return False
        if not waiter.done():
            waiter.set_exception(refusal(error.code, error.message, error.params))
        return True


class Answers:
    """Runs the handler of one kind of request and publishes what it returns.

    Args:
        function: called with a `Request`; its return value is the answer's data.
    """

    def __init__(
        self,
        function: Callable[[Request], Awaitable[Any] | Any],
        envelopes: Envelopes,
        publisher: Publisher,
        log: logging.Logger,
    ) -> None:
        self._function = function
        self._envelopes = envelopes
        self._publisher = publisher
        self._log = log
        self._given: dict[str, tuple[str, str]] = {}

    def __call__(self, event: frame.Event) -> Awaitable[None] | None:
        """Answer a request, at once where the function just returns; else what is to be awaited."""
        request = Request(event)
        deadline = request.deadline
        if deadline is not None and deadline <= time.time():
            self._log.debug("request.expired %r", request)
            return None
        try:
            result = self._function(request)
            if inspect.isawaitable(result):
                return self._await(request, result)
            self._answer(request, result)
        except BaseException as failure:  # noqa: BLE001  (what is not for us is raised on)
            self._failed(request, failure)
        return None

    async def _await(self, request: Request, result: Awaitable[Any]) -> None:
        try:
            self._answer(request, await result)
        except BaseException as failure:  # noqa: BLE001  (what is not for us is raised on)
            self._failed(request, failure)

    def _failed(self, request: Request, failure: BaseException) -> None:
        """The function has raised: whoever asked is told. What ends more than it is raised on."""
        match failure:
            case SystemExit():
                self._decline(request)
                raise failure
            case asyncio.CancelledError() if is_meant():
                self._decline(request)
                raise failure
            case KiteError():
                self._log.debug("request.refused %r code=%s", request, failure.code)
                self._refuse(request, failure)
            case Exception() | asyncio.CancelledError():
                self._fail(request, failure)
            case _:
                raise failure

    def refused(self, error: frame.Error) -> bool:
        """The Hub has refused an event; False when it was no answer that was given here lately.

        Whoever asked is told why, in place of the answer.
        """
        event_id = error.event_id if isinstance(error.event_id, str) else ""
        asked = self._given.pop(event_id, None)
        if asked is None:
            return False
        subject, reply_to = asked
        request = Request(frame.Event(event=subject, reply_to=reply_to))
        self._refuse(request, refusal(error.code, error.message, error.params))
        return True

    def decline(self, event: frame.Event) -> None:
        """Say that the module is stopping and will not answer."""
        self._decline(Request(event))

    def _decline(self, request: Request) -> None:
        self._refuse(request, RequestError("module_stopping", module=self._envelopes.source))

    def drop(self, event: frame.Event) -> None:
        """Say that too many requests wait already for one more to be kept."""
        request = Request(event)
        busy = RequestError("busy", module=self._envelopes.source, subject=request.subject)
        # In a flood that fills the outbox too, whoever asked has their time-out.
        with suppress(KiteError):
            self._send_refusal(request, busy)

    def _answer(self, request: Request, data: Any) -> None:
        event_id = self._reply(request, data)
        if event_id is None or request.reply_to is None:
            return
        self._given[event_id] = request.subject, request.reply_to
        if len(self._given) > _REMEMBERED:
            del self._given[next(iter(self._given))]

    def _reply(
        self, request: Request, data: Any, headers: Mapping[str, str] | None = None
    ) -> str | None:
        """Publish an answer; its id, or None where nobody wants one."""
        if request.reply_to is None:
            return None
        reply = self._envelopes.make(request.reply_to, data, time.time(), headers=carried(headers))
        self._publisher.send(encode_event(reply))
        assert isinstance(reply.event_id, str)
        return reply.event_id

    def _fail(self, request: Request, failure: BaseException) -> None:
        self._log.error("handler.failed %r", request, exc_info=failure)
        self._refuse(request, self._handler_failed(request, _said(failure)))

    def _refuse(self, request: Request, failure: KiteError) -> None:
        try:
            self._send_refusal(request, failure)
        except Exception as wrong:  # noqa: BLE001  (whoever asked waits for some answer)
            self._log.error("refusal.unspeakable %r: %s", request, _said(wrong))
            plain = f"its refusal cannot be told: {type(wrong).__name__}"
            try:
                self._send_refusal(request, self._handler_failed(request, plain))
            except KiteError as lost:
                self._log.error("reply.lost %r: %s", request, lost)

    def _send_refusal(self, request: Request, failure: KiteError) -> None:
        document = {
            "code": failure.code,
            "message": failure.message,
            "params": {
                name: value if isinstance(value, str | int | float | bool | None) else str(value)
                for name, value in failure.params.items()
            },
        }
        self._reply(request, document, {ERROR_HEADER: failure.code})

    def _handler_failed(self, request: Request, detail: str) -> RequestError:
        module, subject = self._envelopes.source, request.subject
        return RequestError("handler_failed", subject=subject, module=module, detail=detail)


def _expire(answer: asyncio.Future[frame.Event]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())


def _said(failure: BaseException) -> str:
    """The kind of a failure and its words, unless saying them fails too."""
    try:
        return f"{type(failure).__name__}: {failure}"[:1000]
    except Exception:  # noqa: BLE001  (somebody's __str__)
        return type(failure).__name__


def _error_of(reply: frame.Event, code: str) -> RequestError:
    document = reply.data if isinstance(reply.data, dict) else {}
    words = document.get("message")
    params = document.get("params")
    return refusal(
        code,
        words if isinstance(words, str) else "",
        params if isinstance(params, dict) else None,
    )
