import re
import shutil
import sys
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from carbon_nas.errors import MissingExtra, UsageError
from carbon_nas.training import Split, load_workload
from carbon_nas.training.augmentation import IMAGENET_CROP, MILD_CROP
from carbon_nas.training.folders import folder
from carbon_nas.training.image_files import ImageFiles
from carbon_nas.training.partition import stratified
from tests.supernet.spaces import few
from tests.training.pictures import draw, draw_classes, everything, parts, same_images


@pytest.fixture
def animals(tmp_path):
    return draw_classes(tmp_path / "animals", {"dog": 20, "cat": 10, "emu": 3})


def sizes(workload):
    return {part: len(images) for part, images in parts(workload).items()}


def bytes_of(images):
    x, y = everything(images)
    return {(image.numpy().tobytes(), int(label)) for image, label in zip(x, y, strict=True)}


def test_classes_are_numbered_in_the_order_of_their_names(animals):
    workload = load_workload("folder", data=animals)
    assert (workload.class_names, workload.num_classes, workload.in_channels) == (("cat", "dog", "emu"), 3, 3)


def test_missing_parts_are_cut_class_by_class_and_no_image_is_in_two(animals):
    workload = load_workload("folder", data=animals, resolution=8)
    counted = {part: Counter(images.labels.tolist()) for part, images in parts(workload).items()}
    assert counted == {"train": {0: 6, 1: 14, 2: 1}, "validation": {0: 2, 1: 3, 2: 1}, "test": {0: 2, 1: 3, 2: 1}}
    assert len(set().union(*map(bytes_of, parts(workload).values()))) == 33
    assert "validation and test cut from its images" in workload.source


def test_the_same_folder_gives_the_same_parts_again(animals):
    torch.manual_seed(5)
    one, other = load_workload("folder", data=animals), load_workload("folder", data=animals)
    assert all(same_images(images, parts(other)[part]) for part, images in parts(one).items())
    assert one.digest == other.digest


def test_classes_are_mixed_for_whoever_takes_the_first_images(animals):
    assert set(load_workload("folder", data=animals).train.first(12).labels.tolist()) >= {0, 1}


def test_own_images_are_cropped_mildly(animals):
    assert load_workload("folder", data=animals).augmentation == MILD_CROP


def test_images_have_the_size_that_is_asked_for(animals):
    x, _ = load_workload("folder", data=animals, resolution=12).train.take(torch.arange(4))
    assert (x.shape, x.dtype) == ((4, 3, 12, 12), torch.float32)


def test_a_small_set_stays_in_memory_and_a_large_one_on_disk_with_the_same_images(animals):
    small, large = folder(animals, 8), folder(animals, 8, resident_bytes=33 * 3 * 8 * 8 - 1)
    assert {type(images) for images in parts(small).values()} == {Split}
    assert {type(images) for images in parts(large).values()} == {ImageFiles}
    assert all(same_images(images, parts(large)[part]) for part, images in parts(small).items())


@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
def test_parts_that_are_given_are_taken_as_they_are(tmp_path, validation):
    for seed, (part, count) in enumerate({"train": 4, validation: 2, "test": 3}.items()):
        draw_classes(tmp_path / part, {"a": count, "b": count}, seed=100 * seed)
    workload = load_workload("folder", data=tmp_path, resolution=8)
    assert sizes(workload) == {"train": 8, "validation": 4, "test": 6}
    assert "cut" not in workload.source


def test_only_the_part_that_is_missing_is_cut(tmp_path):
    draw_classes(tmp_path / "train", {"a": 10, "b": 10})
    draw_classes(tmp_path / "test", {"a": 1, "b": 1}, seed=50)
    workload = load_workload("folder", data=tmp_path)
    assert sizes(workload) == {"train": 16, "validation": 4, "test": 2}
    assert "validation cut from its images" in workload.source


def test_other_files_and_hidden_ones_are_left_alone(animals):
    before = load_workload("folder", data=animals).digest
    (animals / "read me.txt").touch()
    (animals / "cat" / "Thumbs.db").touch()
    (animals / "cat" / "._000.png").touch()
    (animals / ".cache").mkdir()
    assert load_workload("folder", data=animals).digest == before


def test_what_is_not_read_is_counted_and_said(animals):
    (animals / "cat" / "more.gif").touch()
    (animals / "dog" / "more.GIF").touch()
    (animals / "dog" / "notes").touch()
    draw(animals / "stray.png")
    said = "files ending in .gif (2), files without an ending (1), pictures beside the folders of classes (1)"
    with pytest.warns(RuntimeWarning, match=rf"animals: not read: {re.escape(said)}$"):
        workload = load_workload("folder", data=animals)
    assert workload.source.endswith(f", without {said}")
    assert sum(sizes(workload).values()) == 33


