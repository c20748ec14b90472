#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""null_calls.py INCLUDE LIBRARY OUT.c: writes calls of every public function with NULL in place of each pointer.

The functions are taken from the headers and must be those that the library exports, so that a new one is called without
anybody listing it. Each function is called with NULL for all pointers, and with NULL for one of them while the others
are good; numbers are 0. tests/test_null_calls.c makes the good ones (good_*) and runs the calls.
"""
import glob
import re
import subprocess
import sys

PROTOTYPE = re.compile(r"^((?:const )?(?:enum |struct )?\w+ \**)(vmsim_\w+)\(([^;{}]*?)\)\s*(?:__attribute__[^;]*)?;",
                       re.MULTILINE | re.DOTALL)
HANDLES = ["config", "scenario", "machine", "trace_reader", "trace_writer", "test_tlb", "test_reclaim", "curve",
           "mmu", "run", "events"]


def prototypes(folder):
    for header in sorted(glob.glob(f"{folder}/vmsim/*.h")):
        with open(header, encoding="utf-8") as file:
            text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.DOTALL)
        text = re.sub(r"^[ \t]*#(?:.*\\\n)*.*$", "", text, flags=re.MULTILINE)
        for result, name, parameters in PROTOTYPE.findall(text):
            if name != "vmsim_plugin":  # what a plugin exports
                yield result.strip(), name, split(" ".join(parameters.split()))


def split(parameters):
    """The parameters, at commas outside of parentheses."""
    if parameters == "void":
        return []
    return re.split(r", (?![^(]*\))", parameters)


def good(parameter):
    """(an argument that is fine, whether it is a pointer)"""
    if "(*" in parameter or re.search(r"_fn \*", parameter):
        return "0", True
    if "*" not in parameter:
        return "0", False
    for handle in HANDLES:
        if re.match(rf"(?:const )?struct vmsim_{handle} \*(?!const)\w", parameter):
            return f"good_{handle}()", True
    if re.match(r"const char \*\w", parameter):
        return '"x"', True
    return "good_room()", True


def calls(result, name, parameters):
    arguments = [good(p) for p in parameters]
    pointers = [i for i, (_, pointer) in enumerate(arguments) if pointer]
    sign = "CODE" if result in ("int", "int64_t") else "VALUE" if result != "void" else "NOTHING"
    for nulls in [set(pointers)] + [{i} for i in pointers]:
        if pointers:
            words = ["0" if i in nulls else word for i, (word, _) in enumerate(arguments)]
            which = "all" if nulls == set(pointers) else parameters[min(nulls)].replace('"', "'")
            yield f'    {sign}("{name}: NULL for {which}", {name}({", ".join(words)}))'


def main():
    include, library, out = sys.argv[1:]
    functions = list(prototypes(include))
    symbols = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    exported = {line.split()[2].split("@")[0] for line in symbols.splitlines() if " T vmsim_" in line}
    missed = exported ^ {name for _, name, _ in functions}
    if missed:
        sys.exit(f"null_calls.py: exported or declared, but not both: {', '.join(sorted(missed))}")
    with open(out, "w", encoding="utf-8") as file:
        file.write("/* Made by tests/null_calls.py. */\n#define NULL_CALLS \\\n")
        file.write(" \\\n".join(call for f in functions for call in calls(*f)) + "\n")


if __name__ == "__main__":
    main()
