"""The build hook by which hatchling puts the compiled kernels into a wheel, or beside the sources if it is editable."""

from __future__ import annotations

import platform
import runpy
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_HERE = Path("embrec", "kernels")


class KernelsHook(BuildHookInterface[BuilderConfig]):
    """Compile the kernels; without a compiler, say so and make a wheel of Python alone."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before hatchling collects the files; ``version`` is "editable" or "standard"."""
        here = Path(self.root) / _HERE
        # Loaded by its path, because the package needs NumPy, which a build has not.
        build = runpy.run_path(str(here / "build.py"))["build"]
        self._scratch = tempfile.TemporaryDirectory()
        try:
            path = build(here if version == "editable" else Path(self._scratch.name))
        except (OSError, subprocess.CalledProcessError) as error:
            reason = getattr(error, "stderr", None) or error
            self.app.display_warning(
                f"The kernels were not compiled: {reason}\nNumPy will compute in their place, several times slower. "
                "To have them, install a C compiler (gcc or clang), then install embrec again."
            )
            return
        if version != "editable":
            build_data["force_include"][str(path)] = str(_HERE / path.name)
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{_platform()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled, which the wheel has now."""
        self._scratch.cleanup()


def _platform() -> str:
    """Return the wheel's platform tag; a Python for two kinds of Mac compiles for this one alone."""
    name = sysconfig.get_platform().replace("universal2", platform.machine())
    return name.replace("-", "_").replace(".", "_")
