import shutil
import tarfile

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carbon_nas.errors import UsageError
from carbon_nas.training import load_workload
from carbon_nas.training.augmentation import CIFAR_CROP
from carbon_nas.training.cifar import CIFAR10, CIFAR100
from tests.training.pictures import everything, noise, parts, same_images

RECORDS = 12
BOTH = pytest.mark.parametrize("layout", [CIFAR10, CIFAR100], ids=lambda layout: layout.name)


def records(layout, seed, count=RECORDS):
    """Made-up records of the true length: labels before red, green and blue of 32 by 32."""
    labels = torch.arange(count, dtype=torch.uint8)[:, None] % layout.classes
    coarse = torch.full((count, layout.label_bytes - 1), 19, dtype=torch.uint8)
    return torch.cat([coarse, labels, noise(count, 3 * 32 * 32, seed=seed)], dim=1)


@pytest.fixture
def unpacked(tmp_path, layout):
    home = tmp_path / layout.folder
    home.mkdir()
    for seed, name in enumerate((*layout.train, layout.test)):
        (home / name).write_bytes(records(layout, seed).numpy().tobytes())
    return home


@pytest.fixture
def archive(unpacked, layout):
    path = unpacked.parent / layout.archive
    with tarfile.open(path, "w:gz") as packed:
        packed.add(unpacked, arcname=unpacked.name)
    shutil.rmtree(unpacked)
    return path


@BOTH
def test_a_tenth_of_what_is_learnt_from_decides_and_the_test_file_tests(unpacked, layout):
    workload = load_workload(layout.name, data=unpacked)
    total = RECORDS * len(layout.train)
    held_out = total // 10
    assert [len(images) for images in parts(workload).values()] == [total - held_out, held_out, RECORDS]
    assert (workload.num_classes, workload.in_channels) == (layout.classes, 3)
    assert workload.augmentation == CIFAR_CROP


@BOTH
def test_pixels_and_labels_are_those_of_the_records(unpacked, layout):
    test = load_workload(layout.name, data=unpacked).test
    original = records(layout, len(layout.train))
    assert test.labels.tolist() == original[:, layout.label_bytes - 1].tolist()
    assert torch.equal(test.images.flatten(1), original[:, layout.label_bytes :])
    assert (test.images.shape[1:], test.images.dtype) == ((3, 32, 32), torch.uint8)


@BOTH
def test_no_image_is_both_learnt_from_and_held_out(unpacked, layout):
    workload = load_workload(layout.name, data=unpacked)
    images = torch.cat([workload.train.images, workload.validation.images]).flatten(1)
    assert len(images.unique(dim=0)) == len(images) == RECORDS * len(layout.train)


@BOTH
def test_images_have_mean_0_and_deviation_1_where_they_are_learnt_from(unpacked, layout):
    x, _ = everything(load_workload(layout.name, data=unpacked).train)
    assert x.mean((0, 2, 3)).abs().max() < 1e-4
    assert (x.std((0, 2, 3)) - 1).abs().max() < 1e-3


@BOTH
def test_an_archive_is_read_as_the_folder_that_is_in_it(unpacked, layout, tmp_path):
    from_folder = load_workload(layout.name, data=unpacked)
    from_above = load_workload(layout.name, data=tmp_path)
    with tarfile.open(tmp_path / layout.archive, "w:gz") as packed:
        packed.add(unpacked, arcname=unpacked.name)
    shutil.rmtree(unpacked)
    for data in (tmp_path / layout.archive, tmp_path):
        from_archive = load_workload(layout.name, data=data)
        assert from_archive.digest == from_folder.digest == from_above.digest
        assert all(same_images(images, parts(from_archive)[part]) for part, images in parts(from_folder).items())


@BOTH
def test_other_bytes_have_another_digest(unpacked, layout):
    before = load_workload(layout.name, data=unpacked).digest
    (unpacked / layout.test).write_bytes(records(layout, 99).numpy().tobytes())
    assert load_workload(layout.name, data=unpacked).digest != before


def refusal(layout, data):
    with pytest.raises(UsageError) as caught:
        load_workload(layout.name, data=data)
    message = str(caught.value)
    assert "\n" not in message
    return message


PYTHON_FILES = {"cifar10": ("cifar-10-batches-py", "data_batch_1"), "cifar100": ("cifar-100-python", "train")}


@BOTH
@pytest.mark.parametrize("given", ["the folder", "the folder above", "the archive", "the archive, renamed"])
def test_the_python_version_is_refused_and_the_binary_one_asked_for(layout, given, tmp_path):
    folder, file = PYTHON_FILES[layout.name]
    (tmp_path / "data" / folder).mkdir(parents=True)
    # The shortest pickle: it would be None.
    (tmp_path / "data" / folder / file).write_bytes(b"\x80\x02N.")
    name = "mine.tar.gz" if "renamed" in given else layout.archive.replace("binary", "python")
    with tarfile.open(tmp_path / name, "w:gz") as packed:
        packed.add(tmp_path / "data" / folder, arcname=folder)
    data = {"the folder": tmp_path / "data" / folder, "the folder above": tmp_path / "data"}.get(given, tmp_path / name)
    message = refusal(layout, data)
    assert f"this is the Python version of {layout.title}" in message
    assert f"take the binary version: --data is to be {layout.archive}" in message


