# SPDX-License-Identifier: MIT
"""Scenarios, and run directories as frames."""
import pytest

import vmsim

SCENARIO = """
machine: {cpus: 1, nodes: [{memory: 64MiB}]}
workload:
  tasks:
    - name: demo
      program:
        - mmap: {as: heap, length: 4MiB}
        - touch: {region: heap, write: 100%}
report: {interval: 100us}
expect:
  - {counter: tasks.demo.minflt, min: 1024}
  - {counter: tasks.demo.majflt, equals: 1}
"""


@pytest.fixture(scope="module")
def scenario():
    return vmsim.Scenario(text=SCENARIO).run()


def test_a_scenario_is_run_and_judged(scenario):
    assert [e.met for e in scenario.expectations] == [True, False]
    assert scenario.failures == 1
    assert scenario.expectations[0].counter == "tasks.demo.minflt" and scenario.expectations[0].wanted == ">= 1024"
    assert scenario.stats["run"]["references"] == 1024
    assert "1 task on x86_64" in scenario.summary
    assert scenario.machine.counter("tasks.demo.references") == 1024
    with pytest.raises(vmsim.VmsimError):
        scenario.run()


def test_progress_may_stop_a_run():
    with pytest.raises(vmsim.VmsimError):
        vmsim.Scenario(text=SCENARIO).run(lambda references, total, ns: False)


def test_a_run_directory_is_frames(scenario, tmp_path):
    pytest.importorskip("pandas", reason="pandas is not installed")
    scenario.write(tmp_path / "out")
    run = vmsim.Run(tmp_path / "out")
    tasks = run.table("tasks")
    assert list(tasks["name"]) == ["demo"] and tasks["minor_faults"][0] >= 1024
    assert run.counters["tasks.demo.references"] == 1024
    series = run.intervals
    assert list(series["vmstat.pgfault"])[-1] == run.counters["vmstat.pgfault"] == 1024
    assert series.index[0] == 100_000 and series.index[-1] == run.stats["run"]["virtual_time_ns"]
    assert run.table("tlb")["miss_rate"].dtype.kind == "f"
    assert "tasks" in run.sections and run.proc("proc/meminfo").startswith("MemTotal")
