# SPDX-License-Identifier: MIT
"""Scenarios as `vmsim run` takes them."""
from __future__ import annotations

import dataclasses
import json
import os
from typing import Any, Callable, List, Optional, Sequence

from ._config import Config, Path
from ._library import VmsimError, check, ffi, lib, string
from .machine import Machine
from .policy import raise_failures


@dataclasses.dataclass(frozen=True)
class Expectation:
    """A line of `expect:`, after the run. `value` of a share is in millionths."""

    counter: str
    at: Optional[str]
    wanted: str
    origin: str
    value: int
    met: bool
    problem: Optional[str]


class Scenario:
    """A machine with its workload. run() goes to the end; then there is what it came to."""

    def __init__(self, *files: Path, text: Optional[str] = None, set: Sequence[str] = (), policies: Sequence[Any] = ()) -> None:
        self._config = Config(*files, text=text, set=set, policies=policies)
        out = ffi.new("struct vmsim_scenario **")
        self._config._check(lib.vmsim_scenario_create(self._config._config, out))
        self._handle = ffi.gc(out[0], lib.vmsim_scenario_destroy)
        self.machine = Machine.__new__(Machine)
        self.machine._adopt(lib.vmsim_scenario_machine(self._handle), self._config._policies)
        self.machine.close = lambda: None  # type: ignore  # the scenario's own

    def run(self, progress: Optional[Callable[[int, int, int], bool]] = None) -> "Scenario":
        """To the end. progress(references, total or 0, virtual ns) is called now and then; False stops the run."""

        @ffi.callback("vmsim_progress_fn *")
        def called(context: Any, p: Any) -> bool:
            return progress is None or bool(progress(p.references, p.total, p.virtual_ns))

        code = lib.vmsim_scenario_run(self._handle, called if progress else ffi.NULL, ffi.NULL)
        raise_failures(self._config._policies)
        failed = string(lib.vmsim_scenario_step_failure(self._handle, 0))
        check(code, failed or string(lib.vmsim_scenario_error(self._handle)))
        return self

    def _text(self, kind: int) -> str:
        text = ffi.new("const char **")
        check(lib.vmsim_report_render(self._handle, kind, text, ffi.NULL), string(lib.vmsim_report_error(self._handle)))
        try:
            return string(text[0])
        finally:
            lib.vmsim_report_free(self._handle, text[0])

    @property
    def summary(self) -> str:
        """What `vmsim run` prints."""
        return self._text(lib.VMSIM_REPORT_SUMMARY)

    @property
    def stats(self) -> dict[str, Any]:
        """All figures, as in stats.json."""
        return json.loads(self._text(lib.VMSIM_REPORT_STATS))

    def write(self, directory: Path) -> None:
        """The run directory (vmsim.Run reads it)."""
        check(lib.vmsim_report_write(self._handle, os.fsencode(directory)), string(lib.vmsim_report_error(self._handle)))

    @property
    def expectations(self) -> List[Expectation]:
        lines = (lib.vmsim_scenario_expectation(self._handle, i)
                 for i in range(lib.vmsim_scenario_expectations(self._handle)))
        return [Expectation(string(e.counter), string(e.at) or None, string(e.wanted), string(e.origin), e.value,
                            e.met, string(e.problem) or None) for e in lines]

    @property
    def failures(self) -> int:
        """Expectations that do not hold, and steps that did not come out as they say."""
        return lib.vmsim_scenario_failures(self._handle)


__all__ = ["Scenario", "Expectation", "VmsimError"]
