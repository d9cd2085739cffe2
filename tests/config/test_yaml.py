"""Config files as YAML: numbers, anchors, and everything that isn't YAML at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppocr_ft.config import inspect_config, load_config
from ppocr_ft.config.source_map import MAX_DEPTH, MAX_NODES, dump_yaml, parse_yaml
from ppocr_ft.declaration import parse_fraction
from ppocr_ft.errors import ConfigError
from tests.support.config_files import SMALL, changed, written


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        ("5.0e-05", 5e-5),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("+.INF", float("inf")),
        ("12", 12),
        ("-3", -3),
        ("010", 10),
        ("1./255.", "1./255."),
        ("12:30", "12:30"),
        ("2024-01-31", "2024-01-31"),
        ("1_000", "1_000"),
        ("'1e-4'", "1e-4"),
        ("!!float 3", 3.0),
        ("!!str 3", "3"),
        ("yes", True),
        ("Off", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("e5", "e5"),
        (".", "."),
    ],
)
def test_plain_values(text: str, value: object) -> None:
    tree = parse_yaml(f"a: {text}", "c.yml")
    assert tree.faults == []
    assert tree.data == {"a": value}
    assert isinstance(tree.data, dict)
    assert type(tree.data["a"]) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1./255.", 1 / 255),
        ("1.0/255.0", 1 / 255),
        ("1/255", 1 / 255),
        (" 2 / 4 ", 0.5),
        ("-1e-2/.5", -0.02),
        ("0.25", 0.25),
    ],
)
def test_fractions(text: str, value: float) -> None:
    assert parse_fraction(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "1/0", "1/", "/2", "1/2/3", "0x10", "1e400", "1e300/1e-300", "__import__('os')", "1 2"],
)
def test_what_is_no_fraction(text: str) -> None:
    with pytest.raises(ValueError, match="found"):
        parse_fraction(text)


def test_scale_as_fraction_and_rate_with_exponent() -> None:
    config = load_config(SMALL)
    scales = [
        operator.arguments()["scale"]
        for operator in config.Train.dataset.transforms
        if operator.name == "NormalizeImage"
    ]
    assert scales == [1 / 255]
    assert config.Optimizer.lr.learning_rate == 2e-4


# what is wrong | the file | its line | the message
UNREADABLE = [
    ("empty", b"", 1, "the file is empty, expected sections such as Global: and Train:"),
    ("comments only", b"# nothing\n", 1, "the file is empty"),
    ("a text", b"hello\n", 1, "found 'hello', expected sections"),
    ("a list", b"- a\n- b\n", 1, "found ['a', 'b'], expected sections"),
    ("tab", b"Global:\n\tepoch_num: 3\n", 2, "the line holds a tab, YAML indents with spaces only"),
    ("tab later", b"Global:\n  seed: 1\n\tepoch_num: 3\n", 3, "the line holds a tab"),
    ("bad indentation", b"Global:\n  seed: 1\n epoch_num: 3\n", 3, "its indentation fits no line"),
    ("colon in a value", b"Global:\n  model_name: a: b\n", 2, "a text with ': ' to quote"),
    ("key without colon", b"Global:\n  seed 1\n  use_gpu: true\n", 3, "not valid YAML"),
    ("open bracket", b"Global:\n  eval_batch_step: [0, 5\nTrain: 3\n", 3, "not valid YAML"),
    ("open quote", b"Global:\n  model_name: 'a\n", 2, "not valid YAML"),
    ("two documents", b"Global:\n---\nTrain:\n", 2, "a config has no '---' between documents"),
    ("unknown alias", b"Global:\n  seed: *s\n", 2, "an anchor (&name) stands above its use"),
    ("control character", b"Global:\n  model_name: a\x07\n", 2, "control character '\\x07'"),
    ("binary", b"\x80\x04\x00\x00", None, "a binary file; a config is YAML text"),
    ("UTF-16", "Global:".encode("utf-16"), None, "UTF-16 text; save it as UTF-8"),
    ("Latin-1", b"Global:\n  model_name: caf\xe9\n", 2, "not UTF-8 text (byte 0xe9)"),
    ("deep", b"[" * 5000, None, "nested too deeply to be a config"),
    ("Python object", b"!!python/object:os.system x\n", 1, "the tag !!python/object:os.system"),
]


@pytest.mark.parametrize(
    ("raw", "line", "message"), [row[1:] for row in UNREADABLE], ids=[row[0] for row in UNREADABLE]
)
def test_what_is_no_config(tmp_path: Path, raw: bytes, line: int | None, message: str) -> None:
    path = tmp_path / "c.yml"
    path.write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    place = str(path) if line is None else f"{path}:{line}"
    assert str(caught.value).startswith(f"{place}: ")
    assert message in str(caught.value)


def test_missing_file_names_the_one_that_may_be_meant(tmp_path: Path) -> None:
    (tmp_path / "det_v4.yml").touch()
    with pytest.raises(ConfigError, match=r"det_v5\.yml: no such file; did you mean 'det_v4.yml'"):
        load_config(tmp_path / "det_v5.yml")
    with pytest.raises(ConfigError, match="no such file"):
        load_config(tmp_path / "nowhere" / "c.yml")
    with pytest.raises(ConfigError, match="a folder; name the YAML file in it"):
        load_config(tmp_path)
    with pytest.raises(ConfigError, match="can't be read"):
        load_config("a\0b.yml")


def test_of_a_key_given_twice_the_first_may_be_empty(tmp_path: Path) -> None:
    """As in PaddleOCR's PP-OCRv5_server_det.yml, of which PyYAML takes the second."""
    config = load_config(changed(tmp_path, ("epoch_num: 40", "epoch_num:\n  epoch_num: 50")))
    assert config.Global.epoch_num == 50
    (found,) = config.warnings
    assert (found.line, found.key) == (4, "Global.epoch_num")
    assert found.message == "given twice, empty in line 3; this one counts"


