"""An architecture is a value: written down, read back, compared, and told apart by a short key."""

import json
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from carbon_nas.errors import UsageError
from carbon_nas.supernet import mobilenet_v3_space
from tests.supernet.spaces import SMALL, TINY, architectures, drawn, few

OFFICIAL = mobilenet_v3_space()
every_space = pytest.mark.parametrize("space", [OFFICIAL, SMALL, TINY], ids=lambda space: space.name)


def encoded(**change):
    """Write an architecture of the official space as JSON values, and change some."""
    return {"ks": [3] * 20, "e": [4] * 20, "d": [2, 3, 4, 3, 2], "r": 128, **change}


@every_space
def test_an_architecture_survives_json(space):
    for arch in drawn(space, 50):
        text = json.dumps(arch.to_json())
        assert json.loads(text).keys() == {"ks", "e", "d", "r"}
        assert space.from_json(json.loads(text)) == arch


@every_space
def test_an_architecture_survives_the_form_that_the_search_of_the_ofa_code_hands_out(space):
    for arch in drawn(space, 50):
        assert space.from_json(json.loads(json.dumps(arch.to_official()))) == arch


def test_the_official_form_has_a_list_of_one_resolution_and_no_width_index():
    arch = OFFICIAL.from_json(encoded())
    assert arch.to_official() == {**arch.to_json(), "wid": None, "r": [128]}
    assert arch.to_json()["r"] == 128


def test_the_official_form_has_all_twenty_blocks_whatever_the_depth():
    written = OFFICIAL.min().to_official()
    assert (len(written["ks"]), len(written["e"]), len(written["d"])) == (20, 20, 5)


@pytest.mark.parametrize(
    "change",
    [{"r": [128]}, {"r": (128,)}, {"wid": None}, {"image_size": 128, "r": None}, {"image_size": [128], "r": None}],
    ids=str,
)
def test_the_ways_in_which_the_ofa_code_writes_the_resolution_mean_the_same(change):
    assert OFFICIAL.from_json(encoded(**change)) == OFFICIAL.from_json(encoded())


def test_image_size_stands_in_for_r():
    data = encoded(image_size=160)
    del data["r"]
    assert OFFICIAL.from_json(data) == OFFICIAL.from_json(encoded(r=160))


@pytest.mark.parametrize("absent", [{"r": None}, {"r": None, "image_size": None}], ids=str)
def test_without_a_resolution_it_is_the_largest(absent):
    assert OFFICIAL.from_json(encoded(**absent)).resolution == 224


def test_scalars_stand_for_every_block_and_stage():
    arch = OFFICIAL.architecture(ks=7, e=6, d=4)
    assert arch == OFFICIAL.architecture(ks=[7] * 20, e=[6] * 20, d=[4] * 5, resolution=224) == OFFICIAL.max()
    assert OFFICIAL.from_json({"ks": 7, "e": 6, "d": 4}) == arch


def test_scalars_and_lists_go_together():
    mixed = OFFICIAL.architecture(ks=5, e=[3] * 20, d=2, resolution=128)
    assert mixed == OFFICIAL.architecture(ks=[5] * 20, e=3, d=[2] * 5, resolution=128)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ks": 9}, "ks holds 9; the choices are 3, 5, 7"),
        ({"e": 5}, "e holds 5; the choices are 3, 4, 6"),
        ({"d": 1}, "d holds 1; the choices are 2, 3, 4"),
        ({"resolution": 130}, "resolution holds 130; the choices are 128, 132"),
    ],
)
def test_a_scalar_that_is_no_choice_is_refused(change, said):
    with pytest.raises(UsageError) as refusal:
        OFFICIAL.architecture(**{"ks": 3, "e": 3, "d": 2, **change})
    assert said in str(refusal.value)


