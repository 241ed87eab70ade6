# SPDX-License-Identifier: GPL-2.0
"""The chart of the README: what each way to stack adds to an operation, as bars."""

from tables import NAMES, added, by_operation

WIDTH, LABEL, BAR, GAP = 760, 170, 9, 8
# What the chart shows: the operations of programs, not all variations of them
SHOWN = ("pread 4K", "pwrite 4K", "splice from 4K", "splice to 4K", "mmap + munmap", "fstat", "stat", "access",
         "open + close, read", "open + close, write", "create + unlink", "rename", "getxattr", "fsync")
COLOURS = {"overlayfs": "#9aa0a6", "fuse": "#e8a33d", "passfs": "#b7410e"}
# Bars are cut here, in multiples of what overlayfs adds: one long bar would hide all others.
CUT = 2.5


def bar(y, name, variants):
    """One bar: its length is relative to overlayfs'."""
    cost, unit = added(variants, name), added(variants, "overlayfs")
    if cost is None or not unit or unit < 1:
        return ""
    room = WIDTH - LABEL - 90
    length = max(1.0, min(cost / unit, CUT) / CUT * room)
    cut = " ▸" if cost / unit > CUT else ""
    return (f'<rect x="{LABEL}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{COLOURS[name]}"/>'
            f'<text x="{LABEL + length + 5:.1f}" y="{y + BAR - 1}" class="v">{cost:+,.0f}{cut}</text>\n')


def svg(rows):
    """The whole picture."""
    measured = by_operation(rows)
    base = measured[0][0]
    shown = [(operation, variants) for found, operation, variants in measured
             if found == base and operation in SHOWN]
    names = [name for name in COLOURS if any(name in variants for _, variants in shown)]
    group = len(names) * (BAR + 1) + GAP
    height = 58 + len(shown) * group
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">\n'
        '<style>.v{font-size:9px;fill:#555}</style>\n'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>\n'
        f'<text x="8" y="18" font-weight="bold">Instructions added to an operation on {base}; '
        'bars relative to overlayfs</text>\n']
    x = LABEL
    for name in names:
        parts.append(f'<rect x="{x}" y="28" width="10" height="10" fill="{COLOURS[name]}"/>'
                     f'<text x="{x + 14}" y="37">{NAMES[name]}</text>\n')
        x += 130
    y = 52
    for operation, variants in shown:
        parts.append(f'<text x="{LABEL - 8}" y="{y + (group - GAP) / 2 + 4:.0f}" text-anchor="end">{operation}</text>\n')
        for name in names:
            parts.append(bar(y, name, variants))
            y += BAR + 1
        y += GAP
    return "".join(parts) + "</svg>\n"
