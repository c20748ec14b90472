# SPDX-License-Identifier: MIT
"""Policies written in Python decide as the same ones in C do, in the harness and in machines."""
import collections
import itertools
import random

import pytest

import vmsim


class Lru(vmsim.TlbReplacement):
    name = "py-lru"
    doc = "The least recently used entry goes."

    def victim(self, set):
        return min(range(set.first, set.first + set.ways), key=lambda way: set.last_use[way])


class Fifo(vmsim.ReclaimPolicy):
    name = "py-fifo"

    def __init__(self, host, scope):
        self.queue = collections.OrderedDict()
        self.gone = host.counter("gone")

    def added(self, folio, access):
        self.queue[folio] = None

    def evict(self, wanted, request):
        return itertools.islice(self.queue, wanted)

    def evicted(self, folio, end):
        self.queue.pop(folio, None)
        self.gone()


class Broken(Fifo):
    name = "py-broken"

    def evict(self, wanted, request):
        raise ZeroDivisionError("no idea")


def pages(count, most, seed=1):
    chance = random.Random(seed)
    return [min(int(chance.expovariate(8 / most)), most - 1) for _ in range(count)]


def test_a_tlb_policy_has_the_built_in_ones_victims():
    mine, theirs = vmsim.TestTlb(Lru, sets=2, ways=4), vmsim.TestTlb("lru", sets=2, ways=4)
    assert [mine.step(p) for p in pages(3000, 30)] == [theirs.step(p) for p in pages(3000, 30)]
    assert mine.counts == theirs.counts and mine.counts[0] > 100
    mine.expect("100-? 100+ ?100")
    with pytest.raises(AssertionError, match="200"):
        mine.expect("200+")


def test_a_reclaim_policy_has_the_built_in_ones_misses():
    mine = vmsim.TestReclaim(Fifo, frames=32)
    assert mine.run(pages(5000, 200)) == vmsim.TestReclaim("fifo", frames=32).run(pages(5000, 200))
    assert mine.counter("gone") == mine.counts[1] - 32
    vmsim.TestReclaim(Fifo, frames=3).expect("7 0 1 2-7 0+ 3-0")


def test_what_a_hook_raises_ends_the_call_that_led_to_it():
    small = vmsim.TestReclaim(Broken, frames=2)
    small.step(1), small.step(2)
    with pytest.raises(ZeroDivisionError):
        small.step(3)
    with pytest.raises(TypeError, match="no name"):
        vmsim.TestTlb(type("Nameless", (vmsim.TlbReplacement,), {}))


def test_a_machine_asks_policies_in_python():
    m = vmsim.Machine(text="machine: {cpus: 1, nodes: [{memory: 64MiB}], preset: skylake-sp}",
                      set=["policies.tlb_replacement.name=py-lru"], policies=[Lru])
    c = vmsim.Machine(text="machine: {cpus: 1, nodes: [{memory: 64MiB}], preset: skylake-sp}",
                      set=["policies.tlb_replacement.name=lru"])
    for machine in (m, c):
        task = machine.task("t")
        base = task.mmap(8 << 20)
        task.access([base + 4096 * p for p in pages(4000, 2000)], write=True)
        machine.check()
    assert m.counters("tlb.*") == c.counters("tlb.*")


SCENARIO = """
machine: {cpus: 1, nodes: [{memory: 64MiB}], swap: [{size: 256MiB}]}
workload:
  tasks:
    - name: big
      program:
        - mmap: {as: heap, length: 80MiB}
        - touch: {region: heap, write: 100%}
        - touch: {region: heap}
"""


def test_a_scenario_reclaims_by_a_policy_in_python():
    run = vmsim.Scenario(text=SCENARIO, set=["policies.reclaim.name=py-fifo"], policies=[Fifo]).run()
    counters = run.machine.counters()
    assert counters["policies.reclaim.py-fifo.gone"] > 1000
    assert counters["policies.reclaim.py-fifo.fallbacks"] == 0
    assert counters["vmstat.pswpout"] > 1000
    run.machine.check()
