"""What one accelerator-hour stands for in published tables: watts, pounds of CO2e, dollars; all from the register."""

from collections.abc import Mapping
from types import MappingProxyType

from carbon_nas.errors import UnknownName
from carbon_nas.references.formulas import FORMULAS
from carbon_nas.references.library import number, paper
from carbon_nas.references.register import REFERENCES, Reference
from carbon_nas.uncertain import Interval

__all__ = ["FACTOR_ROWS", "lb_per_gpu_h", "power_per_gpu_w", "usd_per_gpu_h"]

FACTOR_ROWS: Mapping[str, str] = MappingProxyType({"P100": "strubell2019-nas", "V100": "strubell2019-bert-base"})
"""The row of Strubell et al. 2019, Table 3, whose power and devices give the factor of an accelerator."""


def power_per_gpu_w(accelerator: str) -> float:
    """Return the power behind one GPU of a published table, with its share of host and memory, before any PUE.

    Raises:
        UnknownName: if the paper has no power for it.

    Source: Strubell et al. 2019, Table 3.
    """
    inputs = _inputs(_row(accelerator))
    return (inputs["power"] / inputs["devices"]).low


def lb_per_gpu_h(accelerator: str) -> float:
    """Return the pounds of CO2e of one GPU-hour in published tables: US average grid, PUE 1.58.

    Raises:
        UnknownName: if the paper has no power for it.

    Source: Strubell et al. 2019, equations 1 and 2 on Table 3; used by Cai et al. 2020, Table 1.
    """
    return FORMULAS["lb-per-gpu-hour"].compute(_inputs(_row(accelerator))).low


def usd_per_gpu_h() -> float:
    """Return the dollars of one GPU-hour in published tables: an on-demand p3.16xlarge by its eight GPUs.

    Source: Cai et al. 2020, caption of Table 1.
    """
    constant = paper("cai2020").constant
    return number(constant["price"].text) / number(constant["gpus"].text)


def _row(accelerator: str) -> Reference:
    if accelerator not in FACTOR_ROWS:
        raise UnknownName(
            f"no published factor for an hour of {accelerator!r}",
            where="Strubell et al. 2019, Table 3",
            cure=f"choose one of {', '.join(FACTOR_ROWS)}",
        )
    return REFERENCES[FACTOR_ROWS[accelerator]]


def _inputs(row: Reference) -> dict[str, Interval]:
    """Take the inputs of a row as printed, and its number of devices."""
    found = {one.name: Interval.exactly(one.number) for one in row.inputs}
    if row.devices is None:
        raise UnknownName(f"{row.key} does not say how many devices its power is for", where=row.printed.source.where)
    return found | {"devices": Interval.exactly(float(row.devices))}
