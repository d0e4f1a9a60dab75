import re
import shutil
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from carbon_nas.errors import CheckpointError, LedgerError, LedgerMismatch
from carbon_nas.files import sha256
from carbon_nas.ledger.folding import read_run
from carbon_nas.ledger.records import Prior, Scope
from carbon_nas.meters import ManualClock, SimulatedMeter
from carbon_nas.recorder import Recorder
from carbon_nas.strategies import OnceForAll, OnceForAllPlan, PhaseContext
from carbon_nas.strategies.start import LOAD, StartPlan, check_start, load, start_digests
from carbon_nas.supernet import ElasticMobileNetV3
from carbon_nas.supernet.checkpoint import WEIGHTS, save_supernet
from carbon_nas.training.recipe import progressive_shrinking
from tests.contracts.strategy import StrategyContract
from tests.gauge import Gauge
from tests.recorded import recorder
from tests.strategies import bench as small
from tests.strategies.bench import CLASSES, ONCE_FOR_ALL, assert_same, attempt, play
from tests.supernet.spaces import TINY, scrambled

TRAINED = scrambled(ElasticMobileNetV3(TINY, CLASSES))
STAGES = {"stage 1": 100.0, "stage 2": 30.0}


def record(folder, *, priors=()):
    """Record a run of one watt that trained a supernet in two stages and went on from there; return its ledger."""
    clock = ManualClock()
    with recorder(folder, "earlier", {"name": "earlier"}, clock, strategy="once_for_all") as own:
        for prior in priors:
            own.append(prior)
        for name, duration_s in STAGES.items():
            with suppress(KeyboardInterrupt), own.phase(name, scope=Scope.ONCE):
                clock.advance(7.0)  # An attempt that is lost, and done again.
                raise KeyboardInterrupt
            with own.phase(name, scope=Scope.ONCE):
                clock.advance(duration_s)
        with own.phase("measure accuracies", scope=Scope.ONCE):
            clock.advance(5.0)
        with own.phase("search", scope=Scope.PER_SCENARIO, scenario="eager-b1"):
            clock.advance(3.0)
    return folder / "ledger" / "earlier.jsonl"


def keep(folder, net=TRAINED, *, left_by="stage 2", **origin):
    """Keep a supernet as an earlier study does; return its folder."""
    save_supernet(folder, net, origin=origin if left_by is None else {"phase": left_by, **origin})
    return str(folder)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    return str(record(tmp_path_factory.mktemp("ledger")))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return keep(tmp_path_factory.mktemp("checkpoint") / "supernet")


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """Weights that no study left."""
    return keep(tmp_path_factory.mktemp("released") / "supernet", left_by=None, file="ofa_mbv3_w1.0")


def loaded(bench, plan):
    return load(bench, plan, PhaseContext(seed=0, job="job", log=print))


def test_own_weights_come_with_what_their_ledger_metered(bench, ledger, checkpoint):
    (prior,) = loaded(bench, StartPlan(checkpoint=checkpoint, ledger=ledger)).events
    run = read_run(Path(ledger))
    assert prior == Prior(
        phase="stage 1, stage 2",
        weights_hash=sha256((Path(checkpoint) / WEIGHTS).read_bytes()),
        ledger="earlier.jsonl",
        head=run.head,
        energy_j={"simulated": 130.0},
        device_s={"simulated": 130.0},
        tiers={"simulated": str(run.components["simulated"].tier)},
    )


def test_the_weights_are_those_of_the_checkpoint(bench, ledger, checkpoint):
    tensors = loaded(bench, StartPlan(checkpoint=checkpoint, ledger=ledger)).tensors
    kept = TRAINED.state_dict()
    assert tensors.keys() == kept.keys()
    assert all(torch.equal(tensor, kept[name]) for name, tensor in tensors.items())


