"""What C libraries print is kept apart from what Python prints."""

from __future__ import annotations

import os
import sys

import pytest

from ppocr_ft.utils.stderr import captured_stderr


def test_lines_of_c_are_collected_and_pythons_go_on(capfd: pytest.CaptureFixture[str]) -> None:
    with captured_stderr() as printed:
        os.write(2, b"from C\n")
        collected = printed()
    os.write(2, b"after it\n")
    print("from Python", file=sys.stderr)
    assert collected == "from C\n"
    assert capfd.readouterr().err == "after it\nfrom Python\n"


def test_an_exception_gives_stderr_back(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="inside"), captured_stderr():
        raise ValueError("inside")
    os.write(2, b"seen\n")
    assert capfd.readouterr().err == "seen\n"
