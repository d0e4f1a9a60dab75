"""The use phase: what delivered networks use at work. It is no part of what finding them cost.

Joules are IT energy of the device that was metered, from edge to edge of the stretch. One request is one image.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import hypot

from carbon_nas.accounting.statement import Entry, Statement
from carbon_nas.comparison.delivery import Delivery
from carbon_nas.errors import UsageError
from carbon_nas.ledger.records import Role, Scope
from carbon_nas.sources import Tier

__all__ = ["Fleet", "Inference", "inferences"]

_Network = tuple[str, int, str]  # Strategy, seed, scenario.


@dataclass(frozen=True, kw_only=True, slots=True)
class Inference:
    """A delivered network at work.

    Attributes:
        image_j: joules per image, loading the network included; None if joules or images are not known.
        random_u_j: the standard uncertainty of `image_j` from the sensors, at the edges of the stretch. By how much
            another stretch would differ is not in it. None: not quantified, as for what no sensor gave.
        duration_s: for how long the machine was metered.
        latency_ms: of one call with the target's batch, as it was delivered.
        below_resolution: whether the joules of the stretch are too few to be told from zero; None: not known.
    """

    strategy: str
    seed: int
    scenario: str
    images: int | None
    image_j: float | None
    random_u_j: float | None
    duration_s: float
    latency_ms: float | None
    accuracy_fraction: float | None
    tier: Tier
    below_resolution: bool | None


def inferences(statements: Iterable[Statement], deliveries: Iterable[Delivery]) -> tuple[Inference, ...]:
    """Find what every network used at work. Several stretches of one network are added up, lost ones left out."""
    delivered = {(item.strategy, item.seed, item.scenario): item for item in deliveries}
    stretches: dict[_Network, list[Entry]] = {}
    for statement in statements:
        for entry in statement.entries:
            at_work = statement.role != Role.SHARED and entry.scope == Scope.USE and not entry.wasted
            if at_work and entry.scenario is not None:
                stretches.setdefault((statement.strategy, statement.seed, entry.scenario), []).append(entry)
    return tuple(_inference(network, entries, delivered.get(network)) for network, entries in stretches.items())


def _inference(network: _Network, entries: Sequence[Entry], item: Delivery | None) -> Inference:
    strategy, seed, scenario = network
    energy_j = _sum([entry.energy_j for entry in entries])
    random_u_j = _random_u_j(entries)
    images = _sum([entry.images for entry in entries])
    return Inference(
        strategy=strategy,
        seed=seed,
        scenario=scenario,
        images=None if images is None else int(images),
        image_j=_each(energy_j, images),
        random_u_j=_each(random_u_j, images),
        duration_s=sum(entry.duration_s for entry in entries),
        latency_ms=None if item is None else item.latency_ms,
        accuracy_fraction=None if item is None else item.accuracy_fraction,
        tier=Tier.weakest({entry.tier for entry in entries}) or Tier.MODELLED,
        below_resolution=_is_below_resolution(energy_j, random_u_j),
    )


def _random_u_j(entries: Sequence[Entry]) -> float | None:
    # Independent from stretch to stretch and from meter to meter. What a formula gives has no sensor behind it, and a
    # tick of zero would read as if it were exact.
    parts = [part.random_u_j if part.tier is Tier.MEASURED else None for entry in entries for part in entry.parts]
    known = [random_u_j for random_u_j in parts if random_u_j is not None]
    return hypot(*known) if known and len(known) == len(parts) else None


def _is_below_resolution(energy_j: float | None, random_u_j: float | None) -> bool | None:
    if energy_j is None:
        return None
    if energy_j == 0:
        return True
    return None if random_u_j is None else energy_j <= 2 * random_u_j


def _each(whole: float | None, count: float | None) -> float | None:
    return None if whole is None or not count else whole / count


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """Where a network works in the field.

    Attributes:
        requests_per_day: of each device.
    """

    devices: int
    requests_per_day: int
    lifetime_days: int

    def __post_init__(self) -> None:
        for name in ("devices", "requests_per_day", "lifetime_days"):
            if getattr(self, name) < 1:
                raise UsageError(f"{getattr(self, name)} cannot be", where=name, cure="give a whole number from 1 on")

    @property
    def images_per_day(self) -> int:
        """Of all devices together."""
        return self.devices * self.requests_per_day

    @property
    def images(self) -> int:
        """Of all devices together, over their lifetime."""
        return self.images_per_day * self.lifetime_days
