"""Puts the code that modules run side by side.

Python counts references in place, so code that runs is written to; where it lies between code that
does not, as it came from its file, nearly every function costs a process a page or two of its own.
"""

from __future__ import annotations

import gc
from collections.abc import Collection
from types import CodeType, FunctionType

_kept: list[CodeType] = []
"""What was replaced. To free it would leave holes in which new objects come to lie apart."""


def pack(codes: Collection[CodeType], folder: str) -> None:
    """Give every function with one of these codes a copy, each next to the last.

    Args:
        codes: what is known to run.
        folder: what lies in it runs, too.
    """
    chosen = {id(code) for code in codes}
    copies: dict[int, CodeType] = {}

    def copy(code: CodeType) -> CodeType:
        if id(code) not in copies:
            consts = tuple(
                copy(const) if isinstance(const, CodeType) and id(const) in chosen else const
                for const in code.co_consts
            )
            copies[id(code)] = code.replace(co_consts=consts)
            _kept.append(code)
        return copies[id(code)]

    gc.unfreeze()
    for function in gc.get_objects():
        if type(function) is FunctionType:
            code = function.__code__
            if id(code) in chosen or code.co_filename.startswith(folder):
                function.__code__ = copy(code)
    gc.freeze()
