"""The mean intensity of a series over this study's work, each phase weighing as much as its energy."""

from collections.abc import Sequence
from dataclasses import dataclass

from carbon_nas.accounting.series import Weighted, energy_weighted
from carbon_nas.accounting.site import Site
from carbon_nas.accounting.statement import Statement

__all__ = ["HourlyMean", "hourly_means"]


@dataclass(frozen=True, kw_only=True, slots=True)
class HourlyMean:
    """What a series comes to at one site.

    Attributes:
        site: its number among those of the report.
        view: which series of the site it is.
        mean: over everything that was metered there, lost attempts and use phases included; by energy.
    """

    site: int
    view: str
    mean: Weighted


def hourly_means(statements: Sequence[Statement]) -> tuple[HourlyMean, ...]:
    """Weigh the intensity of every phase by its energy, for every series of every site; none where nothing was used."""
    sites: list[Site] = list(dict.fromkeys(one.site for one in statements))
    numbers = {id(one): sites.index(one.site) for one in statements}
    parts: dict[tuple[int, str], list[tuple[Weighted, float]]] = {}
    for statement in statements:
        for entry in statement.entries:
            for view, mean in entry.means.items():
                if entry.energy_j:
                    parts.setdefault((numbers[id(statement)], view), []).append((mean, entry.energy_j))
    return tuple(
        HourlyMean(site=site, view=view, mean=energy_weighted(several))
        for (site, view), several in sorted(parts.items(), key=lambda item: item[0])
    )
