"""Every mistake there is in what people wrote, found without starting anything."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from kite.errors import ConfigError, KiteError, Location
from kite.model.expand import expand_manifest
from kite.model.fields import nearest
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
        there, what this version cannot do, programs and entry files that are missing.
    """
    env = os.environ if environ is None else environ
    found: list[ConfigError] = list(scan.problems)
    for broken in scan.broken.values():
        found.extend(broken.errors)
    for errors in scan.graph().problems.values():
        found.extend(errors)
    found.extend(_unused_overrides(scan, project))
    for module in scan.modules.values():
        found.extend(_program(module, project_dir, env, interpreter))
    return tuple(sorted(found, key=by_place))


def _unused_overrides(scan: Scan, project: Project) -> Iterator[ConfigError]:
    names = [*scan.modules, *scan.broken]
    for name, node in project.overrides.items():
        if name not in names:
            near = nearest(name, names)
            code = "override_unused_near" if near else "override_unused"
            yield ConfigError(code, location=node.location, name=name, nearest=near)


def _program(
    module: Found, project_dir: Path, environ: Mapping[str, str], interpreter: str
) -> Iterator[ConfigError]:
    # What only a running instance knows stands for itself: a program below it cannot be looked for.
    variables = {
        **dict.fromkeys(VARIABLES, _UNKNOWN),
        "KITE_PROJECT": str(Path(__file__).resolve().parent.parent),
        "KITE_CWD": str(project_dir),
        "KITE_MODULE": module.manifest.name,
        "KITE_MODULE_DIR": str(module.folder),
        "KITE_PORT": "1",
    }
    manifest = expand_manifest(module.manifest, variables)
    path = manifest.env.get("PATH", environ.get("PATH", os.defpath))
    if manifest.command and _UNKNOWN in manifest.command[0] + path:
        return
    try:
        resolve(manifest, module.folder, path=path, interpreter=interpreter)
    except KiteError as error:
        key = "command" if manifest.command else "entry"
        place = module.places.get(key) or Location(file=str(module.file))
        yield ConfigError(error.code, location=place, **error.params)
