"""Embodied carbon: what it cost to make the hardware, as far as its life was used up.

Boundary of the figures: cradle to gate, without transport, use and end of life, unless their source says more.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from fractions import Fraction
from itertools import combinations

from carbon_nas.accounting.quantities import EmbodiedMass
from carbon_nas.errors import InvalidSite
from carbon_nas.sources import Source
from carbon_nas.uncertain import WIDEST_GSD_RATIO

__all__ = [
    "EMBODIED",
    "EmbodiedItem",
    "EmbodiedProduct",
    "S_PER_YEAR",
    "check_double_counting",
    "embodied_kg",
    "embodied_mass",
]

_KINDS = ("cpu", "dram", "gpu")
S_PER_YEAR = 8_760 * 3_600.0
"""A year of 365 days, as the published formulas count it: 8,760 hours."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbodiedItem:
    """A piece of hardware at a site.

    Attributes:
        component: the components it belongs to, as a pattern of their names: `gpu:*`. A server belongs to whatever is
            metered of it: `cpu:*`, or `*`.
        mass_kg: CO2e of making one piece.
        count: how many pieces.
        lifetime_s: from the first day to the last.
        utilisation_ratio: the part of its life in which it works for somebody. It divides, so that those who use it
            also carry the idle part.
        share_ratio: the part of the piece that is the user's: 0.5 for four of eight GPUs.
        source: where the mass stands.
        proxy: the mass is that of something else, or an assumption.
        stands_in_for: what it is used for in want of a figure; empty if it is that piece.
        includes: the kinds of component whose making is in the mass already, such as `gpu`.
        gsd_ratio: geometric standard deviation of the mass; None: not quantified.
        verified: whether the mass was read in its source, not elsewhere.
    """

    component: str
    name: str
    mass_kg: float
    count: int = 1
    lifetime_s: float
    utilisation_ratio: float
    share_ratio: float = 1.0
    source: Source
    proxy: bool = False
    stands_in_for: str = ""
    includes: tuple[str, ...] = ()
    gsd_ratio: float | None = None
    verified: bool = True

    def __post_init__(self) -> None:
        spread_ratio = 1.0 if self.gsd_ratio is None else self.gsd_ratio
        sound = {
            f"a mass of {self.mass_kg:g} kg": 0.0 < self.mass_kg < float("inf"),
            f"a count of {self.count}": self.count >= 1,
            f"a lifetime of {self.lifetime_s:g} s": 0.0 < self.lifetime_s < float("inf"),
            f"a utilisation of {self.utilisation_ratio:g}": 0.0 < self.utilisation_ratio <= 1.0,
            f"a share of {self.share_ratio:g}": 0.0 < self.share_ratio <= 1.0,
            f"a geometric standard deviation of {spread_ratio:g}": 1.0 <= spread_ratio <= WIDEST_GSD_RATIO,
            "standing in for something without being a proxy": self.proxy or not self.stands_in_for,
        }
        for what, holds in sound.items():
            if not holds:
                raise InvalidSite(
                    f"{what} cannot be",
                    where=self.name,
                    cure="masses, counts and lifetimes are above 0, utilisation and share above 0 and at most 1",
                )

    @property
    def kind(self) -> str:
        """The kind of component it belongs to; empty if its pattern is for more than one."""
        bare = self.component.partition(":")[0]
        if bare.rstrip("*") in _KINDS:
            return bare.rstrip("*")
        return "" if set(bare) & set("*?[") else bare

    @property
    def contents(self) -> tuple[str, ...]:
        """The kinds of component whose making is in its mass; empty if nobody knows."""
        return tuple(sorted(set(self.includes))) or tuple(filter(None, [self.kind]))

    @property
    def label(self) -> str:
        """What has to stand beside its number."""
        notes = [
            f"in place of {self.stands_in_for}" if self.stands_in_for else "",
            "proxy" if self.proxy else "",
            "" if self.verified else "not verified",
        ]
        told = ", ".join(filter(None, notes))
        return f"{self.name} ({told})" if told else self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbodiedProduct:
    """A published figure for one piece of hardware.

    Attributes:
        mass_kg: CO2e of making one piece.
        lifetime_s, utilisation_ratio: what its source takes; None if it takes none.
        proxy: its source took the figure of something else, or assumed it.
        includes: the kinds of component whose making is in the mass.
        verified: whether the mass was read in its source, not elsewhere.
        note: what a reader must know.
    """

    name: str
    mass_kg: float
    source: Source
    lifetime_s: float | None = None
    utilisation_ratio: float | None = None
    proxy: bool = False
    includes: tuple[str, ...] = ()
    verified: bool = True
    note: str = ""

    def item(
        self,
        *,
        component: str,
        count: int = 1,
        lifetime_s: float | None = None,
        utilisation_ratio: float | None = None,
        share_ratio: float = 1.0,
        stands_in_for: str = "",
        gsd_ratio: float | None = None,
    ) -> EmbodiedItem:
        """Return pieces of it at a site; a lifetime or utilisation that is not given is that of the source.

        Raises:
            InvalidSite: if the source has none either, or something cannot be.
        """
        lifetime_s = self.lifetime_s if lifetime_s is None else lifetime_s
        utilisation_ratio = self.utilisation_ratio if utilisation_ratio is None else utilisation_ratio
        if lifetime_s is None or utilisation_ratio is None:
            absent = "lifetime" if lifetime_s is None else "utilisation"
            raise InvalidSite(
                f"its source tells no {absent}", where=self.name, cure=f"give a {absent}; BLOOM took 6 years and 0.85"
            )
        return EmbodiedItem(
            component=component,
            name=self.name,
            mass_kg=self.mass_kg,
            count=count,
            lifetime_s=lifetime_s,
            utilisation_ratio=utilisation_ratio,
            share_ratio=share_ratio,
            source=self.source,
            proxy=self.proxy or bool(stands_in_for),
            stands_in_for=stands_in_for,
            includes=self.includes,
            gsd_ratio=gsd_ratio,
            verified=self.verified,
        )


