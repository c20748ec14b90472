#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""SIEVE in twenty lines, held against built-in policies: a queue whose members are not moved when they are used, and a
hand that passes over those that were, from the oldest on."""
import numpy

import vmsim


class Sieve(vmsim.ReclaimPolicy):
    name = "py-sieve"
    doc = "A hand from the oldest page to the newest takes the first that was not used since it last came by."

    def __init__(self, host, scope):
        self.queue: list[int] = []  # the newest last
        self.used: dict[int, bool] = {}
        self.hand = 0

    def added(self, folio, access):
        self.queue.append(folio)
        self.used[folio] = False

    def accessed(self, folio, access):
        self.used[folio] = True

    def evict(self, wanted, request):
        while self.used[self.queue[self.hand % len(self.queue)]]:
            self.used[self.queue[self.hand % len(self.queue)]] = False
            self.hand = (self.hand + 1) % len(self.queue)
        self.hand %= len(self.queue)
        return [self.queue[self.hand]]

    def evicted(self, folio, end):
        at = self.queue.index(folio)
        del self.queue[at], self.used[folio]
        self.hand -= at < self.hand


chance = numpy.random.RandomState(1)
pages = numpy.minimum(chance.zipf(1.2, 20000), 2000)
print("policy     misses of 20000")
for policy in (Sieve, "sieve", "fifo", "lru", "opt"):
    memory = vmsim.TestReclaim(policy, frames=100)
    print(f"{policy if isinstance(policy, str) else policy.name:10} {memory.run(pages):6}")
