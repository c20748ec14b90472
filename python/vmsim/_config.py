# SPDX-License-Identifier: MIT
"""Configurations: files, texts and settings, resolved."""
from __future__ import annotations

import os
from typing import Any, Iterable, Optional, Union

from ._library import VmsimError, ffi, lib, string

Path = Union[str, "os.PathLike[str]"]


class Config:
    """Files and settings, in the order of `vmsim run`: later ones override. Errors are told all at once."""

    def __init__(self, *files: Path, text: Optional[str] = None, set: Iterable[str] = (), policies: Iterable[Any] = ()) -> None:
        out = ffi.new("struct vmsim_config **")
        code = lib.vmsim_config_create(out)
        if code:
            raise VmsimError(code)
        self._config = ffi.gc(out[0], lib.vmsim_config_destroy)
        self._policies = [policy.bind() for policy in policies]  # they must outlive every machine
        for path in files:
            self._check(lib.vmsim_config_load_file(self._config, os.fsencode(path)))
        if text is not None:
            data = text.encode()
            self._check(lib.vmsim_config_load_text(self._config, b"text", data, len(data)))
        for assignment in set:
            self._check(lib.vmsim_config_set(self._config, assignment.encode()))
        for policy in self._policies:
            self._check(lib.vmsim_config_add_policy(self._config, policy.head))
        self._check(lib.vmsim_config_resolve(self._config))

    def _check(self, code: int) -> None:
        if code:
            count = lib.vmsim_config_error_count(self._config)
            texts = [string(lib.vmsim_config_error_text(self._config, i)) for i in range(count)]
            raise VmsimError(code, "\n".join(texts))

    def resolved(self) -> str:
        """The whole configuration as YAML, every default written out."""
        text = ffi.new("const char **")
        self._check(lib.vmsim_config_dump(self._config, 0, text, ffi.NULL))
        return string(text[0])
