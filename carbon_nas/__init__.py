"""What neural architecture search costs in energy and CO2e: once-for-all against one search per device."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from carbon_nas.ledger.records import Scope
    from carbon_nas.recorder import Recorder

__version__ = "0.1.0"
__all__ = ["Recorder", "Scope", "__version__"]

_HOME = {"Recorder": "carbon_nas.recorder", "Scope": "carbon_nas.ledger.records"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
