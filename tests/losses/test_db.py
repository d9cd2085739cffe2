"""DBLoss: PaddleOCR's numbers, batches without text, mixed precision, and no waiting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr_ft.config import inspect_config
from ppocr_ft.losses.db import DBLoss, DBTargets
from ppocr_ft.models.configs import PFHeadLocalConfig
from ppocr_ft.models.db import PFHeadLocal
from tests.support.config_files import SMALL
from tests.support.losses_reference import (
    FOLDER,
    TARGETS,
    Case,
    cross_entropy,
    db_loss,
    db_losses,
    dice,
    dice_focal,
    predictions,
    reference_arrays,
    targets,
)

REFERENCE: dict[str, Any] = json.loads((FOLDER / "db_loss.json").read_text(encoding="utf-8"))
FOCAL = "DiceFocalLoss"
BALANCED = ("DiceLoss", "BCELoss")
KINDS = (*BALANCED, FOCAL)
LOSSES = [(kind, balance) for kind in BALANCED for balance in (True, False)] + [(FOCAL, True)]
V6: dict[str, Any] = json.loads((FOLDER / "db_loss_v6.json").read_text(encoding="utf-8"))
AUX = ("aux_maps_p4", "aux_maps_p3", "aux_maps_p2")
SYNCS = ("item", "numpy", "tolist", "__bool__", "__int__", "__float__", "__index__", "__array__")


def floats(losses: dict[str, paddle.Tensor]) -> dict[str, float]:
    assert all(value.shape == [] for value in losses.values())
    return {key: float(value) for key, value in losses.items()}


def gradients(
    loss: DBLoss, predicted: dict[str, paddle.Tensor], truth: DBTargets
) -> dict[str, np.ndarray]:
    loss(predicted, truth)["loss"].backward()
    return {key: maps.grad.astype("float32").numpy() for key, maps in predicted.items()}


@pytest.mark.parametrize("name", REFERENCE)
def test_paddleocr_values(name: str) -> None:
    arrays = reference_arrays()
    cbn = ("distance_maps", "cbn_maps") if name == "pfhead_cbn" else ()
    found = db_loss(**REFERENCE[name]["args"])(predictions(arrays, "maps", *cbn), targets(arrays))
    assert floats(found) == pytest.approx(REFERENCE[name]["losses"], rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", V6)
def test_paddleocr_v6_values(name: str) -> None:
    case = V6[name]
    with np.load(FOLDER / "db_loss_v6.npz") as arrays:
        predicted = predictions(arrays, "maps", *(AUX if case["aux"] else ()))
        found = floats(db_loss(**case["arguments"])(predicted, targets(arrays)))
    assert found == pytest.approx(case["losses"], rel=0, abs=1e-5)


def test_an_auxiliary_head_without_a_weight_is_no_term() -> None:
    arrays = {key: Case().arrays(seed) for seed, key in enumerate(("maps", *AUX))}
    predicted = {key: predictions(each, "maps")["maps"] for key, each in arrays.items()}
    loss, truth = db_loss(aux_weight_p3=0.5), targets(arrays["maps"])
    found = floats(loss(predicted, truth))
    assert [key for key in found if "aux" in key] == ["loss_aux_maps_p3"]
    alone = floats(loss({"maps": predicted["aux_maps_p3"]}, truth))["loss"]
    assert found["loss_aux_maps_p3"] == pytest.approx(alone)
    plain = floats(loss({"maps": predicted["maps"]}, truth))["loss"]
    assert found["loss"] == pytest.approx(plain + 0.5 * alone)


def test_the_keys_of_a_v6_yaml_are_known() -> None:
    aux = [f"Loss.aux_weight_{level}=0.4" for level in ("p2", "p3", "p4", "p5")]
    keys = ["Loss.main_loss_type=DiceFocalLoss", "Loss.focal_alpha=0.5", "Loss.focal_gamma=2.5"]
    found = inspect_config(SMALL, [*keys, *aux])
    assert found.config is not None
    assert (found.config.Loss.focal_alpha, found.config.Loss.focal_gamma) == (0.5, 2.5)
    assert found.config.Loss.aux_weights == dict.fromkeys(AUX, 0.4)
    faults = {fault.key: fault.message for fault in found.faults if fault.key.startswith("Loss")}
    assert "on p4, p3 and p2 only" in faults.pop("Loss.aux_weight_p5")
    assert len(faults) == 1  # its head has none


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_small_exponent_has_finite_gradients(gamma: float, value: float) -> None:
    arrays = Case().arrays()
    arrays["maps"] = np.full_like(arrays["maps"], value)
    loss = db_loss(main_loss_type=FOCAL, focal_gamma=gamma)
    assert np.isfinite(gradients(loss, predictions(arrays, "maps"), targets(arrays))["maps"]).all()


def test_weights_of_dice_and_focal_loss() -> None:
    arrays = Case().arrays()
    truth = arrays["shrink_map"], arrays["shrink_mask"]
    shrink = arrays["maps"][:, 0]
    loss = db_loss(main_loss_type=FOCAL, dice_weight=0.5, focal_weight=3, alpha=1)
    found = floats(loss(predictions(arrays, "maps"), targets(arrays)))["loss_shrink_maps"]
    plain = dice(shrink, *truth)
    focal = dice_focal(shrink, *truth, 1e-6) - plain
    assert found == pytest.approx(0.5 * plain + 3 * focal, rel=1e-5)


@pytest.mark.parametrize("cbn", [False, True], ids=["plain", "cbn"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("case", "ratio"),
    [
        pytest.param(Case(), 3.0, id="as usual"),
        pytest.param(Case(), 0.0, id="no negative wanted"),
        pytest.param(Case(text=0.03), 1.37, id="a fractional count, rounded down"),
        pytest.param(Case(text=0.9), 3.0, id="fewer negatives than wanted"),
        pytest.param(Case(text=1), 3.0, id="no negatives"),
        pytest.param(Case(text=0), 3.0, id="no positives"),
        pytest.param(Case(shrink_mask=0), 3.0, id="all texts ignored"),
        pytest.param(Case(threshold_mask=0), 3.0, id="no text edge"),
        pytest.param(Case(shape=(1, 1, 1)), 3.0, id="one pixel"),
    ],
)
def test_equals_the_plain_formula(case: Case, ratio: float, kind: Any, cbn: bool) -> None:
    maps = ("maps", "cbn_maps") if cbn else ("maps",)
    loss = db_loss(main_loss_type=kind, ohem_ratio=ratio, eps=1e-3)
    for seed in range(3):
        arrays = case.arrays(seed)
        expected = db_losses(arrays, kind, ratio, 1e-3, cbn)
        found = floats(loss(predictions(arrays, *maps, dtype="float64"), targets(arrays)))
        # targets are float32, as the ops make them: threshold_map is rounded by up to 3e-8
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)
        single = floats(loss(predictions(arrays, *maps), targets(arrays)))
        assert single == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("kind", BALANCED)
@pytest.mark.parametrize(
    "case",
    [Case(), Case(text=0), Case(shrink_mask=0.02)],
    ids=["as usual", "no text", "few pixels"],
)
def test_without_balance_every_unmasked_pixel_counts(case: Case, kind: Any) -> None:
    arrays = case.arrays()
    truth = arrays["shrink_map"], arrays["shrink_mask"]
    loss = db_loss(balance_loss=False, main_loss_type=kind)
    found = floats(loss(predictions(arrays, "maps", "cbn_maps"), targets(arrays)))
    for key, factor, pred in (
        ("loss_shrink_maps", 5, arrays["maps"][:, 0]),
        ("loss_cbn", 1, arrays["cbn_maps"][:, 0]),
    ):
        if kind == "DiceLoss":
            expected = dice(pred, *truth)
        else:
            expected = cross_entropy(pred, truth[0])[truth[1] == 1].mean()
        assert found[key] == pytest.approx(factor * expected, rel=1e-5)


def test_weights_scale_their_own_terms() -> None:
    arrays = Case().arrays()
    one, other = (
        floats(db_loss(alpha=a, beta=b)(predictions(arrays, "maps", "cbn_maps"), targets(arrays)))
        for a, b in ((1, 1), (7, 0))
    )
    assert other["loss_shrink_maps"] == pytest.approx(7 * one["loss_shrink_maps"])
    assert other["loss_threshold_maps"] == 0
    assert [other[k] for k in ("loss_binary_maps", "loss_cbn")] == pytest.approx(
        [one[k] for k in ("loss_binary_maps", "loss_cbn")]
    )


@pytest.mark.parametrize(("kind", "balance"), LOSSES)
@pytest.mark.parametrize("value", [None, 0.0, 1.0], ids=["any", "all 0", "all 1"])
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Case(text=0, threshold_mask=0), id="no text"),
        pytest.param(Case(shrink_mask=0), id="all texts ignored"),
        pytest.param(Case(shrink_mask=0, threshold_mask=0), id="all masked"),
        pytest.param(Case(text=1), id="all text"),
        pytest.param(Case(), id="as usual"),
    ],
)
def test_values_and_gradients_are_finite(
    case: Case, value: float | None, kind: Any, balance: bool
) -> None:
    arrays = case.arrays()
    if value is not None:  # saturated: for some pixels infinitely wrong
        arrays |= {name: np.full_like(arrays[name], value) for name in ("maps", "cbn_maps")}
    predicted = predictions(arrays, "maps", "cbn_maps")
    loss = db_loss(balance_loss=balance, main_loss_type=kind)
    assert np.isfinite(list(floats(loss(predicted, targets(arrays))).values())).all()
    for gradient in gradients(loss, predicted, targets(arrays)).values():
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("kind", BALANCED)
@pytest.mark.parametrize("case", [Case(text=0, threshold_mask=0), Case(shrink_mask=0)])
def test_a_batch_without_text_teaches_no_negatives(case: Case, kind: Any) -> None:
    # PaddleOCR's behaviour: negatives are counted in multiples of the positives.
    arrays = case.arrays()
    loss = db_loss(main_loss_type=kind)
    predicted = predictions(arrays, "maps", "cbn_maps")
    found = floats(loss(predicted, targets(arrays)))
    assert (found["loss_shrink_maps"], found["loss_cbn"], found["loss_binary_maps"]) == (0, 0, 1)
    grad = gradients(loss, predicted, targets(arrays))
    assert not grad["maps"][:, [0, 2]].any()
    assert not grad["cbn_maps"].any()


@pytest.mark.parametrize(("kind", "balance"), LOSSES)
def test_an_image_without_text_learns_beside_one_with(kind: Any, balance: bool) -> None:
    arrays = Case().arrays()
    arrays["shrink_map"][1] = 0
    loss = db_loss(balance_loss=balance, main_loss_type=kind)
    grad = gradients(loss, predictions(arrays, "maps"), targets(arrays))["maps"]
    assert (grad[1, 0] >= 0).all()
    assert grad[1, 0].any()


@pytest.mark.parametrize("kind", KINDS)
def test_masked_pixels_get_no_gradient(kind: Any) -> None:
    arrays = Case().arrays()
    grad = gradients(db_loss(main_loss_type=kind), predictions(arrays, "maps"), targets(arrays))
    shrink, threshold, binary = grad["maps"].transpose(1, 0, 2, 3)
    for masked, gradient in (
        ("shrink_mask", shrink),
        ("threshold_mask", threshold),
        ("shrink_mask", binary),
    ):
        assert not gradient[arrays[masked] == 0].any()
        assert gradient[arrays[masked] == 1].any()


@pytest.mark.parametrize(("kind", "balance"), LOSSES)
@pytest.mark.parametrize("name", ["maps", "cbn_maps"])
def test_nan_stays_nan(name: str, kind: Any, balance: bool) -> None:
    arrays = Case().arrays()
    arrays[name][0, 0, 0, 0] = np.nan
    loss = db_loss(balance_loss=balance, main_loss_type=kind)
    found = floats(loss(predictions(arrays, "maps", "cbn_maps"), targets(arrays)))
    assert np.isnan(found["loss"])


@pytest.fixture
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a tensor's value on the host fails."""

    def forbidden(tensor: paddle.Tensor, *args: object, **kwargs: object) -> None:
        raise AssertionError("a tensor's value was read on the host")

    for name in SYNCS:
        monkeypatch.setattr(paddle.Tensor, name, forbidden)


