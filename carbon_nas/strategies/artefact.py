"""What a phase leaves in one file, tensors and plain facts: its outcome once it is done, its state while it runs."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from carbon_nas.errors import LedgerMismatch
from carbon_nas.files import name_for_file, sha256, write_whole
from carbon_nas.ledger.records import Event

__all__ = ["Artefact", "Artefacts"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Artefact:
    """The outcome of a phase.

    Attributes:
        tensors: weights, for instance.
        facts: JSON values.
        events: what the ledger is to be told besides, such as a result.
    """

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[Event, ...] = ()


class Artefacts:
    """A folder of artefacts, one safetensors file a phase, written whole or not at all. No pickle.

    A phase that is not done may have another one, its state.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, phase: str) -> Path:
        """Return the file of a phase."""
        return self._folder / f"{name_for_file(phase)}.safetensors"

    def save(self, phase: str, artefact: Artefact) -> str:
        """Keep an artefact and return the hash of its file."""
        return _write(self.path(phase), artefact)

    def load(self, phase: str) -> Artefact:
        """Return a kept artefact, without its events: the ledger has them.

        Raises:
            LedgerMismatch: if the file is gone.
        """
        path = self.path(phase)
        try:
            return _read(path)
        except (OSError, safetensors.SafetensorError) as error:
            raise LedgerMismatch(
                f"the ledger says that phase {phase!r} is done, but its checkpoint cannot be read ({error})",
                where=str(path),
                cure="restore the file, or start again with another --out",
            ) from error

    def check(self, phase: str, digest: str | None) -> None:
        """Make sure that a kept file is the one that the ledger speaks of. One that is gone may not be needed again.

        Raises:
            LedgerMismatch: if it is another one.
        """
        path = self.path(phase)
        if path.is_file() and sha256(path.read_bytes()) != digest:
            raise LedgerMismatch(
                f"this is not the checkpoint that phase {phase!r} left, by the ledger's hash",
                where=str(path),
                cure="restore the file, or start again with another --out",
            )

    def _state_path(self, phase: str, progress: int) -> Path:
        return self.path(phase).with_suffix(f".state-{progress}.safetensors")

    def save_state(self, phase: str, progress: int, state: Artefact) -> str:
        """Keep the state of a phase that runs, beside older ones, and return the hash of its file."""
        return _write(self._state_path(phase, progress), state)

    def load_state(self, phase: str, progress: int, digest: str) -> Artefact | None:
        """Return a kept state; None if its file is gone, or is another one by its hash: then nobody can go on."""
        path = self._state_path(phase, progress)
        try:
            return _read(path) if sha256(path.read_bytes()) == digest else None
        except (OSError, safetensors.SafetensorError):
            return None

    def forget_states(self, phase: str, *, besides: int | None = None) -> None:
        """Delete the states of a phase, half-written ones of killed processes included, but for that of a progress."""
        path = self.path(phase)
        spared = None if besides is None else self._state_path(phase, besides)
        for pattern in (f"{path.stem}.state-*.safetensors", f".{path.stem}.state-*.safetensors.*"):
            for stale in path.parent.glob(pattern):
                if stale != spared:
                    # One that stays takes up room, and does no other harm: nothing names it any more.
                    with contextlib.suppress(OSError):
                        stale.unlink()


def _write(path: Path, artefact: Artefact) -> str:
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in artefact.tensors.items()}
    data = safetensors.torch.save(tensors, metadata={"facts": json.dumps(artefact.facts, sort_keys=True)})
    write_whole(path, data)
    return sha256(data)


def _read(path: Path) -> Artefact:
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
    return Artefact(tensors=tensors, facts=json.loads(metadata.get("facts", "{}")))