def test_a_folder_beside_the_parts_is_said_to_be_left_out(tmp_path):
    draw_classes(tmp_path / "train", {"a": 5, "b": 5})
    draw(tmp_path / "extra" / "0.png")
    with pytest.warns(RuntimeWarning, match="not read: the folder extra/$"):
        assert sizes(load_workload("folder", data=tmp_path)) == {"train": 6, "validation": 2, "test": 2}


def test_endings_may_be_capitals(tmp_path):
    draw_classes(tmp_path, {"a": 3, "b": 3}, ending="JPEG")
    assert sizes(load_workload("folder", data=tmp_path)) == {"train": 2, "validation": 2, "test": 2}


CHANGES = ["one more", "one less", "another name", "another size", "another class name"]


def content_swapped(animals):
    """Replace a picture by another of equal length in bytes."""
    one, other = (draw(animals / "dog" / "swapped.bmp", seed=seed).read_bytes() for seed in (7_000, 7_001))
    assert len(one) == len(other)
    (animals / "dog" / "swapped.bmp").write_bytes(one)
    return lambda: (animals / "dog" / "swapped.bmp").write_bytes(other)


def test_the_digest_of_a_set_in_memory_is_of_its_pictures_not_only_of_their_sizes(animals):
    swap = content_swapped(animals)
    before, streamed = load_workload("folder", data=animals).digest, folder(animals, 8, resident_bytes=0).digest
    swap()
    assert load_workload("folder", data=animals).digest != before
    # What is not read cannot be told; it is said in the description of `digest`.
    assert folder(animals, 8, resident_bytes=0).digest == streamed


def test_the_digest_of_a_set_in_memory_does_not_depend_on_the_resolution(animals):
    assert folder(animals, 8).digest == folder(animals, 16).digest


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_folder_has_another_digest(animals, change):
    before = load_workload("folder", data=animals).digest
    match change:
        case "one more":
            draw(animals / "dog" / "more.png")
        case "one less":
            (animals / "dog" / "000.png").unlink()
        case "another name":
            (animals / "dog" / "000.png").rename(animals / "dog" / "zero.png")
        case "another size":
            draw(animals / "dog" / "000.png", size=(20, 20))
        case "another class name":
            (animals / "dog").rename(animals / "wolf")
    assert load_workload("folder", data=animals).digest != before


def test_a_copy_elsewhere_has_the_same_digest(animals, tmp_path):
    shutil.copytree(animals, tmp_path / "copy")
    assert load_workload("folder", data=tmp_path / "copy").digest == load_workload("folder", data=animals).digest


def refusal(data, name="folder"):
    with pytest.raises(UsageError) as caught:
        load_workload(name, data=data)
    return str(caught.value)


def test_a_class_too_small_to_be_cut_is_named(animals):
    (animals / "emu" / "000.png").unlink()
    assert "class 'emu' has 2 images, too few to be in test and train and validation" in refusal(animals)


def test_a_single_class_is_refused(tmp_path):
    draw_classes(tmp_path, {"only": 9})
    assert "there are 1 folders of classes" in refusal(tmp_path)


@pytest.mark.parametrize("part", [".", "train"])
def test_images_outside_folders_of_classes_are_answered_with_the_layout(tmp_path, part):
    for number in range(5):
        draw(tmp_path / part / f"{number}.png")
    assert "--data is to be a folder DATA/train/CLASS/*.(bmp|jpeg|jpg|png|ppm|webp)" in refusal(tmp_path)


def test_a_class_without_images_is_named(animals):
    (animals / "fox").mkdir()
    assert "class 'fox' has no images" in refusal(animals)


def test_a_class_that_is_only_tested_is_named(tmp_path):
    draw_classes(tmp_path / "train", {"a": 5, "b": 5})
    draw_classes(tmp_path / "test", {"a": 1, "c": 1})
    assert "class 'c' is not one to learn" in refusal(tmp_path)


def test_two_folders_for_one_part_are_refused(tmp_path):
    for part in ("train", "val", "validation"):
        draw_classes(tmp_path / part, {"a": 1, "b": 1})
    assert "there are validation/ and val/, and one is enough" in refusal(tmp_path)


def test_a_part_to_test_without_one_to_learn_from_is_refused(tmp_path):
    draw_classes(tmp_path / "test", {"a": 1, "b": 1})
    assert "there is test/ and no train/" in refusal(tmp_path)


def test_a_part_without_all_classes_is_refused(tmp_path):
    draw_classes(tmp_path / "train", {"a": 5, "b": 5, "c": 5})
    draw_classes(tmp_path / "valid", {"a": 1}, seed=50)
    message = refusal(tmp_path)
    assert "valid: 2 of 3 classes are not in it, such as 'b'" in message


def test_pictures_in_folders_of_a_class_are_refused_and_counted(animals):
    draw(animals / "cat" / "kittens" / "deep" / "0.png")
    assert "class 'cat' has pictures in a folder of its own, kittens/ (1)" in refusal(animals)


def test_a_link_that_leads_nowhere_is_named(animals):
    (animals / "cat" / "gone.png").symlink_to(animals / "nowhere.png")
    assert "gone.png cannot be read" in refusal(animals)


