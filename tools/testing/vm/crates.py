#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Things made from the compiler command lines that kbuild recorded.

crates.py doc OUT DEST        rustdoc HTML of our crates in DEST
crates.py analyzer OUT TOP    our crates, with their dependencies on each other, in TOP/rust-project.json

kbuild keeps the command that made each object in a .cmd file beside it: the options are the real ones, and nothing
about crates is written down twice.
"""

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys


class Crate:
    """One crate root that was compiled in OUT."""

    def __init__(self, command, source):
        words = shlex.split(command)
        words = words[: words.index(source) + 1]
        start = next(i for i, w in enumerate(words) if os.path.basename(w) == "rustc")
        self.env = dict(w.split("=", 1) for w in words[:start])
        self.args = words[start + 1 : -1]
        self.source = source
        self.name = pathlib.Path(source).stem
        self.externs = [b for a, b in zip(self.args, self.args[1:]) if a == "--extern"]


def crates_of(out):
    """Our crates, users after what they use."""
    found = {}
    for file in sorted(out.rglob(".*.o.cmd")):
        text = file.read_text()
        command = re.search(r"^savedcmd_\S+ := (.* rustc .*)$", text, re.M)
        source = re.search(r"^source_\S+ := (\S+\.rs)$", text, re.M)
        if command and source:
            crate = Crate(command[1], source[1])
            found[crate.name] = crate
    ordered = []

    def visit(crate):
        for name in crate.externs:
            if name in found:
                visit(found[name])
        if crate not in ordered:
            ordered.append(crate)

    for crate in found.values():
        visit(crate)
    if not ordered:
        sys.exit(f"error: no Rust object in {out}")
    return ordered


def doc_args(crate):
    """The compiler's options without those about its output."""
    args = iter(crate.args)
    for arg in args:
        if arg == "--out-dir":
            next(args)
        elif not arg.startswith(("--emit", "-Zbinary_dep_depinfo")):
            yield arg


def doc(out, dest):
    """rustdoc for each crate; a crate that is used must be documented first for links to work."""
    for crate in crates_of(out):
        env = os.environ | crate.env | {"RUSTC_BOOTSTRAP": "1", "BACKING_FILE_OBJ": str(out)}
        print("RUSTDOC", crate.name, flush=True)
        subprocess.run(
            ["rustdoc", *doc_args(crate), "--crate-name", crate.name, "--generate-link-to-definition",
             "-o", str(dest), crate.source],
            cwd=out, env=env, check=True,
        )


def analyzer(out, top):
    """Adds our crates to what the kernel's generator wrote (which knows the kernel's crates only)."""
    project = json.loads((out / "rust-project.json").read_text())
    ours = crates_of(out)
    names = {crate.name for crate in ours}
    crates = [c for c in project["crates"] if c["display_name"] not in names]
    index = {c["display_name"]: i for i, c in enumerate(crates)}
    cfg = next((c["cfg"] for c in crates if c["display_name"] == "kernel"), [])
    for crate in ours:
        deps = ["core", *crate.externs]
        index[crate.name] = len(crates)
        crates.append({
            "display_name": crate.name,
            "root_module": crate.source,
            "is_workspace_member": True,
            "is_proc_macro": False,
            "deps": [{"crate": index[d], "name": d} for d in deps if d in index],
            "cfg": cfg,
            "edition": "2021",
            "env": {"BACKING_FILE_OBJ": str(out), "RUST_MODFILE": crate.env.get("RUST_MODFILE", "")},
        })
    project["crates"] = crates
    text = json.dumps(project, indent=4, sort_keys=True)
    # Made inside the toolchain root: the standard library's source is to be found from outside
    root = os.environ.get("BF_ROOT")
    if root:
        text = re.sub(r'"/usr([/"])', rf'"{root}/usr\1', text)
    (top / "rust-project.json").write_text(text + "\n")


def main():
    goal, out, dest = sys.argv[1:]
    {"doc": doc, "analyzer": analyzer}[goal](pathlib.Path(out), pathlib.Path(dest))


if __name__ == "__main__":
    main()
