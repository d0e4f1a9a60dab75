"""Starting from a supernet that was trained before: released weights, or own ones of an earlier run."""

from dataclasses import fields
from pathlib import Path

from pydantic import BaseModel, ConfigDict, model_validator

from carbon_nas.errors import CheckpointError, LedgerMismatch
from carbon_nas.files import sha256
from carbon_nas.ledger.folding import read_run
from carbon_nas.ledger.records import Prior, Scope
from carbon_nas.ledger.run import Run
from carbon_nas.strategies.artefact import Artefact
from carbon_nas.strategies.base import Bench
from carbon_nas.strategies.context import PhaseContext
from carbon_nas.supernet.checkpoint import WEIGHTS, Checkpoint, load_supernet
from carbon_nas.units import total

__all__ = ["LOAD", "StartPlan", "load"]

LOAD = "load supernet"

_FREE = ("name", "resolutions")  # No weight depends on them.


class StartPlan(BaseModel):
    """A supernet to start from, and where it says what its training had cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    checkpoint: str
    """The folder of the supernet, as `carbon-nas import` or an earlier study made it."""
    ledger: str | None = None
    """The ledger that metered its training."""
    reference: str | None = None
    """A published number that says it instead, by its key in the register: `cai2020-ofa` for released weights."""
    stages: tuple[str, ...] | None = None
    """The phases of that ledger that made it; all that were paid once, up to the one that left it, if not given."""

    @model_validator(mode="after")
    def _paid_for_somehow(self) -> "StartPlan":
        if (self.ledger is None) == (self.reference is None):
            raise ValueError(
                "what the training had cost is said by exactly one of ledger = PATH, for own weights, and "
                'reference = KEY, such as "cai2020-ofa", for released ones'
            )
        return self


def load(bench: Bench, plan: StartPlan, context: PhaseContext) -> Artefact:
    """Take the supernet in, and write down what it had cost.

    Raises:
        CheckpointError: if it cannot be read, or is not of the study's space and classes.
        LedgerMismatch: if the ledger holds no finished phase that was paid once, or did not train the supernet itself.
    """
    del context
    kept = load_supernet(plan.checkpoint)
    _check(bench, plan, kept)
    weights = sha256((Path(plan.checkpoint) / WEIGHTS).read_bytes())
    return Artefact(tensors=kept.net.state_dict(), events=(_prior(plan, weights, kept),))


def _check(bench: Bench, plan: StartPlan, kept: Checkpoint) -> None:
    space, theirs = bench.space, kept.net.space
    for name in (one.name for one in fields(space) if one.name not in _FREE):
        if getattr(space, name) != getattr(theirs, name):
            raise CheckpointError(
                f"is a supernet of the space {theirs.name}, whose {name} are {getattr(theirs, name)}, and the study's "
                f"space {space.name} has {getattr(space, name)}",
                where=plan.checkpoint,
                cure="give data whose images have as many channels"
                if name == "in_channels"
                else "name the space of the checkpoint under [space] in the study",
            )
    if kept.net.num_classes != bench.workload.num_classes:
        raise CheckpointError(
            f"tells {kept.net.num_classes} classes apart, and {bench.workload.name} has {bench.workload.num_classes}",
            where=plan.checkpoint,
            cure="give data with the classes that it was trained on, or leave start out and train one on these",
        )


def _prior(plan: StartPlan, weights: str, kept: Checkpoint) -> Prior:
    if plan.ledger is None:
        return Prior(phase="train supernet", weights_hash=weights, reference=plan.reference)
    run = read_run(Path(plan.ledger))
    left_by = run.done.get(str(kept.origin.get("phase")))
    if left_by is not None and kept.origin.get("phase_hash") not in {None, left_by.artefact_hash}:
        raise LedgerMismatch(
            f"metered another supernet: its phase {left_by.phase!r} did not leave the weights of {plan.checkpoint}",
            where=plan.ledger,
            cure=f"give the ledger of that training: {kept.origin.get('ledger')}, seed {kept.origin.get('seed')}",
        )
    made = _made(run, plan, kept.origin.get("phase"))
    names = sorted(run.components)
    parts = [one for one in run.activities if one.phase in made and not one.wasted]

    def added(field: str) -> dict[str, float | None]:
        sums: dict[str, float | None] = {}
        for name in names:
            values = [getattr(one, field).get(name) for one in parts]
            sums[name] = None if None in values else total(values)
        return sums

    return Prior(
        phase=", ".join(made),
        weights_hash=weights,
        ledger=Path(plan.ledger).name,
        head=run.head,
        energy_j=added("energy_j"),
        device_s=added("device_s"),
        tiers={name: str(component.tier) for name, component in run.components.items()},
    )


def _made(run: Run, plan: StartPlan, left_by: object) -> tuple[str, ...]:
    once = tuple(key for key, phase in run.done.items() if phase.scope is Scope.ONCE)
    # What came after the weights, such as that run's own predictor, is no cost of them: this study pays for its own.
    before = once[: once.index(left_by) + 1] if left_by in once else once
    made = before if plan.stages is None else plan.stages
    if LOAD in made:
        # Its own start would be lost, and a supernet would get cheaper from study to study.
        trained = [prior.ledger or f"reference = {prior.reference}" for prior in run.priors]
        raise LedgerMismatch(
            "did not train the supernet: it was loaded there, too",
            where=plan.ledger,
            cure=f"name what did, and its folder: {', '.join(trained) or 'the ledger of its training'}",
        )
    missing = [name for name in made if name not in once]
    if missing or not made:
        raise LedgerMismatch(
            f"has no finished phase {missing[0]!r} that was paid once" if missing else "has no finished phase",
            where=plan.ledger,
            cure=f"name some of: {', '.join(once)}" if once else "give the ledger that trained the supernet",
        )
    return made
