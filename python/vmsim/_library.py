# SPDX-License-Identifier: MIT
"""libvmsim through cffi in ABI mode: nothing is compiled. `interface.cdef` is what the headers declare.

The library is looked for in this order: the environment's VMSIM_LIBRARY, the folders `lib*` of the prefix that this
package was installed in, the system's own places.
"""
from __future__ import annotations

import os
import pathlib
import sys
from typing import Any, Optional

import cffi

SONAME = "libvmsim.so.0"

ffi = cffi.FFI()
ffi.cdef(pathlib.Path(__file__).with_name("interface.cdef").read_text(encoding="utf-8"))


class VmsimError(Exception):
    """What the library refused. `code` is its vmsim_err, `name` that one's name ("VMSIM_EINVAL")."""

    def __init__(self, code: int, text: str = "") -> None:
        self.code = code
        self.name = string(lib.vmsim_error_name(code))
        super().__init__(text or string(lib.vmsim_error_text(code)))


def _candidates() -> list[str]:
    asked = os.environ.get("VMSIM_LIBRARY")
    if asked:
        return [asked]
    prefixes = [*pathlib.Path(__file__).resolve().parents[2:6], pathlib.Path(sys.prefix)]
    beside = [str(p) for prefix in prefixes for p in sorted(prefix.glob(f"lib*/{SONAME}"))]
    beside += [str(p) for prefix in prefixes for p in sorted(prefix.glob(f"lib/*/{SONAME}"))]
    return [*beside, SONAME]


def _open() -> Any:
    why = []
    for path in _candidates():
        try:
            return ffi.dlopen(path)
        except OSError as error:
            why.append(str(error))
    raise ImportError(f"{SONAME} cannot be loaded; VMSIM_LIBRARY may say where it is: " + "; ".join(why))


def string(text: Any) -> str:
    """A C string; "" of NULL."""
    return ffi.string(text).decode("utf-8", "replace") if text else ""


def check(code: int, text: Optional[str] = None) -> int:
    """Raises what a negative vmsim_err says."""
    if code < 0:
        raise VmsimError(code, text or "")
    return code


lib = _open()
