#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""library_calls.py LIBVMSIM.SO: the library called from Python, with a device under the calls.

A read of a cold file returns when the device is done with it, on the clock of its task's CPU alone; a reference to a
mapped file waits for its page; what never comes is an error that says so, and the next call works."""
import ctypes
import sys
from ctypes import POINTER, Structure, byref, c_bool, c_char_p, c_int, c_int64, c_size_t, c_uint, c_uint32, c_uint64, c_void_p

MS = 1_000_000
READ, SHARED, REGULAR, LOAD = 1, 1, 0, 0
EIO, ESTATE_TEXT = -5, "waits for ever"

MACHINE = b"""
machine:
  cpus: 2
  nodes: [{memory: 256MiB}]
  devices: [{name: sda, preset: hdd, read_latency: 10ms, faults: [{kind: never, after: 2}]}]
"""


class Result(Structure):
    """struct vmsim_access_result"""

    _fields_ = [("done", c_size_t), ("stop", c_int), ("address", c_uint64), ("fault_code", c_uint32), ("ns", c_uint64)]


def library(path):
    lib = ctypes.CDLL(path)
    calls = {
        "vmsim_config_create": (c_int, [POINTER(c_void_p)]),
        "vmsim_config_load_text": (c_int, [c_void_p, c_char_p, c_char_p, c_size_t]),
        "vmsim_config_resolve": (c_int, [c_void_p]),
        "vmsim_config_error_text": (c_char_p, [c_void_p, c_size_t]),
        "vmsim_config_destroy": (None, [c_void_p]),
        "vmsim_machine_create": (c_int, [c_void_p, POINTER(c_void_p)]),
        "vmsim_machine_error": (c_char_p, [c_void_p]),
        "vmsim_machine_time": (c_uint64, [c_void_p, c_uint]),
        "vmsim_machine_check": (c_int, [c_void_p]),
        "vmsim_machine_destroy": (c_size_t, [c_void_p]),
        "vmsim_task_create": (c_int, [c_void_p, c_char_p, c_uint, POINTER(c_uint32)]),
        "vmsim_file_create": (c_int, [c_void_p, c_int, c_char_p, c_uint64, c_bool, POINTER(c_uint32)]),
        "vmsim_task_read": (c_int64, [c_void_p, c_uint32, c_uint32, c_uint64, c_uint64]),
        "vmsim_task_mmap": (c_int64, [c_void_p, c_uint32, c_uint64, c_uint64, c_uint, c_uint, c_uint32, c_uint64]),
        "vmsim_task_access": (c_int, [c_void_p, c_uint32, POINTER(c_uint64), c_size_t, c_void_p, POINTER(Result)]),
    }
    for name, (result, arguments) in calls.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


def boot(lib):
    config, machine = c_void_p(), c_void_p()
    assert lib.vmsim_config_create(byref(config)) == 0
    ok = lib.vmsim_config_load_text(config, b"box.yaml", MACHINE, len(MACHINE)) == 0
    ok = ok and lib.vmsim_config_resolve(config) == 0 and lib.vmsim_machine_create(config, byref(machine)) == 0
    if not ok:
        sys.exit(lib.vmsim_config_error_text(config, 0).decode())
    return config, machine


def main():
    lib = library(sys.argv[1])
    config, m = boot(lib)
    tasks, files = [c_uint32(), c_uint32()], [c_uint32(), c_uint32(), c_uint32()]
    for cpu, task in enumerate(tasks):
        assert lib.vmsim_task_create(m, b"t%d" % cpu, cpu, byref(task)) == 0
    for i, file in enumerate(files):
        assert lib.vmsim_file_create(m, REGULAR, b"/%d" % i, 1 << 20, False, byref(file)) == 0

    # A blocking call: it is back when the device is done.
    assert lib.vmsim_task_read(m, tasks[0], files[0], 0, 4096) == 4096
    assert 10 * MS < lib.vmsim_machine_time(m, 0) < 40 * MS, lib.vmsim_machine_time(m, 0)
    assert lib.vmsim_machine_time(m, 1) == 0

    # A fault that waits, on the other CPU.
    base = lib.vmsim_task_mmap(m, tasks[1], 0, 1 << 20, READ, SHARED, files[1], 0)
    assert base > 0
    access, result = c_uint64(base << 7 | LOAD), Result()
    assert lib.vmsim_task_access(m, tasks[1], byref(access), 1, None, byref(result)) == 0
    assert result.done == 1 and result.stop == 0 and result.ns > 10 * MS
    assert lib.vmsim_machine_time(m, 1) > 10 * MS

    # What never comes is told, and holds up nothing after it.
    assert lib.vmsim_task_read(m, tasks[0], files[2], 0, 4096) == EIO
    text = lib.vmsim_machine_error(m).decode()
    assert ESTATE_TEXT in text and "device sda" in text, text
    assert lib.vmsim_task_read(m, tasks[0], files[0], 0, 4096) == 4096
    assert lib.vmsim_machine_check(m) == 0, lib.vmsim_machine_error(m)
    assert lib.vmsim_machine_destroy(m) == 0
    lib.vmsim_config_destroy(config)
    print("library_calls.py: all calls came back as they should")


if __name__ == "__main__":
    main()