def embodied_mass(item: EmbodiedItem, time_s: float) -> EmbodiedMass:
    """Return `mass x count x time / (lifetime x utilisation) x share`; times that add up give masses that add up.

    Source: Luccioni et al. 2023, embodied emissions; the shares of time and of resources as in SCI (ISO/IEC
    21031:2024), embodied emissions, which knows no utilisation: there it is 1.

    Args:
        item: the pieces.
        time_s: for how long they were held.

    Raises:
        InvalidSite: if the time is negative or no number.
    """
    if not 0.0 <= time_s < float("inf"):
        raise InvalidSite(f"no hardware is held for {time_s:g} s", where=item.name, cure="give seconds, at least 0")
    worn = Fraction(time_s) / (Fraction(item.lifetime_s) * Fraction(item.utilisation_ratio))
    return EmbodiedMass(item.mass_kg) * (worn * item.count * Fraction(item.share_ratio))


def embodied_kg(item: EmbodiedItem, time_s: float) -> float:
    """Return the same in kilograms.

    Raises:
        InvalidSite: if the time is negative or no number.
    """
    return embodied_mass(item, time_s).kg


def check_double_counting(items: Iterable[EmbodiedItem], metered: Iterable[str] = ()) -> None:
    """Refuse what counts a piece twice: a GPU beside a server that holds it, or two figures for the same component.

    Args:
        items: what one site tells of.
        metered: the names of components that were metered there, for patterns that only meet in a name.

    Raises:
        InvalidSite: naming both, or an item that belongs to several kinds and does not tell which of them it includes.
    """
    known, names = tuple(items), tuple(metered)
    for item in known:
        if not item.contents:
            raise InvalidSite(
                f"{item.name} belongs to {item.component}, and nobody knows what its {item.mass_kg:g} kg include",
                where="embodied",
                cure='say what is in it: includes = ["cpu", "dram"]',
            )
    for one, other in combinations(known, 2):
        if common := sorted({*one.contents} & {*other.contents}):
            # Two pieces of one kind are two if no component belongs to both.
            pure = one.contents == other.contents == (one.kind,) == (other.kind,)
            if not pure or _meet(one.component, other.component, names):
                raise InvalidSite(
                    f"{one.name} ({one.component}) and {other.name} ({other.component}) both include "
                    f"{', '.join(common)}, which would be counted twice",
                    where="embodied",
                    cure="leave one of them out, or take a figure that does not include the other",
                )


