"""What the meters cost and how right they are, beside codecarbon and Zeus, in one run.

    python -m experiments.benchmarks.metering [--zeus-python PYTHON] [--json FILE] [--quick] [--only SECTION]...

To be called from the root of the repository. All three tools run unchanged over one simulated `pynvml` and one
simulated powercap tree, each in a process of its own. Zeus has an environment of its own: it brings `amdsmi` and
scikit-learn along, which change what codecarbon prints and how heavy an import is.

    python -m venv zeus-venv && zeus-venv/bin/pip install 'carbon-nas[bench]'
    python -m experiments.benchmarks.metering --zeus-python zeus-venv/bin/python

A tool that is not installed is left out, and its rows say so. The whole takes five to six minutes on two cores.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from experiments.benchmarks.metering import accuracy, costs, matrix
from experiments.benchmarks.metering.processes import Bench
from experiments.benchmarks.metering.scenarios import MATRIX
from experiments.benchmarks.metering.tables import Table

__all__ = ["SECTIONS", "main"]


def _side_by_side(work: Callable[[Any], Any], cases: Iterable[Any]) -> list[Any]:
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(work, cases))


def _latency(bench: Bench, quick: bool) -> Iterator[Table]:
    yield costs.edge_latency(300 if quick else 3_000)
    yield costs.edge_latency_of_tools(bench, 300 if quick else 3_000)


def _sampler(bench: Bench, quick: bool) -> Iterator[Table]:
    yield costs.sampler_load(bench, 3.0 if quick else 20.0)


def _memory(bench: Bench, quick: bool) -> Iterator[Table]:
    yield costs.memory(bench, *((2_000, 200) if quick else (100_000, 2_000)))


def _accuracy(bench: Bench, quick: bool) -> Iterator[Table]:
    yield from accuracy.accuracy(3 if quick else 40)
    lengths = ((0.01, 3), (0.1, 3), (1.0, 1)) if quick else accuracy.LIVE_LENGTHS
    yield accuracy.accuracy_of_tools(bench, lengths, _side_by_side)


def _faults(bench: Bench, quick: bool) -> Iterator[Table]:
    yield from matrix.fault_matrix(bench, MATRIX[:4] if quick else MATRIX)


def _imports(bench: Bench, quick: bool) -> Iterator[Table]:
    yield costs.import_cost(bench, 1 if quick else 5)


SECTIONS: dict[str, Callable[[Bench, bool], Iterator[Table]]] = {
    "import": _imports,
    "latency": _latency,
    "sampler": _sampler,
    "memory": _memory,
    "accuracy": _accuracy,
    "faults": _faults,
}


def main(arguments: list[str] | None = None) -> None:
    """Run the sections that are asked for, and print their tables."""
    parser = argparse.ArgumentParser(description="Benchmarks of metering, beside codecarbon and Zeus.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables as JSON as well")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="one section; may be given several times")
    parser.add_argument("--quick", action="store_true", help="a few of everything: whether it runs, not how well")
    parser.add_argument("--zeus-python", metavar="PYTHON", help="the interpreter of an environment with Zeus")
    options = parser.parse_args(arguments)
    tables: list[Table] = []
    began_s = time.monotonic()
    with Bench.opened(options.zeus_python) as bench:
        for name in options.only or SECTIONS:
            section_s = time.monotonic()
            for table in SECTIONS[name](bench, options.quick):
                tables.append(table)
                print(f"\n{table.text()}", flush=True)
            print(f"  ({name}: {time.monotonic() - section_s:.0f} s)", flush=True)
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    took_s = time.monotonic() - began_s
    print(f"\n{machine}; {took_s:.0f} s in all.")
    if options.json is not None:
        kept = {"machine": machine, "took_s": took_s, "quick": options.quick, "tables": [t.as_json() for t in tables]}
        options.json.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
