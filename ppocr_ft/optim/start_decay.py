"""Decay of pretrained weights towards the values that they started from."""

from __future__ import annotations

from collections.abc import Mapping

import paddle

from ppocr_ft.errors import WeightsError


class StartDecay:
    """Takes parameters back towards their starting weights after each step (L2-SP).

    ``w -= rate * factor * (w - w_start)`` with the rate of the parameter's group. The penalty is
    that of Li et al., Explicit Inductive Bias for Transfer Learning with Convolutional Networks,
    2018, ``factor / 2 * |w - w_start|^2``; it is decoupled from the gradient, as AdamW's decay.

    Args:
        factor: decay per step at rate 1.
        parameters: those that decay, by name; they are at their start now.
    """

    def __init__(self, factor: float, parameters: Mapping[str, paddle.Tensor]) -> None:
        self.factor = factor
        self._starts = {name: tensor.detach().clone() for name, tensor in parameters.items()}

    @paddle.no_grad()  # type: ignore[untyped-decorator]
    def apply(self, parameters: Mapping[str, paddle.Tensor], rate: paddle.Tensor) -> None:
        """Act on those of a group's ``parameters`` that decay; ``rate`` is a float32 scalar."""
        share = rate * self.factor
        for name in parameters.keys() & self._starts.keys():
            parameters[name].lerp_(self._starts[name], share)

    def describe(self) -> str:
        """Return a line for the log."""
        values = sum(start.size for start in self._starts.values())
        return (
            f"after each step {values:,} values decay towards the weights that they started from "
            f"(L2-SP, start_decay {self.factor:g} x rate)"
        )

    def state_dict(self) -> dict[str, paddle.Tensor]:
        """Return the starting weights by name."""
        return dict(self._starts)

    def check(self, starts: Mapping[str, paddle.Tensor]) -> None:
        """Check that ``starts`` are the starting weights of these parameters.

        Raises:
            WeightsError: they are not.
        """
        wanted = {name: tuple(tensor.shape) for name, tensor in self._starts.items()}
        if {name: tuple(tensor.shape) for name, tensor in starts.items()} != wanted:
            raise WeightsError(
                "holds starting weights of other parameters; resume with the config that the run "
                "began with (config.resolved.yml beside it)"
            )

    def restore(self, starts: Mapping[str, paddle.Tensor]) -> None:
        """Take over ``state_dict()`` of the run's earlier part."""
        for name, tensor in self._starts.items():
            tensor.set_value(starts[name])
