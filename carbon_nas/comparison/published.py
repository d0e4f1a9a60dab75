"""The published cost table of once-for-all, computed anew for any number of scenarios, site and power per GPU.

The table is arithmetic on GPU-hours, `once + N x each`, times one power, one PUE, one intensity and one price. These
four are the same in every row, so ratios and break-evens do not move with them; kilograms and dollars do.

Source: Cai et al. 2020, Table 1; its caption names Strubell et al. 2019 for CO2e and AWS for dollars.
"""

from dataclasses import dataclass
from math import isfinite

from carbon_nas.accounting.quantities import ItEnergy, LocationBasedMass
from carbon_nas.comparison.gpu_power import GpuPower, gpu_powers
from carbon_nas.comparison.published_break_even import (
    PublishedBreakEven,
    UpfrontBreakEven,
    break_evens,
    break_evens_of_upfront,
)
from carbon_nas.comparison.published_hours import MNASNET, FineTuning, MnasNetHours, published_hours
from carbon_nas.errors import InvalidSite, UsageError
from carbon_nas.references import REFERENCES, NasCost, nas_costs, usd_per_gpu_h
from carbon_nas.uncertain import Interval, printed

__all__ = [
    "Footprint",
    "PrintedCells",
    "PublishedRow",
    "PublishedSetting",
    "PublishedTable",
    "recompute",
    "strubell2019",
]

