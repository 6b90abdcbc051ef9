"""What a search for modules found: values, made by `kite.launcher.discovery`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from kite.errors import ConfigError
from kite.model.graph import Graph
from kite.model.manifest import ConfigState, Manifest, Places

MAX_DEPTH = 16
DEFAULT_DEPTH = 3


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A place where modules are looked for.

    Args:
        name: `core`, `extensions`, `project`, `user`, or a name of `discovery:`.
        path: an absolute directory.
        depth: how many levels below it are searched.
        required: whether its absence is a mistake (it was named by somebody).
        file, line: where it was named.
    """

    name: str
    path: Path
    depth: int = DEFAULT_DEPTH
    required: bool = False
    file: str = ""
    line: int = 0


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A module: its manifest (the project's override included) and where it lies.

    Args:
        folder: absolute, its own links resolved.
        source: the name of the place where it was found.
        file: its `module.md`.
        signature: device, inode, size and nanosecond of change of the file: differs when it may
            have changed.
        places: where keys of the manifest stand.
    """

    manifest: Manifest
    folder: Path
    source: str
    file: Path
    signature: tuple[int, ...] = ()
    places: Places = {}


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """A folder whose manifest is wrong. It is listed under the folder's name.

    Args:
        signature: as that of a `Found`; empty where the file cannot be asked.
        state: what `kite.yaml` says of the name's config state, which holds all the same.
    """

    name: str
    folder: Path
    source: str
    file: Path
    errors: tuple[ConfigError, ...]
    state: ConfigState | None = None
    signature: tuple[int, ...] = ()

    def is_like(self, other: object) -> bool:
        """Whether it is the same folder, untouched, with the same mistakes.

        Errors are not equal to each other, so `==` says no after every search.
        """
        return isinstance(other, Broken) and self._told() == other._told()

    def _told(self) -> tuple[object, ...]:
        mistakes = [(str(error.location), error.english) for error in self.errors]
        return (self.folder, self.source, self.state, self.signature, mistakes)


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a search found; names are unique over `modules` and `broken`.

    Args:
        modules: name to module, core modules included, in the order found.
        broken: name to the folders that could not be read.
        problems: what concerns no listed module: a name found twice, a directory that cannot be
            searched, a source that is missing.
    """

    modules: dict[str, Found] = {}
    broken: dict[str, Broken] = {}
    problems: tuple[ConfigError, ...] = ()

    @property
    def manifests(self) -> dict[str, Manifest]:
        """Name to manifest."""
        return {name: found.manifest for name, found in self.modules.items()}

    def graph(self) -> Graph:
        """The dependencies between the modules found."""
        places = {name: found.places for name, found in self.modules.items()}
        return Graph(self.manifests, broken=self.broken, places=places)
