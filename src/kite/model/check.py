"""Every mistake there is in what people wrote, found without starting anything."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from kite.errors import ConfigError, KiteError, Location
from kite.model.env_file import mistakes_in
from kite.model.expand import expand_manifest
from kite.model.fields import nearest
from kite.model.manifest import ConfigState, Manifest
from kite.model.mistakes import by_place
from kite.model.program import resolve
from kite.model.project import Project
from kite.model.scan import Found, Scan
from kite.model.variables import VARIABLES

_UNKNOWN = "\N{REPLACEMENT CHARACTER}"


def mistakes(
    scan: Scan,
    project: Project,
    *,
    project_dir: Path,
    environ: Mapping[str, str] | None = None,
    interpreter: str = sys.executable,
) -> tuple[ConfigError, ...]:
    """Everything that is wrong, sorted by file and line, each once.

    Args:
        scan: what was found.
        project: the `kite.yaml` that the scan was made with.
        project_dir: where it lies.
        environ: the environment that modules would inherit; default: the process's own.
        interpreter: the Python that modules without a `.venv` run on.

    Returns:
        Broken manifests, names found twice, wrong dependencies, overrides of modules that are not
        there, what this version cannot do, programs, entry files, files of variables and of
        secrets that are missing or wrong.
    """
    env = os.environ if environ is None else environ
    found: list[ConfigError] = list(scan.problems)
    for broken in scan.broken.values():
        found.extend(broken.errors)
    for errors in scan.graph().problems.values():
        found.extend(errors)
    found.extend(_unused_overrides(scan, project))
    for module in scan.modules.values():
        variables = _variables(module, project_dir)
        manifest = expand_manifest(module.manifest, variables)
        found.extend(_program(module, manifest, env, interpreter))
        if manifest.state is not ConfigState.DISABLED:  # its secrets may well be elsewhere
            found.extend(_files(module, manifest, {**env, **variables}))
    return tuple(sorted(found, key=by_place))


def _unused_overrides(scan: Scan, project: Project) -> Iterator[ConfigError]:
    names = [*scan.modules, *scan.broken]
    for name, node in project.overrides.items():
        if name not in names:
            near = nearest(name, names)
            code = "override_unused_near" if near else "override_unused"
            yield ConfigError(code, location=node.location, name=name, nearest=near)


def _variables(module: Found, project_dir: Path) -> dict[str, str]:
    """What only a running instance knows stands for itself: what lies below cannot be looked for."""
    return {
        **dict.fromkeys(VARIABLES, _UNKNOWN),
        "KITE_PROJECT": str(Path(__file__).resolve().parent.parent),
        "KITE_CWD": str(project_dir),
        "KITE_MODULE": module.manifest.name,
        "KITE_MODULE_DIR": str(module.folder),
        "KITE_PORT": "1",
    }


def _files(module: Found, manifest: Manifest, known: Mapping[str, str]) -> Iterator[ConfigError]:
    folder = str(module.folder)
    env_files = [each for each in manifest.env_file if _UNKNOWN not in each.path]
    yield from mistakes_in(env_files, folder, known=known)
    for secret in manifest.secrets:
        if _UNKNOWN in secret.path:
            continue
        try:
            secret.value(folder)
        except ConfigError as error:
            yield error


def _program(
    module: Found, manifest: Manifest, environ: Mapping[str, str], interpreter: str
) -> Iterator[ConfigError]:
    path = manifest.env.get("PATH", environ.get("PATH", os.defpath))
    if manifest.command and _UNKNOWN in manifest.command[0] + path:
        return
    try:
        resolve(manifest, module.folder, path=path, interpreter=interpreter)
    except KiteError as error:
        key = "command" if manifest.command else "entry"
        place = module.places.get(key) or Location(file=str(module.file))
        yield ConfigError(error.code, location=place, **error.params)
