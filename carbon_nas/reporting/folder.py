"""The folder of a report: what is written into it, and in which order."""

from collections.abc import Mapping
from pathlib import Path

from carbon_nas.files import MANIFEST, manifest_of, manifest_text, output_folder, write_whole
from carbon_nas.reporting.figures import FORMATS

__all__ = ["write_files"]


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put the files of a report into its folder, take those of an earlier one away, and write the manifest last.

    Raises:
        OutputError: if a file cannot be written.
    """
    output_folder(folder)
    # Another question gives other tables; one that nobody asks for any more would stand there as if it followed.
    for pattern in ("data/*.csv", *(f"figures/*.{suffix}" for suffix in FORMATS)):
        for file in folder.glob(pattern):
            if file.relative_to(folder).as_posix() not in files:
                file.unlink()
    for name, data in files.items():
        write_whole(folder / name, data)
    write_whole(folder / MANIFEST, manifest_text(manifest_of(folder)).encode())
