"""The ground floor: errors, units, sources, files."""

import ast
import os
import re
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import carbon_nas
from carbon_nas import errors, files
from carbon_nas.errors import CarbonNasError, OutputError, UnknownQuantity
from carbon_nas.files import lock, name_for_file, output_folder, sha256, write_whole
from carbon_nas.sources import BIBLIOGRAPHY, Tier, bibtex
from carbon_nas.units import G_PER_KG, J_PER_KWH, KG_PER_LB, MS_PER_S, in_kwh, in_lb, total, total_known
from tests.ledger.accidents import interrupted_at

quantities = st.floats(min_value=1e-6, max_value=1e18)
maybe = st.none() | st.floats(min_value=0, max_value=1e15, allow_subnormal=False)


# Errors


def test_an_error_says_where_what_and_the_cure_in_one_line():
    error = CarbonNasError("it is full", where="disk 3", cure="buy another one")
    assert str(error) == "disk 3: it is full; buy another one"
    assert (error.what, error.where, error.cure) == ("it is full", "disk 3", "buy another one")


def test_an_error_leaves_out_what_it_was_not_told():
    assert str(CarbonNasError("it is full")) == "it is full"
    assert str(CarbonNasError("it is full", cure="wait")) == "it is full; wait"
    assert str(CarbonNasError("it is full", where="disk 3")) == "disk 3: it is full"


@settings(deadline=None)
@given(st.text(min_size=1), st.none() | st.text(), st.none() | st.text())
def test_an_error_is_one_line_whatever_a_vendor_wrote_into_it(what, where, cure):
    assert len(str(CarbonNasError(what, where=where, cure=cure)).splitlines()) <= 1


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes():
    drawn, path = {}, []
    for branch, name in re.findall(r"^([ │├└─]*)([A-Z]\w+)\s\s+\S", errors.__doc__, re.MULTILINE):
        depth = len(branch.lstrip(" ") if not path else branch) // 4
        path[depth:] = [name]
        drawn[name] = path[depth - 1] if depth else None
    real = {
        name: None if kind is CarbonNasError else kind.__base__.__name__
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, CarbonNasError)
    }
    assert drawn == real
    assert sorted(real) == errors.__all__


# Units


def test_conversions_are_exact():
    assert (J_PER_KWH, KG_PER_LB, G_PER_KG, MS_PER_S) == (3_600_000, 0.45359237, 1_000, 1_000)
    assert in_kwh(3.6e6) == 1.0
    assert in_lb(0.45359237) == 1.0
    assert in_kwh(0.0) == in_lb(0.0) == 0.0


@settings(deadline=None)
@given(quantities)
def test_conversions_come_back(value):
    assert in_kwh(value * J_PER_KWH) == pytest.approx(value, rel=1e-15)
    assert in_lb(value * KG_PER_LB) == pytest.approx(value, rel=1e-15)


@settings(deadline=None)
@given(st.lists(maybe))
def test_a_sum_is_refused_as_soon_as_one_part_is_not_known(values):
    if None in values:
        with pytest.raises(UnknownQuantity, match=f"{values.count(None)} of {len(values)} values are not known"):
            total(values)
    else:
        assert total(values) == sum(values)


@settings(deadline=None)
@given(st.lists(maybe))
def test_a_partial_sum_is_what_is_known_and_none_if_nothing_is(values):
    known = [value for value in values if value is not None]
    assert total_known(iter(values)) == (sum(known) if known else None)


def test_nothing_adds_up_to_zero_and_zero_is_known():
    assert total([]) == 0.0
    assert total_known([]) is None
    assert total_known([0.0, None]) == 0.0


# Sources


def test_the_tiers_stand_from_the_surest_to_the_least_sure():
    assert list(Tier) == ["measured", "estimated", "modelled", "published"]


@settings(deadline=None)
@given(st.sets(st.sampled_from(Tier), min_size=1))
def test_a_sum_is_as_sure_as_its_weakest_part(tiers):
    weakest = Tier.weakest(tiers)
    assert weakest in tiers
    assert all(list(Tier).index(tier) <= list(Tier).index(weakest) for tier in tiers)


def test_of_nothing_there_is_no_weakest_part():
    assert Tier.weakest(set()) is None


def used_keys() -> set[str]:
    """Every literal key of a `Source(...)` in the package; an empty one is what a user gave, and has no entry."""
    package = Path(carbon_nas.__file__).parent
    return {
        keyword.value.value
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "Source"
        for keyword in node.keywords
        if keyword.arg == "key" and isinstance(keyword.value, ast.Constant) and keyword.value.value
    }


def test_every_source_that_is_used_has_its_bibtex():
    assert "strubell2019" in used_keys()
    assert bibtex(used_keys()).count("\n\n") == len(used_keys()) - 1


