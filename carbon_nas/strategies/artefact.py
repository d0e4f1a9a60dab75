"""What a finished phase leaves for the phases after it: tensors and plain facts, in one file."""

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
    """A folder of artefacts, one safetensors file a phase, written whole or not at all. No pickle."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, phase: str) -> Path:
        """Return the file of a phase."""
        return self._folder / f"{name_for_file(phase)}.safetensors"

    def save(self, phase: str, artefact: Artefact) -> str:
        """Keep an artefact and return the hash of its file."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in artefact.tensors.items()}
        data = safetensors.torch.save(tensors, metadata={"facts": json.dumps(artefact.facts, sort_keys=True)})
        write_whole(self.path(phase), data)
        return sha256(data)

    def load(self, phase: str) -> Artefact:
        """Return a kept artefact, without its events: the ledger has them.

        Raises:
            LedgerMismatch: if the file is gone.
        """
        path = self.path(phase)
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
        except (OSError, safetensors.SafetensorError) as error:
            raise LedgerMismatch(
                f"the ledger says that phase {phase!r} is done, but its checkpoint cannot be read ({error})",
                where=str(path),
                cure="restore the file, or start again with another --out",
            ) from error
        return Artefact(tensors=tensors, facts=json.loads(metadata.get("facts", "{}")))

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
