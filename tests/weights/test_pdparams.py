"""``.pdparams`` and ``.safetensors``: Paddle's files are read, and Paddle reads ours."""

from __future__ import annotations

import collections
import pickle
import pickletools
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import paddle
import pytest
import safetensors.numpy

from ppocr_ft.errors import WeightsError
from ppocr_ft.weights import read_weights, write_weights
from ppocr_ft.weights.files import looks_like_safetensors
from tests.support.weights_reference import FOLDER, STATE, assert_same

W = np.arange(6, dtype=np.float32).reshape(2, 3)
FORMATS = [".pdparams", ".safetensors"]


def tensors(state: dict[str, np.ndarray]) -> dict[str, paddle.Tensor]:
    return {key: paddle.to_tensor(value) for key, value in state.items()}


def pickled(value: object, protocol: int = 4) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(pickle.dumps(value, protocol=protocol))


def python_2_pickle(path: Path) -> None:
    """What Python 2 wrote: its byte strings are the array's elements and the key."""
    raw = b"\x80\x02}U\x01wcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b"
    raw += b"\x87R(K\x01K\x02K\x03\x86cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNN"
    raw += b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x18" + W.tobytes() + b"tbs."
    path.write_bytes(raw)


@pytest.mark.parametrize("size", [2**31 - 1, 2**31, 2**40])
def test_a_size_of_more_than_32_bits(tmp_path: Path, size: int) -> None:
    path = tmp_path / "state.pdparams"
    write_weights(path, {"w": np.empty((0, size), np.float32)})
    assert pickle.loads(path.read_bytes())["w"].shape == (0, size)
    assert read_weights(path)["w"].shape == (0, size)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_reads_what_paddle_saves(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "state.pdparams"
    paddle.save(tensors(STATE), str(path), protocol=protocol)
    found = read_weights(path)
    assert list(found) == list(STATE)
    assert_same(found, STATE)


@pytest.mark.parametrize("protocol", [2, 4])
def test_reads_what_paddle_2_saved(protocol: int) -> None:
    assert_same(read_weights(FOLDER / f"paddle-2.6.2-protocol{protocol}.pdparams"), STATE)


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        pytest.param(
            lambda path: paddle.save({"w": paddle.to_tensor(W), "n": [1]}, str(path)),
            "n: is a list, not a tensor",
            id="Paddle: a dict that is no state dict has pairs of name and array",
        ),
        pytest.param(pickled({"w": ("conv2d_0.w_0", W)}), W, id="pair of name and array"),
        pytest.param(pickled(collections.OrderedDict(w=W)), W, id="OrderedDict"),
        pytest.param(pickled({"w": W}, 5), W, id="protocol 5"),
        pytest.param(pickled({"w": np.asfortranarray(W)}), W, id="columns first"),
        pytest.param(pickled({"w": W.astype(">f4")}), W, id="big endian"),
        pytest.param(pickled({"w": W.astype(">f4")}, 5), W, id="big endian, protocol 5"),
        pytest.param(pickled({"w": W.astype(np.float64)}), W.astype(np.float64), id="float64"),
        pytest.param(pickled({"w": W.astype(np.float16)}), W.astype(np.float16), id="float16"),
        pytest.param(pickled({"w": W > 2}), W > 2, id="bool"),
        pytest.param(pickled({"w": np.float32([])}), np.float32([]), id="no elements"),
        pytest.param(pickled({"w": np.array(7.0)}), np.array(7.0), id="no dimensions"),
        pytest.param(python_2_pickle, W, id="Python 2"),
        pytest.param(
            lambda path: paddle.save({"w": paddle.to_tensor(W, "bfloat16")}, str(path)),
            W,
            id="Paddle's bfloat16",
        ),
        pytest.param(
            pickled(
                {
                    "w@@.0": W.ravel()[:4],
                    "w@@.1": W.ravel()[4:],
                    "UnpackBigParamInfor@@": {
                        "w": {"OriginShape": (2, 3), "slices": ["w@@.0", "w@@.1"]}
                    },
                },
                2,
            ),
            W,
            id="a tensor in slices",
        ),
    ],
)
def test_kinds_of_pickles(
    tmp_path: Path, write: Callable[[Path], None], expected: np.ndarray | str
) -> None:
    path = tmp_path / "state.pdparams"
    write(path)
    if isinstance(expected, str):
        with pytest.raises(WeightsError, match=expected):
            read_weights(path)
    else:
        assert_same(read_weights(path), {"w": expected})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param([W], "holds a list instead of a dict", id="list"),
        pytest.param(W, "holds an array instead of a dict", id="bare array"),
        pytest.param({}, "holds no tensors", id="nothing in it"),
        pytest.param({"epoch": 3, "w": W}, "epoch: is an int, not a tensor; .*pdopt", id="number"),
        pytest.param({"model": {"w": W}}, "model: is a dict, not a tensor", id="nested state dict"),
        pytest.param({1: W}, "key of type int", id="key is a number"),
        pytest.param({("w",): W}, "key of type tuple", id="key is a tuple"),
        pytest.param({"w": np.array([None])}, "array of objects", id="objects"),
        pytest.param({"w": np.array(["a"])}, "elements of type 'U1'", id="strings"),
        pytest.param({"w": np.zeros(2, "f4,i4")}, "elements of type 'V8'|is damaged", id="records"),
        pytest.param({"w": np.zeros(2, complex)}, "elements of type 'c16'", id="complex"),
        pytest.param(0x1950A86A20F9469CFC6C, "PyTorch", id="PyTorch before 1.6"),
        pytest.param(
            {"UnpackBigParamInfor@@": {"w": {"OriginShape": (2, 3), "slices": ["gone"]}}},
            "w: was cut into slices",
            id="a slice is missing",
        ),
        pytest.param(
            {
                "s": W.ravel(),
                "UnpackBigParamInfor@@": {"w": {"OriginShape": (9, 3), "slices": ["s"]}},
            },
            "w: was cut into slices",
            id="slices too small",
        ),
        pytest.param(
            {
                "s": W.ravel(),
                "UnpackBigParamInfor@@": {"w": {"OriginShape": (12,), "slices": ["s", "s"]}},
            },
            "w: was cut into slices",
            id="one slice twice",
        ),
    ],
)
def test_what_is_no_state_dict(tmp_path: Path, value: object, message: str) -> None:
    path = tmp_path / "state.pdparams"
    path.write_bytes(pickle.dumps(value))
    with pytest.raises(WeightsError, match=message) as caught:
        read_weights(path)
    assert caught.value.path == str(path)


