"""Site files: what a user says about a place, checked at the border. Everything is inside; nothing refers to a file."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from carbon_nas.accounting.embodied import EMBODIED, S_PER_YEAR, EmbodiedItem
from carbon_nas.accounting.grid import Grid, Kind, grid, named_grids
from carbon_nas.accounting.series import Gaps, IntensitySeries
from carbon_nas.accounting.site import Site
from carbon_nas.sources import Source
from carbon_nas.uncertain import WIDEST_GSD_RATIO

__all__ = ["EmbodiedFile", "FactorFile", "SeriesFile", "SiteFile"]


_STRICT = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

Whole = Annotated[int, Field(strict=True)]
# No true for 1.0 and no text for a number; a whole number is one.
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class FactorFile(BaseModel):
    """An intensity of the user's own: a row of a CSV file, or everything about it on the spot."""

    model_config = _STRICT

    name: str = ""
    intensity_g_per_kwh: Number = Field(ge=0)
    year: Whole | None = None
    basis: str = Field(min_length=1)
    source: str = Field(min_length=1)
    zone: str = ""
    licence: str = ""
    gsd_ratio: Number | None = Field(default=None, ge=1, le=WIDEST_GSD_RATIO)

    def grid(self, kind: Kind) -> Grid:
        """Return it as a grid of a kind."""
        return Grid(
            zone=self.zone or self.name,
            name=self.name or self.zone or "own factor",
            intensity_g_per_kwh=self.intensity_g_per_kwh,
            year=self.year,
            basis=self.basis,
            source=Source(key="", where=self.source),
            kind=kind,
            gsd_ratio=self.gsd_ratio,
            licence=self.licence,
        )


class SeriesFile(BaseModel):
    """Intensities by the hour, or of any other regular step."""

    model_config = _STRICT

    series: Mapping[str, Any]
    gaps: Gaps = Gaps.REFUSE

    def read(self) -> IntensitySeries:
        """Return the series."""
        return IntensitySeries.from_json(self.series)


class EmbodiedFile(BaseModel):
    """A piece of hardware: one of the catalogue, or the user's own with its mass and source.

    It is worn for as long as a ledger's phases hold it. Ledgers that ran on it side by side each hold it whole: there,
    `share_ratio` is the part that is one ledger's.
    """

    model_config = _STRICT

    component: str = Field(min_length=1)
    item: str | None = None
    name: str | None = None
    mass_kg: Number | None = Field(default=None, gt=0)
    source: str | None = None
    count: Whole = Field(default=1, ge=1)
    lifetime_years: Number | None = Field(default=None, gt=0)
    utilisation_ratio: Number | None = Field(default=None, gt=0, le=1)
    share_ratio: Number = Field(default=1.0, gt=0, le=1)
    proxy: bool = False
    stands_in_for: str = ""
    includes: tuple[str, ...] = ()
    gsd_ratio: Number | None = Field(default=None, ge=1, le=WIDEST_GSD_RATIO)

    @model_validator(mode="after")
    def _either(self) -> "EmbodiedFile":
        if (self.item is None) == (self.mass_kg is None):
            raise ValueError("give either an item of the catalogue, or mass_kg and its source")
        if self.mass_kg is not None and not (self.source and self.lifetime_years and self.utilisation_ratio):
            raise ValueError("mass_kg needs source, lifetime_years and utilisation_ratio beside it")
        if self.item is not None and self.item not in EMBODIED:
            raise ValueError(f"there is no item {self.item!r}; choose one of {', '.join(EMBODIED)}")
        if self.item is not None and (self.name or self.source or self.includes or self.proxy):
            raise ValueError("name, source, includes and proxy of an item stand in the catalogue")
        return self


