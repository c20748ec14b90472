# SPDX-License-Identifier: MIT
"""Policies in Python, to try an idea before it is written in C: every hook is a call into the interpreter, a thousand
times slower than a plugin's, and decides the same.

    class Fifo(vmsim.ReclaimPolicy):
        name = "py-fifo"

        def __init__(self, host, scope):
            self.queue = collections.OrderedDict()

        def added(self, folio, access):
            self.queue[folio] = None

        def evict(self, wanted, request):
            return itertools.islice(self.queue, wanted)

        def evicted(self, folio, end):
            self.queue.pop(folio, None)

    vmsim.TestReclaim(Fifo, frames=3).expect("7 0 1 2-7 0+ 3-0")
    vmsim.Machine(policies=[Fifo], set=["policies.reclaim.name=py-fifo", ...])

One instance of the class is made for each TLB array, or for each node and cgroup. The rules of vmsim/policy.h hold: what
is decided comes from what the hooks are given and from the instance. What a hook raises ends the call into the machine
that led to it. Structs that hooks get are those of vmsim/policy.h, and good for the call alone.
"""
from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple, Type, Union

from ._library import VmsimError, check, ffi, lib, string

NOBODY = 0xffffffff  # no way, no count: reported as an answer that cannot be


class Bound:
    """A policy class as the library knows it. `head` is its struct vmsim_policy."""

    def __init__(self, cls: Type["Policy"]) -> None:
        self.failure: Optional[BaseException] = None
        self._instances: Dict[int, Any] = {}
        self._keep: List[Any] = [ffi.new("char[]", cls.name.encode()), ffi.new("char[]", (cls.doc or cls.name).encode())]
        self._struct = ffi.new(f"{cls._struct} *")
        head = self._struct.policy
        head.size, head.abi, head.domain = ffi.sizeof(cls._struct), lib.VMSIM_POLICY_ABI, cls._domain
        head.name, head.doc = self._keep[:2]
        for hook, error, function in cls._hooks(self):
            self._hook(hook, error, function)
        self.head = ffi.addressof(head)

    def _hook(self, name: str, error: Any, function: Callable[..., Any]) -> None:
        def failed(kind: Any, value: BaseException, trace: Any) -> None:
            self.failure = self.failure or value

        kind = dict(ffi.typeof(self._struct).item.fields)[name].type
        made = ffi.callback(kind, function, error=error, onerror=failed) if kind.result.kind != "void" else ffi.callback(
            kind, function, onerror=failed)
        self._keep.append(made)
        setattr(self._struct, name, made)

    def create(self, out: Any, make: Callable[[], Any]) -> int:
        """For create hooks: an instance, and a handle to it."""
        handle = ffi.new_handle(make())
        self._instances[int(ffi.cast("uintptr_t", handle))] = handle
        out[0] = handle
        return 0

    def destroy(self, context: Any) -> None:
        self._instances.pop(int(ffi.cast("uintptr_t", context)), None)

    def raise_failure(self) -> None:
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure


def raise_failures(policies: Iterable[Bound]) -> None:
    """What hooks have raised during the call that just returned."""
    for policy in policies:
        policy.raise_failure()


class Policy:
    """What all have: a name as written in YAML, a line of what it does."""

    name = ""
    doc = ""
    _struct = ""
    _domain = 0

    @classmethod
    def _hooks(cls, bound: Bound) -> Iterable[Tuple[str, Any, Callable[..., Any]]]:
        raise NotImplementedError

    @classmethod
    def bind(cls) -> Bound:
        if not cls.name:
            raise TypeError(f"{cls.__name__} has no name: name = \"my-policy\"")
        return Bound(cls)

    @classmethod
    def _overrides(cls, base: Type["Policy"], method: str) -> bool:
        return getattr(cls, method) is not getattr(base, method)


class Services:
    """What the host does for every policy."""

    def __init__(self, services: Any) -> None:
        self._services = services

    def random(self, bound: int) -> int:
        """A number in [0, bound), from the machine's seed."""
        return self._services.random(self._services.host, bound)

    def counter(self, name: str) -> Callable[[int], None]:
        """In __init__: a counter of the policy's own; call it to add. Reports show it."""
        cell = self._services.counter(self._services.host, name.encode())
        if not cell:
            raise ValueError(f"{name!r} is no name of a counter, or there is no memory")

        def add(n: int = 1) -> None:
            cell[0] += n

        return add

    def log(self, text: str) -> None:
        """A line in the run's report."""
        self._services.log(self._services.host, text.encode())