def test_what_came_after_the_weights_is_no_cost_of_them(bench, ledger, tmp_path):
    """Not even what was paid once, such as that run's own predictor; where nobody says what left them, all of it is."""
    for left_by, phases, energy_j in (
        ("stage 1", "stage 1", 100.0),
        ("stage 2", "stage 1, stage 2", 130.0),
        (None, "stage 1, stage 2, measure accuracies", 135.0),
    ):
        kept = keep(tmp_path / "supernet", left_by=left_by)
        (prior,) = loaded(bench, StartPlan(checkpoint=kept, ledger=ledger)).events
        assert (prior.phase, prior.energy_j) == (phases, {"simulated": energy_j})


def test_phases_that_are_named_are_charged_and_no_others(bench, ledger, checkpoint):
    plan = StartPlan(checkpoint=checkpoint, ledger=ledger, stages=("stage 2",))
    (prior,) = loaded(bench, plan).events
    assert (prior.phase, prior.energy_j) == ("stage 2", {"simulated": 30.0})


class Mute(Gauge):
    """A meter that never tells its joules."""

    def read(self):
        return tuple(replace(reading, energy_j=None) for reading in super().read())


def test_joules_that_are_not_known_stay_unknown(bench, checkpoint, tmp_path):
    """A component without joules makes no zero of them: its sum is not known, and the other one's is."""
    clock, path = ManualClock(), tmp_path / "earlier.jsonl"
    meters = (SimulatedMeter(clock, power_w=1.0), Mute(clock))
    with Recorder(path, strategy="mine", meters=meters, clock=clock, heartbeat_interval_s=None) as own:
        for name in STAGES:
            with own.phase(name, scope=Scope.ONCE):
                clock.advance(10.0)
    (prior,) = loaded(bench, StartPlan(checkpoint=checkpoint, ledger=str(path))).events
    assert prior.energy_j == {"gpu:a": None, "simulated": 20.0}
    assert prior.device_s == {"gpu:a": None, "simulated": 20.0}
    assert prior.tiers.keys() == {"gpu:a", "simulated"}


def test_a_ledger_that_trained_another_supernet_is_refused(bench, tmp_path):
    ledger = record(tmp_path)
    origin = {"phase": "stage 2", "phase_hash": "0" * 64, "ledger": "right.jsonl", "seed": 3}
    save_supernet(tmp_path / "supernet", TRAINED, origin=origin)
    with pytest.raises(LedgerMismatch, match=r"metered another supernet.*right.jsonl, seed 3"):
        loaded(bench, StartPlan(checkpoint=str(tmp_path / "supernet"), ledger=str(ledger)))


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ({"phase": "shrink width 2"}, "no finished phase 'shrink width 2', which left the weights of"),
        (
            {"phase": "stage 2", "strategy": "sandwich"},
            "of strategy once_for_all, and the weights of .* of strategy sand",
        ),
        ({"phase": "stage 2", "seed": 3}, "of seed 0, and the weights of .* of seed 3"),
    ],
)
def test_a_ledger_of_another_strategy_seed_or_recipe_is_refused(bench, ledger, tmp_path, origin, said):
    """Else all that it had paid once would be charged, whatever that was."""
    kept = keep(tmp_path / "supernet", left_by=origin["phase"], **{"ledger": "right.jsonl", "seed": 0, **origin})
    with pytest.raises(LedgerMismatch, match=rf"metered another supernet.*{said}.*give the ledger .* right\.jsonl"):
        loaded(bench, StartPlan(checkpoint=kept, ledger=ledger))


def test_of_phases_that_are_named_the_one_that_left_the_weights_need_not_be_in_the_ledger(bench, ledger, tmp_path):
    """A training whose stages were recorded under other names, for instance."""
    kept = keep(tmp_path / "supernet", left_by="the last stage", strategy="once_for_all", seed=0)
    (prior,) = loaded(bench, StartPlan(checkpoint=kept, ledger=ledger, stages=("stage 1",))).events
    assert prior.phase == "stage 1"