class SiteFile(BaseModel):
    """What is known about one place.

    Attributes:
        zone: a name of the offline tables; see `grid`.
        location: an own location-based factor in place of a zone.
        energy: what the meters showed: `it`, or `facility` if cooling is in it already.
        pue_gsd_ratio: the spread of the overhead, PUE - 1: a building never uses less than its computers.
        ledgers: patterns of the names of the ledgers that were recorded there; all if empty.
    """

    model_config = _STRICT

    name: str = ""
    zone: str | None = None
    location: FactorFile | None = None
    intensity_gsd_ratio: Number | None = Field(default=None, ge=1, le=WIDEST_GSD_RATIO)
    pue: Number | None = None
    pue_source: str = ""
    pue_gsd_ratio: Number | None = Field(default=None, ge=1, le=WIDEST_GSD_RATIO)
    energy: Literal["it", "facility"] = "it"
    host_share: Number | None = None
    idle_share: Number | None = None
    market: FactorFile | None = None
    hourly: SeriesFile | None = None
    marginal: FactorFile | None = None
    marginal_hourly: SeriesFile | None = None
    embodied: tuple[EmbodiedFile, ...] = ()
    ledgers: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_place(self) -> "SiteFile":
        if self.zone is not None and self.location is not None:
            raise ValueError("zone and location both say what the grid is; give one")
        if self.marginal is not None and self.marginal_hourly is not None:
            raise ValueError("marginal and marginal_hourly both say the same; give one")
        if not self.named and (self.market is not None or self.hourly is not None):
            raise ValueError("market and hourly stand beside a location-based factor; give zone or location")
        if self.intensity_gsd_ratio is not None and self.zone is None:
            raise ValueError("intensity_gsd_ratio is the spread of a zone; under [location] it is gsd_ratio")
        if self.pue == 1.0 and self.pue_gsd_ratio is not None:
            raise ValueError("pue_gsd_ratio is of the overhead, and a PUE of 1 has none")
        if self.pue is None and (self.pue_gsd_ratio is not None or self.pue_source):
            raise ValueError("pue_gsd_ratio and pue_source are about a PUE, and there is none")
        return self

    @property
    def named(self) -> bool:
        """Whether it says where it is."""
        return self.zone is not None or self.location is not None

    def site(self) -> Site:
        """Return the site that it describes.

        Raises:
            UnknownName: if the zone is not in the tables.
            InvalidSite: if something cannot be, such as a PUE below 1.
        """
        return Site(
            name=self.name,
            grids=self._grids(),
            named=self.named,
            pue=self.pue,
            pue_source=self.pue_source,
            pue_gsd_ratio=self.pue_gsd_ratio,
            facility_metered=self.energy == "facility",
            host_ratio=self.host_share,
            idle_ratio=self.idle_share,
            market=None if self.market is None else self.market.grid(Kind.MARKET),
            hourly=None if self.hourly is None else self.hourly.read(),
            hourly_gaps=Gaps.REFUSE if self.hourly is None else self.hourly.gaps,
            marginal=self._marginal(),
            marginal_gaps=Gaps.REFUSE if self.marginal_hourly is None else self.marginal_hourly.gaps,
            embodied=tuple(map(_item, self.embodied)),
            ledgers=self.ledgers,
        )

    def _grids(self) -> tuple[Grid, ...]:
        if self.location is not None:
            return (self.location.grid(Kind.LOCATION),)
        if self.zone is None:
            return named_grids()
        return (replace(grid(self.zone), gsd_ratio=self.intensity_gsd_ratio),)

    def _marginal(self) -> Grid | IntensitySeries | None:
        if self.marginal_hourly is not None:
            return self.marginal_hourly.read()
        return None if self.marginal is None else self.marginal.grid(Kind.MARGINAL)


def _item(asked: EmbodiedFile) -> EmbodiedItem:
    lifetime_s = None if asked.lifetime_years is None else asked.lifetime_years * S_PER_YEAR
    if asked.item is not None:
        return EMBODIED[asked.item].item(
            component=asked.component,
            count=asked.count,
            lifetime_s=lifetime_s,
            utilisation_ratio=asked.utilisation_ratio,
            share_ratio=asked.share_ratio,
            stands_in_for=asked.stands_in_for,
            gsd_ratio=asked.gsd_ratio,
        )
    return EmbodiedItem(
        component=asked.component,
        name=asked.name or asked.component,
        mass_kg=asked.mass_kg or 0.0,
        count=asked.count,
        lifetime_s=lifetime_s or 0.0,
        utilisation_ratio=asked.utilisation_ratio or 0.0,
        share_ratio=asked.share_ratio,
        source=Source(key="", where=asked.source or ""),
        proxy=asked.proxy or bool(asked.stands_in_for),
        stands_in_for=asked.stands_in_for,
        includes=asked.includes,
        gsd_ratio=asked.gsd_ratio,
    )
