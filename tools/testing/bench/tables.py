# SPDX-License-Identifier: GPL-2.0
"""The figures as tables: for a terminal, and for the README."""

# The peers that the README's table shows
NAMES = {"overlayfs": "overlayfs", "rust_overlay": "… on these helpers", "fuse": "FUSE passthrough", "passfs": "passfs"}

# Not file systems but parts of the benchmark: what grows, and layers
PARTS = ("scale", "depth")


def by_operation(rows, part=None):
    """[(base, operation, {variant: row})] in the order of measurement, of the file systems or of one part."""
    found = {}
    for row in rows:
        if row["base"] != part and (part or row["base"] in PARTS):
            continue
        found.setdefault((row["base"], row["operation"]), {})[row["variant"]] = row
    return [(base, operation, variants) for (base, operation), variants in found.items() if "native" in variants]


def added(variants, name):
    """What a variant costs over native, or None."""
    if name not in variants:
        return None
    return variants[name]["median"] - variants["native"]["median"]


def ratio(variants):
    """passfs' added cost by overlayfs', or None where there is none to speak of."""
    ours, theirs = added(variants, "passfs"), added(variants, "overlayfs")
    return None if ours is None or not theirs or theirs < 1 else ours / theirs


def floor(variants):
    """What of passfs' added cost is in the core kernel: the second pass through the VFS."""
    if "passfs" not in variants:
        return None
    return added(variants, "passfs") - variants["passfs"]["where"].get("passfs", 0) \
        - variants["passfs"]["where"].get("backing_file", 0)


def number(value, digits=0):
    """A figure, or a dash for none."""
    return "–" if value is None else f"{value:,.{digits}f}".replace(",", " ")


def signed(value):
    """An added cost."""
    return "–" if value is None else f"{value:+,.0f}".replace(",", " ")


def text(rows):
    """One table a filesystem, for a terminal."""
    lines = []
    last = None
    for base, operation, variants in by_operation(rows):
        if base != last:
            lines += ["", f"{base}: instructions per operation (median), and what others add to native",
                      f"{'':26}{'native':>9}{'bind':>8}{'overlayfs':>11}{'in Rust':>9}{'FUSE':>10}{'passfs':>9}{'ratio':>7}"
                      f"{'floor':>8}{'p95':>9}{'locked':>8}{'alloc':>7}"]
            last = base
        passfs = variants.get("passfs", {})
        lines.append(
            f"{operation:26}{number(variants['native']['median']):>9}{signed(added(variants, 'bind')):>8}"
            f"{signed(added(variants, 'overlayfs')):>11}{signed(added(variants, 'rust_overlay')):>9}"
            f"{signed(added(variants, 'fuse')):>10}{signed(added(variants, 'passfs')):>9}{number(ratio(variants), 2):>7}{signed(floor(variants)):>8}"
            f"{number(passfs.get('p95')):>9}{number(passfs.get('locked')):>8}{number(passfs.get('allocations'), 1):>7}")
    return "\n".join(lines).lstrip("\n") + "\n"


def markdown(rows):
    """The README's table: the first filesystem."""
    measured = by_operation(rows)
    base = measured[0][0]
    peers = [name for name in NAMES if any(name in variants for found, _, variants in measured if found == base)]
    lines = [f"| operation | native | {' | '.join(NAMES[name] for name in peers)} | of overlayfs' | floor |",
             "|---|--:|" + "--:|" * len(peers) + "--:|--:|"]
    for found, operation, variants in measured:
        if found == base:
            costs = " | ".join(signed(added(variants, name)) for name in peers)
            lines.append(f"| {operation} | {number(variants['native']['median'])} | {costs}"
                         f" | {number(ratio(variants), 2)} | {signed(floor(variants))} |")
    return "\n".join(lines) + "\n"


def growth(rows):
    """What an operation costs as there is more of something; worse than native if it grows by more."""
    lines = ["as there is more (tmpfs): instructions, and what others add", f"{'':42}{'native':>9}{'overlayfs':>11}{'passfs':>9}"]
    least = {}
    for _, operation, variants in by_operation(rows, "scale"):
        what, amount = operation.split("|")
        ours = added(variants, "passfs")
        least.setdefault(what, ours)
        worse = "   grows" if ours > least[what] + max(20, 0.1 * least[what]) else ""
        lines.append(f"{what + ' ' + amount:42}{number(variants['native']['median']):>9}"
                     f"{signed(added(variants, 'overlayfs')):>11}{signed(ours):>9}{worse}")
    return "\n".join(lines) + "\n" if len(lines) > 2 else ""


def depth(rows):
    """What the first layer adds, and what the second does."""
    lines = ["layers (tmpfs): instructions, and what each layer adds",
             f"{'':26}{'native':>9}{'overlayfs':>11}{'second':>9}{'passfs':>9}{'second':>9}"]
    for _, operation, variants in by_operation(rows, "depth"):
        cells = [number(variants["native"]["median"])]
        for name in ("overlayfs", "passfs"):
            first, second = added(variants, f"{name}1"), added(variants, f"{name}2")
            cells += [signed(first), signed(None if second is None else second - first)]
        lines.append(f"{operation:26}{cells[0]:>9}{cells[1]:>11}{cells[2]:>9}{cells[3]:>9}{cells[4]:>9}")
    return "\n".join(lines) + "\n" if len(lines) > 2 else ""


def memory(found):
    """Bytes of slab memory for each open file and each cached inode."""
    lines = ["bytes of memory (tmpfs)", f"{'':26}{'native':>9}{'overlayfs':>11}{'passfs':>9}"]
    for what in dict.fromkeys(what for what, _ in found):
        cells = [number(found.get((what, variant))) for variant in ("native", "overlayfs", "passfs")]
        lines.append(f"{what:26}{cells[0]:>9}{cells[1]:>11}{cells[2]:>9}")
    return "\n".join(lines) + "\n" if found else ""


def first_and_last(cells):
    """What a figure is with little of something, and with much."""
    return " → ".join(dict.fromkeys(cells))


def scale_markdown(rows, found):
    """The README's table of what grows: with the least and with the most of it; and memory."""
    names = ("native", "overlayfs", "passfs")
    lines = ["| | native | overlayfs | passfs |", "|---|--:|--:|--:|"]
    grown = {}
    for _, operation, variants in by_operation(rows, "scale"):
        what, amount = operation.split("|")
        grown.setdefault(what, []).append((amount, variants))
    for what, steps in grown.items():
        ends = steps[0], steps[-1]
        cells = [first_and_last(number(variants["native"]["median"]) for _, variants in ends)]
        cells += [first_and_last(signed(added(variants, name)) for _, variants in ends) for name in names[1:]]
        lines.append(f"| {what} {first_and_last(amount for amount, _ in ends)} | {' | '.join(cells)} |")
    for what in dict.fromkeys(what for what, _ in found):
        lines.append(f"| bytes for each {what} | {' | '.join(number(found.get((what, name))) for name in names)} |")
    return "\n".join(lines) + "\n"
