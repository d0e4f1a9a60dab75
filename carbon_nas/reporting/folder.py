"""The folder of a report: what is written into it, and in which order."""

from collections.abc import Mapping
from pathlib import Path

from carbon_nas.files import MANIFEST, manifest_of, manifest_text, output_folder, sha256, write_whole

__all__ = ["write_files"]

_OURS = ("data/", "figures/")


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put the files of a report into its folder, take those of an earlier one away, and write the manifest last.

    Raises:
        OutputError: if a file cannot be written.
    """
    output_folder(folder)
    for name in _left_over(folder) - files.keys():
        (folder / name).unlink()
    for name, data in files.items():
        write_whole(folder / name, data)
    write_whole(folder / MANIFEST, manifest_text(manifest_of(folder)).encode())


def _left_over(folder: Path) -> set[str]:
    """Name the tables and figures of an earlier report that are still as it wrote them.

    Another question gives other tables, and one that nobody asks for any more would stand there as if it followed. What
    its manifest does not list, or somebody has changed, is not ours to take away.
    """
    try:
        lines = (folder / MANIFEST).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return set()
    found = set()
    for line in lines:
        digest, _, name = line.partition("  ")
        path = folder / name
        inside = name.startswith(_OURS) and ".." not in Path(name).parts
        if inside and path.is_file() and sha256(path.read_bytes()) == digest:
            found.add(name)
    return found