class TlbReplacement(Policy):
    """Which entry of a full TLB set goes. `set` is a struct vmsim_tlb_set: set.first, set.ways, set.last_use[way]."""

    _struct = "struct vmsim_tlb_replacement_policy"
    _domain = lib.VMSIM_POLICY_TLB_REPLACEMENT

    def __init__(self, host: Services, sets: int, ways: int) -> None:
        pass

    def victim(self, set: Any) -> int:
        """The way that goes, in range(set.first, set.first + set.ways)."""
        raise NotImplementedError

    def fill(self, set: Any, way: int) -> None:
        """A new entry has come."""

    def hit(self, set: Any, way: int) -> None:
        """An entry was hit. To have this costs most of the speed."""

    def invalidate(self, set: int, way: int) -> None:
        """An entry was invalidated."""

    @classmethod
    def _hooks(cls, bound: Bound) -> Iterable[Tuple[str, Any, Callable[..., Any]]]:
        def create(services: Any, geometry: Any, params: Any, out: Any) -> int:
            return bound.create(out, lambda: cls(Services(services), geometry.sets, geometry.ways))

        yield "create", lib.VMSIM_EINVAL, create
        yield "destroy", None, bound.destroy
        yield "victim", NOBODY, lambda context, set: ffi.from_handle(context).victim(set)
        if cls._overrides(TlbReplacement, "fill"):
            yield "fill", None, lambda context, set, way: ffi.from_handle(context).fill(set, way)
        if cls._overrides(TlbReplacement, "hit"):
            yield "hit", None, lambda context, set, way: ffi.from_handle(context).hit(set, way)
        if cls._overrides(TlbReplacement, "invalidate"):
            yield "invalidate", None, lambda context, set, way: ffi.from_handle(context).invalidate(set, way)


class ReclaimServices(Services):
    """What the host does for a reclaim policy besides: a folio is a number."""

    def __init__(self, services: Any) -> None:
        super().__init__(services.common)
        self._reclaim = services
        self._host = services.host

    def young(self, folio: int, clear: bool = True) -> bool:
        """Was it used since it came, or since this was last cleared?"""
        return self._reclaim.young(self._host, folio, clear)

    def facts(self, folio: int) -> Any:
        """A struct vmsim_folio_facts; None for a folio that is not there."""
        facts = ffi.new("struct vmsim_folio_facts *")
        facts.size = ffi.sizeof("struct vmsim_folio_facts")
        return facts if self._reclaim.facts(self._host, folio, facts) else None

    def shadow(self, folio: int, value: int) -> bool:
        """What is to stand in its place when it has gone."""
        return self._reclaim.shadow_write(self._host, folio, value)

    def now(self) -> int:
        """Virtual time, ns."""
        return self._reclaim.now(self._host)

    def capacity(self) -> int:
        """Base pages that this instance may hold."""
        return self._reclaim.capacity(self._host)


class ReclaimPolicy(Policy):
    """Which folios leave memory. `access` is a struct vmsim_folio_access, `request` a struct vmsim_reclaim_request."""

    _struct = "struct vmsim_reclaim_policy"
    _domain = lib.VMSIM_POLICY_RECLAIM
    wants_references = False  #: accessed() is called for every reference of every program

    def __init__(self, host: ReclaimServices, scope: Any) -> None:
        pass

    def added(self, folio: int, access: Any) -> None:
        """A folio has come."""
        raise NotImplementedError

    def accessed(self, folio: int, access: Any) -> None:
        """A folio is used again. Without this, ask young()."""

    def evict(self, wanted: int, request: Any) -> Iterable[int]:
        """Folios to go, at most `wanted`, the first to go first. What is proposed is left as it is until evicted()."""
        raise NotImplementedError

    def evicted(self, folio: int, end: int) -> None:
        """A folio is going; `end` is an enum vmsim_folio_end."""
        raise NotImplementedError

    @classmethod
    def _hooks(cls, bound: Bound) -> Iterable[Tuple[str, Any, Callable[..., Any]]]:
        def create(services: Any, scope: Any, params: Any, out: Any) -> int:
            return bound.create(out, lambda: cls(ReclaimServices(services), scope))

        def evict(context: Any, request: Any) -> int:
            n = 0
            for n, folio in enumerate(ffi.from_handle(context).evict(request.wanted, request), 1):
                if n > request.wanted:
                    raise ValueError(f"evict() proposed more than the {request.wanted} folios that were wanted")
                request.folio[n - 1] = folio
            return n

        bound._struct.wants = lib.VMSIM_RECLAIM_WANTS_REFERENCES if cls.wants_references else 0
        yield "create", lib.VMSIM_EINVAL, create
        yield "destroy", None, bound.destroy
        yield "folio_added", None, lambda context, folio, access: ffi.from_handle(context).added(folio, access)
        yield "evict", 0, evict
        yield "folio_evicted", None, lambda context, folio, end: ffi.from_handle(context).evicted(folio, end)
        if cls._overrides(ReclaimPolicy, "accessed"):
            yield "folio_accessed", None, lambda context, folio, access: ffi.from_handle(context).accessed(folio, access)