@BOTH
def test_a_folder_of_other_things_is_answered_with_the_layout(layout, tmp_path):
    (tmp_path / "train").mkdir()
    assert f"there are no files of {layout.title} in it; --data is to be {layout.archive}" in refusal(layout, tmp_path)


@BOTH
def test_a_missing_file_is_named(unpacked, layout):
    (unpacked / layout.test).unlink()
    message = refusal(layout, unpacked)
    assert layout.test in message
    assert layout.words in message


@BOTH
def test_an_archive_without_one_of_its_files_says_which(unpacked, layout, tmp_path):
    with tarfile.open(tmp_path / "some.tar.gz", "w:gz") as packed:
        packed.add(unpacked / layout.train[0], arcname=layout.train[0])
    assert f"the archive has no {layout.test}" in refusal(layout, tmp_path / "some.tar.gz").replace(
        ", ".join(layout.train[1:]) + ", ", ""
    )


@BOTH
def test_half_an_archive_is_refused(archive, layout):
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    assert "this is no archive that can be read" in refusal(layout, archive)


@pytest.mark.parametrize("layout", [CIFAR100], ids=["cifar100"])
def test_a_changed_byte_that_only_the_checksum_of_the_archive_knows_of_is_noticed(unpacked, layout, tmp_path):
    path = tmp_path / layout.archive
    with tarfile.open(path, "w:gz", compresslevel=0) as packed:  # Without compression nothing else is disturbed.
        packed.add(unpacked, arcname=unpacked.name)
    content = path.read_bytes()
    pixels = (unpacked / layout.test).read_bytes()[100:200]
    assert content.count(pixels) == 1
    path.write_bytes(content.replace(pixels, bytes([pixels[0] ^ 1]) + pixels[1:]))
    assert "this is no archive that can be read (CRC check failed" in refusal(layout, path)


@pytest.fixture(scope="module")
def packings(tmp_path_factory):
    """A small archive packed in every way, and the digest of its images."""
    folder, found = tmp_path_factory.mktemp("packings"), {}
    for seed, name in enumerate((*CIFAR100.train, CIFAR100.test)):
        (folder / name).write_bytes(records(CIFAR100, seed, count=2).numpy().tobytes())
    for packing in ("gz", "bz2", "xz"):
        with tarfile.open(folder / packing, f"w:{packing}") as packed:
            for name in (*CIFAR100.train, CIFAR100.test):
                packed.add(folder / name, arcname=name)
        found[packing] = (folder / packing).read_bytes()
    return found, load_workload("cifar100", data=folder).digest


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(packing=st.sampled_from(["gz", "bz2", "xz"]), place=st.integers(0, 999_999), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_changes_no_image(packings, tmp_path, packing, place, bit):
    whole, digest = packings
    damaged = bytearray(whole[packing])
    damaged[place * len(damaged) // 1_000_000] ^= 1 << bit
    (tmp_path / "damaged.tar").write_bytes(damaged)
    try:
        found = load_workload("cifar100", data=tmp_path / "damaged.tar").digest
    except UsageError:
        return
    assert found == digest


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz"])
def test_every_packing_is_read_and_its_end_is_missed(packings, tmp_path, packing):
    whole, digest = packings
    path = tmp_path / "some.tar"
    path.write_bytes(whole[packing])
    assert load_workload("cifar100", data=path).digest == digest
    path.write_bytes(whole[packing][:-6])
    assert "this is no archive that can be read" in refusal(CIFAR100, path)


@BOTH
def test_half_a_record_is_refused(unpacked, layout):
    content = (unpacked / layout.test).read_bytes()
    (unpacked / layout.test).write_bytes(content[:-1])
    assert f"{len(content) - 1} bytes are no whole number of records of" in refusal(layout, unpacked)


@BOTH
def test_a_class_that_does_not_exist_is_refused(unpacked, layout):
    damaged = records(layout, 0)
    damaged[3, layout.label_bytes - 1] = layout.classes
    (unpacked / layout.test).write_bytes(damaged.numpy().tobytes())
    assert f"a record is of class {layout.classes}" in refusal(layout, unpacked)


def test_a_single_image_cannot_be_divided(tmp_path):
    for name in (*CIFAR100.train, CIFAR100.test):
        (tmp_path / name).write_bytes(records(CIFAR100, 0, count=1).numpy().tobytes())
    assert "a single image" in refusal(CIFAR100, tmp_path)