@pytest.mark.parametrize("key", ["ks", "e", "d"])
@pytest.mark.parametrize("how", ["absent", "null"])
def test_a_missing_part_is_named(key, how):
    data = encoded(**{key: None})
    if how == "absent":
        del data[key]
    with pytest.raises(UsageError) as refusal:
        OFFICIAL.from_json(data)
    assert f"the architecture lacks {key}" in str(refusal.value)
    assert f"space {OFFICIAL.name}" in str(refusal.value)
    assert "{ks, e, d, r}" in str(refusal.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"w": 1.2}, "holds 'w', which is no choice here"),
        ({"wid": 1}, "holds 'wid', which is no choice here"),
        ({"kernel_sizes": [3] * 20}, "holds 'kernel_sizes', which is no choice here"),
        # Two resolutions, and no way to tell which one is meant.
        ({"image_size": 160}, "holds 'image_size', which is no choice here"),
        ({"r": [128, 160]}, "resolution needs whole numbers"),
        ({"r": 130}, "resolution holds 130"),
        ({"r": None, "image_size": 0}, "resolution holds 0"),
        ({"ks": [3] * 19}, "ks needs 20 values, not 19"),
        ({"d": [4] * 4 + [5]}, "d holds 5; the choices are 2, 3, 4"),
    ],
)
def test_what_means_nothing_here_is_refused_and_named(change, said):
    with pytest.raises(UsageError) as refusal:
        OFFICIAL.from_json(encoded(**change))
    assert said in str(refusal.value)


@pytest.mark.parametrize("change", [{"r": 0}, {"r": []}], ids=str)
def test_an_impossible_resolution_is_not_taken_for_an_absent_one(change):
    with pytest.raises(UsageError, match="resolution"):
        OFFICIAL.from_json(encoded(**change))


# What equals a choice and is none would make equal architectures with different keys.
@pytest.mark.parametrize("change", [{"ks": [3.0] * 20}, {"e": 4.0}, {"r": 128.0}, {"r": [[128]]}], ids=str)
def test_only_whole_numbers_are_choices(change):
    with pytest.raises(UsageError):
        OFFICIAL.from_json(encoded(**change))


@few
@given(architectures(OFFICIAL), st.integers(1, 4096))
def test_at_another_resolution_only_the_resolution_changes(arch, resolution):
    """The space has no say in it: a network is trained at sizes that are no choice of its search."""
    moved = arch.at(resolution)
    assert moved.to_json() == {**arch.to_json(), "r": resolution}
    assert moved.at(arch.resolution) == arch
    assert (moved == arch) is (resolution == arch.resolution) is (moved.key == arch.key)


def test_at_its_own_resolution_an_architecture_is_itself():
    arch = OFFICIAL.max()
    assert arch.at(224) is arch


@few
@given(architectures(SMALL), architectures(SMALL))
def test_different_architectures_have_different_keys(a, b):
    assume(a != b)
    assert a.key != b.key


def test_every_choice_has_its_say_in_the_key():
    changes = [{}, {"ks": [7] + [3] * 19}, {"e": [3] + [4] * 19}, {"d": [2, 3, 4, 3, 3]}, {"r": 132}]
    assert len({OFFICIAL.from_json(encoded(**change)).key for change in changes}) == len(changes)


def test_keys_are_the_same_on_every_machine():
    """They stand in ledgers and file names, and so they must never change."""
    assert OFFICIAL.max().key == "bc6f5d2c7c27"
    assert OFFICIAL.min().key == "5975b08a1189"


@few
@given(architectures(OFFICIAL))
def test_equal_architectures_hash_alike_and_share_a_key(arch):
    again = OFFICIAL.from_json(arch.to_json())
    assert again is not arch
    assert hash(again) == hash(arch)
    assert {arch: "found"}[again] == "found"
    assert again.key == arch.key


def test_nobody_changes_an_architecture():
    with pytest.raises(FrozenInstanceError):
        OFFICIAL.max().resolution = 128


def test_an_architecture_reads_as_depths_kernels_ratios_and_resolution():
    arch = TINY.architecture(ks=[3, 5, 5, 3], e=[2, 2, 3, 2], d=[2, 1], resolution=4)
    assert str(arch) == "d21 k3553 e2232 @4px"
