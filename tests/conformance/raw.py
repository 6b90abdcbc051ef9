"""HTTP/1.1 and WebSocket with nothing but the `socket` module.

It is the second implementation that Kite is tested against, and it is copied into the folders of the
test modules, which are started with `python -S -E`: no package of anybody's is on their path.
Everything blocks, everything has a deadline.
"""

# ruff: noqa: SIM105

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import select
import socket
import struct
import time

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
UNSET = object()


class Refused(Exception):
    """The server answered the handshake with something other than 101."""

    def __init__(self, response):
        super().__init__(f"handshake refused with {response.status}: {response.body[:200]!r}")
        self.response = response
        self.status = response.status


class Closed(Exception):
    """The connection is over; `code` is the close code, None when there was no close frame."""

    def __init__(self, code, reason=""):
        super().__init__(f"closed with {code} {reason!r}")
        self.code = code
        self.reason = reason


class Silence(Exception):
    """Nothing that was waited for came in time."""


class Response:
    """One HTTP answer. `headers` has lower-case names."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The `code` of a problem document, None when it is none."""
        if self.headers.get("content-type", "").split(";")[0] != "application/problem+json":
            return None
        return self.json().get("code")

    def __repr__(self):
        return f"<{self.status} {self.headers.get('content-type')} {self.body[:300]!r}>"


def _read_head(stream):
    """The status line and the headers of an answer."""
    line = stream.readline(65536)
    match = re.match(rb"HTTP/1\.1 (\d{3})", line)
    if not match:
        raise Closed(None, f"no HTTP answer but {line!r}")
    headers = {}
    while (line := stream.readline(65536)) not in (b"\r\n", b"\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        name = name.strip().lower()
        value = value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return int(match[1]), headers


def _read_body(stream, method, status, headers):
    if method == "HEAD" or status in (101, 204, 304):
        return b""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        chunks = []
        while size := int(stream.readline(1024).split(b";")[0], 16):
            chunks.append(stream.read(size))
            stream.readline(8)
        stream.readline(8)
        return b"".join(chunks)
    if "content-length" in headers:
        return stream.read(int(headers["content-length"]))
    return stream.read()


def split_url(url):
    """`(host, port, path)` of an `http://` or `ws://` URL."""
    match = re.match(r"(?:http|ws)://([^/:]+):(\d+)(/[^#]*)?$", url)
    if not match:
        raise ValueError(url)
    return match[1], int(match[2]), match[3] or "/"


def request(method, url, *, token=None, body=UNSET, raw=None, headers=(), host=None, timeout=15.0):
    """One request on a connection of its own.

    Args:
        body: sent as JSON when given.
        raw: bytes sent as they are, instead.
        headers: further `(name, value)` pairs.
        host: the Host header, by default the URL's own.
    """
    name, port, path = split_url(url)
    content = raw if raw is not None else b"" if body is UNSET else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host or f'{name}:{port}'}", "Connection: close"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if body is not UNSET:
        lines.append("Content-Type: application/json")
    if content or method in ("POST", "PUT"):
        lines.append(f"Content-Length: {len(content)}")
    lines += [f"{key}: {value}" for key, value in headers]
    with socket.create_connection((name, port), timeout=timeout) as connection:
        try:
            connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
        except (BrokenPipeError, ConnectionResetError):
            pass  # an answer may stand there all the same (413 before the body was read)
        with connection.makefile("rb") as stream:
            status, answer = _read_head(stream)
            return Response(status, answer, _read_body(stream, method, status, answer))


