# SPDX-License-Identifier: MIT
"""Run directories (`vmsim run -o out`) as numbers and pandas frames."""
from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING, Any, List

from ._config import Path

if TYPE_CHECKING:
    import pandas


class Run:
    """A run directory. Figures are read when they are asked for; frames need pandas."""

    def __init__(self, directory: Path) -> None:
        self.directory = pathlib.Path(directory)
        self.stats: dict[str, Any] = json.loads((self.directory / "stats.json").read_text(encoding="utf-8"))

    def __repr__(self) -> str:
        return f"<vmsim run {str(self.directory)!r}>"

    @property
    def counters(self) -> dict[str, int]:
        """Every counter at the end."""
        return self.stats["counters"]

    @property
    def sections(self) -> List[str]:
        """Names of the tables of stats.json, for table()."""
        return [name for name, value in self.stats.items() if isinstance(value, list)]

    def table(self, section: str) -> "pandas.DataFrame":
        """A table of stats.json ("tasks", "tlb", "memory_by_zone", ...), a row an element. Shares that are written as
        text to be exact are numbers here."""
        import pandas

        frame = pandas.json_normalize(self.stats[section])
        for column in frame.columns:
            if frame[column].dtype == object:
                frame[column] = _numeric(frame[column])
        return frame

    @property
    def intervals(self) -> "pandas.DataFrame":
        """intervals.csv (`--set report.interval=10ms`): a row an interval, by time in ns; counters are columns."""
        import pandas

        return pandas.read_csv(self.directory / "intervals.csv", index_col="time_ns")

    def proc(self, path: str) -> str:
        """A file of the tree that the run left: "proc/meminfo"."""
        return (self.directory / path).read_text(encoding="utf-8")


def _numeric(column: Any) -> Any:
    import pandas

    try:
        return pandas.to_numeric(column)
    except (TypeError, ValueError):
        return column


__all__ = ["Run"]
