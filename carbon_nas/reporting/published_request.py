"""What a reader asked of the published record. It is kept beside the report, which follows from it alone."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from carbon_nas import ledger
from carbon_nas.accounting.grid import Grid
from carbon_nas.accounting.site_file import SiteFile
from carbon_nas.accounting.sites import Sites
from carbon_nas.accounting.statement import account
from carbon_nas.comparison.claims import ClaimStep, OwnRun, why_not
from carbon_nas.comparison.delivery import deliveries
from carbon_nas.comparison.family import FAMILY
from carbon_nas.comparison.findings import own_run
from carbon_nas.comparison.gpu_power import GpuPower, gpu_power, measured_power
from carbon_nas.comparison.priors import prior_works
from carbon_nas.comparison.published import PublishedSetting, strubell2019
from carbon_nas.comparison.published_hours import FineTuning, MnasNetHours
from carbon_nas.comparison.table import compare
from carbon_nas.errors import InvalidSite, LedgerError, UnknownName
from carbon_nas.ledger.merge import Overlap, merge
from carbon_nas.reporting.request import described
from carbon_nas.sources import Tier

__all__ = ["MeasuredRatio", "MeasuredRun", "PublishedRequest", "ask_published", "is_published", "measure"]

Choice = TypeVar("Choice", bound=StrEnum)

# The N of the printed table.
_SCENARIOS = 40
# What a table of GPU-hours has no use for: it says nothing of when, on whose contract, or on which hardware.
_UNUSED = (
    *("market", "hourly", "marginal", "marginal_hourly", "embodied"),
    *("intensity_gsd_ratio", "pue_gsd_ratio", "ledgers"),
)


class MeasuredRatio(BaseModel):
    """Once-for-all beside the rival that cost most, as some ledgers have it; see `OwnRun`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    rival: str
    n: int = Field(ge=1)
    ofa_j: float = Field(gt=0, allow_inf_nan=False)
    rival_j: float = Field(gt=0, allow_inf_nan=False)
    tier: Tier
    accuracy_gap_fraction: float | None = None
    left_out: str = ""

    def own(self) -> OwnRun:
        """Return it as the end of the way from the published claim."""
        return OwnRun(**self.model_dump())


class MeasuredRun(BaseModel):
    """What was taken from ledgers. Where they lie is not kept; which they were shows in their head hashes.

    Attributes:
        power_w: mean power per GPU; None if they metered none.
        note: what the power is made of.
        ratio: None if they do not compare once-for-all with a rival.
        heads: the head hash of each ledger.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    power_w: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    power_tier: Tier = Tier.MODELLED
    note: str = ""
    ratio: MeasuredRatio | None = None
    heads: tuple[str, ...] = Field(min_length=1)


class PublishedRequest(BaseModel):
    """What is asked of the published record.

    Attributes:
        report: what tells it from the request for a report of ledgers.
        n: the number of deployment scenarios.
        site: zone or factor, and PUE; what it leaves out is as in the printed table.
        power: a name of `gpu_powers`, or watts per GPU; None: as metered, or else as in the printed table.
        usd_per_gpu_h: the price of a GPU-hour; None: as in the printed table.
        fine_tuning: which row of once-for-all the others are compared with.
        mnasnet: which of its published costs MnasNet is charged with.
        measured: what own ledgers say; None if none were named.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    report: Literal["published"] = "published"
    n: int = Field(default=_SCENARIOS, ge=1)
    site: SiteFile = SiteFile()
    power: str | None = None
    usd_per_gpu_h: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    fine_tuning: FineTuning = FineTuning.NONE
    mnasnet: MnasNetHours = MnasNetHours.TABLE
    measured: MeasuredRun | None = None

    def kept(self) -> dict[str, Any]:
        """Return it as it is kept: what was asked, and which kind of report it is."""
        return {"report": self.report, **self.model_dump(mode="json", exclude_defaults=True)}

    def grid(self) -> Grid | None:
        """Return the grid that was asked for; None if none was, and then the printed table's intensity stands.

        Raises:
            UnknownName: if the zone is not in the tables.
            InvalidSite: if the site cannot be applied to published hours.
        """
        told = self.site
        for name, wrong in (
            ('energy = "facility"', told.energy == "facility"),
            ("host_share", told.host_share is not None),
            ("idle_share", told.idle_share is not None),
        ):
            if wrong:
                raise InvalidSite(
                    "a published power per GPU has its share of the host in it, and no PUE",
                    where=name,
                    cure="give zone and pue alone for the published record",
                )
        place = told.site()
        return place.grids[0] if place.named else None

    def unused(self) -> tuple[str, ...]:
        """Return what the site file says and a table of GPU-hours has no use for."""
        return tuple(name for name in _UNUSED if getattr(self.site, name))

    def gpu_power(self) -> GpuPower:
        """Return the power per GPU.

        Raises:
            UnknownName: if it is neither a name nor watts.
            UsageError: if the watts are no power.
        """
        run = self.measured
        if self.power is None and run is not None and run.power_w is not None:
            return GpuPower(label="metered in own ledgers", power_w=run.power_w, tier=run.power_tier, note=run.note)
        return strubell2019().power if self.power is None else gpu_power(self.power)

    def setting(self) -> PublishedSetting:
        """Return N, hours and factors, those of the printed table where nothing else was asked.

        Raises:
            UnknownName: as `grid` and `gpu_power`.
            InvalidSite: as `grid`.
            UsageError: as `gpu_power`.
        """
        printed, grid = strubell2019(), self.grid()
        return replace(
            printed,
            n=self.n,
            power=self.gpu_power(),
            pue=printed.pue if self.site.pue is None else self.site.pue,
            intensity_g_per_kwh=printed.intensity_g_per_kwh if grid is None else grid.intensity_g_per_kwh,
            usd_per_gpu_h=printed.usd_per_gpu_h if self.usd_per_gpu_h is None else self.usd_per_gpu_h,
            fine_tuning=self.fine_tuning,
            mnasnet=self.mnasnet,
        )

    def preset(self) -> PublishedSetting:
        """Return the factors of the printed table, for the same N and hours."""
        return replace(strubell2019(), n=self.n, fine_tuning=self.fine_tuning, mnasnet=self.mnasnet)

    def steps(self) -> tuple[ClaimStep, ...]:
        """Return the way from the published claim to the ratio of own ledgers, or to what was asked without them."""
        ratio = None if self.measured is None else self.measured.ratio
        mnasnet = MnasNetHours.OWN_PAPER if self.mnasnet is MnasNetHours.TABLE else self.mnasnet
        own = None if ratio is None else ratio.own()
        return why_not(own, n=self.n, fine_tuning=self.fine_tuning, mnasnet=mnasnet)