@pytest.mark.usefixtures("no_sync")
@pytest.mark.parametrize("read", [int, float, bool, np.asarray, lambda t: [0][t], lambda t: t > 0])
def test_the_guard_sees_a_synchronisation(read: Any) -> None:
    tensor = paddle.zeros([], "int64")
    with pytest.raises(AssertionError, match="read on the host"):
        assert read(tensor)


def test_nothing_waits_for_the_device(request: pytest.FixtureRequest) -> None:
    arrays = Case().arrays()
    truth = targets(arrays)
    batches = [predictions(arrays, "maps", "cbn_maps") for _ in LOSSES]
    request.getfixturevalue("no_sync")
    for predicted, (kind, balance) in zip(batches, LOSSES, strict=True):
        db_loss(balance_loss=balance, main_loss_type=kind)(predicted, truth)["loss"].backward()


@pytest.mark.filterwarnings("ignore:amp_guard can only be enabled")  # nothing is cast on a CPU
@pytest.mark.parametrize(("kind", "balance"), LOSSES)
@pytest.mark.parametrize("level", ["O1", "O2"])
def test_arithmetic_is_float32_for_bfloat16_maps(level: str, kind: Any, balance: bool) -> None:
    arrays = Case(shape=(2, 64, 96)).arrays()  # sums far beyond bfloat16's 8 bits
    truth = targets(arrays)
    single = predictions(arrays, "maps")["maps"].detach().astype("bfloat16").astype("float32")
    half = single.astype("bfloat16")
    half.stop_gradient = False
    loss = db_loss(balance_loss=balance, main_loss_type=kind)
    with paddle.amp.auto_cast(dtype="bfloat16", level=level):
        found = loss({"maps": half}, truth)
    assert {value.dtype for value in found.values()} == {paddle.float32}
    assert floats(found) == floats(loss({"maps": single}, truth))
    found["loss"].backward()
    assert half.grad.dtype == paddle.bfloat16
    assert np.isfinite(half.grad.astype("float32").numpy()).all()


