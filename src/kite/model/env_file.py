"""Files of variables that a manifest names (`env_file:`), read at every start of the module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from kite.errors import ConfigError, Location
from kite.model import kinds, phrases
from kite.model.dotenv import parse_dotenv
from kite.model.fields import Fields
from kite.model.node import Node
from kite.model.plain_file import Unfit, read_plain, whole_path
from kite.model.variables import Sample


class EnvFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file.

    Args:
        path: as it was written: relative to the module's folder, or with `~`.
        optional: whether it may be missing.
        line: of the manifest, for messages.
        manifest: the file that names it, likewise.
    """

    path: str
    optional: bool = False
    line: int = 0
    manifest: str = ""

    @property
    def location(self) -> Location:
        """Where it was named."""
        return Location(file=self.manifest, line=self.line)


def read_env_files(fields: Fields, sample: Sample) -> tuple[EnvFile, ...]:
    """The `env_file:` key: a path, a mapping, or a list of these. A path with a `?` behind it may
    be missing."""
    node = fields.take("env_file")
    if node is None:
        return ()
    nodes = node.value if isinstance(node.value, list) else [node]
    found = []
    for index, item in enumerate(nodes):
        key = f"env_file[{index}]" if nodes is node.value else "env_file"
        if isinstance(item.value, dict):
            inner = Fields(item, fields.mistakes, f"{key}.")
            path, optional = _mapped(inner, sample), inner.read("optional", kinds.boolean, False)
            inner.finish()
        else:
            path = fields.convert(key, item, lambda node: _path(node, sample), "")
            path, optional = path.removesuffix("?"), path.endswith("?")
        if path:
            found.append(_named(path, optional, item))
    return tuple(found)


def _mapped(inner: Fields, sample: Sample) -> str:
    if not inner.has("path"):
        inner.take("path")
        inner.missing("path")
        return ""
    return inner.read("path", lambda node: _path(node, sample), "")


def _named(path: str, optional: bool, node: Node) -> EnvFile:
    return EnvFile(path=path, optional=optional, line=node.line, manifest=node.file)


def _path(node: Node, sample: Sample) -> str:
    text = kinds.filled_as(node, phrases.ENV_FILE)
    sample.expand(text)
    return text


def variables_of(
    files: Sequence[EnvFile], folder: str, *, known: Mapping[str, str]
) -> dict[str, str]:
    """What the files say together; of a name that stands in several the last counts.

    Args:
        folder: where relative paths begin.
        known: what `${NAME}` in them may mean.

    Raises:
        ConfigError: the first mistake: `env_file_missing`, `env_file_unreadable`, or one of
            `kite.model.dotenv`.
    """
    found: dict[str, str] = {}
    for file in files:
        found.update(_load(file, folder, {**known, **found}))
    return found


def mistakes_in(
    files: Sequence[EnvFile], folder: str, *, known: Mapping[str, str]
) -> Iterator[ConfigError]:
    """The first mistake of each file."""
    found = dict(known)
    for file in files:
        try:
            found.update(_load(file, folder, found))
        except ConfigError as error:
            yield error


def _load(file: EnvFile, folder: str, known: Mapping[str, str]) -> dict[str, str]:
    path = whole_path(file.path, folder)
    try:
        content, _ = read_plain(path)
    except FileNotFoundError:
        if file.optional:
            return {}
        raise ConfigError(
            "env_file_missing",
            location=file.location,
            path=path,
            manifest=file.manifest,
            line=file.line,
        ) from None
    except Unfit as unfit:
        raise ConfigError(
            "env_file_unreadable", location=file.location, path=path, detail=unfit.detail
        ) from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as broken:
        line = content.count(b"\n", 0, broken.start) + 1
        place = Location(file=path, line=line)
        raise ConfigError(
            "env_file_wrong", location=place, path=path, line=line, expected=phrases.ENV_UTF8
        ) from None
    return parse_dotenv(text, path, known=known)