class WebSocket:
    """One WebSocket connection, RFC 6455, client side.

    Args:
        endpoint: `ws://127.0.0.1:PORT/ws`.
        token: shown as `how` says: `header`, `query`, `subprotocol`, or None for not at all.
        origin: the Origin header, when there is to be one.
        on_frame: called with every JSON frame that arrives (the tests check schemas with it).
    """

    def __init__(
        self,
        endpoint,
        token=None,
        *,
        how="header",
        origin=None,
        headers=(),
        host=None,
        timeout=10.0,
        on_frame=None,
        receive_buffer=None,
    ):
        name, port, path = split_url(endpoint)
        self.inbox = []
        self.on_frame = on_frame
        self._buffer = b""
        self._parts = []
        self._part_opcode = TEXT
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
        lines += [f"Host: {host or f'{name}:{port}'}", f"Sec-WebSocket-Key: {key}"]
        if token is not None and how == "header":
            lines.append(f"Authorization: Bearer {token}")
        elif token is not None and how == "query":
            path += f"?token={token}"
        elif token is not None:
            lines.append(f"Sec-WebSocket-Protocol: kite.v1, kite.token.{token}")
        if origin is not None:
            lines.append(f"Origin: {origin}")
        lines += [f"{header}: {value}" for header, value in headers]
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect((name, port))
            head = "\r\n".join([f"GET {path} HTTP/1.1", *lines]) + "\r\n\r\n"
            self.socket.sendall(head.encode())
            self._handshake(key)
        except BaseException:
            self.socket.close()
            raise

    def _handshake(self, key):
        while b"\r\n\r\n" not in self._buffer:
            data = self.socket.recv(65536)
            if not data:
                break
            self._buffer += data
        head, _, rest = self._buffer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        match = re.match(r"HTTP/1\.1 (\d{3})", lines[0])
        if not match:
            raise Closed(None, f"no HTTP answer but {lines[0]!r}")
        status = int(match[1])
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        if status != 101:
            raise Refused(self._refusal(status, headers, rest))
        accept = base64.b64encode(
            hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        ).decode()
        if headers.get("sec-websocket-accept") != accept:
            raise Closed(None, f"wrong Sec-WebSocket-Accept: {headers}")
        self._buffer = rest
        self.subprotocol = headers.get("sec-websocket-protocol")
        self.headers = headers

    def _refusal(self, status, headers, body):
        length = int(headers.get("content-length", "-1"))
        while length < 0 or len(body) < length:
            try:
                data = self.socket.recv(65536)
            except OSError:
                break
            if not data:
                break
            body += data
        return Response(status, headers, body)

    # ---------------------------------------------------------------------------------- writing

    def send_frame(self, opcode, payload=b"", *, fin=True, mask=True, rsv=0):
        """One frame exactly as told, right or wrong."""
        head = bytearray([(0x80 if fin else 0) | rsv << 4 | opcode])
        flag = 0x80 if mask else 0
        if len(payload) < 126:
            head.append(flag | len(payload))
        elif len(payload) < 65536:
            head += struct.pack("!BH", flag | 126, len(payload))
        else:
            head += struct.pack("!BQ", flag | 127, len(payload))
        if mask:
            key = os.urandom(4)
            head += key
            payload = _masked(payload, key)
        self.socket.sendall(bytes(head) + payload)

    def send_text(self, text):
        self.send_frame(TEXT, text if isinstance(text, bytes) else text.encode())

    def send(self, frame):
        """A JSON frame."""
        self.send_text(json.dumps(frame))

    def ping(self, payload=b""):
        self.send_frame(PING, payload)

    def close(self, code=1000):
        """Say goodbye and wait for the other side to agree; never raises."""
        try:
            self.send_frame(CLOSE, struct.pack("!H", code))
            self.socket.settimeout(2)
            while True:
                self._read_message(time.monotonic() + 2)
        except (Closed, Silence, OSError):
            pass
        finally:
            self.socket.close()

    def abort(self):
        """Be gone without a word, as a killed process is."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # ---------------------------------------------------------------------------------- reading

    def _fill(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self.socket], [], [], left)[0]:
            raise Silence
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed(None, "no close frame")
        self._buffer += data

    def _read_frame(self, deadline):
        """`(fin, opcode, payload)`; nothing is consumed until the frame is whole."""
        while True:
            buffer = self._buffer
            if len(buffer) >= 2:
                length, start = buffer[1] & 0x7F, 2
                if buffer[1] & 0x80:
                    raise Closed(None, "the server masked a frame")
                if length == 126 and len(buffer) >= 4:
                    length, start = struct.unpack("!H", buffer[2:4])[0], 4
                elif length == 127 and len(buffer) >= 10:
                    length, start = struct.unpack("!Q", buffer[2:10])[0], 10
                elif length > 125:
                    length = 1 << 62
                if len(buffer) >= start + length:
                    self._buffer = buffer[start + length :]
                    return bool(buffer[0] & 0x80), buffer[0] & 0x0F, buffer[start : start + length]
            self._fill(deadline)

    def _read_message(self, deadline):
        """`(opcode, payload)` of the next message or pong; answers pings."""
        while True:
            fin, opcode, payload = self._read_frame(deadline)
            if opcode == PING:
                self.send_frame(PONG, payload)
            elif opcode == CLOSE:
                code = struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else 1005
                try:
                    self.send_frame(CLOSE, payload[:2])
                except OSError:
                    pass
                raise Closed(code, payload[2:].decode("utf-8", "replace"))
            elif opcode == PONG:
                return opcode, payload
            else:
                if opcode != CONTINUATION:
                    self._part_opcode = opcode
                self._parts.append(payload)
                if fin:
                    whole, self._parts = b"".join(self._parts), []
                    return self._part_opcode, whole

    def message(self, timeout=5.0):
        """The next `(opcode, payload)`, past the inbox. Raises Closed, Silence."""
        return self._read_message(time.monotonic() + timeout)

    def receive(self, timeout=5.0):
        """The next JSON frame, first from the inbox. Raises Closed, Silence."""
        if self.inbox:
            return self.inbox.pop(0)
        return self._receive_fresh(time.monotonic() + timeout)

    def _receive_fresh(self, deadline):
        while True:
            opcode, payload = self._read_message(deadline)
            if opcode == TEXT:
                frame = json.loads(payload.decode("utf-8"))
                if self.on_frame is not None:
                    self.on_frame(frame)
                return frame

    def expect(self, timeout=5.0, **fields):
        """The first frame with these values (a callable is asked); others wait in the inbox."""
        for position, frame in enumerate(self.inbox):
            if _fits(frame, fields):
                return self.inbox.pop(position)
        deadline = time.monotonic() + timeout
        while True:
            try:
                frame = self._receive_fresh(deadline)
            except Silence:
                raise Silence(f"nothing with {fields} within {timeout} s; {self.inbox}") from None
            if _fits(frame, fields):
                return frame
            self.inbox.append(frame)

    def expect_closed(self, timeout=5.0):
        """Read on until the connection ends: the Closed that ended it. What came is in the inbox."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.inbox.append(self._receive_fresh(deadline))
            except Closed as closed:
                return closed

    def silent(self, seconds=0.3, **fields):
        """Whether no frame with these values comes for so long."""
        try:
            self.expect(seconds, **fields)
        except Silence:
            return True
        return False

    # -------------------------------------------------------------------------- the Hub's words

    _next_id = 0

    def subscribe(self, *patterns, timeout=5.0, **options):
        """Subscribe and wait for the ack; the error frame is returned when it is refused."""
        return self._ask({"type": "subscribe", "events": list(patterns), **options}, timeout)

    def unsubscribe(self, *patterns, timeout=5.0, **options):
        return self._ask({"type": "unsubscribe", "events": list(patterns), **options}, timeout)

    def _ask(self, frame, timeout):
        WebSocket._next_id += 1
        mark = f"q{WebSocket._next_id}"
        self.send({**frame, "id": mark})
        return self.expect(timeout, id=mark)

    def publish(self, subject, data=None, **fields):
        """Publish without waiting."""
        self.send({"type": "event", "event": subject, "data": data, **fields})

    def publish_acked(self, subject, data=None, *, timeout=5.0, **fields):
        """Publish with `ack`; the ack or the error frame."""
        WebSocket._next_id += 1
        mark = fields.pop("event_id", f"e{os.getpid()}-{WebSocket._next_id}-{time.monotonic_ns()}")
        self.publish(subject, data, event_id=mark, ack=True, **fields)
        return self.expect(timeout, event_id=mark, type=lambda kind: kind in ("ack", "error"))

    def barrier(self, timeout=5.0):
        """Whatever was sent on this connection before has been dealt with."""
        return self.unsubscribe(f"conformance.barrier.x{WebSocket._next_id}", timeout=timeout)


def _fits(frame, fields):
    for key, wanted in fields.items():
        if key not in frame:
            return False
        if not (wanted(frame[key]) if callable(wanted) else frame[key] == wanted):
            return False
    return True


def _masked(payload, key):
    if not payload:
        return b""
    size = len(payload)
    stream = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(size, "big")
