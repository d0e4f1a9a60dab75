"""What the methods of accounting take and give: activity data, conditions, and a result that shows its inputs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from carbon_nas.errors import InvalidSite, UnknownName
from carbon_nas.sources import Source

__all__ = ["ActivityData", "Conditions", "Input", "KINDS", "MethodResult", "PROCESSORS", "Processor"]

KINDS = ("cpu", "dram", "gpu", "other")
PROCESSORS = ("cpu", "gpu")


@dataclass(frozen=True, kw_only=True, slots=True)
class Processor:
    """Processors of one model.

    Attributes:
        kind: "gpu" or "cpu".
        count: how many pieces.
        cores: of one piece, as the operating system counts CPU seconds: hardware threads where there are any. None if
            not known; a GPU is held as a whole and needs none.
        tdp_w: thermal design power of one piece; None if not known.
        tdp_source: where that is from, in words.
    """

    kind: str
    name: str
    count: int = 1
    cores: int | None = None
    tdp_w: float | None = None
    tdp_source: str = ""

    def __post_init__(self) -> None:
        cure = "a processor is a gpu or a cpu, with a count, cores and a TDP above 0"
        if self.kind not in PROCESSORS:
            raise InvalidSite(f"there is no kind of processor {self.kind!r}", where=self.name, cure=cure)
        for number in (self.count, self.cores, self.tdp_w):
            if number is not None and not 0 < number < float("inf"):
                raise InvalidSite(f"{number:g} cannot be", where=self.name, cure=cure)

    @property
    def units(self) -> int | None:
        """How many can be busy at a time: GPUs, or cores of CPUs; None if not known."""
        return self.count if self.kind == "gpu" else None if self.cores is None else self.count * self.cores


@dataclass(frozen=True, kw_only=True, slots=True)
class ActivityData:
    """What was done, as far as it is known. A kind that is not in a mapping was not metered.

    Attributes:
        energy_j: metered energy by kind (`cpu`, `dram`, `gpu`, `other`); None if it is not known.
        duration_s: wall time.
        device_s: busy time by kind: CPU seconds over all cores, seconds for which GPUs were held; None if not known.
        memory_gib: installed memory; None if not known.
        outputs: how many networks were delivered.
        embodied_kg: CO2e of making the hardware, as far as its life was used up; None if it is not quantified.
    """

    energy_j: Mapping[str, float | None]
    duration_s: float
    device_s: Mapping[str, float | None] = field(default_factory=dict)
    processors: tuple[Processor, ...] = ()
    memory_gib: float | None = None
    outputs: int = 0
    embodied_kg: float | None = None

    def __post_init__(self) -> None:
        for kind in (*self.energy_j, *self.device_s):
            if kind not in KINDS:
                raise UnknownName(f"there is no kind {kind!r}", where="activity data", cure=f"use {', '.join(KINDS)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """Where it was done.

    Attributes:
        intensity_g_per_kwh: of the grid, location-based.
        intensity_from: where it is from, in words.
        pue: facility energy over IT energy; None if not given.
        facility_metered: the metered energy is the building's, so that no PUE applies to it.
    """

    intensity_g_per_kwh: float
    intensity_from: str
    pue: float | None = None
    facility_metered: bool = False

    @property
    def boundary(self) -> str:
        """What metered energy covers once the PUE that applies is applied."""
        return "IT" if self.pue is None and not self.facility_metered else "facility"

    @property
    def factor_ratio(self) -> float:
        """What metered energy is multiplied by: the PUE where there is one that applies."""
        return 1.0 if self.pue is None or self.facility_metered else self.pue


@dataclass(frozen=True, kw_only=True, slots=True)
class Input:
    """A number that went into a result: what it is, and where it is from; None if it is left out or not known."""

    name: str
    value: float | None
    unit: str
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodResult:
    """What one method says.

    Attributes:
        equation: on one line.
        energy_kwh: within `energy_boundary`; None if it cannot be had.
        energy_boundary: "IT" or "facility".
        mass_kg: CO2e; None if it cannot be had.
        per_output_kg: for each delivered network; None as well if there is none.
        missing: why there is no number; empty if there is one.
        differs: what the method leaves out or fixes.
    """

    method: str
    equation: str
    source: Source
    energy_kwh: float | None
    energy_boundary: str
    mass_kg: float | None
    per_output_kg: float | None
    inputs: tuple[Input, ...]
    missing: tuple[str, ...]
    differs: str
