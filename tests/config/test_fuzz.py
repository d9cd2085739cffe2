"""Whatever a file holds: a Config that survives a round trip, or a ConfigError with faults."""

from __future__ import annotations

import copy
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ppocr_ft.config import load_config
from ppocr_ft.errors import ConfigError
from tests.support.config_files import CONFIGS, SMALL

SOURCES = [
    path.read_text(encoding="utf-8")
    for path in (SMALL, CONFIGS / "like_v4_mobile.yml", CONFIGS / "like_v3_student.yml")
]
WORDS = [
    "Global", "Train", "name", "seed", "shrink_ratio", "shrink_ratio_end", "total_epoch", "type",
    "MakeShrinkMap", "MakeBorderMap", "KeepKeys", "Resize", "transforms", "det", "PPHGNet", "L2",
    "small", "Distillation", "PFHeadLocal", "Piecewise", "1./255.", "1e-4", "<<", "sample", "",
]  # fmt: skip
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-3, 3),
    st.floats(),
    st.sampled_from(WORDS),
    st.text(max_size=8),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(WORDS), st.text(max_size=4)), inner, max_size=3),
    ),
    max_leaves=6,
)
SNIPPETS = st.one_of(
    st.sampled_from(["\t", "  ", "\n", ":", "- ", "&a ", "*a", "!!int ", "[", "{", "}", "'", "#"]),
    st.text(max_size=3),
)


def check_outcome(text: str, overrides: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c.yml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            config = load_config(path, overrides)
        except ConfigError:
            return
        path.write_text(config.to_yaml(), encoding="utf-8")
        assert load_config(path) == config


def containers(data: Any) -> Iterator[Any]:
    if isinstance(data, (dict, list)):
        yield data
        for value in data.values() if isinstance(data, dict) else data:
            yield from containers(value)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(source=st.sampled_from(SOURCES), data=st.data())
def test_values_changed(source: str, data: st.DataObject) -> None:
    tree = copy.deepcopy(yaml.safe_load(source))
    for _ in range(data.draw(st.integers(1, 3))):
        node = data.draw(st.sampled_from(list(containers(tree))))
        change_one(node, data)
    check_outcome(yaml.safe_dump(tree, allow_unicode=True), [])


def change_one(node: Any, data: st.DataObject) -> None:
    """Replace, remove or add one entry of a mapping or a list."""
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    action = data.draw(st.sampled_from(["replace", "remove", "add"]))
    if action == "add" or not keys:
        if isinstance(node, dict):
            node[data.draw(st.sampled_from(WORDS))] = data.draw(VALUES)
        else:
            node.insert(data.draw(st.integers(0, len(node))), data.draw(VALUES))
        return
    key = data.draw(st.sampled_from(keys))
    if action == "remove":
        del node[key]
    else:
        node[key] = data.draw(VALUES)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(source=st.sampled_from(SOURCES), data=st.data())
def test_text_changed(source: str, data: st.DataObject) -> None:
    text = source
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        removed = data.draw(st.integers(0, 6))
        text = text[:start] + data.draw(SNIPPETS) + text[start + removed :]
    check_outcome(text, [])


KEYS = st.sampled_from(
    [
        "Global.seed",
        "Global.eval_batch_step",
        "Global",
        "Optimizer.lr.learning_rate",
        "Optimizer.lr",
        "Train.dataset.transforms",
        "Train.dataset.transforms.MakeShrinkMap.shrink_ratio",
        "Train.dataset.transforms.2",
        "Train.dataset.transforms.IaaAugment.augmenter_args.Resize.args.size",
        "Eval.dataset.label_file_list.0",
        "Architecture.Backbone",
        "Architecture.Head.mode",
    ]
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    overrides=st.lists(
        st.one_of(
            st.builds(
                lambda key, value: f"{key}={yaml.safe_dump(value, default_flow_style=True)}",
                KEYS,
                VALUES,
            ),
            st.builds(lambda key, text: f"{key}{text}", KEYS, st.text(max_size=6)),
            st.text(max_size=10),
        ),
        max_size=3,
    )
)
def test_any_override(overrides: list[str]) -> None:
    check_outcome(SOURCES[0], overrides)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(raw=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_any_bytes(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c.yml"
        path.write_bytes(raw)
        with pytest.raises(ConfigError, match=re.escape(str(path))):
            load_config(path)
