"""`kite.yaml`: what a project says about its instance. Everything in it is optional."""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from kite.errors import ConfigError
from kite.model import kinds, phrases
from kite.model.document import parse_document
from kite.model.fields import Fields
from kite.model.front_matter import check_mapping, parse_front_matter, read_text
from kite.model.mistakes import ConfigErrors, Mistakes
from kite.model.node import Node
from kite.model.scan import DEFAULT_DEPTH, MAX_DEPTH, Source
from kite.model.workspace import PROJECT_FILE, home_dir
from kite.wire.limits import HUB_LEAST

STARTS_PER_CORE = 4


class Sync(StrEnum):
    """`hub.streams.<name>.sync`: what an acknowledged event outlives."""

    FULL = "full"
    NORMAL = "normal"


class HotPath(StrEnum):
    """Which form of its hot path the Event Hub takes; see `kite.event_hub.compiled`."""

    AUTO = "auto"
    PURE = "pure"


class OnCoreCrash(StrEnum):
    """What mends a dead Registry or Event Hub: restarting it alone, or everything."""

    ISOLATED = "isolated"
    FULL = "full"


class Logs(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the modules' output is kept.

    Args:
        size: bytes of one file before it is rotated.
        count: older files kept beside it.
        total: bytes of all logs of an instance together, as they lie on the disk.
        max_age: seconds after which older files are removed; None: never.
        compress: whether older files are compressed.
    """

    size: int = 10 << 20
    count: int = 5
    total: int = 200 << 20
    max_age: float | None = None
    compress: bool = True


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A project's `kite.yaml`, or the defaults where there is none.

    Args:
        file: the file, or None.
        sources: further places of modules, in the order named.
        overrides: module name to the mapping that is laid over its manifest.
        start_concurrency: modules between process and ready at once.
        max_failed_modules: so many in `failed` stop everything; 0: never.
        on_core_crash: what mends a core.
        hub, registry: the sections as the two get them with their boot line: only what was said,
            durations in seconds and sizes in bytes; the Hub's origins are the Registry's too.
        logs: what is kept.
    """

    file: Path | None = None
    sources: tuple[Source, ...] = ()
    overrides: dict[str, Node] = {}
    start_concurrency: int = STARTS_PER_CORE
    max_failed_modules: int = 3
    on_core_crash: OnCoreCrash = OnCoreCrash.ISOLATED
    hub: dict[str, Any] = {}
    registry: dict[str, Any] = {}
    logs: Logs = Logs()


def read_project(directory: Path, *, home: Path | None = None) -> Project:
    """Read a project's `kite.yaml`; without one everything has its default.

    Args:
        directory: the project directory, absolute.
        home: what `~` in paths means; default: the user's home directory.

    Raises:
        ConfigErrors: every mistake in it.
    """
    project, errors = survey_project(directory, home=home)
    if errors:
        raise ConfigErrors(errors)
    return project


def survey_project(
    directory: Path, *, home: Path | None = None
) -> tuple[Project, tuple[ConfigError, ...]]:
    """As `read_project`, but gives what could be read beside the mistakes."""
    file = directory / PROJECT_FILE
    if not os.path.lexists(file):
        return _survey(None, directory, home)
    try:
        text = read_text(file)
    except ConfigError as error:
        return _survey(None, directory, home)[0], (error,)
    return _survey(text, directory, home)


def parse_project(text: str | None, directory: Path, *, home: Path | None = None) -> Project:
    """Parse the text of a `kite.yaml`; None: there is no file.

    Raises:
        ConfigErrors: every mistake in it.
    """
    project, errors = _survey(text, directory, home)
    if errors:
        raise ConfigErrors(errors)
    return project


def _survey(
    text: str | None, directory: Path, home: Path | None
) -> tuple[Project, tuple[ConfigError, ...]]:
    default_starts = STARTS_PER_CORE * (os.cpu_count() or 1)
    empty = Project(start_concurrency=default_starts)
    if text is None:
        return empty, ()
    file = directory / PROJECT_FILE
    try:
        root = parse_document(text, str(file))
        if root.value is None:
            return replace(empty, file=file), ()
        check_mapping(root)
    except ConfigError as error:
        return empty, (error,)
    mistakes = Mistakes()
    fields = Fields(root, mistakes)
    project = Project(
        file=file,
        sources=read_sources(fields.section("discovery"), directory, home),
        overrides=_overrides(fields.section("modules")),
        start_concurrency=fields.read("start_concurrency", kinds.count, default_starts),
        max_failed_modules=fields.read("max_failed_modules", kinds.count_or_zero, 3),
        on_core_crash=fields.read("on_core_crash", kinds.one_of(OnCoreCrash), OnCoreCrash.ISOLATED),
        hub=_hub(fields.section("hub")),
        registry=_registry(fields.section("registry")),
        logs=_logs(fields.section("logs")),
    )
    fields.finish()
    # Who may talk to the Hub from a page may talk to the Registry too: one list for both.
    if origins := project.hub.get("origins"):
        project = replace(project, registry={**project.registry, "origins": origins})
    return project, tuple(mistakes.errors)


def read_launcher_sources(file: Path, *, home: Path | None = None) -> tuple[Source, ...]:
    """The sources that `discovery:` in the Launcher's own `module.md` adds.

    Raises:
        ConfigErrors: every mistake in it.
    """
    try:
        root = parse_front_matter(read_text(file), str(file))
    except ConfigError as error:
        raise ConfigErrors((error,)) from None
    mistakes = Mistakes()
    sources = read_sources(Fields(root, mistakes).section("discovery"), file.parent, home)
    mistakes.settle()
    return sources


def read_sources(fields: Fields | None, directory: Path, home: Path | None) -> tuple[Source, ...]:
    """A `discovery:` section: name to a path, or to a mapping with path and depth.

    Relative paths start at the file's directory; `~` is the home directory.
    """
    if fields is None:
        return ()
    sources = []
    for name, node in fields.node.value.items():
        place = fields.node.keys[name]
        if isinstance(node.value, str):
            path, depth = fields.read(name, kinds.filled, ""), DEFAULT_DEPTH
        else:
            inner = fields.section(name, phrases.SOURCE)
            if inner is None:
                continue
            path = inner.read("path", kinds.filled, "")
            if not inner.has("path"):
                inner.missing("path")
            depth = inner.read("depth", kinds.whole(1, MAX_DEPTH, phrases.DEPTH), DEFAULT_DEPTH)
            inner.finish()
        sources.append(
            Source(
                name=name,
                path=_absolute(path, directory, home),
                depth=depth,
                required=True,
                file=place.file,
                line=place.line,
            )
        )
    return tuple(sources)


def _absolute(path: str, directory: Path, home: Path | None) -> Path:
    if path == "~" or path.startswith("~/"):
        return Path(os.path.abspath((home or home_dir(os.environ)) / path[2:]))  # noqa: PTH100
    return Path(os.path.abspath(directory / path))  # noqa: PTH100  (links are followed when searched)


def _overrides(fields: Fields | None) -> dict[str, Node]:
    if fields is None:
        return {}
    found = {}
    for name, key in fields.node.keys.items():
        fields.convert(name, key, kinds.name, "")
        node = fields.take(name)
        assert node is not None
        # A module of which every override is commented out.
        if node.value is None:
            continue
        if fields.section(name) is not None:
            found[name] = node
    return found


def _logs(fields: Fields | None) -> Logs:
    if fields is None:
        return Logs()
    logs = Logs(
        size=fields.read("size", kinds.size, 10 << 20),
        count=fields.read("count", kinds.count_or_zero, 5),
        total=fields.read("total", kinds.size, 200 << 20),
        max_age=fields.read("max_age", kinds.some_seconds, None),
        compress=fields.read("compress", kinds.boolean, True),
    )
    fields.finish()
    return logs


def _registry(fields: Fields | None) -> dict[str, Any]:
    said = _said(fields, {"ttl": kinds.some_seconds, "max_ttl": kinds.some_seconds})
    if fields is not None and said.get("ttl", 30.0) > (longest := said.get("max_ttl", 3600.0)):
        key = "ttl" if "ttl" in said else "max_ttl"
        place = fields.node.value[key].location
        fields.mistakes.add("ttl_too_long", place, ttl=said.get("ttl", 30.0), longest=longest)
    return said


_HUB_KINDS: dict[str, Callable[[Node], Any]] = {
    **dict.fromkeys(
        ("frame_bytes", "outbox_bytes", "outbox_most_bytes", "input_bytes"), kinds.size
    ),
    **dict.fromkeys(("slow_rate", "head_bytes"), kinds.size),
    **dict.fromkeys(
        ("connections", "connections_per_module", "handshakes", "subscriptions"), kinds.count
    ),
    **dict.fromkeys(("pattern_tokens", "routes", "requests", "awaited"), kinds.count),
    **dict.fromkeys(
        ("slow_seconds", "slow_window", "handshake_seconds", "farewell_seconds"),
        kinds.some_seconds,
    ),
    "silence_seconds": kinds.seconds,
}
"""What `kite.event_hub.limits` knows, by the kind of value."""

_HUB_LIMITS = {
    key: kinds.at_least(HUB_LEAST[key], kind) if key in HUB_LEAST else kind
    for key, kind in _HUB_KINDS.items()
}


def _hub(fields: Fields | None) -> dict[str, Any]:
    if fields is None:
        return {}
    found: dict[str, Any] = {}
    origins = fields.list("origins", kinds.origin, phrases.LIST_OF_TEXTS)
    if origins is not None:
        found["origins"] = origins
    sections: dict[str, dict[str, Callable[[Node], Any]]] = {
        "limits": _HUB_LIMITS,
        "deduplication": {"seconds": kinds.some_seconds, "ids": kinds.count},
        "history": {"bytes": kinds.any_size, "seconds": kinds.some_seconds},
    }
    for name, keys in sections.items():
        inner = fields.section(name)
        if inner is not None:
            found[name] = _said(inner, keys)
    hot_path = fields.read("hot_path", kinds.one_of(HotPath), None)
    if hot_path is not None:
        found["hot_path"] = hot_path.value
    streams = fields.section("streams")
    if streams is not None:
        found["streams"] = {name: _stream(streams, name) for name in streams.node.value}
    fields.finish()
    return found


def _stream(streams: Fields, name: str) -> dict[str, Any]:
    streams.convert(name, streams.node.keys[name], kinds.name, "")
    fields = streams.section(name)
    if fields is None:
        return {}
    subjects = fields.list("subjects", kinds.pattern, phrases.LIST_OF_TEXTS)
    if not subjects and "subjects" not in fields.node.value:
        fields.missing("subjects")
    bounds = {"max_age": kinds.some_seconds, "max_size": kinds.size, "max_events": kinds.count}
    sync = fields.read("sync", kinds.one_of(Sync), None)
    said = {"subjects": subjects or [], **_said(fields, bounds)}
    return said if sync is None else {**said, "sync": sync.value}


def _said(fields: Fields | None, keys: dict[str, Callable[[Node], Any]]) -> dict[str, Any]:
    """The keys that are there, converted; what is not said is the component's own default."""
    if fields is None:
        return {}
    found = {key: fields.read(key, convert, None) for key, convert in keys.items()}
    fields.finish()
    return {key: value for key, value in found.items() if value is not None}
