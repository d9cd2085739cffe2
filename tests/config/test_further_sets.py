"""``Eval.also``: further sets of labelled images by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppocr_ft.config import load_config
from ppocr_ft.errors import ConfigError
from tests.support.config_files import SMALL, changed

EVAL = "Eval:\n  dataset:\n"


def with_sets(folder: Path, yaml: str) -> Path:
    return changed(folder, (EVAL, f"Eval:\n  also:{yaml}\n  dataset:\n"))


def test_a_set_has_evals_transforms_and_its_own_files(tmp_path: Path) -> None:
    config = load_config(
        with_sets(tmp_path, "\n    street_3: {data_dir: words, label_file_list: w.txt}"),
        ["Eval.dataset.ratio_list=[0.5]"],
    )
    dataset = config.dataset("Eval.also.street_3")
    assert (dataset.data_dir, dataset.label_file_list) == ("words", ("w.txt",))
    assert dataset.ratio_list is None
    assert dataset.transforms == config.Eval.dataset.transforms
    assert config.dataset("Eval").data_dir == "photos"


def test_a_set_may_come_from_the_command_line_and_survives_the_resolved_config(
    tmp_path: Path,
) -> None:
    sets = "Eval.also.整.data_dir=sample", "Eval.also.整.label_file_list=[val.txt]"
    config = load_config(SMALL, sets)
    assert config.Eval.also["整"].data_dir == "sample"
    resolved = tmp_path / "resolved.yml"
    resolved.write_text(config.to_yaml(), encoding="utf-8")
    assert load_config(resolved) == config


def test_without_sets_there_are_none(tmp_path: Path) -> None:
    assert load_config(SMALL).Eval.also == {}
    assert load_config(with_sets(tmp_path, "")).Eval.also == {}


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        (
            "\n    my set: {data_dir: a, label_file_list: b}",
            ":38: Eval.also: found the name 'my set'; the name of a set has letters, digits",
        ),
        (
            '\n    "a.b": {data_dir: a, label_file_list: b}',
            ":38: Eval.also: found the name 'a.b'; the name of a set",
        ),
        (
            "\n    general: {data_dir: a}",
            ":39: Eval.also.general.label_file_list: missing; it has no default",
        ),
        (
            "\n    general: {data_dir: a, label_files: b}",
            "Eval.also.general.label_files: unknown key; did you mean 'label_file_list'?",
        ),
        (
            "\n    general: {data_dir: a, label_file_list: b, transforms: []}",
            "Eval.also.general.transforms: unknown key; here it is Eval.dataset.transforms",
        ),
        ("\n    general: words", ":39: Eval.also.general: found 'words', expected a section"),
        ("\n    general:", ":39: Eval.also.general: is empty, expected a section of keys"),
        (" [a, b]", ":38: Eval.also: found ['a', 'b'], expected names, each with keys of its own"),
    ],
)
def test_a_wrong_set_is_named(yaml: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(with_sets(tmp_path, yaml))
    assert message in str(caught.value)
    assert "faults in this config" not in str(caught.value)