def _meet(one: str, other: str, names: Iterable[str]) -> bool:
    return (
        fnmatchcase(one, other)
        or fnmatchcase(other, one)
        or any(fnmatchcase(name, one) and fnmatchcase(name, other) for name in names)
    )


_CCF = Source(key="cloudcarbonfootprint", where="coefficients of embodied emissions, AWS")

EMBODIED: Mapping[str, EmbodiedProduct] = {
    "hgx-h100-baseboard": EmbodiedProduct(
        name="NVIDIA HGX H100 baseboard with 8 GPUs",
        mass_kg=1_312.0,
        source=Source(key="nvidia2025pcf", where="cradle to gate"),
        includes=("gpu",),
        verified=False,
        note="164 kg a GPU; no CPU and no chassis",
    ),
    "a100-sxm-40gb": EmbodiedProduct(
        name="NVIDIA A100 SXM 40 GB",
        mass_kg=127.6,
        source=Source(key="falk2025", where="life cycle assessment of a GPU that was taken apart"),
        verified=False,
    ),
    "bloom-a100": EmbodiedProduct(
        name="NVIDIA A100 as assumed for BLOOM",
        mass_kg=150.0,
        source=Source(key="luccioni2023", where="embodied emissions"),
        lifetime_s=6 * S_PER_YEAR,
        utilisation_ratio=0.85,
        proxy=True,
        note="the authors call it a lower bound",
    ),
    "bloom-server": EmbodiedProduct(
        name="server without its GPUs as assumed for BLOOM",
        mass_kg=2_500.0,
        source=Source(key="luccioni2023", where="embodied emissions"),
        lifetime_s=6 * S_PER_YEAR,
        utilisation_ratio=0.85,
        proxy=True,
        includes=("cpu", "dram"),
        note="the figure of an HPE DL345; its GPUs are counted apart",
    ),
    "ccf-server": EmbodiedProduct(
        name="server without GPUs as assumed by Cloud Carbon Footprint",
        mass_kg=1_000.0,
        source=_CCF,
        lifetime_s=4 * S_PER_YEAR,
        proxy=True,
        includes=("cpu", "dram"),
        note="the base to which it adds by the size of a machine",
    ),
    "ccf-gpu": EmbodiedProduct(
        name="GPU as assumed by Cloud Carbon Footprint",
        mass_kg=150.0,
        source=_CCF,
        lifetime_s=4 * S_PER_YEAR,
        proxy=True,
    ),
    "ccf-p3.16xlarge": EmbodiedProduct(
        name="AWS p3.16xlarge as modelled by Cloud Carbon Footprint",
        mass_kg=3_543.79,
        source=_CCF,
        lifetime_s=4 * S_PER_YEAR,
        proxy=True,
        includes=("cpu", "dram", "gpu"),
    ),
    "ccf-p4d.24xlarge": EmbodiedProduct(
        name="AWS p4d.24xlarge as modelled by Cloud Carbon Footprint",
        mass_kg=4_676.79,
        source=_CCF,
        lifetime_s=4 * S_PER_YEAR,
        proxy=True,
        includes=("cpu", "dram", "gpu"),
    ),
}
"""Published figures. There is none of their makers for V100, P100, H200 or TPU: let one of these stand in by name."""
