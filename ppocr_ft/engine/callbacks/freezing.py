"""Parameter groups that are frozen for some epochs."""

from __future__ import annotations

from collections.abc import Callable

import paddle

from ppocr_ft.engine.norms import FrozenNorms
from ppocr_ft.engine.trainer import Callback, Trainer


class Freezing(Callback):
    """Freezes and thaws parameter groups, and their batch norms, where an epoch begins.

    What is frozen follows from the epoch alone, so a resumed run finds it again. No gradients of
    frozen parameters are computed.
    """

    def __init__(self, network: paddle.nn.Layer, say: Callable[[str], None]) -> None:
        self._norms = FrozenNorms(network)
        self._say = say

    def before_epoch(self, trainer: Trainer) -> None:
        progress, groups = trainer.progress, trainer.state.optimizer.groups
        groups.freeze(progress.epochs_done)
        self._norms.update()
        thawed = [g for g in groups.groups if g.settings.freeze_epochs == progress.epochs_done > 0]
        if progress.step_in_epoch == 0:
            for group in thawed:
                self._say(f"epoch {progress.epochs_done + 1}: begins to learn: {group.label}")