@pytest.fixture
def program() -> Iterator[paddle.static.Program]:
    """A static program being built: there Paddle's autocast works without a GPU too."""
    paddle.enable_static()
    main, startup = paddle.static.Program(), paddle.static.Program()
    with paddle.static.program_guard(main, startup):
        yield main
    paddle.disable_static()


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_autocast_around_it_casts_nothing(dtype: str) -> None:
    arrays = reference_arrays()
    data = {k: paddle.static.data(k, arrays[k].shape, "float32") for k in ("maps", *TARGETS)}
    maps = data["maps"].astype(dtype)
    with paddle.amp.auto_cast(dtype="bfloat16", level="O2", use_promote=False):
        assert (maps * maps).dtype == paddle.bfloat16
        found = DBLoss()({"maps": maps}, DBTargets(*(data[name] for name in TARGETS)))
    assert {str(value.dtype) for value in found.values()} == {"paddle.float32"}


@pytest.mark.filterwarnings("ignore:When training, we now always track")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_head_learns_from_it(dtype: str, kind: Any) -> None:
    paddle.seed(3)
    head = PFHeadLocal(16, PFHeadLocalConfig())
    head.train()
    predicted = {key: maps.astype(dtype) for key, maps in head(paddle.rand([2, 16, 8, 8])).items()}
    truth = targets(Case(shape=(2, 32, 32)).arrays())
    found = db_loss(main_loss_type=kind)(predicted, truth)
    found["loss"].backward()
    assert floats(found)["loss_cbn"] > 0
    for name, parameter in head.named_parameters():
        if parameter.trainable:
            assert np.isfinite(parameter.grad.numpy()).all(), name
            assert parameter.grad.numpy().any(), name


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("main_loss_type", "Dice", "'DiceLoss', 'BCELoss' or 'DiceFocalLoss'"),
        ("alpha", -1, "greater than or equal to 0"),
        ("beta", float("nan"), "finite number"),
        ("ohem_ratio", float("inf"), "finite number"),
        ("eps", 0, "greater than 0"),
        ("gamma", 1, "not permitted"),
    ],
)
def test_a_wrong_argument_is_named(key: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"(?s)\n{key}\n.*{message}"):
        db_loss(**{key: value})


@pytest.mark.parametrize(
    "maps",
    [
        pytest.param({"maps": (2, 1, 12, 16)}, id="eval mode"),
        pytest.param({"maps": (2, 3, 12, 8)}, id="another size"),
        pytest.param({"maps": (2, 3, 12, 16), "cbn_maps": (2, 12, 16)}, id="no channel axis"),
    ],
)
def test_maps_must_fit_the_targets(maps: dict[str, tuple[int, ...]]) -> None:
    predicted = {name: paddle.zeros(shape) for name, shape in maps.items()}
    with pytest.raises(ValueError, match=f"{list(maps)[-1]} must be .* is the network in train"):
        DBLoss()(predicted, targets(Case().arrays()))


@pytest.mark.parametrize("shapes", [[(2, 4, 4)] * 3 + [(2, 4, 8)], [(2, 1, 4, 4)] * 4])
def test_targets_must_fit_each_other(shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="share one shape"):
        DBTargets(*(paddle.zeros(shape) for shape in shapes))
