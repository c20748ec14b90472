# SPDX-License-Identifier: MIT
"""vmsim: a machine's memory, simulated. TLBs, page tables, and Linux's memory manager above them.

Machine and Task drive a machine call by call, Scenario runs what `vmsim run` runs, Run reads run directories, and
TlbReplacement, ReclaimPolicy and their test harnesses are for policies written in Python.
"""
from ._config import Config
from ._library import VmsimError, lib as _lib, string as _string
from .machine import *  # noqa: F401,F403
from .machine import (MADV_COLLAPSE, MADV_DONTNEED, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_NORMAL, MAP_ANONYMOUS,
                      MAP_FIXED, MAP_POPULATE, MAP_PRIVATE, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE)
from .policy import ReclaimPolicy, TestReclaim, TestTlb, TlbReplacement
from .rundir import Run
from .scenario import Expectation, Scenario

__version__ = _string(_lib.vmsim_version())