@pytest.mark.parametrize("stages", [None, ("stage 1", "stage 2"), ("measure accuracies",)])
def test_a_ledger_of_a_run_that_itself_started_from_something_is_refused_whatever_stages_are_named(
    bench, checkpoint, tmp_path, stages
):
    prior = Prior(phase="train supernet", weights_hash="0" * 64, reference="cai2020-ofa")
    ledger = record(tmp_path, priors=(prior,))
    with pytest.raises(LedgerMismatch, match=r"loaded there, too.*reference = cai2020-ofa"):
        loaded(bench, StartPlan(checkpoint=checkpoint, ledger=str(ledger), stages=stages))


def test_for_own_weights_a_published_number_is_no_answer(bench, tmp_path):
    kept = keep(tmp_path / "supernet", strategy="once_for_all", ledger="once_for_all-seed2.jsonl", seed=2)
    with pytest.raises(
        CheckpointError, match=r"own supernet, and cai2020-ofa is .*: once_for_all-seed2\.jsonl, seed 2"
    ):
        loaded(bench, StartPlan(checkpoint=kept, reference="cai2020-ofa"))
    kept = keep(tmp_path / "supernet", left_by=LOAD, strategy="once_for_all", ledger="second.jsonl", seed=2)
    with pytest.raises(CheckpointError, match="start from the folder that it was loaded from"):
        loaded(bench, StartPlan(checkpoint=kept, reference="cai2020-ofa"))


def with_images(bench, digest):
    return replace(bench, workload=replace(bench.workload, digest=digest))


def test_weights_that_may_have_seen_the_test_images_are_refused_unless_the_study_says_that_they_have_not(
    bench, ledger, tmp_path
):
    kept = keep(tmp_path / "supernet", workload="faces", images="a" * 64)
    plan = StartPlan(checkpoint=kept, ledger=ledger)
    with pytest.raises(CheckpointError, match=r"other images \(faces\).*other_images = true"):
        loaded(with_images(bench, "b" * 64), plan)
    for digest, one in (("a" * 64, plan), (None, plan), ("b" * 64, plan.model_copy(update={"other_images": True}))):
        assert loaded(with_images(bench, digest), one).events


def test_weights_that_do_not_say_what_they_were_trained_on_are_taken(bench, released):
    assert loaded(with_images(bench, "b" * 64), StartPlan(checkpoint=released, reference="cai2020-ofa")).events


