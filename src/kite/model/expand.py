"""A manifest for one life: every `${KITE_…}` in it filled in."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from kite.errors import ConfigError
from kite.model.manifest import Manifest
from kite.model.probe_spec import Probe, ProbeKind, port_number
from kite.model.variables import expand

__all__ = ["expand", "expand_manifest", "expand_probe"]


def expand_manifest(manifest: Manifest, variables: Mapping[str, str]) -> Manifest:
    """Fill in `command`, `env`, the paths of `env_file` and `secrets`, `ready`, `health` and the endpoints; once is enough, twice is wrong
    (`$$` would have become a dollar that means something).

    Args:
        manifest: as it was read.
        variables: the `KITE_` variables of the life.

    Raises:
        ConfigError: as `expand`; `bad_port` when a `tcp` probe's port is none.
    """
    health = manifest.health

    def maybe(text: str | None) -> str | None:
        return None if text is None else expand(text, variables)

    return replace(
        manifest,
        command=tuple(expand(argument, variables) for argument in manifest.command),
        env={name: expand(value, variables) for name, value in manifest.env.items()},
        env_file=tuple(
            replace(each, path=expand(each.path, variables)) for each in manifest.env_file
        ),
        secrets=tuple(
            replace(each, path=expand(each.path, variables)) for each in manifest.secrets
        ),
        ready=None if manifest.ready is None else expand_probe(manifest.ready, variables),
        health=None
        if health is None
        else replace(health, probe=expand_probe(health.probe, variables)),
        api_endpoint=maybe(manifest.api_endpoint),
        health_endpoint=maybe(manifest.health_endpoint),
    )


def expand_probe(probe: Probe, variables: Mapping[str, str]) -> Probe:
    """The probe with its variables filled in.

    Raises:
        ConfigError: as `expand_manifest`.
    """
    target = expand(probe.target, variables)
    if probe.kind is ProbeKind.TCP and port_number(target) is None:
        raise ConfigError("bad_port", found=target)
    command = tuple(expand(argument, variables) for argument in probe.command)
    return replace(probe, target=target, command=command)
