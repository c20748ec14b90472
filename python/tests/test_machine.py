# SPDX-License-Identifier: MIT
"""Machines and tasks from Python: what is returned is what the library's counters and /proc say."""
import errno

import pytest

import vmsim

MS = 1_000_000


@pytest.fixture
def machine():
    with vmsim.Machine(text="machine: {cpus: 2, nodes: [{memory: 256MiB}], preset: skylake-sp}") as m:
        yield m
        m.check()


def test_a_batch_of_an_array_is_done_in_order(machine):
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    task = machine.task("t")
    base = task.mmap(4 << 20)
    pages = base + numpy.arange(0, 4 << 20, 4096, dtype=numpy.uint64)
    result = task.access(pages, write=True, physical=True)
    assert result.done == len(pages) == 1024
    assert result.stop is vmsim.Stop.NONE
    assert len(numpy.unique(result.physical >> numpy.uint64(12))) == 1024
    assert [task.translate(int(p)).physical for p in pages[:50]] == list(result.physical[:50])
    assert task.counters()["references"] == 1024


def test_kinds_of_a_batch_may_differ(machine):
    task = machine.task("t")
    base = task.mmap(1 << 20, prot=vmsim.PROT_READ)
    result = task.access([base, base + 4096, base + 8192], write=[0, 1, 0])
    assert (result.done, result.stop, result.address) == (1, vmsim.Stop.SIGSEGV, base + 4096)
    assert task.access(base).stop is vmsim.Stop.DEAD
    assert task.counters()["sigsegv"] == 1


def test_addresses_that_are_none_are_refused(machine):
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    with pytest.raises(TypeError, match="integers"):
        machine.task("t").access(numpy.array([1.5]))


def test_addresses_of_the_upper_half_stay_what_they_are(machine):
    task = machine.task("t")
    assert task.access(0xffff_8000_0000_0000).address == 0xffff_8000_0000_0000


def test_details_say_where_time_went(machine):
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    task = machine.task("t")
    base = task.mmap(1 << 20)
    details = task.access_detailed(numpy.array([base, base + 8, base + 4096]), write=True)
    assert list(details["minor_faults"]) == [1, 0, 1]
    assert list(details["tlb_level"]) == [0, 1, 0]
    assert details["fault_ns"][0] > 0 and details["fault_ns"][1] == 0
    leaf = task.translate(base).entries[-1].address
    assert details["entry"][0][details["entries"][0] - 1] == leaf


def test_lists_do_where_numpy_is_not(machine, monkeypatch):
    monkeypatch.setattr("vmsim.machine.numpy", None)
    task = machine.task("t")
    base = task.mmap(1 << 20)
    result = task.access([base, base + 4096], write=True, physical=True)
    assert list(result.physical) == [task.translate(base).physical, task.translate(base + 4096).physical]
    details = task.access_detailed([base])
    assert details[0]["physical"] == result.physical[0] and details[0]["entry"] == []


def test_a_walk_is_lines_for_people(machine):
    task = machine.task("t")
    base = task.mmap(1 << 20)
    task.access(base)
    assert task.walk(base)[-1].startswith("  -> pa 0x%010x" % task.translate(base).physical)
    assert task.translate(base + 4096).fault == "not present"


def test_a_system_call_fails_as_linux_says(machine):
    task = machine.task("t")
    with pytest.raises(OSError) as refused:
        task.mprotect(0x1000, 4096, vmsim.PROT_READ)
    assert refused.value.errno == errno.ENOMEM
    with pytest.raises(vmsim.VmsimError, match="there is no CPU"):
        machine.task("far", cpu=7)


