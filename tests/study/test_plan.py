import re
import tomllib
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_nas.errors import InvalidStudy, UnknownName
from carbon_nas.study import Study, built_in_studies, load_study
from carbon_nas.study.identity import hash_of
from carbon_nas.training.recipe import TEACHER, progressive_shrinking
from tests.study.bench import tiny_study
from tests.supernet.spaces import few

LEAST = 'name = "mine"\nworkload = "digits"\nscenarios = ["eager-b1"]\n'


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "mine.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def test_the_default_study_comes_with_the_package():
    study = load_study("digits")
    assert "digits" in built_in_studies()
    assert study.strategies == ("once_for_all", "evolution")
    assert study.scenarios == ("eager-b1", "folded-b1", "eager-b32")
    assert study.seeds == 1


def written_in(name):
    return tomllib.loads((resources.files("carbon_nas.study") / "defaults" / f"{name}.toml").read_text())


QUICK = [name for name in built_in_studies() if "quick" in written_in(name)]


def test_these_studies_come_with_the_package():
    assert built_in_studies() == ["cifar10", "digits", "folder", "imagenet", "mnist5k"]
    assert QUICK == ["digits", "folder", "mnist5k"]


@pytest.mark.parametrize("name", built_in_studies())
def test_every_built_in_study_is_valid_and_named_as_its_file(name):
    assert load_study(name).name == name


def versions(name):
    return [load_study(name, quick=quick) for quick in ((False, True) if name in QUICK else (False,))]


@pytest.mark.parametrize("name", built_in_studies())
def test_a_built_in_study_gives_a_network_from_scratch_as_many_epochs_as_the_teacher(name):
    for study in versions(name):
        assert study.evolution.final_epochs == study.once_for_all.stages[TEACHER].epochs


@pytest.mark.parametrize("name", built_in_studies())
def test_every_built_in_study_shrinks_as_the_paper_does(name):
    for study in versions(name):
        for phase, wanted in progressive_shrinking().items():
            stage = study.once_for_all.stages[phase]
            free = {"epochs", "learning_rate", "warmup_epochs", "dropout_fraction"}
            assert stage.model_dump(exclude=free) == wanted.model_dump(exclude=free)
        assert list(study.once_for_all.stages) == list(progressive_shrinking())


def leaves(table, prefix=()):
    for key, value in table.items():
        if isinstance(value, dict):
            yield from leaves(value, (*prefix, key))
        else:
            yield (*prefix, key), value


@pytest.mark.parametrize("name", QUICK)
def test_quick_changes_what_its_table_says_and_nothing_else_in_every_built_in_study(name):
    full, quick = (dict(leaves(study.model_dump(mode="json"))) for study in versions(name))
    said = dict(leaves(written_in(name)["quick"])) | {("name",): f"{name}-quick"}
    assert {key: quick[key] for key in said} == said
    assert {key: value for key, value in quick.items() if key not in said} == {
        key: value for key, value in full.items() if key not in said
    }


def test_a_file_needs_little_and_the_defaults_do_the_rest(written):
    assert load_study(written(LEAST)) == Study(name="mine", workload="digits", scenarios=("eager-b1",))


def test_delivered_networks_work_for_two_seconds_unless_the_study_says_otherwise(written):
    assert load_study(written(LEAST)).use.duration_s == load_study("digits").use.duration_s == 2.0
    assert load_study(written(LEAST + "[use]\nduration_s = 0\n")).use.duration_s == 0.0


def test_quick_changes_what_its_table_says_and_nothing_else():
    full, quick = load_study("digits"), load_study("digits", quick=True)
    assert 0 < quick.use.duration_s < full.use.duration_s
    assert quick.name == "digits-quick"
    assert quick.evolution.candidates < full.evolution.candidates
    assert quick.once_for_all.stages[TEACHER].epochs < full.once_for_all.stages[TEACHER].epochs
    assert quick.evolution.learning_rate == full.evolution.learning_rate
    assert quick.once_for_all.calibration_images == full.once_for_all.calibration_images
    assert (quick.scenarios, quick.strategies, quick.trainer) == (full.scenarios, full.strategies, full.trainer)


def test_a_quick_table_merges_below_the_level_of_its_keys(written):
    path = written(LEAST + "[evolution]\ncandidates = 9\nproxy_epochs = 4\n[quick.evolution]\nproxy_epochs = 1\n")
    assert load_study(path).evolution.proxy_epochs == 4
    quick = load_study(path, quick=True).evolution
    assert (quick.candidates, quick.proxy_epochs) == (9, 1)


def test_quick_without_its_table_is_refused(written):
    with pytest.raises(InvalidStudy, match=r"no \[quick\] table"):
        load_study(written(LEAST), quick=True)


