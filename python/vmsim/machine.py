# SPDX-License-Identifier: MIT
"""Machines and their tasks.

    machine = vmsim.Machine(set=["machine.preset=zen4"])
    task = machine.task("demo")
    base = task.mmap(64 << 20)
    task.access(base + numpy.arange(0, 64 << 20, 4096), write=True)
    machine.counters("tlb.cpu0.*")

Numbers are Linux's own (protections, flags, advice), sizes are bytes, times nanoseconds of virtual time. A system call
returns what Linux's would, and raises OSError with its errno where that would be negative. What vmsim itself refuses is
a VmsimError. One machine is used by one thread at a time.
"""
from __future__ import annotations

import dataclasses
import enum
import fnmatch
import json
import os
from typing import Any, Iterator, List, Optional, Sequence, Tuple, Union

from ._config import Config, Path
from ._library import VmsimError, check, ffi, lib, string
from .policy import raise_failures

try:
    import numpy
except ImportError:  # lists of integers do without
    numpy = None  # type: ignore[assignment]

PROT_READ, PROT_WRITE, PROT_EXEC = 1, 2, 4
MAP_SHARED, MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS, MAP_POPULATE = 1, 2, 0x10, 0x20, 0x8000
MADV_NORMAL, MADV_DONTNEED, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_COLLAPSE = 0, 4, 14, 15, 25


class Stop(enum.Enum):
    """Why a batch of references ended early."""

    NONE = 0
    SIGSEGV = 1
    SIGBUS = 2
    OOM = 3
    DEAD = 4


class FileKind(enum.IntEnum):
    """What a file lives on."""

    REGULAR = 0
    SHMEM = 1
    RAMFS = 2
    BLOCKDEV = 3


@dataclasses.dataclass(frozen=True)
class Result:
    """What a batch came to. `physical` is there when it was asked for: a numpy array, or a list without numpy."""

    done: int
    stop: Stop
    ns: int
    address: Optional[int] = None
    fault_code: int = 0
    physical: Any = None


@dataclasses.dataclass(frozen=True)
class Entry:
    """A page-table entry: where it is, what it says, and at which level (0: the last)."""

    address: int
    value: int
    level: int


@dataclasses.dataclass(frozen=True)
class Translation:
    """What a page table says of an address; `fault` is None where it translates."""

    physical: int
    page_size: int
    fault: Optional[str]
    fault_code: int
    flags: int
    node: Optional[int]
    tlb_level: int
    entries: Tuple[Entry, ...]


Numbers = Union[int, Sequence[int], Any]


def _sized(size: int) -> int:
    code = 0
    bytes_of = [*range(1, 17), 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 256, 512, 1024, 4096]
    while code < 31 and bytes_of[code] < size:
        code += 1
    return code << 2


def _pack(addresses: Numbers, size: int, kind: Numbers) -> Tuple[Any, int, Any]:
    """(what C reads, count, what keeps it alive): references as vmsim/access.h packs them."""
    if numpy is not None:
        at = numpy.atleast_1d(numpy.asarray(addresses))
        if at.dtype.kind not in "iu":
            raise TypeError(f"addresses are integers, not {at.dtype}")
        packed = at.astype(numpy.uint64) << numpy.uint64(7)
        packed |= numpy.uint64(_sized(size))
        packed |= numpy.asarray(kind).astype(numpy.uint64)
        packed = numpy.ascontiguousarray(packed)
        return ffi.cast("uint64_t *", packed.ctypes.data), len(packed), packed
    many = [addresses] if isinstance(addresses, int) else list(addresses)
    kinds = [kind] * len(many) if isinstance(kind, int) else list(kind)
    words = ffi.new("uint64_t[]", [(a << 7 & (1 << 64) - 1) | _sized(size) | int(k) for a, k in zip(many, kinds)])
    return words, len(many), words


def _physical(count: int) -> Tuple[Any, Any]:
    if numpy is not None:
        array = numpy.zeros(count, dtype=numpy.uint64)
        return ffi.cast("uint64_t *", array.ctypes.data), array
    words = ffi.new("uint64_t[]", count)
    return words, words


