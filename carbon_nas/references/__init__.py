"""Published numbers, with their sources, inputs, errata and corrections."""

from carbon_nas.references.checks import Check, checks
from carbon_nas.references.device_hours import DeviceHours, device_hours
from carbon_nas.references.equivalents import Equivalent, equivalents
from carbon_nas.references.factors import lb_per_gpu_h, power_per_gpu_w, usd_per_gpu_h
from carbon_nas.references.nas_costs import NasCost, nas_costs
from carbon_nas.references.register import REFERENCES, Input, Kind, Reference
from carbon_nas.references.waterfall import Step, waterfall

__all__ = [
    "Check",
    "DeviceHours",
    "Equivalent",
    "Input",
    "Kind",
    "NasCost",
    "REFERENCES",
    "Reference",
    "Step",
    "checks",
    "device_hours",
    "equivalents",
    "lb_per_gpu_h",
    "nas_costs",
    "power_per_gpu_w",
    "usd_per_gpu_h",
    "waterfall",
]
