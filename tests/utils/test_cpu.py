"""What is chosen for the CPU before Paddle is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ppocr_ft.utils import cpu, system

AMD = "vendor_id\t: AuthenticAMD\nflags\t\t: fpu sse avx avx2 fma\n"
FREED = """\
import resource
from ppocr_ft.utils.cpu import tune_cpu
tune_cpu()
len(b"x" * 2**26)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for number in range(20):
    len(bytes([number]) * 2**26)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
"""64 MB, taken and freed 20 times: 16,384 new pages each time, or 32 large ones, unless they are
kept."""
LEAST_FAULTS = 20 * 32


@pytest.mark.parametrize(
    ("processors", "given", "chosen"),
    [
        pytest.param(AMD, None, "5", id="AMD"),
        pytest.param(AMD, "4", "4", id="what is set stays"),
        pytest.param(AMD.replace(" avx2", ""), None, None, id="an old AMD"),
        pytest.param(AMD.replace("AuthenticAMD", "GenuineIntel"), None, None, id="Intel"),
        pytest.param(None, None, None, id="another system"),
    ],
)
def test_the_matrix_library_gets_its_fast_path_where_it_needs_to_be_told(
    processors: str | None,
    given: str | None,
    chosen: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = tmp_path / "cpuinfo"
    if processors is not None:
        place.write_text(processors)
    monkeypatch.setattr(system, "_PROCESSORS", place)
    monkeypatch.delenv(cpu.MKL_PATH, raising=False)
    if given is not None:
        monkeypatch.setenv(cpu.MKL_PATH, given)
    cpu.tune_cpu()
    assert os.environ.get(cpu.MKL_PATH) == chosen


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone is told")
@pytest.mark.parametrize(("own", "is_kept"), [({}, True), ({"MALLOC_ARENA_MAX": "4"}, False)])
def test_freed_memory_is_kept_unless_the_environment_says_how(
    own: dict[str, str], is_kept: bool
) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith(cpu.ALLOCATOR)}
    command = [sys.executable, "-c", FREED]
    run = subprocess.run(command, env={**env, **own}, capture_output=True, text=True, check=True)
    assert (int(run.stdout) < LEAST_FAULTS) == is_kept


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone is told")
def test_large_pieces_go_back_where_pages_are_cut() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(cpu.ALLOCATOR)}
    code = FREED.replace("tune_cpu\n", "return_large_pieces, tune_cpu\n", 1)
    code = code.replace("tune_cpu()\n", "tune_cpu()\nreturn_large_pieces()\n", 1)
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=Path(cpu.__file__).parents[2],
    )
    assert int(found.stdout) >= LEAST_FAULTS
