"""What can be set: the `registry:` section of `kite.yaml`, which comes with the boot line."""

from __future__ import annotations

from typing import Any

import msgspec

from kite.errors import ConfigError


class RegistryConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Lease times and origins.

    Args:
        ttl: seconds an entry lives without a heartbeat.
        max_ttl: seconds that a module may ask for at most.
        origins: pages that may talk to the Registry beside those of modules.
    """

    ttl: float = 30.0
    max_ttl: float = 3600.0
    origins: tuple[str, ...] = ()

    @classmethod
    def of(cls, section: dict[str, Any]) -> RegistryConfig:
        """Read the section.

        Raises:
            ConfigError: `bad_environment`.
        """
        try:
            config = msgspec.convert(section, cls)
        except msgspec.ValidationError as wrong:
            raise ConfigError("bad_environment", detail=f"registry: {wrong}") from None
        if not 0 < config.ttl <= config.max_ttl:
            raise ConfigError(
                "bad_environment", detail=f"registry: ttl {config.ttl} is not from 0 to max_ttl"
            )
        return config

    def lease(self, wanted: float | None) -> float:
        """Seconds of a lease, where `wanted` were asked for."""
        return self.ttl if wanted is None else min(max(wanted, 1.0), self.max_ttl)
