"""`CUDA_VISIBLE_DEVICES` in all its spellings picks the boards that CUDA picks."""

import pytest

from carbon_nas.errors import MeterError
from carbon_nas.meters.visible import VisibleGpu, require_order, visible_gpus

ONE, TWO, THREE = "GPU-aaaa1111", "GPU-aaaa2222", "GPU-bbbb3333"
BOARDS = {"MIG-1a": ONE, "MIG-1b": ONE, "MIG-3a": THREE, "MIG-9": "GPU-of-another-host"}


def visible(selection: str | None) -> list[str]:
    return [gpu.uuid for gpu in visible_gpus(selection, [ONE, TWO, THREE], BOARDS.get)]


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        (None, [ONE, TWO, THREE]),
        ("", []),
        (" ", []),
        ("-1", []),
        ("0", [ONE]),
        ("2,0", [THREE, ONE]),
        ("2,1,0", [THREE, TWO, ONE]),
        (" 1 , 2 ", [TWO, THREE]),
        ("+1", [TWO]),
        ("1a,2b", [TWO, THREE]),
        ("0,-1,2", [ONE]),
        ("1,9,2", [TWO]),
        ("0,,2", [ONE]),
        ("99999999999999999999", []),
        ("NoDevFiles", []),
        ("void", []),
        (THREE, [THREE]),
        (f"{THREE},{ONE}", [THREE, ONE]),
        ("GPU-bbbb", [THREE]),
        ("GPU-aaaa2,GPU-b", [TWO, THREE]),
        ("GPU-cccc", []),
        ("GPU-b,GPU-cccc,GPU-aaaa1", [THREE]),
        ("2,GPU-aaaa1", [THREE]),
        ("GPU-aaaa2,0", [TWO]),
    ],
)
def test_boards_are_picked_in_order_up_to_the_first_entry_that_is_none(selection, chosen):
    assert visible(selection) == chosen


@pytest.mark.parametrize("selection", ["GPU-aaaa", "GPU-", "gpu-bbbb"])
def test_a_prefix_that_fits_several_boards_or_none_picks_none(selection):
    assert visible(selection) == []


@pytest.mark.parametrize("selection", ["0,0", "1,0,1", f"{ONE},{ONE}", "GPU-b,GPU-bb", "MIG-1a,MIG-1a"])
def test_an_entry_that_comes_twice_leaves_nothing_visible(selection):
    assert visible(selection) == []


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        ("MIG-3a", [VisibleGpu(uuid=THREE, slices=("MIG-3a",))]),
        ("MIG-1a,MIG-1b", [VisibleGpu(uuid=ONE, slices=("MIG-1a", "MIG-1b"))]),
        ("MIG-3a,MIG-1b", [VisibleGpu(uuid=THREE, slices=("MIG-3a",)), VisibleGpu(uuid=ONE, slices=("MIG-1b",))]),
        (f"MIG-{TWO}/7/0", [VisibleGpu(uuid=TWO, slices=(f"MIG-{TWO}/7/0",))]),
        ("MIG-unknown", []),
        ("MIG-9", []),
        ("MIG-GPU-nowhere/1/0", []),
        ("MIG-1a,0", [VisibleGpu(uuid=ONE, slices=("MIG-1a",))]),
    ],
)
def test_a_mig_slice_leads_to_its_board(selection, chosen):
    assert list(visible_gpus(selection, [ONE, TWO, THREE], BOARDS.get)) == chosen


def test_an_index_among_unlike_boards_needs_an_order():
    unlike, like = ["A100", "T4"], ["A100", "A100"]
    with pytest.raises(MeterError, match=r"CUDA_VISIBLE_DEVICES=1: .*A100 and T4; set CUDA_DEVICE_ORDER=PCI_BUS_ID"):
        require_order({"CUDA_VISIBLE_DEVICES": "1"}, unlike)
    require_order({"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, unlike)
    require_order({"CUDA_VISIBLE_DEVICES": ONE}, unlike)
    require_order({}, unlike)
    require_order({"CUDA_VISIBLE_DEVICES": "1"}, like)
