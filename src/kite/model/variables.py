"""`${KITE_…}` in a manifest: replaced by what the module's environment holds.

`$$` is a dollar. Any other dollar stays as it is, so that `sh -c 'echo $HOME'` and a regular
expression that ends with `$` mean what they say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from kite.errors import ConfigError
from kite.model.fields import nearest

VARIABLES = (
    "KITE_PROJECT",
    "KITE_CWD",
    "KITE_WORKSPACE",
    "KITE_INSTANCE",
    "KITE_INSTANCE_DIR",
    "KITE_MODULE",
    "KITE_MODULE_DIR",
    "KITE_MODULE_DATA",
    "KITE_REGISTRY_PORT",
    "KITE_PORT",
)
"""What a manifest may use; `KITE_PORT` only with `preferred_port`."""

_PLACE = re.compile(r"\$(?:\$|\{(KITE_[^}]*\}?))")
_NAME = re.compile(r"KITE_[A-Z0-9_]*\}")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace every `${KITE_…}` and `$$`.

    >>> expand("http://127.0.0.1:${KITE_PORT}/$$", {"KITE_PORT": "8080"})
    'http://127.0.0.1:8080/$'

    Raises:
        ConfigError: `unknown_variable` (`name`, `nearest`), `port_not_asked` (`${KITE_PORT}` where
            there is none), `bad_dollar` (`text`: what cannot be read as `${KITE_NAME}`).
    """
    if "$" not in text:
        return text

    def replace(found: re.Match[str]) -> str:
        inner = found[1]
        if inner is None:
            return "$"
        if not _NAME.fullmatch(inner):
            raise ConfigError("bad_dollar", text=found[0])
        name = inner[:-1]
        value = variables.get(name)
        if value is None:
            raise _unknown(name, variables)
        return value

    return _PLACE.sub(replace, text)


def _unknown(name: str, variables: Mapping[str, str]) -> ConfigError:
    if name == "KITE_PORT":
        return ConfigError("port_not_asked")
    near = nearest(name, tuple(variables))
    code = "unknown_variable_near" if near else "unknown_variable"
    return ConfigError(code, name=name, nearest=near, known=", ".join(variables))


class Sample:
    """Stands for the variables while a manifest is read, so that mistakes show before a start."""

    def __init__(self, *, port: bool) -> None:
        names = VARIABLES if port else VARIABLES[:-1]
        self.variables = dict.fromkeys(names, "1")

    def expand(self, text: str) -> str:
        """The text with every variable replaced by a sample.

        Raises:
            ConfigError: as `expand`.
        """
        return expand(text, self.variables)
