"""A command's line loads what it needs: neither Paddle, nor plots, nor the other commands."""

from __future__ import annotations

import json

import pytest

from ppocr_ft.commands.main import COMMANDS
from tests.support.processes import python

LOADED = """
import json, sys
from ppocr_ft.commands.main import main_of
main_of({name!r})
libraries = {{"paddle", "matplotlib", "bokeh", "jinja2", "onnxruntime", "numba"}}
names = [module.split(".") for module in sys.modules]
commands = {{name[2] for name in names if name[:2] == ["ppocr_ft", "commands"] and name[2:]}}
print(json.dumps([sorted(libraries & sys.modules.keys()), sorted(commands)]))
"""
USED_BY_TRAIN = {"check", "fit_postprocess", "report"}


@pytest.mark.parametrize("name", [name.replace("-", "_") for name in COMMANDS])
def test_a_command_loads_no_library_before_its_work_and_no_other_command(name: str) -> None:
    done = python("-c", LOADED.format(name=name))
    assert done.returncode == 0, done.stderr
    libraries, commands = json.loads(done.stdout)
    assert libraries == []
    allowed = {name, "common", "main"} | (USED_BY_TRAIN if name == "train" else set())
    assert name in commands
    assert set(commands) <= allowed
