"""Where in the user's code something stands, and errors that say so."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import numpy as np

from ._errors import ClarkeError, UnsupportedError

__all__ = ["fail", "origin"]

_OWN = (os.path.dirname(os.path.abspath(__file__)) + os.sep, os.path.dirname(os.path.abspath(np.__file__)) + os.sep)
#: Which files are the package's or numpy's, of those seen.
_inner: dict[str, bool] = {}


def origin() -> tuple[str, int]:
    """File and line of the user's code that is running: the first frame that is neither ours nor numpy's."""
    frame = sys._getframe(1)
    while True:
        file = frame.f_code.co_filename
        inner = _inner.get(file)
        if inner is None:
            inner = _inner[file] = file.startswith(_OWN) or file.startswith("<__array_function__")
        if not inner or frame.f_back is None:
            return file, frame.f_lineno
        frame = frame.f_back


def fail(text: str, kind: type[ClarkeError] = UnsupportedError) -> NoReturn:
    """Raises an error that names the user's line."""
    file, line = origin()
    error = kind(f"{text} (at {file}:{line})")
    error.file, error.line = file, line
    raise error
