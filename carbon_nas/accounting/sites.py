"""Several sites in one report: each ledger has its own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from carbon_nas.accounting.embodied import check_double_counting
from carbon_nas.accounting.site import LOCATION, Site, View
from carbon_nas.errors import InvalidSite

__all__ = ["Sites"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sites:
    """Where the ledgers of a report were recorded."""

    sites: tuple[Site, ...]

    def __post_init__(self) -> None:
        if len(self.sites) > 1 and not all(one.named for one in self.sites):
            raise InvalidSite(
                "several sites, and not all of them say where they are",
                where="--site-file",
                cure="give each a zone or a factor, and the patterns of its ledgers",
            )

        facility = {one.pue is not None or one.facility_metered for one in self.sites}
        if len(facility) > 1:
            raise InvalidSite(
                "IT energy at one site and the building's at another have no sum",
                where="--site-file",
                cure="give every site a PUE, or none",
            )

    def of(self, ledger: str) -> Site:
        """Return the site of a ledger, by its file's name.

        Raises:
            InvalidSite: if there is none for it, or more than one.
        """
        found = [one for one in self.sites if one.has(ledger)]
        if len(found) != 1:
            names = " and ".join(one.name or one.place for one in found)
            raise InvalidSite(
                f"the ledger {ledger} belongs to {f'{len(found)} sites ({names})' if found else 'no site'}",
                where="--site-file",
                cure='name the ledgers of each site with patterns: ledgers = ["team-a-*.jsonl"]',
            )
        return found[0]

    def check_hardware(self, metered: Mapping[str, Iterable[str]]) -> None:
        """Refuse a site without a ledger, and embodied hardware that no ledger has: it would look like nothing at all.

        Args:
            metered: the components of each ledger, by its file's name.

        Raises:
            InvalidSite: naming what was recorded and metered there.
        """
        for site in self.sites:
            mine = [ledger for ledger in metered if site.has(ledger)]
            if not mine:
                raise InvalidSite(
                    f"the patterns of {site.name or site.place} match no ledger",
                    where="ledgers",
                    cure=f"there are {', '.join(metered)}",
                )
            there = sorted({name for ledger in mine for name in metered[ledger]})
            check_double_counting(site.embodied, there)
            for item in site.embodied:
                if not any(fnmatchcase(name, item.component) for name in there):
                    raise InvalidSite(
                        f"the embodied carbon of {item.name} belongs to {item.component}, which was never metered here",
                        where="embodied",
                        cure=f"give a component that matches one of {', '.join(there)}",
                    )

    @property
    def only(self) -> Site | None:
        """The site, if there is just one."""
        return self.sites[0] if len(self.sites) == 1 else None

    @property
    def named(self) -> bool:
        """Whether the user said where it is."""
        return all(one.named for one in self.sites)

    @property
    def label(self) -> str:
        """What has to stand beside every CO2e figure."""
        return "; ".join(dict.fromkeys(one.label for one in self.sites))

    @property
    def boundary(self) -> str:
        """What the energy covers."""
        return " or ".join(dict.fromkeys(one.boundary for one in self.sites))

    @property
    def place(self) -> str:
        """Where it is."""
        return " and ".join(dict.fromkeys(one.place for one in self.sites))

    @property
    def bare(self) -> bool:
        """Whether energy is everywhere what was metered, with nothing added to it."""
        return all(one.factor_ratio == 1.0 and not one.facility_metered for one in self.sites)

    @property
    def views(self) -> tuple[View, ...]:
        """The ways of looking at CO2e that are known at any of the sites; one that a site lacks is not known there."""
        if len(self.sites) == 1:
            return self.sites[0].views
        # With several places a title cannot name one.
        found = {view.key: view for one in self.sites for view in one.views}
        titles = {LOCATION: "CO2e, location-based"}
        return tuple(View(key=key, title=titles.get(key, view.title)) for key, view in found.items())
