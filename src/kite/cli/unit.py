"""The text of a systemd unit for one project. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

MARK = "# Written by kite service install; change it with systemctl --user edit {name}"


def unit_name(instance: str) -> str:
    """The name of the unit for an instance directory of this name, escaped as systemd wants it."""

    def escaped(found: re.Match[str]) -> str:
        return "".join(f"\\x{byte:02x}" for byte in found[0].encode())

    return f"kite-{re.sub(r'[^A-Za-z0-9:_.-]', escaped, instance)}.service"


def unit_text(
    name: str, *, project: str, command: Sequence[str], environ: Mapping[str, str]
) -> str:
    """The unit.

    Args:
        name: its own, for the first line.
        project: the project directory.
        command: what to run, the program's absolute path first.
        environ: all that the modules will find besides what systemd sets.
    """
    variables = "".join(
        f"Environment={_quoted(f'{key}={value}')}\n" for key, value in environ.items()
    )
    # Statuses 2, 5 and 6 say that the next try would fail as this one did. One module that the
    # kernel ends for want of memory is Kite's business, not the end of all.
    return f"""\
{MARK.format(name=name)}
[Unit]
Description=Kite in {_specifiers(project)}
StartLimitIntervalSec=10min
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=all
ExecStart={" ".join(_quoted(word).replace("$", "$$") for word in command)}
{variables}\
Restart=on-failure
RestartSec=2
RestartPreventExitStatus=2 5 6
TimeoutStartSec=10min
TimeoutStopSec=25
WatchdogSec=30
KillMode=mixed
Delegate=yes
OOMPolicy=continue

[Install]
WantedBy=default.target
"""


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    escaped = _specifiers(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if re.search(r"[^A-Za-z0-9/:_.,=@%+-]", escaped) else escaped
