"""Leads every look at `/sys/class/powercap` to the simulated tree of the scenario, before any other module is loaded.

`denied` in the scenario: the energy files refuse to be read, as they do to everybody but root.
"""

import builtins
import errno
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

_FOLDER = os.environ.get("CARBON_NAS_BENCHMARK_FOLDER")
_SYSFS = ("/sys/class/powercap", "/sys/devices/virtual/powercap")


def _redirected(call: Callable[..., Any], root: str, denied: bool) -> Callable[..., Any]:
    def redirected(path: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(path, str | os.PathLike):
            text = os.fspath(path)
            if isinstance(text, str) and text.startswith(_SYSFS):
                path = root + text.removeprefix(_SYSFS[0]) if text.startswith(_SYSFS[0]) else root + "/nothing"
                if denied and path.endswith("energy_uj") and call.__name__ in {"open", "access"}:
                    if call.__name__ == "access":
                        return False
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), text)
        return call(path, *args, **kwargs)

    return redirected


if _FOLDER:
    _SCENARIO = json.loads((Path(_FOLDER) / "scenario.json").read_text(encoding="utf-8"))
    if _SCENARIO["zones"]:
        _ROOT = str(Path(_FOLDER) / "powercap")
        for _name in ("access", "listdir", "lstat", "open", "readlink", "scandir", "stat"):
            setattr(os, _name, _redirected(getattr(os, _name), _ROOT, _SCENARIO["denied"]))
        builtins.open = io.open = _redirected(builtins.open, _ROOT, _SCENARIO["denied"])
