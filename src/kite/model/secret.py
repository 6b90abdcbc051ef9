"""Files that hold one secret each (`secrets:`): read at every start of the module, never shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from kite.errors import ConfigError, Location
from kite.model import kinds, phrases
from kite.model.dotenv import RESERVED
from kite.model.fields import Fields
from kite.model.node import Node
from kite.model.plain_file import Unfit, read_plain, whole_path
from kite.model.variables import Sample

MAX_SECRET_BYTES = 64 * 1024
"""The kernel takes no more than 128 KiB in one variable."""


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """One variable whose value a file holds.

    Args:
        name: of the variable.
        path: as it was written: relative to the module's folder, or with `~`.
        line: of the manifest, for messages.
        manifest: the file that names it, likewise.
    """

    name: str
    path: str
    line: int = 0
    manifest: str = ""

    def value(self, folder: str) -> str:
        """What the file holds, without the line end behind it.

        Raises:
            ConfigError: `secret_missing`, `secret_unreadable`, `secret_open` when others than the
                owner may do anything with the file. None shows what is in it.
        """
        path = whole_path(self.path, folder)
        try:
            content, mode = read_plain(path, limit=MAX_SECRET_BYTES)
        except FileNotFoundError:
            raise self._wrong("secret_missing", path) from None
        except Unfit as unfit:
            raise self._wrong("secret_unreadable", path, detail=unfit.detail) from None
        if mode & 0o077:
            raise self._wrong("secret_open", path, mode=f"{mode:04o}")
        try:
            text = content.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            text = "\0"
        if not text or "\0" in text:
            detail = phrases.SECRET_NO_TEXT if text else phrases.SECRET_EMPTY
            raise self._wrong("secret_unreadable", path, detail=detail)
        return text

    def _wrong(self, code: str, path: str, **params: str) -> ConfigError:
        place = Location(file=self.manifest, line=self.line)
        return ConfigError(
            code,
            location=place,
            name=self.name,
            path=path,
            manifest=self.manifest,
            line=self.line,
            **params,
        )


def read_secrets(fields: Fields, sample: Sample) -> tuple[Secret, ...]:
    """The `secrets:` key: a mapping of variables to paths."""
    secrets = fields.section("secrets")
    if secrets is None:
        return ()

    def path(node: Node) -> str:
        text = kinds.filled_as(node, phrases.SECRET_PATH)
        sample.expand(text)
        return text

    env = fields.node.value.get("env")
    plain = env.value if env is not None and isinstance(env.value, dict) else {}
    found = []
    for name, node in secrets.node.keys.items():
        if not name or "=" in name or "\0" in name:
            secrets.wrong(name, node, phrases.VARIABLE_NAME)
        elif name.startswith(RESERVED):
            secrets.mistakes.add("env_reserved", node.location, name=name)
        elif name in plain:
            secrets.mistakes.add("secret_and_env", node.location, name=name)
        written = secrets.read(name, path, "")
        found.append(Secret(name=name, path=written, line=node.line, manifest=node.file))
    return tuple(found)


def values_of(secrets: Sequence[Secret], folder: str) -> Mapping[str, str]:
    """All of them by name.

    Raises:
        ConfigError: as `Secret.value`.
    """
    return {secret.name: secret.value(folder) for secret in secrets}
