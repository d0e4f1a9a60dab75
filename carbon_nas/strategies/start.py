"""Starting from a supernet that was trained before: released weights, or own ones of an earlier run."""

from collections.abc import Mapping
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

__all__ = ["LOAD", "StartPlan", "check_start", "load", "start_digests"]

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
    other_images: bool = False
    """Whether it may have been trained on other images than the study's. Then its test images may be among them, which
    nobody can rule out but who knows both; released weights do not say what they were trained on, and need no leave."""

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
        CheckpointError: if it cannot be read, is not of the study's space and classes, was trained on other images, or
            is one's own and only a published number is given for it.
        LedgerMismatch: if the ledger holds no finished phase that was paid once, or did not train this supernet itself.
    """
    del context
    kept, prior = _taken_in(bench, plan)
    return Artefact(tensors=kept.net.state_dict(), events=(prior,))


def check_start(bench: Bench, plan: StartPlan) -> None:
    """Make sure that a supernet can be taken in, before anything is paid for what comes before that.

    Raises:
        CheckpointError: as `load` does.
        LedgerMismatch: as `load` does.
    """
    _taken_in(bench, plan)


def start_digests(plan: StartPlan) -> Mapping[str, str]:
    """Return what tells the weights, and the ledger that metered them, from any others, wherever they lie.

    Raises:
        CheckpointError: if there are no weights.
        LedgerError: if the ledger cannot be read.
    """
    digests = {"weights": _weights_hash(plan)}
    if plan.ledger is not None:
        digests["ledger"] = read_run(_looked_at(plan.ledger)).head
    return digests


def _looked_at(place: str) -> Path:
    # Whole, so that a message tells from where a relative path was taken.
    return Path(place).absolute()


def _weights_hash(plan: StartPlan) -> str:
    folder = _looked_at(plan.checkpoint)
    try:
        return sha256((folder / WEIGHTS).read_bytes())
    except OSError as error:
        raise CheckpointError(
            f"there is no supernet here: {WEIGHTS} cannot be read ({error.strerror or error})",
            where=str(folder),
            cure="give the folder of one; carbon-nas import makes one of released weights",
        ) from error


def _taken_in(bench: Bench, plan: StartPlan) -> tuple[Checkpoint, Prior]:
    kept = load_supernet(_looked_at(plan.checkpoint))
    _check_fit(bench, plan, kept)
    _check_images(bench, plan, kept)
    return kept, _prior(plan, _weights_hash(plan), kept)


def _check_images(bench: Bench, plan: StartPlan, kept: Checkpoint) -> None:
    workload, learnt = bench.workload, kept.origin.get("images")
    if plan.other_images or learnt is None or workload.digest is None or learnt == workload.digest:
        return
    raise CheckpointError(
        f"was trained on other images ({kept.origin.get('workload')}) than those of the study ({workload.name}), whose "
        "test images it may have learnt from",
        where=str(_looked_at(plan.checkpoint)),
        cure="give the images that it was trained on, or set other_images = true beside checkpoint if you know that it "
        "has seen none of the test images",
    )


def _check_fit(bench: Bench, plan: StartPlan, kept: Checkpoint) -> None:
    space, theirs, where = bench.space, kept.net.space, str(_looked_at(plan.checkpoint))
    for name in (one.name for one in fields(space) if one.name not in _FREE):
        if getattr(space, name) != getattr(theirs, name):
            raise CheckpointError(
                f"is a supernet of the space {theirs.name}, whose {name} are {getattr(theirs, name)}, and the study's "
                f"space {space.name} has {getattr(space, name)}",
                where=where,
                cure="give data whose images have as many channels"
                if name == "in_channels"
                else "name the space of the checkpoint under [space] in the study",
            )
    if kept.net.num_classes != bench.workload.num_classes:
        raise CheckpointError(
            f"tells {kept.net.num_classes} classes apart, and {bench.workload.name} has {bench.workload.num_classes}",
            where=where,
            cure="give data with the classes that it was trained on, or leave start out and train one on these",
        )


def _prior(plan: StartPlan, weights: str, kept: Checkpoint) -> Prior:
    if plan.ledger is None:
        if kept.origin.get("phase") is not None:
            raise CheckpointError(
                f"is a study's own supernet, and {plan.reference} is what another training had cost",
                where=str(_looked_at(plan.checkpoint)),
                cure=_whose(kept),
            )
        return Prior(phase="train supernet", weights_hash=weights, reference=plan.reference)
    run = read_run(_looked_at(plan.ledger))
    _check_ledger(run, plan, kept)
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
        ledger=run.path.name,
        head=run.head,
        energy_j=added("energy_j"),
        device_s=added("device_s"),
        tiers={name: str(component.tier) for name, component in run.components.items()},
    )


def _whose(kept: Checkpoint) -> str:
    origin = kept.origin
    if origin.get("phase") == LOAD:
        return "start from the folder that it was loaded from itself, with what says there what it had cost"
    if origin.get("ledger") is None:
        return "give the ledger that trained the supernet"
    return f"give the ledger of that training: {origin['ledger']}, seed {origin.get('seed')}"


def _check_ledger(run: Run, plan: StartPlan, kept: Checkpoint) -> None:
    """Refuse a ledger that metered another training than that of these weights, as far as they say whose they are."""
    origin, where = kept.origin, str(run.path)
    for what, theirs in (("strategy", run.header.strategy), ("seed", run.header.seed)):
        if origin.get(what) not in {None, theirs}:
            raise LedgerMismatch(
                f"metered another supernet: it is of {what} {theirs}, and the weights of {plan.checkpoint} are of "
                f"{what} {origin[what]}",
                where=where,
                cure=_whose(kept),
            )
    phase = origin.get("phase")
    left_by = run.done.get(str(phase))
    if phase is not None and left_by is None and plan.stages is None:
        raise LedgerMismatch(
            f"metered another supernet: it has no finished phase {phase!r}, which left the weights of "
            f"{plan.checkpoint}",
            where=where,
            cure=_whose(kept),
        )
    if left_by is not None and origin.get("phase_hash") not in {None, left_by.artefact_hash}:
        raise LedgerMismatch(
            f"metered another supernet: its phase {left_by.phase!r} did not leave the weights of {plan.checkpoint}",
            where=where,
            cure=_whose(kept),
        )


def _made(run: Run, plan: StartPlan, left_by: object) -> tuple[str, ...]:
    once = tuple(key for key, phase in run.done.items() if phase.scope is Scope.ONCE)
    # What came after the weights, such as that run's own predictor, is no cost of them: this study pays for its own.
    before = once[: once.index(left_by) + 1] if left_by in once else once
    made = before if plan.stages is None else plan.stages
    if run.priors or LOAD in once:
        # Whichever phases are named: its own start would be lost, and a supernet would get cheaper from study to study.
        trained = [prior.ledger or f"reference = {prior.reference}" for prior in run.priors]
        raise LedgerMismatch(
            "did not train the supernet: it was loaded there, too",
            where=str(run.path),
            cure=f"name what did, and its folder: {', '.join(trained) or 'the ledger of its training'}",
        )
    missing = [name for name in made if name not in once]
    if missing or not made:
        raise LedgerMismatch(
            f"has no finished phase {missing[0]!r} that was paid once" if missing else "has no finished phase",
            where=str(run.path),
            cure=f"name some of: {', '.join(once)}" if once else "give the ledger that trained the supernet",
        )
    return made
