"""What a module says about itself: the front matter of its `module.md` as one frozen value.

Every key is read strictly, and all mistakes of a manifest are found in one go. Texts that may hold
`${KITE_…}` are kept as they are written: `kite.model.expand` fills them in for a life.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import msgspec

from kite.errors import ConfigError, Location
from kite.hang import Heartbeat
from kite.model import kinds, phrases
from kite.model.dotenv import RESERVED
from kite.model.env_file import EnvFile, read_env_files
from kite.model.fields import Fields, Wrong
from kite.model.front_matter import parse_front_matter, read_text
from kite.model.limits import Limits, read_limits
from kite.model.mistakes import ConfigErrors, Mistakes
from kite.model.node import Node
from kite.model.override import lay_over
from kite.model.probe_spec import (
    HealthProbe,
    Probe,
    read_command,
    read_health,
    read_ready,
)
from kite.model.restart_policy import Restart, Stop, read_restart, read_stop
from kite.model.schedule import Schedule, read_schedule
from kite.model.secret import Secret, read_secrets
from kite.model.variables import Sample
from kite.model.watch import Watch, read_watch
from kite.wire.limits import MAX_PATTERNS

MANIFEST_NAME = "module.md"
CORE_NAMES = ("launcher", "registry", "event_hub")
TAKEN_NAMES = {**dict.fromkeys((*CORE_NAMES, "operator"), "name_taken"), "logs": "name_of_logs"}
"""Names that no module may have, with the code of the refusal. A module's data directory is
`<instance dir>/<name>`, and in `logs` lie the log files of all."""
"""Names that no module outside the package's core may have."""


class ConfigState(StrEnum):
    """Whether a module takes part: by itself, on demand, not at all."""

    ENABLED = "enabled"
    MANUAL = "manual"
    DISABLED = "disabled"


class Runtime(StrEnum):
    """Who runs the entry file."""

    PYTHON = "python"
    NODE = "node"
    BINARY = "binary"


class Condition(StrEnum):
    """What a module waits for in another."""

    READY = "ready"
    STARTED = "started"
    COMPLETED = "completed"


class Stdin(StrEnum):
    """What a module reads on standard input: the boot line and then nothing, or the end at once."""

    BOOT = "boot"
    EMPTY = "empty"


