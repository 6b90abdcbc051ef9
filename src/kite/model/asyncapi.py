"""What modules say to each other, as an AsyncAPI 3.0 document, from their manifests alone.

A pattern that a manifest names is a channel, and what the module does there an operation of its own.
Wildcards are parameters of the channel's address. Everything travels through one server, the Event
Hub, as one kind of message, Kite's event.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kite.model.manifest import Manifest
from kite.wire.subject import overlaps

VERSION = "3.0.0"
UNVERSIONED = "unversioned"

Json = dict[str, Any]

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")
_WORDS = {"*": "any", ">": "rest"}
_REPLY = "_reply"
_ONE: Json = {
    "description": "one token: any characters but white space, control characters, '.', '*' and '>'"
}
_REST: Json = {"description": "one or more tokens, joined by dots"}


def document(
    manifests: Sequence[Manifest],
    *,
    among: Iterable[Manifest] = (),
    title: str,
    version: str = UNVERSIONED,
    envelope: Json,
) -> Json:
    """The document of some modules.

    Args:
        manifests: whose; the order is kept.
        among: all modules, as far as they may ask these something or answer them.
        title, version: of the whole.
        envelope: the JSON Schema of an event, from `protocol/schemas/frame-to-hub.schema.json`.
    """
    channels = _Channels()
    operations: Json = {}
    everybody = [*manifests, *among]
    asked = [each for one in everybody if _asks(one) for each in _open(one.publish)]
    answered = [each for one in everybody if _answers(one) for each in _open(one.subscribe)]
    for manifest in manifests:
        for action, patterns, is_open, others in (
            ("receive", manifest.subscribe, _answers(manifest), asked),
            ("send", manifest.publish, _asks(manifest), answered),
        ):
            for pattern in _open(patterns):
                name = channels.name(pattern)
                operation = _operation(manifest, action, pattern, name)
                if is_open and any(overlaps(pattern, other) for other in others):
                    operation["reply"] = channels.reply()
                operations[f"{manifest.name}.{action}.{name}"] = operation
    return {
        "asyncapi": VERSION,
        "info": {
            "title": title,
            "version": version,
            "tags": [_tag(manifest) for manifest in manifests],
        },
        "defaultContentType": "application/json",
        "servers": {"hub": _SERVER},
        "channels": channels.found,
        "operations": operations,
        "components": {
            "schemas": {"event": envelope},
            "messages": {"event": _MESSAGE},
            "securitySchemes": _SECURITY,
        },
    }


class _Channels:
    """Patterns as channels, each once, under names that need no escape in a reference."""

    def __init__(self) -> None:
        self.found: Json = {}
        self._names: dict[str, str] = {}

    def name(self, pattern: str) -> str:
        """The name of a pattern's channel, which is there from now on."""
        if pattern not in self._names:
            tokens = [_WORDS.get(token, _UNSAFE.sub("_", token)) for token in pattern.split(".")]
            self._add(pattern, ".".join(tokens), _channel(pattern))
        return self._names[pattern]

    def reply(self) -> Json:
        """An answer: its subject stands in the question."""
        if _REPLY not in self._names:
            channel = {"address": None, "title": "Answers", "messages": _MESSAGES}
            self._add(_REPLY, _REPLY, channel)
        return {
            "address": {
                "location": "$message.payload#/reply_to",
                "description": "An event that has `reply_to` is a question.",
            },
            "channel": {"$ref": f"#/channels/{self._names[_REPLY]}"},
        }

    def _add(self, pattern: str, wanted: str, channel: Json) -> None:
        name, number = wanted, 1
        while name in self.found:
            number += 1
            name = f"{wanted}-{number}"
        self._names[pattern] = name
        self.found[name] = channel


def _channel(pattern: str) -> Json:
    """The channel of a pattern.

    In an address braces hold a parameter. A token that has some is one itself, with one value.
    """
    parameters: Json = {}
    address = []
    about: Json
    for token in pattern.split("."):
        if token == ">":
            name, about = "rest", _REST
        elif token == "*":
            name, about = _numbered("token", parameters), _ONE
        elif "{" in token or "}" in token:
            name, about = _numbered("word", parameters), {"enum": [token]}
        else:
            address.append(token)
            continue
        parameters[name] = about
        address.append(f"{{{name}}}")
    channel: Json = {"address": ".".join(address), "title": pattern, "messages": _MESSAGES}
    return channel | ({"parameters": parameters} if parameters else {})


def _numbered(word: str, taken: Mapping[str, Any]) -> str:
    return f"{word}{sum(name.startswith(word) for name in taken) + 1}"


def _operation(manifest: Manifest, action: str, pattern: str, channel: str) -> Json:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "title": f"{manifest.display_name or manifest.name}: {action} {pattern}",
        "tags": [{"name": manifest.name}],
    }


def _open(patterns: Iterable[str] | None) -> list[str]:
    """Patterns without those of answers, which belong to their questions; each once."""
    return [each for each in dict.fromkeys(patterns or ()) if not _is_reply(each)]


def _is_reply(pattern: str) -> bool:
    return pattern.split(".", 1)[0] == _REPLY


def _answers(manifest: Manifest) -> bool:
    """Whether a module says that it answers: it names subjects of answers as its own to publish."""
    return any(map(_is_reply, manifest.publish or ()))


def _asks(manifest: Manifest) -> bool:
    """Whether a module says that it asks: it wants to hear answers."""
    return any(map(_is_reply, manifest.subscribe or ()))


def _tag(manifest: Manifest) -> Json:
    unsaid: list[str] = []
    if manifest.publish is None:
        unsaid.append("publishes")
    if manifest.subscribe is None:
        unsaid.append("subscribes to")
    about = [manifest.description] if manifest.description else []
    if unsaid:
        about.append(f"Its manifest does not say what it {' or '.join(unsaid)}.")
    return {"name": manifest.name} | ({"description": "\n\n".join(about)} if about else {})


_MESSAGES: Json = {"event": {"$ref": "#/components/messages/event"}}
_MESSAGE: Json = {
    "name": "event",
    "title": "An event of Kite",
    "summary": "The Event Hub fills in event_id, source and timestamp where the sender has none.",
    "contentType": "application/json",
    "payload": {"$ref": "#/components/schemas/event"},
}
_SERVER: Json = {
    "host": "127.0.0.1:{port}",
    "pathname": "/ws",
    "protocol": "ws",
    "protocolVersion": "13",
    "title": "Kite's Event Hub",
    "description": (
        "The address stands in the Registry under `event_hub.metadata.ws_endpoint`, and in the"
        " instance directory in `launcher/api.json`. A client subscribes with a frame"
        ' `{"type":"subscribe","events":["docs.>"],"id":1}`; with the subprotocol'
        " `cloudevents.json` it speaks CloudEvents."
    ),
    "variables": {"port": {"description": "Another one in each run of Kite."}},
    "security": [
        {"$ref": "#/components/securitySchemes/bearer"},
        {"$ref": "#/components/securitySchemes/query"},
        {"$ref": "#/components/securitySchemes/subprotocol"},
    ],
}
_SECURITY: Json = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "64 hex digits",
        "description": "The token of a module's life, from its boot line.",
    },
    "query": {"type": "httpApiKey", "name": "token", "in": "query"},
    "subprotocol": {
        "type": "httpApiKey",
        "name": "Sec-WebSocket-Protocol",
        "in": "header",
        "description": "For browsers: `kite.v1, kite.token.<hex>`.",
    },
}
