"""What a reader asked of a report: sites, methods, a fleet. It is kept beside the report, which follows from it."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, field_validator

from carbon_nas.accounting.methods import METHODS
from carbon_nas.accounting.quantities import ItEnergy
from carbon_nas.accounting.site_file import SiteFile
from carbon_nas.accounting.sites import Sites
from carbon_nas.comparison.use_phase import Fleet
from carbon_nas.errors import UnknownName, UsageError
from carbon_nas.ledger.merge import Overlap

__all__ = ["REQUEST", "Request", "ask", "described"]

REQUEST = "data/request.json"
"""Where it is kept within the folder of a report."""


class Request(BaseModel):
    """What is asked of a report.

    Attributes:
        sites: descriptions with everything inside that they refer to.
        methods: beside the metered one, in the order in which they are shown.
        equivalents: whether masses are also given as cars and flights.
        fleet: how delivered networks will be used; None if nobody said.
        overlap: what to do with joules that stand in two ledgers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sites: tuple[SiteFile, ...] = (SiteFile(),)
    methods: tuple[str, ...] = ()
    equivalents: bool = False
    fleet: Fleet | None = None
    overlap: Overlap = Overlap.REFUSE

    @field_validator("methods")
    @classmethod
    def _known(cls, methods: tuple[str, ...]) -> tuple[str, ...]:
        for method in methods:
            if method not in METHODS:
                raise ValueError(f"there is no method {method!r}")
        return methods

    def places(self) -> Sites:
        """Return the sites.

        Raises:
            UnknownName: if a zone is not in the tables.
            InvalidSite: if one of them cannot be.
        """
        return Sites(sites=tuple(one.site() for one in self.sites))


def described(zone: str | None, pue: float | None, sites: Sequence[SiteFile]) -> tuple[SiteFile, ...]:
    """Return descriptions of sites, from zone and PUE where there are no others.

    Raises:
        UsageError: if there are both.
        InvalidSite: if the PUE cannot be.
    """
    if sites and (zone is not None or pue is not None):
        raise UsageError(
            "a zone and a PUE say what a site file says", where="--site", cure="write zone and pue into the site file"
        )
    if pue is not None:
        ItEnergy(0.0).through(pue)  # Its refusal is easier to read than that of a file's border.
    return tuple(sites) or (SiteFile(zone=zone, pue=pue),)


def ask(
    zone: str | None = None,
    pue: float | None = None,
    *,
    sites: Sequence[SiteFile] = (),
    methods: Sequence[str] = (),
    equivalents: bool = False,
    fleet: Fleet | None = None,
    overlap: Overlap = Overlap.REFUSE,
) -> Request:
    """Ask for a report.

    Args:
        zone: where the electricity comes from; see `carbon_nas.accounting.grid`.
        pue: facility over IT energy.
        sites: descriptions of sites, in place of zone and PUE.
        methods: names of `METHODS`.
        equivalents: as in `Request`.
        fleet: as in `Request`.
        overlap: as in `Request`.

    Raises:
        UnknownName: if there is no such method or zone.
        InvalidSite: if a site cannot be.
    """
    for method in methods:
        if method not in METHODS:
            raise UnknownName(
                f"there is no method {method!r}", where="--method", cure=f"choose from {', '.join(METHODS)}"
            )
    request = Request(
        sites=described(zone, pue, sites),
        methods=tuple(dict.fromkeys(methods)),
        equivalents=equivalents,
        fleet=fleet,
        overlap=overlap,
    )
    request.places()
    return request