class Scope(StrEnum):
    """Rights beyond a module's own affairs."""

    LAUNCHER_CONTROL = "launcher.control"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A module as its author describes it, the project's override included.

    Args:
        name: unique in an instance.
        display_name: for people; the name where nothing else is said.
        description, version, type: text; `type` is `service` unless said otherwise.
        state: the config state.
        runtime, entry: who runs which file; both None where `command` is given.
        warm: whether it may be forked from a process that has the SDK imported.
        command: the program and its arguments; empty where `runtime` is given.
        preferred_port: None: the module gets no port; 0: any.
        depends_on: name to condition, core modules included where the author named them.
        publish, subscribe: patterns that bound the module; None bounds nothing.
        scopes: extra rights.
        launch_timeout: seconds from the process's start to ready.
        stdin: what it reads.
        ready: how to tell that it is ready; None: its own `module.ready`.
        health: how to tell that it is well; None: nobody asks.
        heartbeat: how it is judged when it stands still.
        restart, stop, limits, watch, schedule: supervision.
        env: variables of its own, unexpanded.
        env_file: files with more of them, read at every start; `env` wins.
        secrets: variables whose values lie in files of their own, likewise, and are never shown.
        essential: whether Kite ends when this module has failed.
        replicas: processes side by side, up to 100.
        api_endpoint, health_endpoint: what the Launcher registers on the module's behalf.
    """

    name: str
    display_name: str = ""
    description: str = ""
    version: str = ""
    type: str = "service"
    state: ConfigState = ConfigState.ENABLED
    runtime: Runtime | None = None
    entry: str | None = None
    warm: bool = True
    command: tuple[str, ...] = ()
    preferred_port: int | None = None
    depends_on: dict[str, Condition] = {}
    publish: tuple[str, ...] | None = None
    subscribe: tuple[str, ...] | None = None
    scopes: tuple[Scope, ...] = ()
    launch_timeout: float = 15.0
    stdin: Stdin = Stdin.BOOT
    ready: Probe | None = None
    health: HealthProbe | None = None
    heartbeat: Heartbeat = Heartbeat()
    restart: Restart = Restart()
    stop: Stop = Stop()
    limits: Limits = Limits()
    env: dict[str, str] = {}
    env_file: tuple[EnvFile, ...] = ()
    secrets: tuple[Secret, ...] = ()
    essential: bool = False
    watch: Watch | None = None
    schedule: Schedule | None = None
    replicas: int = 1
    api_endpoint: str | None = None
    health_endpoint: str | None = None


Places = dict[str, Location]
"""Where keys stand: `name`, `entry`, `command`, `state`, `replicas` and `depends_on.<name>`."""


def read_manifest(path: Path, *, core: bool = False, override: Node | None = None) -> Manifest:
    """Read a `module.md`.

    Raises:
        ConfigErrors: every mistake in it.
    """
    try:
        text = read_text(path)
    except ConfigError as error:
        raise ConfigErrors((error,)) from None
    return parse_manifest(text, str(path), core=core, override=override)


def parse_manifest(
    text: str, file: str, *, core: bool = False, override: Node | None = None
) -> Manifest:
    """Parse the text of a `module.md`.

    Args:
        text: front matter and Markdown.
        file: how errors name the file.
        core: it is a core module of Kite itself.
        override: the mapping under `modules: <name>:` of `kite.yaml`, laid over the manifest before
            it is judged; its mistakes point to `kite.yaml`.

    Raises:
        ConfigErrors: every mistake in it.
    """
    return parse_placed(text, file, core=core, override=override)[0]


def parse_placed(
    text: str, file: str, *, core: bool = False, override: Node | None = None
) -> tuple[Manifest, Places]:
    """As `parse_manifest`, and where the keys stand that others may complain about."""
    try:
        root = parse_front_matter(text, file)
    except ConfigError as error:
        raise ConfigErrors((error,)) from None
    return manifest_of(root, core=core, override=override)


def manifest_of(
    root: Node, *, core: bool = False, override: Node | None = None
) -> tuple[Manifest, Places]:
    """The manifest of a mapping.

    Raises:
        ConfigErrors: every mistake in it.
    """
    mistakes = Mistakes()
    if override is not None:
        root = lay_over(root, override, mistakes)
    fields = Fields(root, mistakes)
    manifest = _manifest(fields, core)
    _check_whole(fields, manifest, core)
    if core:
        fields.take("discovery")  # read by kite.model.project
    fields.finish()
    mistakes.settle()
    return manifest, _places(root)


def _manifest(fields: Fields, core: bool) -> Manifest:
    name = _name(fields, core)
    port = fields.read("preferred_port", kinds.port_or_any, None)
    sample = Sample(port=fields.has("preferred_port"))
    publish, subscribe = _events(fields)
    launch_timeout = _launch(fields)
    ready = read_ready(fields.section("ready"), sample)
    health, heartbeat = read_health(fields.section("health"), sample)
    return Manifest(
        name=name,
        display_name=fields.read("display_name", kinds.text, "") or name,
        description=fields.read("description", kinds.text, ""),
        version=fields.read("version", kinds.written, ""),
        type=fields.read("type", kinds.word, "service"),
        state=fields.read("state", kinds.one_of(ConfigState), ConfigState.ENABLED),
        runtime=fields.read("runtime", kinds.one_of(Runtime), None),
        entry=fields.read("entry", _entry, None),
        warm=fields.read("warm", kinds.boolean, True),
        command=tuple(read_command(fields, "command", sample) or ()),
        preferred_port=port,
        depends_on=_depends_on(fields),
        publish=publish,
        subscribe=subscribe,
        scopes=tuple(fields.list("scopes", kinds.one_of(Scope), phrases.LIST_OF_TEXTS) or ()),
        launch_timeout=launch_timeout,
        stdin=fields.read("stdin", kinds.one_of(Stdin), Stdin.EMPTY if ready else Stdin.BOOT),
        ready=ready,
        health=health,
        heartbeat=heartbeat,
        restart=read_restart(fields.section("restart"), launch_timeout),
        stop=read_stop(fields.section("stop")),
        limits=read_limits(fields.section("limits")),
        env=_env(fields, sample),
        env_file=read_env_files(fields, sample),
        secrets=read_secrets(fields, sample),
        essential=fields.read("essential", kinds.boolean, False),
        watch=read_watch(fields),
        schedule=read_schedule(fields),
        replicas=fields.read("replicas", _replicas, 1),
        api_endpoint=fields.read(
            "api_endpoint", lambda node: kinds.endpoint(node, sample.expand(kinds.text(node))), None
        ),
        health_endpoint=fields.read(
            "health_endpoint", lambda node: _health_endpoint(node, sample), None
        ),
    )


def _name(fields: Fields, core: bool) -> str:
    if not fields.has("name"):
        fields.take("name")
        fields.missing("name")
        return ""
    name = fields.read("name", kinds.name, "")
    if not core and name in TAKEN_NAMES:
        where = fields.node.value["name"].location
        fields.mistakes.add(TAKEN_NAMES[name], where, name=name, by="Kite")
    return name


def _entry(node: Node) -> str:
    return kinds.filled_as(node, phrases.RELATIVE_PATH)


_replicas = kinds.whole(1, 100, phrases.REPLICAS)


def _launch(fields: Fields) -> float:
    launch = fields.section("launch")
    if launch is None:
        return 15.0
    timeout = launch.read("timeout", kinds.some_seconds, 15.0)
    launch.finish()
    return timeout


def _events(fields: Fields) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    events = fields.section("events")
    if events is None:
        return None, None
    publish, subscribe = _patterns(events, "publish"), _patterns(events, "subscribe")
    events.finish()
    return publish, subscribe


def _patterns(events: Fields, key: str) -> tuple[str, ...] | None:
    found = events.list(key, kinds.pattern, phrases.LIST_OF_TEXTS)
    if found is None:
        return None
    if len(found) > MAX_PATTERNS:  # the Registry would refuse the module's token
        events.wrong(key, events.node.value[key], phrases.PATTERNS)
    return tuple(found)


def _depends_on(fields: Fields) -> dict[str, Condition]:
    node = fields.take("depends_on")
    if node is None:
        return {}
    found: dict[str, Condition]
    if isinstance(node.value, list):
        found = dict.fromkeys(fields.items("depends_on", node, kinds.name), Condition.READY)
    elif isinstance(node.value, dict):
        found = _conditions(Fields(node, fields.mistakes, "depends_on."))
    else:
        fields.wrong("depends_on", node, phrases.DEPENDENCIES)
        return {}
    for core in CORE_NAMES:
        if found.get(core) is Condition.COMPLETED:
            fields.mistakes.add("core_never_completes", node.location, name=core)
    return found


def _conditions(fields: Fields) -> dict[str, Condition]:
    found = {}
    for key, node in fields.node.keys.items():
        fields.convert(key, node, kinds.name, "")
        found[key] = fields.read(key, kinds.one_of(Condition), Condition.READY)
    return found


def _env(fields: Fields, sample: Sample) -> dict[str, str]:
    env = fields.section("env")
    if env is None:
        return {}

    def value(node: Node) -> str:
        if not isinstance(node.value, str) or "\0" in node.value:
            raise Wrong(phrases.ENV_TEXT)
        sample.expand(node.value)
        return node.value

    found = {}
    for key, node in env.node.keys.items():
        if not key or "=" in key or "\0" in key:
            env.wrong(key, node, phrases.VARIABLE_NAME)
        elif key.startswith(RESERVED):
            env.mistakes.add("env_reserved", node.location, name=key)
        found[key] = env.read(key, value, "")
    return found


def _health_endpoint(node: Node, sample: Sample) -> str:
    expanded = sample.expand(kinds.text(node))
    if not expanded.startswith("/") and kinds.split_url(expanded) is None:
        raise Wrong(phrases.URL_OR_PATH)
    return kinds.text(node)


def _check_whole(fields: Fields, manifest: Manifest, core: bool) -> None:
    """What no key can be blamed for alone."""
    values = fields.node.value
    if "command" in values:
        for key in ("runtime", "entry"):
            if key in values:
                fields.mistakes.add("command_and_runtime", values[key].location, key=key)
    elif "runtime" not in values and "entry" not in values:
        fields.lacks(("command", "runtime", "entry"), "program_missing")
    else:
        for key in ("runtime", "entry"):
            if key not in values:
                fields.missing(key)
    endpoint = manifest.health_endpoint
    if endpoint is not None and endpoint.startswith("/") and "api_endpoint" not in values:
        fields.mistakes.add("health_path_alone", values["health_endpoint"].location, path=endpoint)
    if core and manifest.state is not ConfigState.ENABLED:
        fields.mistakes.add("core_stays_enabled", values["state"].location, name=manifest.name)


def _places(root: Node) -> Places:
    places = {
        key: root.value[key].location
        for key in ("name", "entry", "command", "runtime", "state", "replicas")
        if key in root.value
    }
    depends_on = root.value.get("depends_on")
    if depends_on is not None:
        nodes = depends_on.keys.values() if depends_on.keys else depends_on.value
        places |= {f"depends_on.{node.value}": node.location for node in nodes}
    return places
