"""A plan says, without its data where its sizes are known, about what the ledger is going to say."""

import re

import pytest
from typer.testing import CliRunner

from carbon_nas.cli import app
from carbon_nas.errors import UnknownName, UsageError
from carbon_nas.ledger.records import Scope
from carbon_nas.strategies.search import SearchPlan
from carbon_nas.strategies.start import StartPlan
from carbon_nas.study import built_in_studies, load_study
from carbon_nas.study.costing import planned_costs
from carbon_nas.study.plan import SpacePlan, Study
from carbon_nas.supernet.cost import cost
from carbon_nas.training.data import load_workload
from carbon_nas.training.recipe import StagePlan, progressive_shrinking
from tests.study.bench import run, runs, tiny_study
from tests.study.test_data import write_arrays

FLOP_PER_MAC = 2
PAPER_FLOP = 2.69e18
PAPER_HOURS = {
    "train teacher": 234,
    "shrink kernel": 199,
    "shrink depth 1": 61,
    "shrink depth 2": 263,
    "shrink width 1": 81,
    "shrink width 2": 362,
}
"""Of 1,200 V100-hours, in proportion to the operations of the official code's networks."""


def of(study: Study, strategy: str) -> dict:
    return {cost.phase: cost for cost in planned_costs(study) if cost.strategy == strategy}


@pytest.fixture(scope="module")
def imagenet():
    return load_study("imagenet")


def test_the_stages_of_the_imagenet_study_compute_as_much_as_those_of_the_paper(imagenet):
    planned = of(imagenet, "once_for_all")
    macs = {phase: planned[phase].macs for phase in PAPER_HOURS}
    assert sum(macs.values()) * FLOP_PER_MAC == pytest.approx(PAPER_FLOP, rel=0.02)
    for phase, hours in PAPER_HOURS.items():
        assert 1_200 * macs[phase] / sum(macs.values()) == pytest.approx(hours, rel=0.03)


def test_what_is_once_is_planned_once_and_a_conventional_search_for_every_scenario(imagenet):
    shared, conventional = of(imagenet, "once_for_all"), of(imagenet, "evolution")
    assert {phase for phase, one in shared.items() if one.scope is Scope.ONCE} == {
        *progressive_shrinking(),
        "measure accuracies",
        "train predictor",
    }
    assert all(one.scenarios == 1 for one in shared.values() if one.scope is Scope.ONCE)
    assert {phase: one.scenarios for phase, one in conventional.items()} == {"search": 3, "train": 3, "evaluate": 3}


def test_a_predictor_is_fitted_for_as_long_as_it_helps_and_a_loaded_supernet_costs_nothing_more(imagenet):
    assert of(imagenet, "once_for_all")["train predictor"].macs is None
    start = StartPlan(checkpoint="supernets/released", reference="cai2020-ofa")
    started = imagenet.model_copy(
        update={"once_for_all": imagenet.once_for_all.model_copy(update={"start": start})},
    )
    planned = of(started, "once_for_all")
    assert (planned["load supernet"].macs, planned["load supernet"].image_passes) == (0, 0)
    assert not planned.keys() & PAPER_HOURS.keys()


SANDWICH = {"train supernet": StagePlan(epochs=2, learning_rate=0.01, rule="sandwich", subnets=3)}


def test_a_plan_agrees_with_what_is_counted_then(tmp_path):
    kin = tiny_study().once_for_all.model_copy(update={"stages": SANDWICH})
    study = tiny_study("eager-b1", strategies=("once_for_all", "sandwich"), sandwich=kin, resolutions=(6,))
    counted = runs(run(tmp_path, study))
    planned = planned_costs(study)
    for one in planned:
        recorded = counted[f"{one.strategy}-seed0"]
        (macs,) = [
            sum(part.macs for part in recorded.kept(key))
            for key in (one.phase, f"{one.phase} / eager-b1")
            if key in recorded.done
        ]
        if one.phase == "train teacher":
            assert one.macs == pytest.approx(macs, rel=0.02)
        elif one.phase in {*progressive_shrinking(), *SANDWICH}:
            assert one.macs == pytest.approx(macs, rel=0.15)  # Of some architectures that chance chose.
        else:
            assert one.macs is None or macs > 0
    assert {(one.strategy, one.phase) for one in planned} == {
        (name.removesuffix("-seed0"), phase.phase.partition(" / ")[0])
        for name, recorded in counted.items()
        if name != "profiling"
        for phase in recorded.done.values()
        if phase.scope is not Scope.USE
    }


def test_more_evaluations_without_a_predictor_are_planned(imagenet):
    alone = imagenet.once_for_all.model_copy(update={"predictor": None, "search": SearchPlan(generations=3)})
    planned = of(imagenet.model_copy(update={"once_for_all": alone}), "once_for_all")
    assert "measure accuracies" not in planned
    assert planned["search"].macs > of(imagenet, "once_for_all")["search"].macs