def test_seeds_on_the_call_override_those_of_the_file(written):
    path = written(LEAST + "seeds = 2\n")
    assert load_study(path).seeds == 2
    assert load_study(path, seeds=5).seeds == 5


def test_data_and_device_on_the_call_override_those_of_the_file(written, tmp_path):
    text = LEAST.replace("digits", "folder") + 'data = "pictures"\ndevice = "cuda"\n'
    path = written(text)
    study = load_study(path)
    assert (study.data, study.device) == ("pictures", "cuda")
    study = load_study(path, data=tmp_path, device="cpu")
    assert (study.data, study.device) == (str(tmp_path), "cpu")


def test_an_unknown_study_is_refused_and_the_known_ones_are_named():
    with pytest.raises(UnknownName, match=r"'digit'.*choose one of .*digits.*path of a TOML file"):
        load_study("digit")


@pytest.mark.parametrize("text", ["name = ", "[evolution", "name = 'a'\nname = 'b'\n", b"name = '\xff'\n"])
def test_what_is_no_toml_is_refused_with_the_file_named(written, text):
    path = written(text)
    with pytest.raises(InvalidStudy, match=re.escape(path)):
        load_study(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LEAST + "colour = 1\n", "colour: "),
        (LEAST + "[evolution]\ncandidats = 4\n", "evolution.candidats: "),
        (LEAST + "[once_for_all]\nsearch = { population = 1 }\n", "once_for_all.search.population: "),
        (LEAST.replace("eager-b1", "phone"), "'phone'; choose one of eager-b1, folded-b1, eager-b32"),
        (LEAST.replace('["eager-b1"]', "[]"), "scenarios: name at least one"),
        (LEAST.replace('["eager-b1"]', '["eager-b1", "eager-b1"]'), "scenarios: name at least one"),
        (LEAST + 'strategies = ["darts"]\n', "once_for_all, sandwich, evolution once, not darts"),
        (LEAST + "strategies = []\n", "not nothing"),
        (LEAST + 'strategies = ["evolution", "evolution"]\n', "evolution once, not evolution, evolution"),
        (LEAST.replace("digits", "svhn"), "'svhn'; choose one of digits, mnist5k, cifar10, cifar100, folder"),
        (LEAST + '[space]\nname = "resnet"\n', "space.name: "),
        (LEAST + "[space]\nwidth_mult = inf\n", "space.width_mult: "),
        (LEAST + "[once_for_all.stages]\n", "once_for_all.stages: a recipe has at least one stage"),
        (
            LEAST + "[sandwich.stages]\n'measure accuracies' = { epochs = 1, learning_rate = 0.1 }\n",
            "sandwich.stages: ",
        ),
        (LEAST + "[once_for_all.start]\ncheckpoint = 'here'\n", "once_for_all.start: what the training had cost"),
        (LEAST.replace("mine", "my: study"), "try 'my-study'"),
        (LEAST + "resolutions = [12, 8]\n", "resolutions: list resolutions in ascending order"),
        (LEAST + "resolutions = [2]\n", "at least 4 pixels"),
        (LEAST + "seeds = 0\n", "seeds: "),
        (LEAST + "[use]\nduration_s = -1\n", "use.duration_s: "),
        (LEAST + "[use]\nduration_s = inf\n", "use.duration_s: "),
        (LEAST + "[use]\nseconds = 2\n", "use.seconds: "),
        ('workload = "digits"\nscenarios = ["eager-b1"]\n', "name: Field required"),
        (LEAST + "quick = 3\n", "quick"),
    ],
)
def test_a_study_that_does_not_say_what_it_must_is_refused_and_the_field_is_named(written, text, said):
    path = written(text)
    with pytest.raises(InvalidStudy) as refusal:
        load_study(path, quick="quick" in text)
    assert said in str(refusal.value)
    assert str(refusal.value).startswith(path)
    assert "\n" not in str(refusal.value)


@few
@given(st.integers(1, 100))
def test_the_number_of_seeds_is_no_part_of_the_identity(seeds):
    assert tiny_study(seeds=seeds).identity() == tiny_study().identity()


START = {"checkpoint": "here", "ledger": "here.jsonl"}


def test_nor_is_where_the_supernet_lies_that_it_starts_from():
    """What it is goes into the identity when it is read."""
    moved = {"checkpoint": "there", "ledger": "there.jsonl"}
    for name in ("once_for_all", "sandwich"):
        one, other = (tiny_study(**{name: {"start": start}}).identity() for start in (START, moved))
        assert one == other
        assert one[name]["start"] == {"reference": None, "stages": None, "other_images": False}


def test_nor_is_where_the_images_lie_or_which_machine_trains():
    assert tiny_study(data="/elsewhere", device="cuda:1").identity() == tiny_study().identity()


