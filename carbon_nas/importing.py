"""The door for what others made: a checkpoint of the OFA code becomes one of this tool."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carbon_nas.errors import CheckpointError, UsageError
from carbon_nas.options import doing_wing

if TYPE_CHECKING:
    from carbon_nas.supernet.official import LoadReport
    from carbon_nas.supernet.recognition import Recognised

__all__ = ["import_file"]


def import_file(
    checkpoint: Annotated[Path, typer.Argument(help="A file of weights of the OFA code.", metavar="CHECKPOINT")],
    out: Annotated[
        Path | None,
        typer.Option(help="Where to put it.", metavar="DIR", show_default="supernets/<file name>"),
    ] = None,
    classes: Annotated[
        int | None,
        typer.Option(
            min=1, help="Classes of your own task; where the checkpoint has another number, its classifier is left out."
        ),
    ] = None,
) -> None:
    """Take in a once-for-all network that somebody else trained, and say what it is.

    Reads supernets of the OFA code (OFAMobileNetV3), by the current tensor names or the older ones of the released
    files, and the static network that shrinking starts from; as a PyTorch file or as safetensors. Width and number of
    classes follow from the shapes. Nothing in the file is run, nothing is downloaded.

    Writes DIR/supernet.json, which says what it is and where it came from, and DIR/weights.safetensors.

    \b
    Examples:
      carbon-nas import ofa_mbv3_d234_e346_k357_w1.0
      carbon-nas import ofa_D4_E6_K7 --classes 10 --out supernets/mine
    """  # noqa: D301 (the marks keep lines apart, and only as real characters)
    if not checkpoint.is_file():
        raise UsageError("there is no such file", where=str(checkpoint), cure="give the path of a file of weights")
    # Loaded here so that --help answers at once, and without torch.
    with doing_wing():
        from carbon_nas.supernet.checkpoint import DESCRIPTION, WEIGHTS, save_supernet
        from carbon_nas.supernet.network import ElasticMobileNetV3
        from carbon_nas.supernet.official import load_official_state_dict
        from carbon_nas.supernet.recognition import read_tensors, recognise
    from carbon_nas.files import sha256

    folder = out or Path("supernets") / checkpoint.name.removesuffix(checkpoint.suffix if _is_type(checkpoint) else "")
    there = [name for name in (DESCRIPTION, WEIGHTS) if (folder / name).exists()]
    if there:
        raise UsageError(f"holds a {there[0]} already", where=str(folder), cure="choose another --out, or remove it")
    try:
        tensors = read_tensors(checkpoint)
        found = recognise(tensors)
        net = ElasticMobileNetV3(found.space, classes or found.num_classes)
        loaded = load_official_state_dict(net, tensors)
    except CheckpointError as error:
        raise CheckpointError(error.what, where=error.where or str(checkpoint), cure=error.cure) from error
    digest = sha256(checkpoint.read_bytes())
    save_supernet(folder, net, loaded.statistics, origin={"file": checkpoint.name, "sha256": digest})
    for line in _summary(found, loaded, net.num_classes, sum(one.numel() for one in net.parameters())):
        typer.echo(line)
    typer.echo(f"sha256 {digest}")
    typer.echo(f"\nWritten: {folder}. Use it with:\n")
    typer.echo("  from carbon_nas.supernet import load_supernet")
    typer.echo(f"  kept = load_supernet({str(folder)!r})")
    typer.echo("  kept.net(images, kept.net.space.max(), kept.statistics)  # the largest; recalibrate() for any other")


def _is_type(path: Path) -> bool:
    # Released names end in a width multiplier, `..._w1.0`, and that is no type of file.
    return path.suffix in {".pt", ".pth", ".bin", ".ckpt", ".safetensors", ".tar"}


def _summary(found: "Recognised", loaded: "LoadReport", classes: int, parameters: int) -> list[str]:
    what = "static network of the largest architecture" if found.is_static else "once-for-all network"
    names = "older" if found.older_names else "current"
    lines = [
        f"{what}, {found.space.name}, {found.num_classes:,} classes, {names} names",
        f"{parameters:,} parameters, {found.space.size:.2g} architectures",
    ]
    if not loaded.classifier_loaded:
        lines.append(f"its classifier was left out: yours has {classes:,} classes and is untrained")
    if not loaded.matrices_loaded:
        lines.append("it has no matrices for smaller kernels: they start as the identity, and have to be trained")
    lines.append("batch norm: its running averages were kept for the largest architecture; recalibrate for any other")
    return lines