@pytest.mark.parametrize("name", ["train", "test", "valid"])
def test_a_class_with_the_name_of_a_part_is_named(tmp_path, name):
    draw_classes(tmp_path, {"car": 5, "plane": 5, name: 5})
    message = refusal(tmp_path)
    assert f"the folder {name}/ beside car/ has the name of a part" in message
    assert f"rename the class {name!r}" in message


def test_inside_a_part_a_class_may_have_the_name_of_one(tmp_path):
    draw_classes(tmp_path / "train", {"train": 5, "test": 5})
    assert load_workload("folder", data=tmp_path).class_names == ("test", "train")


@pytest.mark.parametrize("name", ["folder", "imagenet"])
def test_damaged_images_are_found_before_they_are_drawn_counted_and_listed(tmp_path, name):
    draw_classes(tmp_path / "train", {"n01": 15, "n02": 15})
    draw_classes(tmp_path / "val", {"n01": 5, "n02": 5}, seed=100)
    for number in range(4):
        (tmp_path / "val" / "n02" / f"{number:03}.png").write_bytes(b"nothing")
    Image.new("I;16", (5, 5), 40_000).save(tmp_path / "train" / "n01" / "003.png")
    with pytest.raises(UsageError) as caught:
        # Images of the folder stay on disk, too.
        load_workload(name, data=tmp_path) if name == "imagenet" else folder(tmp_path, 8, resident_bytes=0)
    message = str(caught.value)
    assert re.search(r"5 of \d\d files cannot be used as images: \S+003.png, \S+000.png, \S+001.png and so on", message)
    assert "(of the first: this image has more than 8 bits" in message


def test_a_damaged_image_is_named(animals):
    (animals / "cat" / "003.png").write_bytes(b"nothing")
    assert "003.png: this is no image that can be read" in refusal(animals)


def test_without_pillow_the_extra_is_named(monkeypatch, animals):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MissingExtra, match=r"image files need the package PIL.*carbon-nas\[nas\]"):
        load_workload("folder", data=animals)


@few
@given(st.lists(st.integers(3, 40), min_size=2, max_size=6), st.sampled_from([["test"], ["validation", "test"]]))
def test_every_class_is_in_every_part_and_every_image_in_exactly_one(counts, missing):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    found = stratified(labels, [f"class {number}" for number in range(len(counts))], missing, where="here")
    assert set(found) == {"train", *missing}
    assert all(set(labels[chosen].tolist()) == set(range(len(counts))) for chosen in found.values())
    assert sorted(torch.cat(list(found.values())).tolist()) == list(range(len(labels)))


@pytest.fixture
def few_of_imagenet(tmp_path):
    draw_classes(tmp_path / "train", {"n01440764": 15, "n01443537": 15}, ending="JPEG")
    draw_classes(tmp_path / "val", {"n01440764": 3, "n01443537": 3}, ending="JPEG", seed=100)
    return tmp_path


def test_imagenet_is_tested_with_its_validation_images_and_decides_with_some_it_does_not_learn_from(few_of_imagenet):
    workload = load_workload("imagenet", data=few_of_imagenet, resolution=16)
    assert sizes(workload) == {"train": 27, "validation": 3, "test": 6}
    assert not set(workload.train.names) & set(workload.validation.names)
    assert {name.split("/")[0] for name in workload.test.names} == {"val"}
    assert {type(images) for images in parts(workload).values()} == {ImageFiles}
    assert (workload.augmentation, workload.num_classes) == (IMAGENET_CROP, 2)
    assert "2 classes" in workload.source


def test_imagenet_is_evaluated_on_the_middle_and_learnt_from_the_whole_square(few_of_imagenet):
    workload = load_workload("imagenet", data=few_of_imagenet)
    assert {part: images.centre_fraction for part, images in parts(workload).items()} == {
        "train": 1.0,
        "validation": 0.875,
        "test": 0.875,
    }
    assert {images.size for images in parts(workload).values()} == {224}


def test_imagenet_without_images_to_test_a_class_with_is_refused(few_of_imagenet):
    shutil.rmtree(few_of_imagenet / "val" / "n01443537")
    assert "1 of 2 classes are not in it, such as 'n01443537'" in refusal(few_of_imagenet, "imagenet")


def test_imagenet_without_one_of_its_folders_is_answered_with_the_layout(few_of_imagenet):
    shutil.rmtree(few_of_imagenet / "val")
    message = refusal(few_of_imagenet, "imagenet")
    assert "there is no folder val/ in it" in message
    assert "DATA/train/n01440764/*.JPEG" in message


def test_imagenet_with_unsorted_validation_images_is_answered_with_the_layout(few_of_imagenet):
    shutil.rmtree(few_of_imagenet / "val")
    draw(few_of_imagenet / "val" / "ILSVRC2012_val_00000001.JPEG")
    assert "there are no folders of classes in it" in refusal(few_of_imagenet, "imagenet")
