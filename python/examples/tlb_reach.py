#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How large a working set a TLB holds, on three processors: translations that took a walk, by pages in use."""
import numpy

import vmsim

PRESETS = ("skylake-sp", "zen4", "neoverse-n1")
PAGES = (64, 512, 1024, 2048, 4096)


def walks(preset: str, pages: int) -> float:
    with vmsim.Machine(set=[f"machine.preset={preset}", "machine.transparent_hugepage=never"]) as machine:
        task = machine.task("demo")
        base = task.mmap(pages * 4096)
        every = base + numpy.arange(pages, dtype=numpy.uint64) * 4096
        task.access(every, write=True)
        before = machine.counter("tlb.cpu0.walks")
        task.access(numpy.tile(every, 20))
        return (machine.counter("tlb.cpu0.walks") - before) / (20 * pages)


print("pages".rjust(6), *(p.rjust(12) for p in PRESETS))
for pages in PAGES:
    print(f"{pages:6}", *(f"{walks(preset, pages):12.1%}" for preset in PRESETS))
