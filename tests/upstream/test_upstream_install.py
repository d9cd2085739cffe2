"""What install() replaces, what uninstall() puts back, and what they say without a PaddleOCR."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import ppocr_ft
from ppocr_ft import EPOCH_CLOCK, MakeBorderMap, MakeShrinkMap
from ppocr_ft.upstream import install, patch, uninstall
from tests.upstream.upstream_data import Dataset, assert_ratio, ratio_at, yaml_config

COPIES = ("ppocr", "paddleocr.ppocr")
OURS = {"MakeBorderMap": MakeBorderMap, "MakeShrinkMap": MakeShrinkMap}


@pytest.fixture
def copies(ppocr_data: ModuleType) -> dict[str, ModuleType]:
    """Both packages as which the wheel's files are loaded, with all that gets replaced."""
    install()
    uninstall()
    return {name: sys.modules[name] for name in COPIES}


def module(package: str, name: str) -> ModuleType:
    return sys.modules[f"{package}.{name}"]


def bindings() -> dict[tuple[str, str], Any]:
    """Everything that the modules of PaddleOCR hold, by module and name."""
    found = {}
    for name, held in list(sys.modules.items()):
        if name.startswith(("ppocr.", "paddleocr", "tools")) and held is not None:
            found.update({(name, key): value for key, value in vars(held).items()})
    return found


@pytest.mark.parametrize("package", COPIES)
@pytest.mark.parametrize("name", OURS)
def test_the_pair_is_ours_wherever_it_is_imported(
    copies: dict[str, ModuleType], package: str, name: str
) -> None:
    file = {"MakeBorderMap": "make_border_map", "MakeShrinkMap": "make_shrink_map"}[name]
    install()
    assert getattr(module(package, "data.imaug"), name) is OURS[name]
    assert getattr(module(package, f"data.imaug.{file}"), name) is OURS[name]


@pytest.mark.parametrize("package", COPIES)
def test_create_operators_makes_ours(copies: dict[str, ModuleType], package: str) -> None:
    yaml = [{"MakeBorderMap": {"total_epoch": 10}}, {"MakeShrinkMap": {"total_epoch": 10}}]
    install()
    for where in ("data.imaug", "data", "data.simple_dataset"):
        found = import_module(f"{package}.{where}")
        border, shrink = found.create_operators(yaml, {"epoch_num": 10})
        assert (type(border), type(shrink)) == (MakeBorderMap, MakeShrinkMap)


def test_uninstall_leaves_everything_as_it_was(copies: dict[str, ModuleType]) -> None:
    before = bindings()
    install()
    changed = {key for key, value in bindings().items() if before.get(key) is not value}
    assert {name for _, name in changed} == {
        *OURS,
        "create_operators",
        "build_dataloader",
        "load_model",
    }
    uninstall()
    after = bindings()
    assert after.keys() == before.keys()
    assert all(after[key] is value for key, value in before.items())