@pytest.mark.parametrize("key", sorted(BIBLIOGRAPHY))
def test_an_entry_is_filed_under_its_own_key_and_closes_its_braces(key):
    entry = BIBLIOGRAPHY[key]
    assert re.match(rf"@\w+{{{key},\n", entry)
    assert entry.count("{") == entry.count("}")


def test_bibtex_is_sorted_and_leaves_out_what_was_not_used():
    text = bibtex({"strubell2019", "cai2020"})
    assert re.findall(r"^@\w+{(\w+),", text, re.MULTILINE) == ["cai2020", "strubell2019"]
    assert bibtex(set()) == ""


def test_a_key_without_an_entry_is_a_bug():
    with pytest.raises(KeyError, match="nobody1900"):
        bibtex({"nobody1900"})


# Files


@settings(deadline=None)
@given(st.text())
def test_a_name_for_a_file_holds_nothing_that_a_file_system_refuses(name):
    plain = name_for_file(name)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", plain)
    assert plain[-1] not in ".-"
    assert name_for_file(plain) == plain


@pytest.mark.parametrize("name", ["gpu:0", "a@b", "a/b", "a\\b", "..", "search / pixel1-25ms", "a?b*c|d<e>f", ""])
def test_awkward_names_lose_what_is_awkward(tmp_path, name):
    assert not set(name_for_file(name)) & set(':@/\\?*|<>"\n ')
    (tmp_path / name_for_file(name)).touch(exist_ok=False)


def test_a_plain_name_stays_as_it_is():
    assert name_for_file("once_for_all-seed0.v1") == "once_for_all-seed0.v1"


def test_a_very_long_name_still_makes_a_file(tmp_path):
    (tmp_path / f"{name_for_file('a long name ' * 100)}.safetensors").touch()


@pytest.mark.parametrize("name", ["con", "NUL", "aux.txt", "com1"])
def test_a_name_that_windows_keeps_for_a_device_is_changed(name):
    assert name_for_file(name) != name


def test_a_file_is_written_whole_with_its_folder_and_nothing_beside_it(tmp_path):
    path = tmp_path / "data" / "table.csv"
    write_whole(path, b"old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o444 == 0o444


def test_a_reader_sees_all_of_the_old_file_or_all_of_the_new_one(tmp_path):
    path, over = tmp_path / "report.md", threading.Event()
    contents = [letter * 200_000 for letter in (b"a", b"b")]
    write_whole(path, contents[0])

    def write():
        for number in range(40):
            write_whole(path, contents[number % 2])
        over.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = []
    while not over.is_set():
        seen.append(path.read_bytes() in contents)
    writer.join()
    assert all(seen)
    assert list(tmp_path.iterdir()) == [path]


def test_ctrl_c_at_any_line_leaves_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "report.md"
    for line in range(1, 100):
        write_whole(path, b"old")
        if not interrupted_at(line, files, lambda: write_whole(path, b"new")):
            break
        assert path.read_bytes() in (b"old", b"new")
    assert path.read_bytes() == b"new"


def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "report.md"
    write_whole(path, b"old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=re.escape(f"{path}: cannot be written (No space left on device)")):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_take_its_place_leaves_nothing_beside_it(tmp_path):
    (tmp_path / "report.md" / "a-folder-stands-here").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"report\.md: cannot be written"):
        write_whole(tmp_path / "report.md", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]


def test_an_output_folder_is_made_with_its_parents_and_stays_empty(tmp_path):
    folder = output_folder(tmp_path / "reports" / "digits")
    assert folder == output_folder(folder)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["a-file", "a-file/below"])
def test_an_output_folder_that_cannot_be_says_where_and_how_to_go_on(tmp_path, name):
    (tmp_path / "a-file").touch()
    with pytest.raises(OutputError) as caught:
        output_folder(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert str(caught.value).endswith("choose another --out")
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.skipif(files.fcntl is None, reason="this system has no flock")
def test_a_lock_is_refused_to_a_second_handle_until_the_first_is_closed(tmp_path):
    with (tmp_path / "file").open("ab") as second:
        with (tmp_path / "file").open("ab") as first:
            assert lock(first) is True
            assert lock(second) is False
        assert lock(second) is True


@pytest.mark.skipif(files.fcntl is None, reason="this system has no flock")
def test_a_lock_is_refused_to_a_second_process(tmp_path, run_python):
    path = tmp_path / "file"
    ask = f"from carbon_nas.files import lock; print(lock(open({str(path)!r}, 'ab', buffering=0)))"
    with path.open("ab") as ours:
        assert lock(ours) is True
        assert run_python("-c", ask).stdout.split() == ["False"]
    assert run_python("-c", ask).stdout.split() == ["True"]


def test_where_a_system_has_no_locks_nothing_is_promised(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "fcntl", None)
    with (tmp_path / "file").open("ab") as file:
        assert lock(file) is None


def test_a_hash_is_sha_256_in_hexadecimal():
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
