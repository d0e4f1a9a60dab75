"""How published numbers came about: each formula once, on intervals, so that rounding is carried through."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from carbon_nas.uncertain import Interval
from carbon_nas.units import KG_PER_LB

__all__ = ["FORMULAS", "Formula"]

_HOURS_PER_DAY = 24.0
_THOUSAND = 1e3

Inputs = Mapping[str, Interval]


@dataclass(frozen=True, kw_only=True, slots=True)
class Formula:
    """A formula and the inputs it needs by name.

    Attributes:
        equation: the formula in words, as a reader would check it.
        optional: inputs that count for nothing when the paper does not report them.
    """

    equation: str
    needs: tuple[str, ...]
    compute: Callable[[Inputs], Interval]
    optional: tuple[str, ...] = ()


def _strubell_kwh(of: Inputs) -> Interval:
    return of["power"] * of["hours"] * of["pue"] / _THOUSAND


def _lb_per_gpu_h(of: Inputs) -> Interval:
    return of["power"] / of["devices"] * of["pue"] * of["intensity"] / _THOUSAND


def _scenario_hours(of: Inputs) -> Interval:
    none = Interval.exactly(0.0)
    once = of.get("search_once", none) + of.get("train_once", none)
    return once + of["scenarios"] * (of.get("search_each", none) + of.get("train_each", none))


def _patterson_kwh(of: Inputs) -> Interval:
    return of["devices"] * of["days"] * _HOURS_PER_DAY * of["power"] * of["pue"] / _THOUSAND


def _patterson_kg(of: Inputs) -> Interval:
    return _patterson_kwh(of) * of["intensity"]


_PATTERSON_MASS = ("devices", "days", "power", "pue", "intensity")

FORMULAS: Mapping[str, Formula] = MappingProxyType(
    {
        "appendix-c": Formula(
            equation="devices x steps x hours per step x lb per GPU-hour",
            needs=("devices", "steps", "step_hours", "factor"),
            compute=lambda of: of["devices"] * of["steps"] * of["step_hours"] * of["factor"],
        ),
        "device-days": Formula(
            equation="devices x days x 24",
            needs=("devices", "days"),
            compute=lambda of: of["devices"] * of["days"] * _HOURS_PER_DAY,
        ),
        "gpu-hours-cost": Formula(
            equation="GPU-hours x dollars per hour of an instance / its GPUs",
            needs=("hours", "price", "gpus"),
            compute=lambda of: of["hours"] * of["price"] / of["gpus"],
        ),
        "gpu-hours-mass": Formula(
            equation="GPU-hours x W / devices x PUE x lb per kWh / 1000",
            needs=("hours", "power", "devices", "pue", "intensity"),
            compute=lambda of: of["hours"] * _lb_per_gpu_h(of),
        ),
        "lb-per-gpu-hour": Formula(
            equation="W / devices x PUE x lb per kWh / 1000",
            needs=("power", "devices", "pue", "intensity"),
            compute=_lb_per_gpu_h,
        ),
        "patterson-energy": Formula(
            equation="chips x days x 24 x W x PUE / 1,000,000",
            needs=("devices", "days", "power", "pue"),
            compute=lambda of: _patterson_kwh(of) / _THOUSAND,
        ),
        "patterson-mass": Formula(
            equation="chips x days x 24 x W x PUE / 1000 x kg per kWh / 1000",
            needs=_PATTERSON_MASS,
            compute=lambda of: _patterson_kg(of) / _THOUSAND,
        ),
        "patterson-mass-lb": Formula(
            equation="chips x days x 24 x W x PUE / 1000 x kg per kWh / 0.45359237",
            needs=_PATTERSON_MASS,
            compute=lambda of: _patterson_kg(of) / KG_PER_LB,
        ),
        "performance-per-watt": Formula(
            equation="(hours before / hours after) x (W before / W after)",
            needs=("hours_before", "hours_after", "power_before", "power_after"),
            compute=lambda of: of["hours_before"] / of["hours_after"] * (of["power_before"] / of["power_after"]),
        ),
        "pounds-in-kg": Formula(
            equation="lb x 0.45359237",
            needs=("intensity",),
            compute=lambda of: of["intensity"] * KG_PER_LB,
        ),
        "quotient": Formula(
            equation="dividend / divisor",
            needs=("dividend", "divisor"),
            compute=lambda of: of["dividend"] / of["divisor"],
        ),
        "run-hours": Formula(
            equation="steps / steps of one run x hours of one run",
            needs=("steps", "run_steps", "run_hours"),
            compute=lambda of: of["steps"] / of["run_steps"] * of["run_hours"],
        ),
        "scenario-hours": Formula(
            equation="hours once + N x hours for each scenario",
            needs=("scenarios",),
            optional=("search_once", "search_each", "train_once", "train_each"),
            compute=_scenario_hours,
        ),
        "step-hours": Formula(
            equation="steps x hours per step",
            needs=("steps", "step_hours"),
            compute=lambda of: of["steps"] * of["step_hours"],
        ),
        "strubell-energy": Formula(
            equation="W x hours x PUE / 1000",
            needs=("power", "hours", "pue"),
            compute=_strubell_kwh,
        ),
        "strubell-mass": Formula(
            equation="W x hours x PUE / 1000 x lb per kWh",
            needs=("power", "hours", "pue", "intensity"),
            compute=lambda of: _strubell_kwh(of) * of["intensity"],
        ),
        "times": Formula(
            equation="ratio x hours",
            needs=("ratio", "hours"),
            compute=lambda of: of["ratio"] * of["hours"],
        ),
    }
)