def test_a_name_imported_elsewhere_is_served_and_given_back(
    copies: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a training script: from ppocr.data import build_dataloader as make_loader."""
    script = ModuleType("some_script")
    script.make_loader = original = module("ppocr", "data").build_dataloader
    monkeypatch.setitem(sys.modules, "some_script", script)
    install()
    assert script.make_loader is module("ppocr", "data").build_dataloader is not original
    uninstall()
    assert script.make_loader is original


def test_our_own_names_are_never_rebound(copies: dict[str, ModuleType]) -> None:
    install()
    uninstall()
    assert (ppocr_ft.MakeBorderMap, ppocr_ft.MakeShrinkMap) == (MakeBorderMap, MakeShrinkMap)


def test_a_name_that_was_rebound_since_stays(
    copies: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    install()
    monkeypatch.setattr(module("ppocr", "data.imaug"), "MakeShrinkMap", dict)
    uninstall()
    assert module("ppocr", "data.imaug").MakeShrinkMap is dict


def test_a_second_install_changes_nothing(build: Any, dataset: Dataset) -> None:
    folders = install()
    once = bindings()
    assert install() == folders
    assert all(once[key] is value for key, value in bindings().items())
    loader = build(yaml_config(dataset))
    for epoch in (1, 2):
        assert_ratio(loader, dataset, ratio_at(epoch))


def test_install_says_which_folders_it_served(wheel_root: Path) -> None:
    assert install() == [wheel_root / "ppocr"]


def test_uninstall_lets_go_of_loaders_and_clock(build: Any, dataset: Dataset) -> None:
    plain = type(build(yaml_config(dataset)))
    install()
    loader = build(yaml_config(dataset))
    assert type(loader) is not plain
    assert isinstance(loader, plain)
    next(iter(loader))
    uninstall()
    assert type(loader) is plain
    assert not EPOCH_CLOCK.is_set
    assert len(list(loader)) == 3
    assert not EPOCH_CLOCK.is_set


def test_a_wrapper_kept_beyond_uninstall_only_passes_on(
    copies: dict[str, ModuleType], dataset: Dataset
) -> None:
    install()
    kept = module("ppocr", "data").build_dataloader
    uninstall()
    loader = kept(yaml_config(dataset), "Train", "cpu", logging.getLogger("ppocr_test"), 1024)
    list(loader)
    assert not EPOCH_CLOCK.is_set


def test_install_after_uninstall(build: Any, dataset: Dataset) -> None:
    install()
    list(build(yaml_config(dataset)))
    uninstall()
    install()
    assert_ratio(build(yaml_config(dataset)), dataset, ratio_at(1))


def test_uninstall_without_install_is_harmless(copies: dict[str, ModuleType]) -> None:
    before = bindings()
    uninstall()
    assert all(before[key] is value for key, value in bindings().items())


def test_a_forgotten_epoch_is_heard_though_paddleocr_silences_warnings(
    copies: dict[str, ModuleType],
) -> None:
    shrink = MakeShrinkMap(total_epoch=10)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("ignore")  # as importing PaddleOCR does
        install()
        assert shrink.shrink_ratio == 0.4
    assert any("set_epoch" in str(warning.message) for warning in heard)


@pytest.fixture
def no_paddleocr(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """No PaddleOCR is imported, and none is found unless the test puts one on sys.path."""
    for name in [n for n in sys.modules if n.split(".")[0] in ("ppocr", "paddleocr")]:
        monkeypatch.delitem(sys.modules, name)
    real_find_spec = patch.find_spec

    def find_spec(name: str) -> Any:
        spec = real_find_spec(name)
        return None if spec is None or "site-packages" in str(spec.origin) else spec

    monkeypatch.setattr(patch, "find_spec", find_spec)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if not p.endswith("paddleocr")])
    yield monkeypatch
    for name in [n for n in sys.modules if n.split(".")[0] in ("ppocr", "paddleocr")]:
        del sys.modules[name]


def test_without_paddleocr_it_says_what_to_do(no_paddleocr: Any) -> None:
    with pytest.raises(ImportError, match=r"no PaddleOCR can be imported; needed is .*checkout"):
        install()


def test_a_3x_wheel_is_named(no_paddleocr: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "paddleocr").mkdir()
    (tmp_path / "paddleocr" / "__init__.py").touch()
    no_paddleocr.syspath_prepend(tmp_path)
    no_paddleocr.setattr(patch.metadata, "version", lambda _: "3.1.0")
    with pytest.raises(ImportError, match=r"paddleocr 3\.1\.0 has no ppocr package; needed is"):
        install()


def test_a_ppocr_without_operators_is_named(
    no_paddleocr: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ppocr" / "data").mkdir(parents=True)
    for folder in ("ppocr", "ppocr/data"):
        (tmp_path / folder / "__init__.py").touch()
    no_paddleocr.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match=r"ppocr in .* has no ppocr.data.imaug; needed is"):
        install()


def test_a_missing_requirement_of_paddleocr_is_not_mistaken_for_it(
    no_paddleocr: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ppocr").mkdir()
    (tmp_path / "ppocr" / "__init__.py").touch()
    (tmp_path / "ppocr" / "data.py").write_text("import no_such_requirement")
    no_paddleocr.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_requirement'"):
        install()
