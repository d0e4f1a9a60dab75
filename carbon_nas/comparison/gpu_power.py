"""The power of a GPU with its share of the host: two published values that disagree, and one's own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite

from carbon_nas.errors import UnknownName, UnknownQuantity, UsageError
from carbon_nas.ledger.records import Scope
from carbon_nas.ledger.run import Activity, Run
from carbon_nas.references import REFERENCES, power_per_gpu_w
from carbon_nas.references.factors import FACTOR_ROWS
from carbon_nas.sources import Source, Tier
from carbon_nas.uncertain import Interval, Uncertain
from carbon_nas.units import total

__all__ = ["GpuPower", "gpu_power", "gpu_powers", "measured_power"]

_GPU = "gpu:"
# Patterson et al. 2021, Table 3, V100 GPU, column "StDev %". So small a deviation is that of the logarithm as well.
_MEASURED_DEVIATION_FRACTION = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuPower:
    """What one GPU draws in an hour in which it is held, its share of CPU and memory included, before PUE.

    Attributes:
        spread_ratio: geometric standard deviation; None: not quantified.
        source: where it stands; None for what the caller gave or metered.
    """

    label: str
    power_w: float
    tier: Tier
    spread_ratio: float | None = None
    source: Source | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not (isfinite(self.power_w) and self.power_w > 0):
            raise UsageError(
                f"{self.power_w:g} W is no power of a GPU that works", cure="give watts above 0, such as 300"
            )

    @property
    def power_95_w(self) -> Interval | None:
        """The central 95 %; None if the spread is not quantified."""
        return Uncertain(value=self.power_w, unit="W per GPU", gsd_ratio=self.spread_ratio).interval_95


def gpu_powers() -> Mapping[str, GpuPower]:
    """Return the published powers of a V100 by the name under which they can be asked for.

    They differ by more than their spreads: a range of choices, to be shown side by side.
    """
    scaled, measured = REFERENCES[FACTOR_ROWS["V100"]], REFERENCES["patterson2021-power-v100"]
    return {
        "strubell2019": GpuPower(
            label="Strubell et al. 2019, BERT on 64 V100",
            power_w=power_per_gpu_w("V100"),
            tier=Tier.PUBLISHED,
            source=scaled.printed.source,
            note="sampled on another GPU and scaled to V100; the printed table follows from it",
        ),
        "patterson2021": GpuPower(
            label="Patterson et al. 2021, V100 as measured",
            power_w=measured.printed.value,
            tier=Tier.PUBLISHED,
            spread_ratio=1.0 + _MEASURED_DEVIATION_FRACTION,
            source=measured.printed.source,
            note=f"for language models, not for this work; {measured.printed.note}",
        ),
    }


def gpu_power(words: str) -> GpuPower:
    """Return a published power by its name, or one's own in watts, such as "300".

    Raises:
        UnknownName: if it is neither.
        UsageError: if the watts are no power.
    """
    known = gpu_powers()
    if words in known:
        return known[words]
    try:
        power_w = float(words.strip().removesuffix("W"))
    except ValueError:
        raise UnknownName(
            f"no power per GPU is called {words!r}", cure=f"take {', '.join(known)}, or give watts, such as 300"
        ) from None
    return GpuPower(label="given by the user", power_w=power_w, tier=Tier.MODELLED)


def measured_power(runs: Iterable[Run]) -> GpuPower | None:
    """Return the mean power of a GPU in some runs: joules of all components over the seconds that GPUs were held.

    Finished phases of search and training only: of a lost attempt the end was not seen. A visible GPU counts as held,
    used or not.

    Returns:
        None if no such phase metered a GPU.

    Raises:
        UnknownQuantity: if the energy or the device time of such a phase is not known.
    """
    read = [(run, [one for one in run.activities if _counts(one)]) for run in runs]
    activities = [one for _, mine in read for one in mine]
    gpu_s = sum(_known(one.device_s[name], one, "GPU time") for one in activities for name in _gpus(one))
    if not gpu_s:
        return None
    energy_j = total(_known(joules, one, "energy") for one in activities for joules in one.energy_j.values())
    tiers = {run.components[name].tier for run, mine in read for one in mine for name in one.energy_j}
    return GpuPower(
        label="metered in this run",
        power_w=energy_j / gpu_s,
        tier=Tier.weakest(tiers) or Tier.MODELLED,
        note="all components over the time GPUs were held; its spread is not quantified here",
    )


def _counts(activity: Activity) -> bool:
    return not activity.wasted and activity.scope is not Scope.USE and bool(_gpus(activity))


def _gpus(activity: Activity) -> list[str]:
    return [name for name in activity.energy_j if name.startswith(_GPU)]


def _known(number: float | None, activity: Activity, what: str) -> float:
    if number is None:
        raise UnknownQuantity(
            f"its {what} is not known, so the power per GPU is not",
            where=f"phase {activity.phase}",
            cure="take a run whose meters were read to the end, or give the power in watts",
        )
    return number
