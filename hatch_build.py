"""Compiles the hot paths of Hub, SDK and Launcher into the package, where there is a compiler; else does nothing.

Installing never needs a compiler: without one the package is the same in pure Python. The module is
built beside its source, so that an editable installation finds it, and only when something changed.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Compiled(NamedTuple):
    """One extension module, built from the `.pyx` of its name and headers in its package or shared."""

    package: str
    name: str
    headers: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return Path("src", *self.package.split("."))


MODULES: tuple[Compiled, ...] = (
    Compiled("kite.event_hub.compiled", "lane", ("envelope.h", "ids.h", "text_frames.h")),
    Compiled("kite.sdk.compiled", "frames", ("text_frames.h",)),
    Compiled("kite.sdk.compiled", "pen"),
    Compiled("kite.sdk.compiled", "arrivals"),
)
if sys.platform == "linux":  # what it calls is nowhere else
    MODULES += (Compiled("kite.launcher.compiled", "spawner", ("spawner.h",)),)

SHARED = Path("src", "kite", "wire", "compiled")
"""Where the headers stand that several packages include."""


class CompiledHotPath(BuildHookInterface[Any]):
    """`KITE_BUILD_PURE=1` leaves it out."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build, and tell hatchling what the wheel is then for."""
        if self.target_name != "wheel" or os.environ.get("KITE_BUILD_PURE"):
            return
        try:
            for module in MODULES:
                target = _build_if_needed(Path(self.root), module)
                build_data["artifacts"].append(f"/{target.relative_to(self.root).as_posix()}")
        except (Exception, SystemExit) as failed:  # noqa: BLE001  (no compiler is no error)
            words = str(failed).strip().splitlines() or [type(failed).__name__]
            self.app.display_warning(f"the hot paths stay pure Python: {words[-1]}")
            build_data["artifacts"].clear()
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def _build_if_needed(root: Path, module: Compiled) -> Path:
    """The extension module's file, made anew where anything that goes into it has changed."""
    folder = root / module.folder
    target = folder / f"{module.name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    stamp = folder / f"{module.name}.built"
    shared = root / SHARED
    wanted = _fingerprint([folder, shared], module)
    if not target.is_file() or not stamp.is_file() or stamp.read_text() != wanted:
        target.unlink(missing_ok=True)
        build(folder, module, target, [folder, shared])
        stamp.write_text(wanted)
    return target


def _fingerprint(folders: list[Path], module: Compiled) -> str:
    import picows  # noqa: PLC0415  (what is built against)

    names = (f"{module.name}.pyx", *module.headers)
    places = [
        next(folder / name for folder in folders if (folder / name).is_file()) for name in names
    ]
    content = b"".join(place.read_bytes() for place in places)
    return f"{sha256(content).hexdigest()} picows {picows.__version__} python {sys.version}"


def build(folder: Path, module: Compiled, target: Path, headers: list[Path]) -> None:
    """Compile one. Whatever goes wrong is for the caller to tell."""
    import picows  # noqa: PLC0415  (not needed where nothing is built)
    from Cython.Build import cythonize  # noqa: PLC0415
    from setuptools import Distribution, Extension  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as scratch:
        extension = Extension(
            f"{module.package}.{module.name}",
            [str(folder / f"{module.name}.pyx")],
            include_dirs=[str(each) for each in headers],
            define_macros=[("KITE_PICOWS", f'"{picows.__version__}"')],
            extra_compile_args=["-O3"],
        )
        modules = cythonize([extension], build_dir=scratch, quiet=True)
        command = Distribution({"ext_modules": modules}).get_command_obj("build_ext")
        command.build_lib = f"{scratch}/lib"
        command.build_temp = f"{scratch}/temp"
        command.ensure_finalized()
        command.run()
        shutil.copyfile(command.get_ext_fullpath(extension.name), target)
