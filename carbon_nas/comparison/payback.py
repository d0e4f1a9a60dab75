"""Payback: when cheaper work has returned what search and training took."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, hypot, isfinite

from carbon_nas.comparison.cost_curve import CostCurve
from carbon_nas.comparison.use_phase import Fleet, Inference

__all__ = ["FleetPayback", "Payback", "paybacks", "spent_on_networks"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Payback:
    """When what was spent on finding a network has come back, because it uses less than a rival's at work.

    Attributes:
        rival: the strategy of the network that would work in its place.
        spent_j: IT energy that finding it took. No PUE applies to either side: how the field is cooled nobody knows.
        rival_spent_j: what finding the rival took; None if that is not known.
        told_apart: whether the saving is more than twice the random uncertainty of the sensors, both networks taken
            together; None: not quantified. How much another stretch at work would differ is not in it.
    """

    strategy: str
    seed: int
    scenario: str
    rival: str
    spent_j: float
    rival_spent_j: float | None
    image_j: float | None
    rival_image_j: float | None
    told_apart: bool | None = None

    def __post_init__(self) -> None:
        if not (isfinite(self.spent_j) and self.spent_j >= 0.0):
            raise ValueError(f"{self.strategy}: {self.spent_j} J cannot have been spent")

    @property
    def saved_image_j(self) -> float | None:
        """What an image uses less than through the rival; negative if it uses more; None if one is not known."""
        return None if self.image_j is None or self.rival_image_j is None else self.rival_image_j - self.image_j

    @property
    def images(self) -> int | None:
        """After how many images all that was spent has come back; None: never, for the `reason`."""
        return _repaid(self.spent_j, self.saved_image_j)

    @property
    def extra_images(self) -> int | None:
        """After how many images what was spent more than on the rival has come back; None: never, or not known."""
        if self.rival_spent_j is None:
            return None
        return _repaid(max(0.0, self.spent_j - self.rival_spent_j), self.saved_image_j)

    @property
    def equal_images(self) -> int | None:
        """How many images take as much energy as finding the network did; None if an image's is not known or zero."""
        return _repaid(self.spent_j, self.image_j)

    @property
    def reason(self) -> str:
        """Why it never pays back; empty if it does."""
        if self.saved_image_j is None:
            unknown = self.strategy if self.image_j is None else self.rival
            return f"the energy of an image is not known for {unknown}"
        return "" if self.saved_image_j > 0 else f"an image does not use less than with {self.rival}"


def _repaid(spent_j: float, each_j: float | None) -> int | None:
    # In whole numbers: a float would not count past 2^53 images, and might overflow for a saving next to nothing.
    return None if each_j is None or each_j <= 0 else ceil(Fraction(spent_j) / Fraction(each_j))


def spent_on_networks(curves: Iterable[CostCurve]) -> Mapping[tuple[str, int, str], float]:
    """Return the joules that each network took, by strategy, seed and scenario.

    That is all that was done for its scenario, and an even share of what was paid once for those that were run.
    """
    return {
        (curve.strategy, seed.seed, scenario): seed.once_j / len(seed.per_scenario_j) + each_j
        for curve in curves
        for seed in curve.seeds
        for scenario, each_j in seed.per_scenario_j.items()
    }


def paybacks(found: Sequence[Inference], spent_j: Mapping[tuple[str, int, str], float]) -> tuple[Payback, ...]:
    """Set every network beside those of all other strategies for the same scenario and seed.

    Args:
        found: networks at work.
        spent_j: what each took, by strategy, seed and scenario; one that is not in it is nobody's to pay back.
    """
    return tuple(
        Payback(
            strategy=own.strategy,
            seed=own.seed,
            scenario=own.scenario,
            rival=rival.strategy,
            spent_j=spent_j[own.strategy, own.seed, own.scenario],
            rival_spent_j=spent_j.get((rival.strategy, rival.seed, rival.scenario)),
            image_j=own.image_j,
            rival_image_j=rival.image_j,
            told_apart=_told_apart(own, rival),
        )
        for own in found
        for rival in found
        if (own.scenario, own.seed) == (rival.scenario, rival.seed)
        and own.strategy != rival.strategy
        and (own.strategy, own.seed, own.scenario) in spent_j
    )


def _told_apart(one: Inference, other: Inference) -> bool | None:
    if one.image_j is None or other.image_j is None or one.random_u_j is None or other.random_u_j is None:
        return None
    return abs(one.image_j - other.image_j) > 2 * hypot(one.random_u_j, other.random_u_j)


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetPayback:
    """A payback in the life of a fleet."""

    payback: Payback
    fleet: Fleet

    @property
    def days(self) -> int | None:
        """On which day, counted from 1, it has paid back; 0 if nothing was to be paid back; None: never."""
        images = self.payback.images
        return None if images is None else -(-images // self.fleet.images_per_day)

    @property
    def within_lifetime(self) -> bool:
        """Whether that is before the fleet's life ends."""
        return self.days is not None and self.days <= self.fleet.lifetime_days

    @property
    def use_j(self) -> float | None:
        """What the fleet uses in its lifetime; None if the energy of an image is not known."""
        return None if self.payback.image_j is None else self.payback.image_j * self.fleet.images

    @property
    def rival_use_j(self) -> float | None:
        """What it would use with the rival's network."""
        return None if self.payback.rival_image_j is None else self.payback.rival_image_j * self.fleet.images

    @property
    def use_share(self) -> float | None:
        """The part of all energy, finding the network and using it, that is use; None if it is not known."""
        if self.use_j is None or self.use_j + self.payback.spent_j == 0:
            return None
        return self.use_j / (self.use_j + self.payback.spent_j)