def test_a_plan_reads_no_image_that_it_can_do_without():
    study = tiny_study(workload="cifar10", space=SpacePlan(name="thumbnail"), resolutions=(24, 32))
    teacher = of(study, "once_for_all")["train teacher"]
    space = study.space.space(in_channels=3, resolutions=(24, 32))
    each = sum(cost(space, space.max().at(side), 10).macs for side in (24, 32)) / 2
    images = 45_000 // 450 * 450
    assert teacher.macs == pytest.approx(3 * images * each, rel=0.2)  # Looks at validation images come on top.
    assert teacher.macs > 3 * images * each


@pytest.mark.parametrize("workload", ["folder", "arrays"])
def test_without_the_images_whose_number_nobody_knows_a_plan_asks_for_them(workload):
    with pytest.raises(UsageError, match=r"give --data PATH, which is to be a folder"):
        planned_costs(tiny_study(workload=workload))


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """What `compare STUDY --plan` prints on a terminal of 80 columns, in a folder that stays empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments):
        done = CliRunner().invoke(app, ["compare", *arguments, "--plan"], catch_exceptions=True)
        assert list(tmp_path.iterdir()) == []
        return done

    return call


@pytest.mark.parametrize("name", [name for name in built_in_studies() if name != "folder"])
def test_the_door_shows_every_phase_on_a_line_of_its_own(plan, name):
    done = plan(name)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0] == f"{name}: 1 seed, 3 scenarios; modelled, not run"
    note = load_study(name).note
    assert (f"Note: {note}" in lines) == (note is not None) == (name in {"cifar10", "imagenet"})
    assert max(map(len, lines)) <= 80
    assert "…" not in done.output
    rows = [re.split(" {2,}", line.strip()) for line in lines]
    for one in planned_costs(load_study(name)):
        numbers = ["-", "-"] if one.macs is None else [f"{one.image_passes:.1e}", f"{one.macs:.1e}"]
        assert one.trains_supernet == (one.phase in {*progressive_shrinking(), *SANDWICH})
        assert [one.phase, "once" if one.scope is Scope.ONCE else "x 3", *numbers] in [row[:4] for row in rows]
    assert [line.split()[0] for line in lines if line.strip() in load_study(name).strategies] == list(
        load_study(name).strategies
    )
    assert "pJ/MAC" in done.output
    assert "188 W" in " ".join(done.output.split())


STARTED = """extends = "digits"
[once_for_all.start]
checkpoint = "nowhere"
reference = "%s"
"""


def study_file(tmp_path_factory, reference):
    path = tmp_path_factory.mktemp("study") / "mine.toml"
    path.write_text(STARTED % reference, encoding="utf-8")
    return str(path)


def test_what_was_paid_before_is_shown_as_such_and_is_said_to_be_in_no_sum(plan, tmp_path_factory):
    done = plan(study_file(tmp_path_factory, "cai2020-ofa"))
    rows = [re.split(" {2,}", line.strip()) for line in done.output.splitlines()]
    assert ["load supernet", "once", "paid before", "-", "-"] in rows
    assert [row[0] for row in rows if "for a seed" in row[0]] == ["all but that, for a seed", "all of it, for a seed"]
    assert "what a supernet that is loaded had cost is in no sum" in " ".join(done.output.split())
    assert "paid before" not in plan("digits").output


@pytest.mark.parametrize("name", ["digits", "imagenet"])
def test_every_number_of_a_plan_is_written_in_one_way(plan, name):
    rows = [re.split(" {2,}", line.strip()) for line in plan(name).output.splitlines()]
    numbers = {number for row in rows if len(row) >= 4 and row[0] != "phase" for number in row[-3:]} - {"-"}
    assert len(numbers) > 20
    assert all(re.fullmatch(r"\d\.\de[+-]\d\d", number) for number in numbers)


def test_a_published_number_that_is_not_in_the_register_is_refused_and_what_comes_near_is_named(plan, tmp_path_factory):
    done = plan(study_file(tmp_path_factory, "cai2020-0fa"))
    assert isinstance(done.exception, UnknownName)
    assert re.search(r"once_for_all\.start\.reference: .*'cai2020-0fa'; choose .*cai2020-ofa", str(done.exception))


def test_a_stage_that_is_not_of_the_paper_trains_the_supernet_all_the_same():
    stages = {"all at once": StagePlan(epochs=2, learning_rate=0.01, subnets=2)}
    planned = of(
        tiny_study(once_for_all=tiny_study().once_for_all.model_copy(update={"stages": stages})), "once_for_all"
    )
    assert [phase for phase, one in planned.items() if one.trains_supernet] == ["all at once"]


def test_the_door_says_what_to_give_for_a_folder(plan):
    done = plan("folder")
    assert isinstance(done.exception, UsageError)
    assert "give --data PATH" in str(done.exception)
    assert "DATA/CLASS/*" in str(done.exception)


def test_of_fewer_images_than_a_batch_only_those_that_are_there_are_counted(tmp_path):
    few = {"workload": "arrays", "data": str(write_arrays(tmp_path)), "resolutions": (6,)}
    planned, learnt = of(tiny_study(**few), "once_for_all"), load_workload("arrays", data=tmp_path).train
    scoring = len(load_workload("arrays", data=tmp_path).validation) + len(learnt)
    assert len(learnt) < 60
    assert planned["train teacher"].image_passes == 3 * len(learnt) + scoring
    assert planned["extract"].image_passes == len(learnt)
