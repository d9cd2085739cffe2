"""What is said of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppocr_ft.utils import system


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("processor\t: 0\nmodel name\t: A CPU @ 2 GHz\nmodel name\t: another\n", "A CPU @ 2 GHz"),
        ("processor\t: 0\nBogoMIPS\t: 50\n", "arm64"),
        (None, "arm64"),
    ],
)
def test_the_processor_has_a_name_on_every_system(
    content: str | None, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / "cpuinfo").write_text(content)
    monkeypatch.setattr(system, "_PROCESSORS", tmp_path / "cpuinfo")
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert system.processor_name() == name