@pytest.mark.parametrize(
    ("new", "line", "key", "message"),
    [
        ("epoch_num: 40\n  epoch_num: 50", 4, "Global.epoch_num", "given twice, first in line 3"),
        ("epoch_num: 40\n  epoch_num:", 4, "Global.epoch_num", "given twice, first in line 3"),
        ("epoch_num: !!int x", 3, "Global.epoch_num", "found 'x', which isn't of type !!int"),
        ("epoch_num: !!bool maybe", 3, "Global.epoch_num", "which isn't of type !!bool"),
        ("epoch_num: !!set {a, b}", 3, "Global.epoch_num", "the tag !!set has no place"),
        ("epoch_num: !mine 3", 3, "Global.epoch_num", "the tag !mine has no place in a config"),
        ("epoch_num: !!binary aGk=", 3, "Global.epoch_num", "the tag !!binary has no place"),
        ("epoch_num: &a [*a]", 3, "Global.epoch_num.0", "an alias that holds itself"),
        ("? [a, b]\n  : 3", 3, "Global", "a key must be a plain name"),
        ("<<: 3", 3, "Global", "<< merges a section (or a list of sections) only"),
        ("<<: [{seed: 3}, 4]", 3, "Global", "<< merges a section (or a list of sections) only"),
        (f"seed: {'[' * 60}{']' * 60}", 3, "Global.seed", "nested too deeply to be a config"),
    ],
)
def test_yaml_that_has_no_place_in_a_config(
    tmp_path: Path, new: str, line: int, key: str, message: str
) -> None:
    path = changed(tmp_path, ("epoch_num: 40", new))
    (fault, *others) = inspect_config(path).faults
    assert fault.describe().startswith(f"{path}:{line}: {key}")
    assert message in fault.describe()
    assert others == []


def test_alias_bomb_is_stopped(tmp_path: Path) -> None:
    levels = "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" if i else "a0: &a0 [x]\n"
        for i in range(12)
    )
    with pytest.raises(ConfigError, match=f"more than {MAX_NODES} values"):
        load_config(written(tmp_path, levels))
    assert MAX_DEPTH < 100


def test_anchors_aliases_and_merge_keys(tmp_path: Path) -> None:
    path = changed(
        tmp_path,
        ("epoch_num: 40", "epoch_num: &run 60"),
        ("    - MakeBorderMap:\n", "    - MakeBorderMap: &ramp\n        total_epoch: *run\n"),
        (
            "    - MakeShrinkMap:\n        shrink_ratio: 0.5",
            "    - MakeShrinkMap:\n        <<: [{shrink_ratio: 0.5}, *ramp]",
        ),
        ("DecodeImage: {img_mode: BGR}", "DecodeImage: {<<: {img_mode: RGB}, img_mode: BGR}"),
    )
    config = load_config(path)
    border, shrink = config.Train.dataset.transforms[4:6]
    assert border.arguments()["total_epoch"] == config.Global.epoch_num == 60
    assert shrink.arguments() == {
        "shrink_ratio": 0.5,
        "total_epoch": 60,
        "min_text_size": 8.0,
        "rounding": "truncate",
        "gap_weight": 1.0,
    }
    assert config.Eval.dataset.transforms[0].arguments()["img_mode"] == "BGR"


def test_a_fault_in_a_merged_section_stands_where_it_was_written(tmp_path: Path) -> None:
    path = changed(
        tmp_path,
        ("    - MakeBorderMap:\n", "    - MakeBorderMap: &ramp\n        total_epoch: soon\n"),
        ("    - MakeShrinkMap:\n", "    - MakeShrinkMap:\n        <<: *ramp\n"),
    )
    places = {fault.key: fault.line for fault in inspect_config(path).faults}
    assert places == {
        "Train.dataset.transforms.4.MakeBorderMap.total_epoch": 28,
        "Train.dataset.transforms.5.MakeShrinkMap.total_epoch": 28,
    }


def test_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "c.yml"
    text = SMALL.read_text(encoding="utf-8").replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load_config(path) == load_config(SMALL)


@pytest.mark.parametrize(
    "value",
    ["1e-4", "12:30", "2024-01-31", "yes", "null", "", " a ", "a: b", "# x", "é\u2028\x85", "1_0"],
)
def test_texts_are_dumped_so_that_they_stay_texts(value: str) -> None:
    data = {"a": value, "b": (value, 3), "c": {"d": None, "e": 1e-7, "f": ({"g": True},)}}
    tree = parse_yaml(dump_yaml(data), "c.yml")
    assert tree.faults == []
    assert tree.data == {
        "a": value,
        "b": [value, 3],
        "c": {"d": None, "e": 1e-7, "f": [{"g": True}]},
    }
