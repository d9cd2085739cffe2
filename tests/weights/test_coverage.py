"""What a load says in one line, and when it says all."""

from __future__ import annotations

import pytest

from ppocr_ft.weights.coverage import CoverageReport, Status, TensorMatch


def report(*statuses: Status, warnings: tuple[str, ...] = ()) -> CoverageReport:
    tensors = tuple(TensorMatch(f"head.{i}", status, (4,)) for i, status in enumerate(statuses))
    return CoverageReport("released", tensors, ("head",), "folded", warnings)


def test_a_full_load_is_one_line() -> None:
    whole = report("matched", "matched")
    assert whole.summary() == "weights: released, folded form, 100% filled"


def test_what_no_source_of_this_kind_has_is_named_in_the_line() -> None:
    begun = report("matched", "not in this source")
    line = "weights: released, folded form, 100% filled; parts of the head begin at random"
    assert begun.summary() == line


def test_an_inference_model_lacks_the_branch_that_only_training_needs() -> None:
    tensors = tuple(
        TensorMatch(key, status, (4,))
        for key, status in [
            ("head.binarize.conv1.weight", "matched"),
            ("head.thresh.conv1.weight", "not in this source"),
            ("backbone.last_conv.weight", "not in this source"),  # which no detector runs
        ]
    )
    released = CoverageReport("released", tensors, ("head",), "folded", ())
    assert released.summary() == (
        "weights: released, folded form, 100% filled; "
        "the threshold branch, which only training needs, begins at random"
    )


@pytest.mark.parametrize("status", ["missing", "wrong shape", "unexpected"])
def test_what_is_not_filled_brings_the_table(status: Status) -> None:
    assert report("matched", status).summary() == str(report("matched", status))


def test_a_warning_brings_the_table() -> None:
    warned = report("matched", warnings=("look",))
    assert "warning: look" in warned.summary()