class Task:
    """A task of a machine."""

    def __init__(self, machine: "Machine", number: int) -> None:
        self.machine = machine
        self.number = number

    def __repr__(self) -> str:
        return f"<vmsim task {self.number} {self.name!r}>"

    @property
    def name(self) -> str:
        return string(lib.vmsim_task_name(self.machine._handle, self.number))

    def access(self, addresses: Numbers, *, size: int = 8, write: Numbers = False, fetch: bool = False,
               physical: bool = False) -> Result:
        """Performs references in order: to one address, or to many in a batch (a numpy array is taken as it is).

        write: of all, or one truth a reference. A reference that nothing allows ends the batch and the task: see
        `stop` of the result.
        """
        kind = 2 if fetch else write
        words, count, keep = _pack(addresses, size, kind)
        out, array = _physical(count) if physical else (ffi.NULL, None)
        r = ffi.new("struct vmsim_access_result *")
        self._done(lib.vmsim_task_access(self.machine._handle, self.number, words, count, out, r))
        del keep
        stopped = Stop(r.stop)
        faulted = stopped in (Stop.SIGSEGV, Stop.SIGBUS, Stop.OOM)
        return Result(r.done, stopped, r.ns, r.address if faulted else None, r.fault_code if faulted else 0, array)

    def access_detailed(self, addresses: Numbers, *, size: int = 8, write: Numbers = False, fetch: bool = False) -> Any:
        """The same, and what each reference came to: a numpy array of records (a list of dicts without numpy), of those
        that were done. `entry` holds the physical addresses of page-table entries that its walks read."""
        words, count, keep = _pack(addresses, size, 2 if fetch else write)
        details = ffi.new("struct vmsim_access_detail[]", max(count, 1))
        r = ffi.new("struct vmsim_access_result *")
        one = ffi.sizeof("struct vmsim_access_detail")
        self._done(lib.vmsim_task_access_detailed(self.machine._handle, self.number, words, count, details, one, r))
        del keep
        if numpy is None:
            names = [name for name, _ in ffi.typeof("struct vmsim_access_detail").fields]
            return [{n: list(d.entry)[:d.entries] if n == "entry" else getattr(d, n) for n in names}
                    for d in details[0:r.done]]
        return numpy.frombuffer(ffi.buffer(details, one * r.done), dtype=detail_dtype()).copy()

    def translate(self, address: int, *, write: bool = False, fetch: bool = False) -> Translation:
        """What the page table says of an address. Changes nothing."""
        t = ffi.new("struct vmsim_translation *")
        check(lib.vmsim_task_translate(self.machine._handle, self.number, address & (1 << 64) - 1,
                                       2 if fetch else int(write), t, ffi.sizeof("struct vmsim_translation")),
              self.machine.error)
        entries = tuple(Entry(e.address, e.value, e.level) for e in t.entry[0:t.entries])
        return Translation(t.physical, t.page_size, string(t.fault) or None, t.fault_code, t.flags,
                           None if t.node == 0xffffffff else t.node, t.tlb_level, entries)

    def walk(self, address: int, *, write: bool = False, fetch: bool = False) -> List[str]:
        """The same as lines for people, as `vmsim walk` draws them."""
        lines: List[str] = []

        @ffi.callback("vmsim_line_fn *")
        def line(context: Any, text: Any) -> None:
            lines.append(string(text))

        check(lib.vmsim_task_walk(self.machine._handle, self.number, address, 2 if fetch else int(write), line,
                                  ffi.NULL), self.machine.error)
        return lines

    def _done(self, code: int) -> None:
        raise_failures(self.machine._policies)
        check(code, self.machine.error)

    def _call(self, result: int) -> int:
        raise_failures(self.machine._policies)
        if result < 0:
            text = self.machine.error if result in (-5, -12) else ""
            raise OSError(-result, text or os.strerror(-result))
        return result

    def mmap(self, length: int, *, address: int = 0, prot: int = PROT_READ | PROT_WRITE,
             flags: Optional[int] = None, file: int = 0, offset: int = 0) -> int:
        """mmap(2): the address. Without flags anonymous and private; of a file (Machine.file()) shared."""
        if flags is None:
            flags = MAP_SHARED if file else MAP_PRIVATE | MAP_ANONYMOUS
        return self._call(lib.vmsim_task_mmap(self.machine._handle, self.number, address, length, prot, flags, file, offset))

    def munmap(self, address: int, length: int) -> None:
        """munmap(2)"""
        self._call(lib.vmsim_task_munmap(self.machine._handle, self.number, address, length))

    def mprotect(self, address: int, length: int, prot: int) -> None:
        """mprotect(2)"""
        self._call(lib.vmsim_task_mprotect(self.machine._handle, self.number, address, length, prot))

    def madvise(self, address: int, length: int, advice: int) -> None:
        """madvise(2)"""
        self._call(lib.vmsim_task_madvise(self.machine._handle, self.number, address, length, advice))

    def brk(self, address: int) -> int:
        """brk(2): the new break, or the old one when it could not move."""
        return self._call(lib.vmsim_task_brk(self.machine._handle, self.number, address))

    def read(self, file: int, offset: int, length: int) -> int:
        """read(2)-like; back when the device is done. Bytes read."""
        return self._call(lib.vmsim_task_read(self.machine._handle, self.number, file, offset, length))

    def write(self, file: int, offset: int, length: int) -> int:
        """write(2)-like. Bytes written."""
        return self._call(lib.vmsim_task_write(self.machine._handle, self.number, file, offset, length))

    def fsync(self, file: int) -> None:
        """fsync(2)-like"""
        self._call(lib.vmsim_task_fsync(self.machine._handle, self.number, file))

    def msync(self, address: int, length: int, flags: int = 4) -> None:
        """msync(2); MS_SYNC unless told otherwise: back when all is written."""
        self._call(lib.vmsim_task_msync(self.machine._handle, self.number, address, length, flags))

    def fadvise(self, file: int, offset: int, length: int, advice: int) -> None:
        """posix_fadvise(2)"""
        self._call(lib.vmsim_task_fadvise(self.machine._handle, self.number, file, offset, length, advice))

    def fork(self, name: str) -> "Task":
        """fork(2): a copy-on-write child. MemoryError where the machine had no memory for it."""
        child = ffi.new("uint32_t *")
        check(lib.vmsim_task_fork(self.machine._handle, self.number, name.encode(), child), self.machine.error)
        if child[0] == lib.VMSIM_TASK_NONE:
            raise MemoryError("fork: the machine has no memory (ENOMEM)")
        return Task(self.machine, child[0])

    def clone(self, name: str, thread: bool = True) -> "Task":
        """clone(2): a thread, or a process that shares the address space (vfork), on this task's CPU."""
        child = ffi.new("uint32_t *")
        check(lib.vmsim_task_clone(self.machine._handle, self.number, name.encode(), thread, child), self.machine.error)
        return Task(self.machine, child[0])

    def exec(self, name: str, file: int, segments: Sequence[Sequence[int]], interpreter: int = 0,
             interpreter_segments: Sequence[Sequence[int]] = (), fixed: bool = False, argument_bytes: int = 4096,
             argument_count: int = 32) -> None:
        """execve(2). Segments are tuples as of a program header: address, offset, file bytes, memory bytes, prot."""
        image = ffi.new("struct vmsim_exec *", {"size": ffi.sizeof("struct vmsim_exec"), "argument_bytes": argument_bytes,
                                                "argument_count": argument_count})
        kept = []
        for part, number, rows in ((image.program, file, segments), (image.interpreter, interpreter, interpreter_segments)):
            kept.append(ffi.new("struct vmsim_exec_segment[]", [tuple(row) for row in rows]))
            part.file, part.segments, part.count, part.fixed = number, kept[-1], len(rows), fixed
        self._call(lib.vmsim_task_exec(self.machine._handle, self.number, name.encode(), image))

    def exit(self) -> None:
        """Ends the task."""
        check(lib.vmsim_task_exit(self.machine._handle, self.number), self.machine.error)

    def migrate(self, cpu: int) -> None:
        """Moves it to another CPU."""
        check(lib.vmsim_task_migrate(self.machine._handle, self.number, cpu), self.machine.error)

    def counters(self) -> dict[str, int]:
        """The task's own counters, without "tasks.NAME." in front."""
        prefix = f"tasks.{self.name}."
        return {name[len(prefix):]: value for name, value in self.machine.counters(prefix + "*").items()}


