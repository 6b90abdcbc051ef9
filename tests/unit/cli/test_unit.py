"""The systemd unit: quoted as systemd reads it, and complete."""

from __future__ import annotations

import configparser

import pytest

from kite.cli.unit import unit_name, unit_text


def sections(text: str) -> configparser.ConfigParser:
    found = configparser.ConfigParser(interpolation=None, strict=False)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read_string(text)
    return found


@pytest.mark.parametrize(
    ("instance", "name"),
    [
        ("shop", "kite-shop.service"),
        ("shop~1", "kite-shop\\x7e1.service"),
        ("my shop", "kite-my\\x20shop.service"),
        ("é", "kite-\\xc3\\xa9.service"),
    ],
)
def test_the_name_is_escaped(instance: str, name: str) -> None:
    assert unit_name(instance) == name


def test_the_unit_runs_this_kite_in_this_project() -> None:
    text = unit_text(
        "kite-a.service",
        project="/p/a",
        command=("/v/bin/kite", "-C", "/p/a", "up", "--quiet"),
        environ={"PATH": "/bin:/usr/bin"},
    )
    service = sections(text)["Service"]
    assert service["ExecStart"] == "/v/bin/kite -C /p/a up --quiet"
    assert service["Environment"] == "PATH=/bin:/usr/bin"
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "all")
    assert (service["KillMode"], service["Delegate"]) == ("mixed", "yes")
    assert service["Restart"] == "on-failure"
    assert service["RestartPreventExitStatus"] == "2 5 6"
    assert float(service["WatchdogSec"]) > 0
    assert sections(text)["Install"]["WantedBy"] == "default.target"


def test_what_means_something_to_systemd_is_quoted() -> None:
    path = '/p/a b/100%/$HOME/"x"\\'
    text = unit_text("k", project=path, command=("/kite", "-C", path), environ={"A": path})
    service = sections(text)["Service"]
    assert service["ExecStart"] == '/kite -C "/p/a b/100%%/$$HOME/\\"x\\"\\\\"'
    assert service["Environment"] == '"A=/p/a b/100%%/$HOME/\\"x\\"\\\\"'
    assert sections(text)["Unit"]["Description"].endswith("100%%/$HOME/" + '"x"\\')
