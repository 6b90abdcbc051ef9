"""Builds the Hub's compiled hot path into the package, where there is a compiler; else does nothing.

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
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = "src/kite/event_hub/compiled"
SOURCES = ("lane.pyx", "envelope.h", "ids.h")


class CompiledHotPath(BuildHookInterface[Any]):
    """`KITE_BUILD_PURE=1` leaves it out."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build, and tell hatchling what the wheel is then for."""
        if self.target_name != "wheel" or os.environ.get("KITE_BUILD_PURE"):
            return
        folder = Path(self.root) / FOLDER
        target = folder / f"lane{sysconfig.get_config_var('EXT_SUFFIX')}"
        stamp = folder / "lane.built"
        try:
            wanted = _fingerprint(folder)
            if not target.is_file() or not stamp.is_file() or stamp.read_text() != wanted:
                target.unlink(missing_ok=True)
                build(folder, target)
                stamp.write_text(wanted)
        except (Exception, SystemExit) as failed:  # noqa: BLE001  (no compiler is no error)
            words = str(failed).strip().splitlines() or [type(failed).__name__]
            self.app.display_warning(f"the hub's hot path stays pure Python: {words[-1]}")
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["artifacts"].append(f"/{FOLDER}/{target.name}")


def _fingerprint(folder: Path) -> str:
    """Of everything that goes into the module."""
    import picows  # noqa: PLC0415  (what is built against)

    content = b"".join((folder / name).read_bytes() for name in SOURCES)
    return f"{sha256(content).hexdigest()} picows {picows.__version__} python {sys.version}"


def build(folder: Path, target: Path) -> None:
    """Compile `lane.pyx`. Whatever goes wrong is for the caller to tell."""
    import picows  # noqa: PLC0415  (not needed where nothing is built)
    from Cython.Build import cythonize  # noqa: PLC0415
    from setuptools import Distribution, Extension  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as scratch:
        extension = Extension(
            "kite.event_hub.compiled.lane",
            [str(folder / "lane.pyx")],
            include_dirs=[str(folder)],
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
