"""The hours of the published cost table, and which of its variants is meant."""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from carbon_nas.references import REFERENCES, DeviceHours, NasCost, device_hours, nas_costs
from carbon_nas.sources import Source

__all__ = ["FineTuning", "MNASNET", "MnasNetHours", "is_once_for_all", "published_hours"]

MNASNET = "cai2020-mnasnet"
_GPU_HOURS = "GPU-hours"
_ONE_FOR_ONE = Source(key="", where="one for one: an assumption, since no conversion is published here")


class FineTuning(StrEnum):
    """For how many epochs every network that is cut out of the supernet is trained on."""

    NONE = "none"
    EPOCHS_25 = "#25"
    EPOCHS_75 = "#75"

    @property
    def row_key(self) -> str:
        """The key of its row in the published table."""
        return {"none": "cai2020-ofa", "#25": "cai2020-ofa-25", "#75": "cai2020-ofa-75"}[self.value]


class MnasNetHours(StrEnum):
    """The three published costs of one MnasNet search, in device-hours."""

    TABLE = "40,000"
    OWN_PAPER = "6,912"
    FBNET_PAPER = "90,720"

    @property
    def reference_key(self) -> str:
        """The key of its row in the register."""
        return {"40,000": "cai2019-mnasnet", "6,912": "tan2019-mnasnet", "90,720": "wu2019-mnasnet"}[self.value]

    @property
    def hours(self) -> DeviceHours:
        """The cost as GPU-hours of the table; hours of another accelerator keep the conversion that was assumed."""
        found = device_hours(REFERENCES[self.reference_key])
        return found if found.unit == _GPU_HOURS else found.convert(to=_GPU_HOURS, ratio=1.0, source=_ONE_FOR_ONE)

    @property
    def assumption(self) -> str:
        """What is assumed beyond what is published; empty if nothing is."""
        steps = [f"{one.before} are taken for {one.to}, {one.source.where}" for one in self.hours.conversions]
        return "; ".join(steps)


def is_once_for_all(key: str) -> bool:
    """Tell whether a row of the table is one of once-for-all, however it was trained."""
    return key.startswith(FineTuning.NONE.row_key)


def published_hours(mnasnet: MnasNetHours = MnasNetHours.TABLE) -> Mapping[str, NasCost]:
    """Return the rows of the table, with one of its published costs for MnasNet."""
    rows = dict(nas_costs())
    if mnasnet is not MnasNetHours.TABLE:
        rows[MNASNET] = replace(rows[MNASNET], search_each_gpu_h=mnasnet.hours.value)
    return rows