def ask_published(
    n: int = _SCENARIOS,
    *,
    zone: str | None = None,
    pue: float | None = None,
    site: SiteFile | None = None,
    power: str | None = None,
    usd_per_gpu_h: float | None = None,
    fine_tuning: str = FineTuning.NONE,
    mnasnet: str = MnasNetHours.TABLE,
    measured: Path | None = None,
) -> PublishedRequest:
    """Ask for the published record.

    Args:
        n: the number of deployment scenarios.
        zone: where the electricity comes from; see `carbon_nas.accounting.grid`.
        pue: facility over IT energy.
        site: a site file in place of zone and PUE.
        power: a name of `gpu_powers`, or watts per GPU.
        usd_per_gpu_h: the price of a GPU-hour.
        fine_tuning: "none", "#25" or "#75", also without the mark.
        mnasnet: "40,000", "6,912" or "90,720", also without the comma.
        measured: a folder with ledgers; only what follows from them is kept.

    Raises:
        UnknownName: if a name is not there.
        InvalidSite: if the site cannot be.
        UsageError: if a number cannot be.
        LedgerError: if there is no ledger in the folder.
        LedgerOverlap: if two of them metered one device at the same time.
    """
    request = PublishedRequest(
        n=n,
        site=described(zone, pue, [] if site is None else [site])[0],
        power=power,
        usd_per_gpu_h=usd_per_gpu_h,
        fine_tuning=_one_of(FineTuning, fine_tuning, "--fine-tuning"),
        mnasnet=_one_of(MnasNetHours, mnasnet, "--mnasnet"),
        measured=None if measured is None else measure(measured),
    )
    request.setting()
    return request


def _one_of(choices: type[Choice], word: str, option: str) -> Choice:
    # A shell takes a bare mark for a comment, and few people write commas into numbers.
    written = {text: choice for choice in choices for text in (choice.value, re.sub("[#,]", "", choice.value))}
    if word not in written:
        raise UnknownName(f"there is no {word!r} to choose", where=option, cure=f"choose one of {', '.join(choices)}")
    return written[word]


def measure(folder: Path) -> MeasuredRun:
    """Take from the ledgers of a folder what the published record can be set beside.

    Args:
        folder: a folder of ledgers, or one with a folder `ledger` in it.

    Raises:
        LedgerError: if there is none.
        LedgerCorrupt: if one is damaged.
        LedgerOverlap: if two of them metered one device at the same time.
        UnknownQuantity: if the energy or GPU time of a finished phase is not known.
    """
    runs = merge(
        ledger.read(folder / "ledger" if (folder / "ledger").is_dir() else folder), overlap=Overlap.REFUSE
    ).runs
    power = measured_power(runs)
    return MeasuredRun(
        power_w=None if power is None else power.power_w,
        power_tier=Tier.MODELLED if power is None else power.tier,
        note="" if power is None else power.note,
        ratio=_ratio(runs),
        heads=tuple(run.head for run in runs),
    )


def _ratio(runs: Sequence[ledger.Run]) -> MeasuredRatio | None:
    if FAMILY.keys().isdisjoint(run.header.strategy for run in runs):
        return None
    sites, found = Sites(sites=(SiteFile().site(),)), deliveries(runs)
    try:
        comparison = compare([account(run, sites.of(run.path.name)) for run in runs], found)
    except LedgerError:
        return None  # Not finished: there is a power per GPU all the same.
    own = own_run(comparison, str(runs[0].header.study.get("name", "own ledgers")), prior_works(runs), runs)
    return None if own is None else MeasuredRatio(**{name: getattr(own, name) for name in MeasuredRatio.model_fields})


def is_published(data: bytes) -> bool:
    """Tell whether a kept request is one for the published record.

    Raises:
        ValueError: if it is no JSON.
    """
    kept = json.loads(data)
    return isinstance(kept, dict) and kept.get("report") == "published"
