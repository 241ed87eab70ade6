# SPDX-License-Identifier: GPL-2.0
"""What one boot of the benchmark recorded: samples, and where the typical sample's instructions are."""

import bisect
import collections
import statistics

# How lines of the guest's output begin that are not symbols
MEMORY = "memory\t"

# Entries into these are allocations; they call each other's insides only.
ALLOCATORS = {
    "kmem_cache_alloc_noprof", "kmem_cache_alloc_lru_noprof", "kmem_cache_alloc_node_noprof",
    "kmem_cache_alloc_bulk_noprof", "__kmalloc_noprof", "__kmalloc_node_noprof", "__kmalloc_cache_noprof",
    "__kmalloc_cache_node_noprof", "__kmalloc_node_track_caller_noprof", "__kvmalloc_node_noprof",
    "__alloc_frozen_pages_noprof",
}


class Symbols:
    """The functions of a booted kernel, as /proc/kallsyms lists them."""

    def __init__(self, path):
        found = {}
        with open(path) as lines:
            for line in lines:
                if line.startswith(MEMORY):
                    continue
                address, _, name, *module = line.split()
                # Of several names for one place the first; none that only says where padding is.
                if not name.startswith("__pfx_"):
                    found.setdefault(int(address, 16), (name, module[0].strip("[]") if module else ""))
        self.addresses = sorted(found)
        self.names = [found[address] for address in self.addresses]

    def at(self, address):
        """(function, module or '') that holds the address, and whether it is the function's beginning."""
        i = bisect.bisect_right(self.addresses, address) - 1
        if i < 0:
            return ("?", ""), False
        return self.names[i], self.addresses[i] == address


class Measurement:
    """One operation on one variant of one filesystem."""

    def __init__(self, requests, insns, locked):
        self.requests = requests
        self.insns = insns
        self.locked = locked
        self.functions = collections.Counter()
        self.allocations = 0

    @property
    def median(self):
        return statistics.median_low(self.insns) / self.requests

    @property
    def p95(self):
        return sorted(self.insns)[len(self.insns) * 95 // 100] / self.requests

    def varies_to(self, value):
        """Whether the value is among those of the middle eight tenths of the samples."""
        ordered = sorted(self.insns)
        tenth = len(ordered) // 10
        return ordered[tenth] <= value * self.requests <= ordered[-1 - tenth]

    @property
    def median_locked(self):
        return statistics.median_low(self.locked) / self.requests

    def where(self):
        """Instructions by who executes them: the module, with its C helpers apart, `kernel` or `user`."""
        found = collections.Counter()
        for (name, module), insns in self.functions.items():
            found[f"{module} helpers" if name.startswith("bf_helper_") else module or "kernel"] += insns
        found["user"] = max(0, self.median - sum(found.values()))
        return dict(found)

    def add_block(self, symbols, address, length, times):
        (name, module), begins = symbols.at(address)
        self.functions[name, module] += length * times / self.requests
        if begins and name in ALLOCATORS:
            self.allocations += times / self.requests


def read(record, symbols):
    """{(base, variant, operation): Measurement} of the files of one boot."""
    known = Symbols(symbols)
    found = {}
    with open(record) as lines:
        for line in lines:
            kind, label, *rest = line.rstrip("\n").split("\t")
            base, variant, operation, requests = label.split("/")
            key = base, variant, operation
            if kind == "samples":
                pairs = [tuple(map(int, pair.split(","))) for pair in rest[0].split()]
                found[key] = Measurement(int(requests), *map(list, zip(*pairs)))
            elif kind == "block":
                address, length, times = rest
                found[key].add_block(known, int(address, 16), int(length), int(times))
    return found


def read_memory(symbols):
    """{(what, variant): bytes of slab memory each}"""
    with open(symbols) as lines:
        rows = [line.rstrip("\n").split("\t")[1:] for line in lines if line.startswith(MEMORY)]
    return {(what, variant): int(size) for variant, what, size in rows}