_S_PER_H = 3_600


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedSetting:
    """The number of scenarios, which hours are meant, and the factors by which they become energy, CO2e and dollars.

    Attributes:
        n: the number of deployment scenarios.
        usd_per_gpu_h: the price of a GPU-hour.
        fine_tuning: which row of once-for-all the others are compared with.
        mnasnet: which of its published costs MnasNet is charged with.
    """

    n: int
    power: GpuPower
    pue: float
    intensity_g_per_kwh: float
    usd_per_gpu_h: float
    fine_tuning: FineTuning = FineTuning.NONE
    mnasnet: MnasNetHours = MnasNetHours.TABLE

    def __post_init__(self) -> None:
        if self.n < 1:
            raise UsageError(f"N = {self.n} is no number of scenarios", cure="take 1 or more")
        if not (isfinite(self.intensity_g_per_kwh) and self.intensity_g_per_kwh >= 0):
            raise InvalidSite(f"an intensity of {self.intensity_g_per_kwh:g} g/kWh cannot be", where="intensity")
        if not (isfinite(self.usd_per_gpu_h) and self.usd_per_gpu_h >= 0):
            raise UsageError(f"a price of {self.usd_per_gpu_h:g} USD per GPU-hour cannot be")
        ItEnergy(0.0).through(self.pue)

    def footprint(self, gpu_h: float, power: GpuPower) -> "Footprint":
        """Return what some GPU-hours use and emit at a power."""
        it = ItEnergy(power.power_w) * gpu_h * _S_PER_H
        facility = it.through(self.pue)
        mass = LocationBasedMass.emitted(facility, self.intensity_g_per_kwh)
        spread = power.power_95_w
        return Footprint(
            power=power.label,
            power_w=power.power_w,
            it_energy_kwh=it.kwh,
            facility_energy_kwh=facility.kwh,
            mass_kg=mass.kg,
            mass_lb=mass.lb,
            mass_95_kg=None if spread is None else spread * (mass.kg / power.power_w),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Footprint:
    """Energy and location-based CO2e of some GPU-hours at one power per GPU.

    Attributes:
        mass_95_kg: from the spread of the power alone; None if that is not quantified.
    """

    power: str
    power_w: float
    it_energy_kwh: float
    facility_energy_kwh: float
    mass_kg: float
    mass_lb: float
    mass_95_kg: Interval | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PrintedCells:
    """What the paper printed in a row, at its own N and factors, and what follows from the hours it printed.

    Attributes:
        scenarios: the N of the printed cells.
        unrounded_gpu_h: the hours that the formula of the row gives at that N.
        recomputed_lb, recomputed_usd: from the rounded total hours, as the paper itself appears to have done.
        erratum: the known error of the row; empty if there is none.
    """

    scenarios: int
    total_text: str
    co2e_text: str
    cost_text: str
    unrounded_gpu_h: float
    recomputed_lb: Interval
    recomputed_usd: Interval
    erratum: str

    @property
    def hours_agree(self) -> bool:
        """Whether the printed total is the formula's, rounded."""
        return printed(self.total_text).holds(self.unrounded_gpu_h)

    @property
    def mass_agrees(self) -> bool:
        """Whether the printed pounds can be those of the printed hours."""
        return printed(self.co2e_text).meets(self.recomputed_lb)

    @property
    def cost_agrees(self) -> bool:
        """Whether the printed dollars can be those of the printed hours."""
        return printed(self.cost_text).meets(self.recomputed_usd)


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedRow:
    """One method at the N of a setting, beside what was printed.

    Attributes:
        gpu_h: without rounding, of what is reported.
        upfront_ratio: its hours over those of once-for-all, with the fine-tuning of the setting.
        footprints: at the power of the setting first, then at every other published power.
        unreported: "search" or "training" where the paper prints a dash: then all numbers are lower bounds.
        assumption: what was assumed beyond the table; empty if nothing was.
    """

    key: str
    label: str
    accuracy_fraction: float | None
    accuracy_verified: bool
    once_gpu_h: float
    each_gpu_h: float
    gpu_h: float
    upfront_ratio: float
    footprints: tuple[Footprint, ...]
    cost_usd: float
    as_printed: PrintedCells
    unreported: tuple[str, ...]
    assumption: str
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedTable:
    """The table at a setting.

    Attributes:
        break_evens: of every pair of rows, in the order of the table.
        against_upfront: the same against once-for-all, a row for each rival.
    """

    setting: PublishedSetting
    rows: tuple[PublishedRow, ...]
    break_evens: tuple[PublishedBreakEven, ...]
    against_upfront: tuple[UpfrontBreakEven, ...]


def strubell2019() -> PublishedSetting:
    """Return the setting of the printed table: 40 networks, 188 W, PUE 1.58, 0.954 lb/kWh, 3.06 dollars.

    Source: derived, since the table prints no factor: Strubell et al. 2019, Table 3, BERT row, and equations 1 and 2;
    price of an AWS p3.16xlarge on demand over its 8 GPUs.
    """
    row = FineTuning.NONE.row_key
    found = {one.name: one.number for one in REFERENCES[row].inputs}
    return PublishedSetting(
        n=nas_costs()[row].scenarios,
        power=gpu_powers()["strubell2019"],
        pue=found["pue"],
        intensity_g_per_kwh=LocationBasedMass.of_lb(found["intensity"]).g,
        usd_per_gpu_h=usd_per_gpu_h(),
    )


def recompute(setting: PublishedSetting) -> PublishedTable:
    """Compute the whole table at a setting."""
    hours = published_hours(setting.mnasnet)
    upfront = hours[setting.fine_tuning.row_key]
    return PublishedTable(
        setting=setting,
        rows=tuple(_row(cost, upfront, setting) for cost in hours.values()),
        break_evens=break_evens(setting.mnasnet),
        against_upfront=break_evens_of_upfront(setting.mnasnet),
    )


def _row(cost: NasCost, upfront: NasCost, setting: PublishedSetting) -> PublishedRow:
    gpu_h = cost.gpu_h(setting.n)
    powers = dict.fromkeys((setting.power, *gpu_powers().values()))
    return PublishedRow(
        key=cost.key,
        label=cost.label,
        accuracy_fraction=cost.accuracy_fraction,
        accuracy_verified=cost.accuracy_verified,
        once_gpu_h=cost.once_gpu_h,
        each_gpu_h=cost.each_gpu_h,
        gpu_h=gpu_h,
        upfront_ratio=gpu_h / upfront.gpu_h(setting.n),
        footprints=tuple(setting.footprint(gpu_h, power) for power in powers),
        cost_usd=gpu_h * setting.usd_per_gpu_h,
        as_printed=_as_printed(nas_costs()[cost.key]),
        unreported=cost.unreported,
        assumption=setting.mnasnet.assumption if cost.key == MNASNET else "",
        note=cost.note,
    )


def _as_printed(cost: NasCost) -> PrintedCells:
    factors, hours = strubell2019(), printed(cost.total_text)
    return PrintedCells(
        scenarios=cost.scenarios,
        total_text=cost.total_text,
        co2e_text=cost.co2e_text,
        cost_text=cost.cost_text,
        unrounded_gpu_h=cost.gpu_h(cost.scenarios),
        recomputed_lb=hours * factors.footprint(1.0, factors.power).mass_lb,
        recomputed_usd=hours * factors.usd_per_gpu_h,
        erratum=cost.erratum,
    )
