"""A training that takes a second: a small network on small crops of made-up pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ppocr_ft.config import load_config
from ppocr_ft.factory.objects import starting_network
from ppocr_ft.weights.pdparams import encode_pdparams
from tests.support.config_files import written
from tests.support.pictures import text, write_set

CONFIG = """\
Global:
  use_gpu: false
  seed: 5
  epoch_num: 3
  log_smooth_window: 3
  print_batch_step: 1
  eval_batch_step: [0, 5]
  save_epoch_step: 2
  save_model_dir: {folder}/run
  pretrained_model: null
  fit_postprocess: {fit}
Architecture:
  Backbone: {{name: MobileNetV3, scale: 0.35, model_name: small, disable_se: true}}
  Neck: {{name: RSEFPN, out_channels: 24}}
  Head: {{name: DBHead}}
Optimizer:
  name: AdamW
  lr: {{name: Cosine, learning_rate: 0.002, warmup_steps: 2}}
PostProcess: {{box_thresh: 0.3, unclip_ratio: 1.5}}
Train:
  dataset:
    data_dir: {folder}
    label_file_list: [{folder}/label.txt]
    transforms:
    - DecodeImage: {{img_mode: BGR}}
    - DetLabelEncode:
    - ScaledCrop: {{size: [64, 64], limit_side_len: 96}}
    - MakeBorderMap: {{shrink_ratio: 0.4, shrink_ratio_end: 0.6}}
    - MakeShrinkMap: {{shrink_ratio: 0.4, shrink_ratio_end: 0.6, min_text_size: 2}}
    - NormalizeImage: {{order: hwc}}
    - ToCHWImage:
    - KeepKeys:
        keep_keys: [image, threshold_map, threshold_mask, shrink_map, shrink_mask]
  loader: {{shuffle: true, batch_size_per_card: 2, num_workers: 2}}
Eval:
  dataset:
    data_dir: {folder}
    label_file_list: [{folder}/label.txt]
    transforms:
    - DecodeImage: {{img_mode: BGR}}
    - DetLabelEncode:
    - DetResizeForTest: {{limit_side_len: 96, limit_type: max}}
    - NormalizeImage: {{order: hwc}}
    - ToCHWImage:
    - KeepKeys: {{keep_keys: [image, shape, polys, ignore_tags]}}
"""
IMAGES = 7
STEPS_PER_EPOCH = 4
STEPS = 12


def small_config(folder: Path, images: int = IMAGES, *, fit: bool = False) -> Path:
    """The config of a run in ``folder``/run, beside its data: 7 images, 3 epochs of 4 steps.

    ``fit``: whether the run ends with a fit of the post-processing, which takes as long as it does.
    """
    texts = [text("a", 20, 15), text("b", 25, 50, 60, 16)]
    write_set(folder, {f"{i}.png": texts[: 1 + i % 2] for i in range(images)})
    return written(folder, CONFIG.format(folder=folder, fit=str(fit).lower()))


def starting_weights(folder: Path) -> Path:
    """A file of weights for the network of ``small_config``, all but the threshold head."""
    config = load_config(small_config(folder))
    network, _ = starting_network(config)
    state = {
        key: tensor.numpy()
        for key, tensor in network.state_dict().items()
        if not key.startswith("head.thresh.")
    }
    path = folder / "start.pdparams"
    path.write_bytes(b"".join(encode_pdparams(state)))
    return path


def assert_refused(
    main: Callable[[Sequence[str]], int],
    more: Sequence[str],
    part: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The command, run in ``folder``, ends with exit code 2 and a message that has ``part``."""
    config = str(small_config(folder))
    monkeypatch.chdir(folder)
    assert main(["-c", config, *more]) == 2
    err = capsys.readouterr().err
    assert part in err
    assert "Traceback" not in err