AnyPolicy = Union[str, Type[Policy]]


class _Harness:
    """Shared by the two harnesses of vmsim/testing.h."""

    __test__ = False  # not one of pytest's own
    _prefix = ""

    def __init__(self, policy: AnyPolicy, seed: int, **numbers: int) -> None:
        self._bound = None if isinstance(policy, str) else policy.bind()
        name = ffi.new("char[]", policy.encode() if isinstance(policy, str) else policy.name.encode())
        options = ffi.new(f"struct {self._prefix}_options *")
        options.size, options.policy, options.seed = ffi.sizeof(f"struct {self._prefix}_options"), name, seed
        for key, value in numbers.items():
            setattr(options, key, value)
        if self._bound:
            options.linked = self._bound.head
        out, why = ffi.new(f"struct {self._prefix} **"), ffi.new("char[]", 512)
        code = self._function("create")(out, options, why, 512)
        self._raise()
        check(code, string(why))
        self._handle = ffi.gc(out[0], self._function("destroy"))

    def _function(self, name: str) -> Any:
        return getattr(lib, f"{self._prefix}_{name}")

    def _raise(self) -> None:
        if self._bound:
            self._bound.raise_failure()

    def step(self, page: int) -> Tuple[str, Optional[int]]:
        """Uses a page: ("hit" | "fill" | "evict", the page that went first or None)."""
        victim = ffi.new("uint64_t *")
        outcome = self._function("step")(self._handle, page, victim)
        self._raise()
        if outcome == lib.VMSIM_TEST_ERROR:
            raise VmsimError(lib.VMSIM_EINVAL, f"page {page} cannot be used")
        return ("hit", "fill", "evict")[outcome], victim[0] if outcome == lib.VMSIM_TEST_EVICT else None

    def probe(self, page: int) -> bool:
        """Is it held? Changes nothing."""
        return self._function("probe")(self._handle, page)

    def expect(self, script: str) -> None:
        """Runs a script of vmsim/testing.h ("0 1 2 3 0+ 4-1"); AssertionError says which word failed."""
        why = ffi.new("char[]", 512)
        code = self._function("expect")(self._handle, script.encode(), why, 512)
        self._raise()
        if code == lib.VMSIM_ECHECK:
            raise AssertionError(string(why))
        check(code, string(why))

    @property
    def counts(self) -> Tuple[int, int]:
        """(hits, misses)"""
        hits, misses = ffi.new("uint64_t *"), ffi.new("uint64_t *")
        self._function("counts")(self._handle, hits, misses)
        return hits[0], misses[0]

    def counter(self, name: str) -> int:
        """A counter that the policy exports, or "fallbacks"."""
        value = ffi.new("uint64_t *")
        check(self._function("counter")(self._handle, name.encode(), value))
        return value[0]


class TestTlb(_Harness):
    """A TLB of one array under a replacement policy: a name, or a class."""

    _prefix = "vmsim_test_tlb"

    def __init__(self, policy: AnyPolicy = "lru", *, sets: int = 1, ways: int = 4, seed: int = 1) -> None:
        super().__init__(policy, seed, sets=sets, ways=ways)


class TestReclaim(_Harness):
    """A memory of a few frames under a reclaim policy: a name, or a class."""

    _prefix = "vmsim_test_reclaim"

    def __init__(self, policy: AnyPolicy = "lru", *, frames: int = 4, seed: int = 1) -> None:
        super().__init__(policy, seed, frames=frames)

    def run(self, pages: Iterable[int]) -> int:
        """Uses pages in order; the misses."""
        words = ffi.new("uint64_t[]", [int(p) for p in pages])
        misses = ffi.new("uint64_t *")
        code = lib.vmsim_test_reclaim_run(self._handle, words, len(words), misses)
        self._raise()
        check(code)
        return misses[0]


__all__ = ["Policy", "TlbReplacement", "ReclaimPolicy", "TestTlb", "TestReclaim"]
