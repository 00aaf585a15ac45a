"""What the READMEs show of Python is what Python prints."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

BLOCK = re.compile(r"^```(python|pycon)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", ["README.md", "crates/clarke-python/README.md"])
def test_blocks_run_as_shown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks of a file, one after the other, in the repository's folder."""
    monkeypatch.chdir(ROOT)
    text = (ROOT / name).read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(text))
    assert blocks, f"{name} shows nothing of Python"
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    names: dict[str, object] = {}
    for block in blocks:
        line = text.count("\n", 0, block.start(2))
        if block.group(1) == "pycon":
            examples = doctest.DocTestParser().get_doctest(block.group(2), names, name, name, line)
            assert examples.examples
            # A test has names of its own and loses them at the end; a reader types on.
            examples.globs = names
            runner.run(examples, clear_globs=False)
        else:
            exec(compile("\n" * line + block.group(2), name, "exec"), names)
    assert runner.summarize(verbose=False).failed == 0
