"""The register of published numbers. A corrected number cannot be had without its correction."""

from collections.abc import Mapping
from dataclasses import dataclass

from carbon_nas.sources import Published, Source

__all__ = ["REFERENCES", "Reference"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A published result, and what became of it.

    Attributes:
        key: its name in this register.
        label: what it is, in words.
        printed: the number as printed.
        correction: the published correction; None if there is none that we know of.
    """

    key: str
    label: str
    printed: Published
    correction: "Reference | None" = None

    def __post_init__(self) -> None:
        # The rule of the house, kept where the number is born: 626,155 is never shown without 7,096.
        if self.key == "strubell2019-nas" and self.correction is None:
            raise ValueError("the 626,155 lb of Strubell et al. 2019 must carry its published correction")

    @property
    def chain(self) -> tuple["Reference", ...]:
        """The number and every correction after it, to be shown together."""
        return (self,) if self.correction is None else (self, *self.correction.chain)


_PATTERSON = Reference(
    key="patterson2021-nas",
    label="the same search, corrected (Patterson et al. 2021)",
    printed=Published(
        value=7_096,
        unit="lb CO2e",
        source=Source(key="patterson2021", where="Appendix D; Table 4, Evolved Transformer NAS"),
        note="the proxy task, device count, chips, PUE and grid of the search as it was run; 88 times less",
    ),
)
_STRUBELL = Reference(
    key="strubell2019-nas",
    label="one architecture search (Strubell et al. 2019)",
    printed=Published(
        value=626_155,
        unit="lb CO2e",
        source=Source(key="strubell2019", where="Table 3, NAS row"),
        note="an estimate for a Transformer search on eight P100 GPUs, US average grid, PUE 1.58",
    ),
    correction=_PATTERSON,
)

REFERENCES: Mapping[str, Reference] = {reference.key: reference for reference in (_STRUBELL, _PATTERSON)}
