"""A latency table: what each layer takes on a target, and so, added up, what any architecture takes."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from carbon_nas.devices.validation import LEAST_RANK_CORRELATION_RATIO, MOST_ERROR_FRACTION, Validation
from carbon_nas.errors import LedgerMismatch, UsageError
from carbon_nas.files import sha256
from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.layers import LayerSpec
from carbon_nas.supernet.space import SearchSpace

__all__ = ["DERIVED", "LatencyTable", "layer_specs", "layers"]

DERIVED = frozenset({"trusted", "verdict"})
"""What `to_json` says for readers; it follows from the rest, and so it is not read back."""

# What of a fingerprint the caller chooses: the clock follows from the threads.
_CHOSEN = {"threads", "clock"}


def layers(space: SearchSpace, arch: Architecture, num_classes: int) -> tuple[str, ...]:
    """Return the keys of an architecture's layers, in the order of the data."""
    return tuple(spec.key for spec in space.layers(arch, num_classes))


def layer_specs(space: SearchSpace, num_classes: int) -> dict[str, LayerSpec]:
    """Return every distinct layer that an architecture of the space can be made of, by key."""
    found: dict[str, LayerSpec] = {}
    for resolution in space.resolutions:
        for k in space.kernel_sizes:
            for e in space.expand_ratios:
                arch = space.architecture(ks=k, e=e, d=space.depths[-1], resolution=resolution)
                found.update({spec.key: spec for spec in space.layers(arch, num_classes)})
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class LatencyTable:
    """An additive model: `offset_ms + scale_ratio x sum of the layers`.

    Attributes:
        entries_ms: per layer key.
        scale_ratio, offset_ms: the fit of sums to networks that were timed end to end; 1 and 0 without one.
        anchor_ms: what the anchor kernel took when the table was made; later timings are normalised to it. None if the
            table was not timed here.
        anchor_spread_ratio: how much the machine's speed moved meanwhile; None likewise.
        error_fraction: mean absolute percentage error on networks the fit has not seen; None if none were timed.
        rank_correlation_ratio: Spearman's on the same networks; None if fewer than three were timed.
        num_classes: of the networks it speaks about.
        greatest_error_fraction, bias_fraction, checked_networks: the greatest error on these networks, the mean error
            with its sign (above zero: predictions are too slow), and how many they were.
        made: how the entries came about, in words.
        unseen_layers: of a fitted table, the entries that no measurement spoke about; None for others.
        space: the name of the space; None where it was not written down.
        fingerprint: the machine and software that were timed; None if nobody knows.
        kept_sha256: of a table that was kept and taken again: its `digest` as it was found; None for others.
    """

    target: str
    entries_ms: Mapping[str, float]
    scale_ratio: float
    offset_ms: float
    anchor_ms: float | None
    anchor_spread_ratio: float | None
    error_fraction: float | None
    rank_correlation_ratio: float | None
    num_classes: int
    greatest_error_fraction: float | None = None
    bias_fraction: float | None = None
    checked_networks: int | None = None
    made: str = "timed layer by layer"
    unseen_layers: int | None = None
    space: str | None = None
    fingerprint: Mapping[str, str] | None = None
    kept_sha256: str | None = None

    @property
    def digest(self) -> str:
        """The SHA-256 of everything in it, so that two tables can be told apart."""
        return sha256(json.dumps(asdict(replace(self, kept_sha256=None)), sort_keys=True).encode())

    @property
    def trusted(self) -> bool:
        """Whether it was checked on networks it had not seen, and predicts and ranks them well enough."""
        return (
            self.error_fraction is not None
            and self.rank_correlation_ratio is not None
            and self.error_fraction <= MOST_ERROR_FRACTION
            and self.rank_correlation_ratio >= LEAST_RANK_CORRELATION_RATIO
        )

    @property
    def verdict(self) -> str:
        """Whether it can be trusted, and why, in words."""
        if self.error_fraction is None:
            return "not trusted: it was not checked on networks that it has not seen"
        told = [f"mean error {self.error_fraction:.1%}"]
        if self.greatest_error_fraction is not None:
            told.append(f"greatest {self.greatest_error_fraction:.1%}")
        if self.bias_fraction is not None:
            told.append(f"bias {self.bias_fraction:+.1%}")
        rank = self.rank_correlation_ratio
        told.append("rank correlation not known" if rank is None else f"rank correlation {rank:.2f}")
        on = "networks" if self.checked_networks is None else f"{self.checked_networks} networks"
        words = f"{', '.join(told)} on {on} that it has not seen"
        if self.trusted:
            return f"trusted: {words}"
        gate = f"at most {MOST_ERROR_FRACTION:.0%} and at least {LEAST_RANK_CORRELATION_RATIO:.1f} are asked for"
        # Of a fitted table it is known what would help.
        more = "" if self.unseen_layers is None else "; with more measured networks it may get there"
        return f"not trusted: {words}, where {gate}{more}"

    def alone_ms(self, space: SearchSpace, arch: Architecture) -> float:
        """Add up the layers of an architecture as they stand in the table."""
        return sum(self.entries_ms[key] for key in layers(space, arch, self.num_classes))

    def predict_ms(self, space: SearchSpace, arch: Architecture) -> float:
        """Predict the latency of an architecture."""
        return self.offset_ms + self.scale_ratio * self.alone_ms(space, arch)

    def fastest(self, space: SearchSpace) -> Architecture:
        """Return the architecture with the least predicted latency, exactly: the model is additive.

        Raises:
            UsageError: if the space has a layer that the table does not know.
        """
        from carbon_nas.devices.additive import AdditiveLatency  # It spreads out tables, so it imports this module.

        return AdditiveLatency.of(self, space).fastest()

    def checked(self, found: Validation | None) -> "LatencyTable":
        """Return the same table with what a check found in place of an earlier one; None: it was not checked."""
        return replace(
            self,
            error_fraction=None if found is None else found.error_fraction,
            greatest_error_fraction=None if found is None else found.greatest_error_fraction,
            bias_fraction=None if found is None else found.bias_fraction,
            rank_correlation_ratio=None if found is None else found.rank_correlation_ratio,
            checked_networks=None if found is None else found.networks,
        )

    def check_space(self, space: SearchSpace, num_classes: int) -> None:
        """Make sure that it speaks about every architecture of a space.

        Raises:
            UsageError: if it does not.
        """
        if self.num_classes != num_classes:
            what = f"this table is for networks of {self.num_classes:,} classes, not {num_classes:,}"
            raise UsageError(
                what, where=f"table of {self.target}", cure=self._cure(f"these classes: --classes {self.num_classes}")
            )
        wanted = layer_specs(space, num_classes).keys()
        missing = sorted(wanted - self.entries_ms.keys())
        if missing:
            made_for = "" if self.space in (None, space.name) else f", it was made for {self.space}"
            raise UsageError(
                f"this table lacks {len(missing)} of the {len(wanted)} layers of the space {space.name}{made_for}; "
                f"the first is {missing[0]}",
                where=f"table of {self.target}",
                cure=self._cure("its own space: --space, --width, --resolutions, --channels"),
            )

    def _cure(self, own: str) -> str:
        return f"make one with carbon-nas profile --study STUDY --target {self.target}, or ask about {own}"

    def check_here(self, here: Mapping[str, str]) -> None:
        """Make sure that the table was made on a machine and with software of this fingerprint.

        Raises:
            LedgerMismatch: if it was made elsewhere or otherwise, or nobody knows where; it names what differs.
        """
        cure = f"make one here: carbon-nas profile --target {self.target}"
        where = f"table of {self.target}"
        if self.fingerprint is None:
            raise LedgerMismatch("nobody knows on which machine this table was made", where=where, cure=cure)
        was = self.fingerprint
        names = [name for name in sorted(was.keys() | here.keys()) if was.get(name) != here.get(name)]
        if not names:
            return
        how = "on another machine or with other software"
        if "threads" in names and _CHOSEN.issuperset(names):
            how = "with other threads"
            cure = f"time with as many: --threads {was.get('threads')}, or threads = {was.get('threads')} in the study"
        different = "; ".join(f"{name} was {was.get(name)!r} and is {here.get(name)!r}" for name in names)
        raise LedgerMismatch(f"made {how}: {different}", where=where, cure=cure)

    def to_json(self) -> dict[str, Any]:
        """Return the table as JSON values, with the verdict in words for whoever reads them."""
        return {**asdict(self), "trusted": self.trusted, "verdict": self.verdict}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "LatencyTable":
        """Read what `to_json` wrote, now or in an earlier version."""
        return cls(**{name: value for name, value in data.items() if name not in DERIVED})
