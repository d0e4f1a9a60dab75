"""Which networks lie beside a report, to be taken away."""

from collections.abc import Mapping, Sequence

from carbon_nas.files import name_for_file
from carbon_nas.ledger.run import Run

__all__ = ["shipped_models"]

_DESCRIPTION = "architecture.json"


def shipped_models(runs: Sequence[Run]) -> Mapping[tuple[str, str, int], str]:
    """Return the description of every shipped network by strategy, scenario and seed: its path within the folder."""
    found = {}
    for run in runs:
        for scenario in run.results:
            names = name_for_file(run.header.strategy), name_for_file(scenario)
            path = f"models/{names[0]}/{names[1]}/seed{run.header.seed}/{_DESCRIPTION}"
            if (run.path.parent.parent / path).is_file():
                found[run.header.strategy, scenario, run.header.seed] = path
    return found