def test_trailing_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.pdparams"
    path.write_bytes(pickle.dumps({"w": W}) + b"x")
    with pytest.raises(WeightsError, match="goes on for 1 bytes after its end"):
        read_weights(path)


@pytest.mark.parametrize("suffix", FORMATS)
def test_written_weights_come_back(tmp_path: Path, suffix: str) -> None:
    state = {
        **STATE,
        "scalar": np.array(2.5, np.float32),
        "empty": np.zeros((0, 4), np.float32),
        "transposed": W.T,
        "half": W.astype(np.float16),
        "mask": W > 2,
        "count": np.array([2**40]),
        "größe": W,
    }
    path = tmp_path / "new" / f"state{suffix}"
    write_weights(path, state)
    assert_same(read_weights(path), state)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_paddle_loads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "state.pdparams"
    write_weights(path, STATE)
    loaded = paddle.load(str(path))
    assert all(isinstance(value, paddle.Tensor) for value in loaded.values())
    assert_same({key: value.numpy() for key, value in loaded.items()}, STATE)
    assert_same(paddle.load(str(path), return_numpy=True), STATE)


def test_numpy_1_could_load_what_is_written(tmp_path: Path) -> None:
    """numpy before 1.26 has no ``numpy._core``, which numpy 2's own pickles name."""
    path = tmp_path / "state.pdparams"
    write_weights(path, STATE)
    data = path.read_bytes()
    texts = {argument for _, argument, _ in pickletools.genops(data) if isinstance(argument, str)}
    assert {text for text in texts if text.startswith("numpy")} == {
        "numpy",
        "numpy.core.multiarray",
    }
    assert_same(pickle.loads(data), STATE)


def test_safetensors_of_others(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    safetensors.numpy.save_file(STATE, path)
    assert_same(read_weights(path), STATE)


def test_safetensors_bfloat16(tmp_path: Path) -> None:
    bits = (W.view(np.uint32) >> 16).astype(np.uint16)
    header = b'{"w":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}}'
    path = tmp_path / "state.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bits.tobytes())
    assert_same(read_weights(path), {"w": W})


@pytest.mark.parametrize(
    ("header", "message"),
    [
        pytest.param(b"{}", "holds no tensors", id="nothing in it"),
        pytest.param(
            b'{"w":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}',
            "w: a tensor has elements of type 'F8_E4M3'",
            id="type that weights don't have",
        ),
        pytest.param(
            b'{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,4]}}',
            "damaged or cut off",
            id="elements past the end",
        ),
        pytest.param(b'{"w":', "damaged or cut off", id="broken header"),
    ],
)
def test_damaged_safetensors(tmp_path: Path, header: bytes, message: str) -> None:
    path = tmp_path / "state.safetensors"
    body = b"" if header == b"{}" else b"\0\0\0\0"
    path.write_bytes(struct.pack("<Q", len(header)) + header + body)
    with pytest.raises(WeightsError, match=message) as caught:
        read_weights(path)
    assert caught.value.path == str(path)


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_content_counts_not_the_name(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"state{suffix}"
    write_weights(path, {"w": W})
    assert_same(read_weights(path.rename(tmp_path / "download")), {"w": W})


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_failed_write_leaves_the_old_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"state{suffix}"
    write_weights(path, {"w": W})
    with pytest.raises(WeightsError, match="elements of type object") as caught:
        write_weights(path, {"v": W, "bad": np.array([None])})
    assert caught.value.key == "bad"
    assert_same(read_weights(path), {"w": W})
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        pytest.param("state.pth", "must end in .pdparams or .safetensors", id="other suffix"),
        pytest.param("file/state.pdparams", "can't be written", id="folder is a file"),
    ],
)
def test_where_weights_can_not_be_written(tmp_path: Path, place: str, message: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WeightsError, match=message):
        write_weights(tmp_path / place, {"w": W})


@pytest.mark.parametrize(("length", "looks"), [(2, True), (2**32 - 1, True), (2**32, False)])
def test_a_safetensors_header_of_less_than_4_gib(length: int, looks: bool) -> None:
    assert looks_like_safetensors(length.to_bytes(8, "little") + b"{") == looks
    assert not looks_like_safetensors(length.to_bytes(8, "little") + b"[")


def test_no_byte_of_a_written_file_is_read_wrong(tmp_path: Path) -> None:
    path = tmp_path / "state.pdparams"
    write_weights(path, {"w": W, "b": np.ones(3, np.float32)})
    whole, wanted = path.read_bytes(), read_weights(path)
    refused = 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            assert_same(read_weights(path), wanted)
        except WeightsError:
            refused += 1
    assert refused >= len(whole) - len("ppocr_ft blake2b ")
