#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""report.py FOLDER BOOTS: what `make bench` prints and keeps of what its boots recorded.

Prints the tables; writes FOLDER/result.json, table.md, scale.md and chart.svg. Fails if the boots disagree.
"""

import json
import pathlib
import sys

import chart
import record
import tables

# Two boots place the kernel and its objects differently, which moves hash chains: not the cost of anything.
TOLERANCE = 0.02


def compare(boots):
    """([operations of which the boots say different things], [operations that cost now this, now that]).

    Where an operation is one task's alone, the medians of two boots are within the tolerance. Where it waits for another
    task (the FUSE server, an io_uring worker, the kernel thread that completes a write), it costs what the scheduler makes
    of it: there the samples of one boot are further apart than that, and the other's median has to be among them.
    """
    first, *others = boots
    differ, vary = [], []
    for key, measured in first.items():
        for other in (boot[key] for boot in others):
            a, b = measured.median, other.median
            if abs(a - b) <= TOLERANCE * min(a, b):
                continue
            known = measured.varies_to(b) or other.varies_to(a)
            (vary if known else differ).append(f"{', '.join(key)}: {a:.0f}, {b:.0f}")
    return differ, vary


def cheapest(boots):
    """Of each operation what it cost in the boot where it cost less: what the kernel does besides only adds."""
    return {key: min((boot[key] for boot in boots if key in boot), key=lambda measured: measured.median)
            for key in boots[0]}


def result(boot):
    """Figures as plain data."""
    return [
        {
            "base": base, "variant": variant, "operation": operation, "requests": measured.requests,
            "median": measured.median, "p95": measured.p95, "locked": measured.median_locked,
            "allocations": measured.allocations, "where": measured.where(),
        }
        for (base, variant, operation), measured in boot.items()
    ]


def main():
    folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    boots = [record.read(folder / f"record.{n}", folder / f"symbols.{n}") for n in range(1, count + 1)]
    missing = set.symmetric_difference(*(set(boot) for boot in boots)) if count > 1 else set()
    wrong = [f"{', '.join(key)}: not in every boot" for key in sorted(missing)]
    differ, vary = ([], []) if missing else compare(boots)
    wrong += differ
    rows = result(cheapest(boots))
    memory = record.read_memory(folder / "symbols.1")
    kept = {"operations": rows, "memory": [[*key, size] for key, size in memory.items()]}
    (folder / "result.json").write_text(json.dumps(kept, indent=1) + "\n")
    (folder / "table.md").write_text(tables.markdown(rows))
    (folder / "scale.md").write_text(tables.scale_markdown(rows, memory))
    (folder / "chart.svg").write_text(chart.svg(rows))
    print(tables.text(rows), tables.growth(rows), tables.depth(rows), tables.memory(memory), sep="\n")
    if wrong:
        sys.exit("error: the boots disagree on\n    " + "\n    ".join(wrong))
    if count > 1:
        print(f"of {len(rows)} medians {len(rows) - len(vary)} are the same in {count} boots to within {TOLERANCE:.0%}; "
              f"{len(vary)} differ by no more than the samples of one boot do")


if __name__ == "__main__":
    main()