def test_a_wrong_path_is_named_whole(bench, ledger, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = StartPlan(checkpoint="supernets/mine", ledger=ledger)
    for look in (start_digests, partial(check_start, bench)):
        with pytest.raises(CheckpointError, match=re.escape(str(tmp_path / "supernets" / "mine"))):
            look(plan)
    plan = StartPlan(checkpoint=keep(tmp_path / "supernets" / "mine"), ledger="mine.jsonl")
    for look in (start_digests, partial(check_start, bench)):
        with pytest.raises(LedgerError, match=re.escape(str(tmp_path / "mine.jsonl"))):
            look(plan)


def test_a_start_is_told_from_others_by_its_weights_and_its_ledger_wherever_they_lie(ledger, checkpoint, tmp_path):
    told = start_digests(StartPlan(checkpoint=checkpoint, ledger=ledger))
    elsewhere = shutil.copytree(checkpoint, tmp_path / "elsewhere")
    assert start_digests(StartPlan(checkpoint=str(elsewhere), ledger=ledger)) == told
    assert told["ledger"] == read_run(Path(ledger)).head
    other = keep(tmp_path / "other", scrambled(ElasticMobileNetV3(TINY, CLASSES), seed=1))
    assert start_digests(StartPlan(checkpoint=other, ledger=ledger))["weights"] != told["weights"]
    assert start_digests(StartPlan(checkpoint=checkpoint, reference="cai2020-ofa")).keys() == {"weights"}


def test_released_weights_name_the_published_number(bench, released):
    (prior,) = loaded(bench, StartPlan(checkpoint=released, reference="cai2020-ofa")).events
    assert (prior.reference, prior.ledger, prior.head) == ("cai2020-ofa", None, None)
    assert prior.energy_j == prior.device_s == prior.tiers == {}
    assert prior.weights_hash == sha256((Path(released) / WEIGHTS).read_bytes())


@pytest.mark.parametrize("said", [{}, {"ledger": "a.jsonl", "reference": "cai2020-ofa"}])
def test_what_it_had_cost_is_said_by_exactly_one_of_ledger_and_reference(said):
    with pytest.raises(
        ValidationError, match=r'exactly one of ledger = PATH, .* reference = KEY, such as "cai2020-ofa"'
    ):
        StartPlan(checkpoint="supernet", **said)


@pytest.mark.parametrize(
    ("space", "said", "cure"),
    [
        ({"expand_ratios": (2, 4)}, r"expand_ratios are \(2, 3\), .* tiny has \(2, 4\)", r"under \[space\]"),
        ({"kernel_sizes": (3, 5, 7)}, r"kernel_sizes are \(3, 5\)", r"under \[space\]"),
        ({"depths": (2,)}, r"depths are \(1, 2\)", r"under \[space\]"),
        ({"stages": TINY.stages[:1]}, "stages are", r"under \[space\]"),
        ({"head_channels": (8, 16)}, "head_channels are", r"under \[space\]"),
        ({"stem_channels": 8}, "stem_channels are", r"under \[space\]"),
        pytest.param({"stem_stride": 2}, "stem_stride are 1", r"under \[space\]", id="a stride, which no tensor shows"),
        ({"separable_channels": 4}, "separable_channels are None", r"under \[space\]"),
        ({"in_channels": 3}, "in_channels are 1", "data whose images have as many channels"),
    ],
)
def test_a_supernet_of_another_space_is_refused(bench, ledger, checkpoint, space, said, cure):
    other = replace(bench, space=replace(TINY, **space))
    with pytest.raises(CheckpointError, match=f"(?s)supernet: .*{said}.*{cure}"):
        loaded(other, StartPlan(checkpoint=checkpoint, ledger=ledger))


def test_another_name_and_other_resolutions_do_no_harm(bench, ledger, checkpoint):
    other = replace(bench, space=replace(TINY, name="mine", resolutions=(4, 5, 6)))
    assert loaded(other, StartPlan(checkpoint=checkpoint, ledger=ledger)).events


def test_weights_for_other_classes_are_refused_with_both_numbers_and_a_way_out(bench, ledger, tmp_path):
    kept = keep(tmp_path / "supernet", ElasticMobileNetV3(TINY, 1_000))
    with pytest.raises(CheckpointError) as refusal:
        loaded(bench, StartPlan(checkpoint=kept, ledger=ledger))
    said = str(refusal.value)
    assert f"tells 1000 classes apart, and bright rows has {CLASSES}" in said
    assert kept in said
    assert "give data with the classes that it was trained on" in said
    assert "leave start out" in said


def test_where_no_supernet_lies_it_is_said_how_one_is_made(bench, ledger, tmp_path):
    with pytest.raises(CheckpointError, match=r"there is no supernet here.*carbon-nas import"):
        loaded(bench, StartPlan(checkpoint=str(tmp_path / "nowhere"), ledger=ledger))


def test_weights_that_were_changed_are_refused(bench, ledger, tmp_path):
    kept = keep(tmp_path / "supernet")
    (tmp_path / "supernet" / WEIGHTS).write_bytes(b"something else")
    with pytest.raises(CheckpointError):
        loaded(bench, StartPlan(checkpoint=kept, ledger=ledger))


def test_a_phase_that_the_ledger_did_not_finish_is_refused_and_those_it_did_are_listed(bench, ledger, checkpoint):
    for stages in (("stage 3",), ("stage 1", "stage 3"), ("search / eager-b1",), ()):
        with pytest.raises(LedgerMismatch) as refusal:
            loaded(bench, StartPlan(checkpoint=checkpoint, ledger=ledger, stages=stages))
        assert "has no finished phase" in str(refusal.value)
        assert "name some of: stage 1, stage 2, measure accuracies" in str(refusal.value)
        assert ledger in str(refusal.value)


def test_a_ledger_without_a_finished_phase_that_was_paid_once_is_refused(bench, checkpoint, tmp_path):
    clock = ManualClock()
    with recorder(tmp_path, "evolution", {"name": "earlier"}, clock, strategy="evolution") as own:
        with own.phase("search", scope=Scope.PER_SCENARIO, scenario="eager-b1"):
            clock.advance(3.0)
        with suppress(KeyboardInterrupt), own.phase("stage 1", scope=Scope.ONCE):
            raise KeyboardInterrupt
    path = tmp_path / "ledger" / "evolution.jsonl"
    with pytest.raises(LedgerMismatch, match=r"has no finished phase.*give the ledger that trained the supernet"):
        loaded(bench, StartPlan(checkpoint=checkpoint, ledger=str(path)))


def test_a_ledger_that_is_not_there_is_refused(bench, checkpoint, tmp_path):
    with pytest.raises(LedgerError, match="nowhere"):
        loaded(bench, StartPlan(checkpoint=checkpoint, ledger=str(tmp_path / "nowhere.jsonl")))


def started(checkpoint):
    start = StartPlan(checkpoint=checkpoint, reference="cai2020-ofa")
    return ONCE_FOR_ALL.model_copy(update={"start": start})


class TestOnceForAllFromACheckpoint(StrategyContract):
    CHECKPOINT = None

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _checkpoint(cls, released):
        cls.CHECKPOINT = released

    @classmethod
    def build(cls, bench):
        return OnceForAll(bench, started(cls.CHECKPOINT))

    def test_another_seed_gives_other_accuracies(self, bench, strategy, played):
        """Nothing is trained, so another seed draws other sub-networks only."""
        other = play(bench, strategy, seed=4, phases=2)
        assert other.facts["measure accuracies"] != played.facts["measure accuracies"]


def test_no_training_is_listed_and_the_rest_is_as_it_always_is(bench, checkpoint):
    phases = [(phase.name, phase.scope, phase.scenario) for phase in OnceForAll(bench, started(checkpoint)).phases()]
    trained = [(phase.name, phase.scope, phase.scenario) for phase in OnceForAll(bench, ONCE_FOR_ALL).phases()]
    stages = len(progressive_shrinking())
    assert phases == [(LOAD, Scope.ONCE, None), *trained[stages:]]
    assert OnceForAll(bench, started(checkpoint)).supernet == LOAD


def test_nothing_is_read_before_the_phase_runs(bench):
    """A plan can be listed on a machine that does not have the weights."""
    assert list(OnceForAll(bench, started("nowhere")).phases())


def test_networks_are_taken_from_the_weights_that_were_given(tmp_path, released):
    """As if a last stage had left them: search, extraction and results are the same."""
    one, other = (small.bench(tmp_path / name, scenarios=("eager-b1",)) for name in ("one", "other"))
    given = OnceForAll(one, started(released))
    played = play(one, given)
    last = OnceForAll(other, ONCE_FOR_ALL)
    other.artefacts.save(last.supernet, one.artefacts.load(LOAD))
    for name in ("measure accuracies", "train predictor", "search / eager-b1", "extract / eager-b1"):
        found = attempt(other, last, name, tmp_path / "states").artefact
        other.artefacts.save(name, found)
        assert_same(other.artefacts.load(name), one.artefacts.load(name))
        assert found.events == played.events[name]


def test_a_plan_says_in_a_study_file_where_it_starts(checkpoint):
    fields = {"start": {"checkpoint": checkpoint, "ledger": "earlier.jsonl", "stages": ["stage 1"]}}
    assert OnceForAllPlan.model_validate(fields).start.stages == ("stage 1",)
    with pytest.raises(ValidationError, match="exactly one of"):
        OnceForAllPlan.model_validate({"start": {"checkpoint": checkpoint}})