@pytest.mark.parametrize(
    "change",
    [
        {"once_for_all": {"start": {**START, "other_images": True}}},
        {"name": "other"},
        {"strategies": ("evolution",)},
        {"scenarios": ("eager-b32",)},
        {"threads": 2},
        {"resolutions": (4, 8)},
        {"workload": "mnist5k"},
        {"space": {"width_mult": 2.0}},
        {"sandwich": {"calibration_images": 7}},
        {"use": {"duration_s": 1.0}},
    ],
)
def test_everything_else_is(change):
    assert hash_of(tiny_study(**change).identity()) != hash_of(tiny_study().identity())


def test_a_file_that_extends_a_built_in_study_says_only_what_differs(written):
    study = load_study(written('extends = "digits"\nseeds = 2\n[once_for_all]\nsearch = { generations = 7 }\n'))
    digits = load_study("digits")
    search = digits.once_for_all.search.model_copy(update={"generations": 7})
    assert study == digits.model_copy(
        update={"name": "mine", "seeds": 2, "once_for_all": digits.once_for_all.model_copy(update={"search": search})}
    )


def test_it_has_the_quick_version_of_what_it_extends(written):
    quick = load_study(written('extends = "digits"\n'), quick=True)
    assert quick == load_study("digits", quick=True).model_copy(update={"name": "mine-quick"})


def test_only_a_built_in_study_can_be_extended(written):
    with pytest.raises(InvalidStudy, match=r"extends: there is no built-in study 'mine'; choose one of cifar10"):
        load_study(written('extends = "mine"\n'))


RECIPE = {
    "largest": "epochs = 3, learning_rate = 0.1, kernel_sizes = 1, depths = 1, expand_ratios = 1",
    "all": 'epochs = 2, learning_rate = 0.05, subnets = 2, taught_by = "largest"',
}
OWN_STAGES = "[once_for_all.stages]\n" + "".join(f"{name} = {{ {said} }}\n" for name, said in RECIPE.items())


def test_a_recipe_with_a_stage_of_its_own_takes_the_place_of_the_one_that_it_extends(written):
    stages = load_study(written('extends = "digits"\n' + OWN_STAGES)).once_for_all.stages
    assert list(stages) == list(RECIPE)


def test_stages_that_are_all_of_the_extended_study_change_what_they_say_of_them(written):
    shorter = '[once_for_all.stages]\n"train teacher" = { epochs = 7 }\n'
    stages = load_study(written('extends = "digits"\n' + shorter)).once_for_all.stages
    digits = load_study("digits").once_for_all.stages
    assert stages == {**digits, TEACHER: digits[TEACHER].model_copy(update={"epochs": 7})}


def test_quick_tells_how_to_shorten_stages_that_the_extended_study_does_not_have(written):
    with pytest.raises(InvalidStudy, match=r"stages are largest, all; say under \[quick\.once_for_all\.stages\]"):
        load_study(written('extends = "digits"\n' + OWN_STAGES), quick=True)


def test_a_predictor_is_switched_off_by_false_and_stays_off_in_the_quick_version(written):
    path = written('extends = "digits"\n[once_for_all]\npredictor = false\n')
    for quick in (False, True):
        study = load_study(path, quick=quick)
        assert study.once_for_all.predictor is None
        assert study.once_for_all.search == load_study("digits", quick=quick).once_for_all.search


def test_a_predictor_is_not_switched_on_by_true(written):
    with pytest.raises(InvalidStudy, match=r"once_for_all\.predictor"):
        load_study(written(LEAST + "[once_for_all]\npredictor = true\n"))


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("calibration_images", "calibration_images = 7"),
        ("predictor", "predictor = { architectures = 7 }"),
        ("search", "search = { population = 7 }"),
        ("selection", "selection = { finalists = 7 }"),
        ("fine_tuning", "fine_tuning = { epochs = 7, learning_rate = 0.1 }"),
    ],
)
def test_two_trainings_of_one_network_are_compared_only_if_all_that_follows_is_alike(written, field, said):
    both = 'strategies = ["once_for_all", "sandwich"]\n'
    with pytest.raises(InvalidStudy, match=f"mine.toml: once_for_all and sandwich .* differ in {field}: "):
        load_study(written(LEAST + both + f"[sandwich]\n{said}\n"))
    assert load_study(written(LEAST + both + f"[once_for_all]\n{said}\n[sandwich]\n{said}\n"))
    assert load_study(written(LEAST + f"[sandwich]\n{said}\n")).strategies == ("once_for_all", "evolution")


def test_the_imagenet_study_trains_in_the_numbers_of_the_paper():
    assert load_study("imagenet").trainer.precision == "float32"
