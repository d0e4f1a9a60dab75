"""From 626,155 to 7,096 lb, step by step: what the published correction is made of."""

from dataclasses import dataclass

from carbon_nas.references.register import REFERENCES, Input
from carbon_nas.sources import Source

__all__ = ["Step", "waterfall"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step down.

    Attributes:
        label: what is put right.
        factor_ratio: by what the mass before is divided; 1 for the start.
        mass_lb: the mass after it.
        residual: the factor is what is left between the step before and the published end, and is not computed.
    """

    label: str
    factor_ratio: float
    mass_lb: float
    source: Source
    note: str = ""
    residual: bool = False


def waterfall() -> tuple[Step, ...]:
    """Return every step, the published start first and the published end last.

    Source: Patterson et al. 2021, Appendices C and D.
    """
    start, end = REFERENCES["strubell2019-nas"], REFERENCES["strubell2019-nas"].correction
    if end is None:
        raise ValueError("the 626,155 lb of Strubell et al. 2019 must carry its published correction")
    taken, proxy = _inputs("patterson2021-nas-as-strubell"), _inputs("patterson2021-nas-proxy")
    before, after = _inputs(start.key), _inputs(end.key)
    appendix_c, appendix_d = (REFERENCES[key].printed.source for key in ("patterson2021-nas-proxy", end.key))
    intensity = REFERENCES["patterson2021-us-intensity"].recomputed_value
    if intensity is None:
        raise ValueError("the intensity of Strubell et al. 2019 has lost its inputs")
    steps = [Step(label=start.label, factor_ratio=1.0, mass_lb=start.printed.value, source=start.printed.source)]
    for label, factor_ratio, source, note in (
        (
            "time of a step: Transformer (base) in place of (big)",
            taken["step_hours"].number / proxy["step_hours"].number,
            appendix_c,
            "the search trained a small proxy",
        ),
        (
            "devices: one in place of eight",
            taken["devices"].number / proxy["devices"].number,
            appendix_c,
            "the proxy's batch fits one device; 33,544 lb is what the paper prints here",
        ),
        (
            "PUE of the data centre",
            before["pue"].number / after["pue"].number,
            appendix_d,
            f"{before['pue'].text} for the US average, {after['pue'].text} where the search ran",
        ),
        (
            "intensity of the grid",
            intensity / after["intensity"].number,
            appendix_d,
            f"{before['intensity'].text} lb per kWh for the US average, {after['intensity'].text} kg where it ran",
        ),
    ):
        mass_lb = steps[-1].mass_lb / factor_ratio
        steps.append(Step(label=label, factor_ratio=factor_ratio, mass_lb=mass_lb, source=source, note=note))
    hardware = REFERENCES["patterson2021-nas-performance-per-watt"]
    steps.append(
        Step(
            label="hardware: TPUv2 in place of P100",
            factor_ratio=steps[-1].mass_lb / end.printed.value,
            mass_lb=end.printed.value,
            source=hardware.printed.source,
            note=f"the residual between the step before and the published end; the paper prints {hardware.text}",
            residual=True,
        )
    )
    return tuple(steps)


def _inputs(key: str) -> dict[str, Input]:
    return {one.name: one for one in REFERENCES[key].inputs}
