"""The folder of a report: what is written into it, and in which order."""

import re
from collections.abc import Mapping
from pathlib import Path

from carbon_nas.files import MANIFEST, manifest_of, manifest_text, output_folder, sha256, write_whole

__all__ = ["write_files"]

_LINKS = re.compile(r'href="((?:data|figures)/[\w-]+\.\w+)"')


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
    the earlier page does not link to, or somebody has changed since, is not ours to take away.
    """
    try:
        page = (folder / "index.html").read_text(encoding="utf-8")
        lines = (folder / MANIFEST).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return set()
    kept = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    linked = {name for name in _LINKS.findall(page) if (folder / name).is_file()}
    return {name for name in linked if sha256((folder / name).read_bytes()) == kept.get(name)}