def test_a_call_that_waits_is_back_when_the_device_is_done():
    m = vmsim.Machine(text="""
machine:
  cpus: 2
  nodes: [{memory: 256MiB}]
  devices: [{name: sda, preset: hdd, read_latency: 10ms, faults: [{kind: never, after: 2}]}]
""")
    tasks = [m.task(f"t{cpu}", cpu) for cpu in range(2)]
    files = [m.file(f"/{i}", 1 << 20) for i in range(3)]
    assert tasks[0].read(files[0], 0, 4096) == 4096
    assert 10 * MS < m.time(0) < 40 * MS and m.time(1) == 0
    base = tasks[1].mmap(1 << 20, prot=vmsim.PROT_READ, file=files[1])
    assert tasks[1].access(base).ns > 10 * MS
    with pytest.raises(OSError, match="waits for ever.*device sda"):
        tasks[0].read(files[2], 0, 4096)
    assert tasks[0].read(files[0], 0, 4096) == 4096
    m.check()


def test_sections_of_statistics_need_no_scenario(machine):
    task = machine.task("counted")
    base = task.mmap(1 << 20)
    task.access([base, base + 4096], write=True)
    assert [t["minor_faults"] for t in machine.section("tasks") if t["name"] == "counted"] == [2]
    assert machine.section("counters")["vmstat.pgfault"] == machine.counter("vmstat.pgfault")
    with pytest.raises(vmsim.VmsimError, match="no section 'taks' of a machine; there are .*tasks"):
        machine.section("taks")


def test_counters_are_a_dict_with_meanings(machine):
    task = machine.task("t")
    task.access(task.mmap(4096), write=True)
    faults = machine.counters("vmstat.pgf*")
    assert faults["vmstat.pgfault"] == machine.counter("vmstat.pgfault") == 1
    assert len(machine.counters()) > 300
    assert machine.meaning("vmstat.nr_free_pages")[1] == "pages"
    with pytest.raises(vmsim.VmsimError, match="pgfault"):
        machine.counter("vmstat.pgfalt")
    machine.sysctl("vm.swappiness", 10)
    assert machine.proc("proc/sys/vm/swappiness") == "10\n"
    assert machine.proc("proc/meminfo").startswith("MemTotal:")


def test_a_child_shares_until_it_writes(machine):
    task = machine.task("parent")
    base = task.mmap(4096)
    task.access(base, write=True)
    child = task.fork("child")
    assert child.translate(base).physical == task.translate(base).physical
    child.access(base, write=True)
    assert child.translate(base).physical != task.translate(base).physical
    child.exit()
    assert [t.name for t in machine.tasks()] == ["parent", "child"]


def test_what_is_wrong_in_a_description_is_told_at_once():
    with pytest.raises(vmsim.VmsimError) as wrong:
        vmsim.Machine(text="machine: {cpus: 0, nodes: [{memroy: 1GiB}]}")
    assert "did you mean 'memory'?" in str(wrong.value) and "cpus" in str(wrong.value)
    assert wrong.value.name == "VMSIM_ECONFIG"


def test_threads_exec_msync_and_fadvise():
    machine = vmsim.Machine(set=["machine.nodes=[{memory: 64MiB}]"])
    task = machine.task("shell")
    base = task.mmap(1 << 20)
    task.access(base, write=True)
    thread = task.clone("thread")
    thread.access(base)
    assert machine.counter("tasks.thread.minflt") == 0
    data = machine.file("/data", 1 << 20)
    shared = task.mmap(1 << 20, file=data)
    task.access(shared, write=True)
    task.msync(shared, 1 << 20)
    assert machine.counter("vmstat.nr_dirty") == 0
    task.fadvise(data, 0, 0, 3)
    program = machine.file("/bin/x", 65536)
    with pytest.raises(OSError):
        task.exec("x", program, [(0, 0, 8192, 4096, 5)])
    task.exec("x", program, [(0, 0, 40960, 40960, 5), (0xa000, 0xa000, 8192, 65536, 3)])
    assert machine.counter("tasks.x.rss_anon") > 0
    with pytest.raises(OSError):
        task.exec("y", 99, [(0, 0, 4096, 4096, 5)])