def detail_dtype() -> Any:
    """The numpy type of access_detailed()'s records: the struct's members at their places."""
    names, formats, offsets = [], [], []
    for name, field in ffi.typeof("struct vmsim_access_detail").fields:
        names.append(name)
        offsets.append(field.offset)
        item = field.type
        formats.append(f"({item.length},)u{ffi.sizeof(item.item)}" if item.kind == "array" else f"u{ffi.sizeof(item)}")
    return numpy.dtype({"names": names, "formats": formats, "offsets": offsets,
                        "itemsize": ffi.sizeof("struct vmsim_access_detail")})


class Machine:
    """A machine: from files as `vmsim run` takes them, a text of YAML, settings, and policies written in Python.

    A `with` block, close() or the end of the last reference frees it.
    """

    def __init__(self, *files: Path, text: Optional[str] = None, set: Sequence[str] = (), policies: Sequence[Any] = ()) -> None:
        config = Config(*files, text=text, set=set, policies=policies)
        out = ffi.new("struct vmsim_machine **")
        config._check(lib.vmsim_machine_create(config._config, out))
        self._adopt(ffi.gc(out[0], lib.vmsim_machine_destroy), config._policies)

    def _adopt(self, handle: Any, policies: Sequence[Any]) -> None:
        self._handle = handle
        self._policies = policies
        self._names: List[str] = []

    def close(self) -> None:
        """Frees the machine now; neither it nor its tasks can be used afterwards."""
        if self._handle:
            ffi.release(self._handle)
            self._handle = ffi.NULL

    def __enter__(self) -> "Machine":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    @property
    def error(self) -> str:
        """Text of the last error."""
        return string(lib.vmsim_machine_error(self._handle))

    @property
    def cpus(self) -> int:
        return lib.vmsim_machine_cpus(self._handle)

    def time(self, cpu: int = 0) -> int:
        """Virtual time of a CPU, ns."""
        return lib.vmsim_machine_time(self._handle, cpu)

    def task(self, name: str, cpu: int = 0) -> Task:
        """A new task with an empty address space."""
        number = ffi.new("uint32_t *")
        check(lib.vmsim_task_create(self._handle, name.encode(), cpu, number), self.error)
        return Task(self, number[0])

    def tasks(self) -> Iterator[Task]:
        """All tasks that ever were."""
        return (Task(self, i) for i in range(lib.vmsim_task_count(self._handle)))

    def file(self, path: str, size: int, *, kind: FileKind = FileKind.REGULAR, cached: bool = False) -> int:
        """Makes a file; its number, for mmap(), read() and write() of tasks."""
        number = ffi.new("uint32_t *")
        check(lib.vmsim_file_create(self._handle, int(kind), path.encode(), size, cached, number), self.error)
        return number[0]

    def _counter_names(self) -> List[str]:
        count = lib.vmsim_counter_count(self._handle)
        while len(self._names) < count:
            self._names.append(string(lib.vmsim_counter_name(self._handle, len(self._names))))
        return self._names

    def counters(self, pattern: str = "*") -> dict[str, int]:
        """All counters, or those whose names match (`*` any text, `?` one character)."""
        return {name: lib.vmsim_counter_read(self._handle, i) for i, name in enumerate(self._counter_names())
                if pattern == "*" or fnmatch.fnmatchcase(name, pattern)}

    def counter(self, name: str) -> int:
        """One counter: "vmstat.pgfault"."""
        number = ffi.new("size_t *")
        check(lib.vmsim_counter_find(self._handle, name.encode(), number), self.error)
        return lib.vmsim_counter_read(self._handle, number[0])

    def meaning(self, name: str) -> Tuple[str, str]:
        """(what a counter counts, its unit)"""
        number, unit = ffi.new("size_t *"), ffi.new("const char **")
        check(lib.vmsim_counter_find(self._handle, name.encode(), number), self.error)
        return string(lib.vmsim_counter_meaning(self._handle, number[0], unit)), string(unit[0])

    def sysctl(self, name: str, value: Union[int, str]) -> None:
        """Writes a sysctl or another knob: "vm.swappiness"."""
        check(lib.vmsim_machine_sysctl(self._handle, name.encode(), str(value).encode()), self.error)

    def proc(self, path: str) -> str:
        """A file of /proc or /sys as Linux shows it: "proc/meminfo"."""
        text = ffi.new("const char **")
        check(lib.vmsim_report_proc_file(self._handle, path.encode(), text, ffi.NULL), self.error)
        try:
            return string(text[0])
        finally:
            lib.vmsim_report_proc_free(self._handle, text[0])

    def section(self, name: str) -> Any:
        """A section of stats.json, now: "memory_by_node", "tlb", "tasks"; keys and units as in a run's stats."""
        text = ffi.new("const char **")
        check(lib.vmsim_report_section(self._handle, name.encode(), text, ffi.NULL), self.error)
        try:
            return json.loads(string(text[0]))[name]
        finally:
            lib.vmsim_report_proc_free(self._handle, text[0])

    def check(self) -> None:
        """Holds every structure of the machine against the others."""
        check(lib.vmsim_machine_check(self._handle), self.error)


__all__ = ["Machine", "Task", "Result", "Stop", "FileKind", "Entry", "Translation", "VmsimError"]
