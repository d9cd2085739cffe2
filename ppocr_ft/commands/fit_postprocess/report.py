"""A fit of post-processing as text, tables, JSON and CSV, and as a heat map."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ppocr_ft.commands.common import csv_text
from ppocr_ft.commands.fit_postprocess.search import LEAST_IMAGES, Fitted
from ppocr_ft.fitting.grid import Cell
from ppocr_ft.fitting.tally import FLAT, Floats, best_cell
from ppocr_ft.messages import counted
from ppocr_ft.report.figures import as_png, new_figure
from ppocr_ft.utils.console import aligned, wrapped

HEADER = ("", "resize", "thresh", "score", "unclip", "box", "hmean", "at 0.7")
"""thresh, score_mode, unclip_ratio, box_thresh; hmean at both IoUs."""
MAX_MAP_COLUMNS = 11
FEW_IMAGES = 10
"""With fewer the gain on held-out images rests on one or two."""
CELL_INCHES = (0.5, 0.32)
MARGIN_INCHES = (2.4, 2.0)
LEAST_INCHES = (7.5, 4.0)
SHOWN_FALL = 0.15
"""Values further below the best have the lowest color."""
MARKS = {"fitted": "*", "config": "o", "labels' unclip_ratio": "D"}
OBJECTIVES = {
    "hmean": "hmean at IoU 0.5",
    "hmean_70": "hmean at IoU 0.7",
    "mean": "mean of hmean at IoU 0.5 and 0.7",
}


def fit_report(fitted: Fitted) -> str:
    """Return the report: table, heat map, flatness of the optimum, results on held-out images."""
    parts = (fit_table(fitted), heat_map_text(fitted), plateau_text(fitted), verdict_text(fitted))
    return "\n\n".join(parts)


def fit_notes(fitted: Fitted) -> str:
    """Return the report without the heat map."""
    return "\n\n".join((fit_table(fitted), plateau_text(fitted), verdict_text(fitted)))


def fit_summary(fitted: Fitted, weights: str) -> str:
    """Describe the chosen values, their rates, the config's, and how the choice was judged."""
    tally = fitted.tally
    chosen = tally.setting(fitted.chosen)
    rates, before = tally.rates(fitted.chosen), tally.rates(fitted.own)
    pairs = (f"{rates[rate]:.4f} ({before[rate]:.4f})" for rate in ("hmean", "hmean_70"))
    return (
        f"PostProcess fitted to the {weights} weights: thresh {chosen.thresh:g}, "
        f"box_thresh {chosen.box_thresh:g}, unclip_ratio {chosen.unclip_ratio:g}, "
        f"score_mode {chosen.score_mode}\n"
        f"hmean {' at IoU 0.5, '.join(pairs)} at 0.7 (with the config's values)\n"
        f"{verdict_text(fitted)}"
    )


def fit_table(fitted: Fitted) -> str:
    """Tabulate the config's values, the labels' unclip ratio, the fitted, each resize's."""
    values = fitted.tally.values(fitted.objective)
    rows = [("config", fitted.own), ("labels' unclip", fitted.start), ("fitted", fitted.best)]
    if len(fitted.tally.resizes) > 1:
        for r in range(len(fitted.tally.resizes)):
            here = np.full_like(values, -1.0)
            here[r] = values[r]
            rows.append(("best with", best_cell(here, fitted.own)))
    table = [_row(fitted, name, cell) for name, cell in rows]
    held = fitted.held_out
    if held is not None:
        rates = (f"{held.hmean:.4f}", f"{held.hmean_70:.4f}")
        table.append(["fitted, held out", *[""] * 5, *rates])
    return "\n".join(aligned([HEADER, *table]))


def _row(fitted: Fitted, name: str, cell: Cell) -> list[str]:
    tried, rates = fitted.tally.setting(cell), fitted.tally.rates(cell)
    return [
        name,
        tried.resize,
        f"{tried.thresh:g}",
        tried.score_mode,
        f"{tried.unclip_ratio:g}",
        f"{tried.box_thresh:g}",
        f"{rates['hmean']:.4f}",
        f"{rates['hmean_70']:.4f}",
    ]


def plane(fitted: Fitted) -> Floats:
    """Return the objective (unclip_ratio, box_thresh) with the other values as fitted."""
    return np.asarray(fitted.tally.values(fitted.objective)[fitted.best[:3]])


def plane_title(fitted: Fitted) -> str:
    """Return the heat map's title: objective, and the values of the other axes."""
    tried = fitted.tally.setting(fitted.best)
    return (
        f"{OBJECTIVES[fitted.objective]}, with resize {tried.resize}, thresh {tried.thresh:g}, "
        f"score_mode {tried.score_mode}"
    )


def heat_map_text(fitted: Fitted) -> str:
    """Draw the objective as text, in thousandths: a row per unclip ratio, a column per box_thresh.

    The fitted cell is in brackets; + marks those that are as good.
    """
    values, grid, best = plane(fitted), fitted.tally.grid, fitted.best
    stride = -(-len(grid.box_threshs) // MAX_MAP_COLUMNS)
    columns = [b for b in range(len(grid.box_threshs)) if b % stride == best.box_thresh % stride]
    lines = [
        *wrapped(
            f"{plane_title(fitted)}, in thousandths; [fitted], + not more than {FLAT:g} below"
        ),
        "unclip \\ box" + "".join(f"{grid.box_threshs[b]:>6g}" for b in columns),
    ]
    at = (best.unclip_ratio, best.box_thresh)
    for u, ratio in enumerate(grid.unclip_ratios):
        line = f"{ratio:>12g}"
        for b in columns:
            number, as_good = f"{values[u, b] * 1000:.0f}", values[u, b] >= values[at] - FLAT
            cell = f"[{number}]" if (u, b) == at else f"{number}{'+' if as_good else ' '}"
            line += cell.rjust(6)
        lines.append(line.rstrip())
    return "\n".join(lines)


def plateau_text(fitted: Fitted) -> str:
    """Say how far one can go from the fitted values, and which are at the edge of the grid."""
    flat = fitted.plateau
    ratios, threshs = (
        "{:g} to {:g}".format(*ends) for ends in (flat.unclip_ratios, flat.box_threshs)
    )
    return "\n".join(
        [
            f"not more than {FLAT:g} below the fitted: unclip_ratio {ratios} with its box_thresh, "
            f"box_thresh {threshs} with its unclip_ratio; {flat.combinations} of {flat.tried} "
            "combinations of the two",
            *edges(fitted),
        ]
    )


def edges(fitted: Fitted) -> list[str]:
    """Return a line per fitted value that is the last one that was tried."""
    grid, best = fitted.tally.grid, fitted.best
    axes = {
        "thresh": (grid.threshs, best.thresh),
        "unclip_ratio": (grid.unclip_ratios, best.unclip_ratio),
        "box_thresh": (grid.box_threshs, best.box_thresh),
    }
    return [
        f"the fitted {name}, {values[at]:g}, is the {'lowest' if at == 0 else 'highest'} that was "
        "tried; there may be better ones beyond it"
        for name, (values, at) in axes.items()
        if len(values) > 2 and at in (0, len(values) - 1)
    ]


def verdict_text(fitted: Fitted) -> str:
    """Say what the choice gains on the images it was made on and on others, and what follows."""
    held, what = fitted.held_out, OBJECTIVES[fitted.objective]
    if not fitted.tally.values(fitted.objective)[fitted.best]:
        return f"{what}: 0 with all values that were tried; the config's own stay"
    if fitted.best == fitted.own:
        return f"no other values are better than the config's own by more than {FLAT:g} ({what})"
    fit = f"{what}: {fitted.gain:+.4f} on the images that the choice was made on"
    if held is None:
        return f"{fit}; with one image there is none to test it on: the config's own values stay"
    tested = (
        f"{fit}, {held.gain:+.4f} +- {held.gain_error:.4f} on images held out "
        f"({len(held.choices)} folds)"
    )
    if held.is_sure:
        images = len(fitted.tally.gts)
        few = f", though {images} images are few to judge by" * (images < FEW_IMAGES)
        return f"{tested}: the fitted values are taken{few}"
    if not held.is_enough:
        return (
            f"{tested}; {counted(held.images, 'image')} with text can't show that "
            f"this is more than chance, it takes {LEAST_IMAGES}: the config's own values stay"
        )
    follows = "the config's own values stay" if fitted.chosen == fitted.own else "they are taken"
    return f"{tested}, which may be chance (lower bound {held.gain_low:+.4f}): {follows}"


def as_json(fitted: Fitted) -> dict[str, object]:
    """Return the choice, its rates, and how it was judged."""
    tally, held_out = fitted.tally, fitted.held_out
    held_values: dict[str, object] | None = None
    if held_out is not None:
        names = ("hmean", "hmean_70", "gain", "gain_error")
        held_values = {name: getattr(held_out, name) for name in names}
        held_values |= {"folds": len(held_out.choices), "images": held_out.images}
    cells = {
        "config": fitted.own,
        "labels": fitted.start,
        "fitted": fitted.best,
        "chosen": fitted.chosen,
    }
    return {
        "objective": fitted.objective,
        **{
            name: {**vars(tally.setting(cell)), **tally.rates(cell)} for name, cell in cells.items()
        },
        "gain": fitted.gain,
        "held_out": held_values,
    }


def fit_csv(fitted: Fitted) -> str:
    """Return a CSV line per combination that was tried."""
    tally, rows = fitted.tally, []
    hmean, hmean_70 = tally.values("hmean"), tally.values("hmean_70")
    for index in np.ndindex(*hmean.shape):
        rates = (f"{hmean[index]:.6f}", f"{hmean_70[index]:.6f}")
        rows.append([*vars(tally.setting(Cell(*index))).values(), *rates])
    return csv_text(HEADER[1:], rows)


def heat_map(fitted: Fitted) -> bytes:
    """Draw the objective over unclip_ratio and box_thresh; return a PNG.

    Resize, thresh and score mode are the fitted ones. A frame holds what is as good as the fitted
    values; marks are on these, the config's and the labels'.
    """
    values, grid = plane(fitted), fitted.tally.grid
    size = np.maximum(np.multiply(values.shape[::-1], CELL_INCHES) + MARGIN_INCHES, LEAST_INCHES)
    figure = new_figure(*size.tolist())
    axes = figure.subplots()
    best = float(values.max())
    image = axes.imshow(
        values, origin="lower", aspect="auto", vmin=max(values.min(), best - SHOWN_FALL), vmax=best
    )
    figure.colorbar(image)
    for (u, b), value in np.ndenumerate(values):
        color = "black" if value > best - SHOWN_FALL / 3 else "white"
        axes.text(b, u - 0.25, f"{value * 1000:.0f}", ha="center", fontsize=6, color=color)
    _frame(axes, values >= values[fitted.best.unclip_ratio, fitted.best.box_thresh] - FLAT)
    _marks(axes, fitted)
    for ticks, labels, tick_values in (
        (axes.set_xticks, axes.set_xticklabels, grid.box_threshs),
        (axes.set_yticks, axes.set_yticklabels, grid.unclip_ratios),
    ):
        ticks(range(len(tick_values)))
        labels([f"{value:g}" for value in tick_values])
    axes.set_xlabel("box_thresh")
    axes.set_ylabel("unclip_ratio")
    axes.set_title(plane_title(fitted).replace(", with ", "\n"), fontsize=10)
    return as_png(figure)


def _frame(axes: Axes, flat: NDArray[np.bool_]) -> None:
    """Draw lines between the cells that are as good as the best and the others."""
    inside = np.pad(flat, 1)
    for u, b in np.argwhere(inside[:, 1:] != inside[:, :-1]).tolist():
        axes.plot([b - 0.5, b - 0.5], [u - 1.5, u - 0.5], color="red", lw=1.2)
    for u, b in np.argwhere(inside[1:] != inside[:-1]).tolist():
        axes.plot([b - 1.5, b - 0.5], [u - 0.5, u - 0.5], color="red", lw=1.2)


def _marks(axes: Axes, fitted: Fitted) -> None:
    cells = dict(zip(MARKS, (fitted.best, fitted.own, fitted.start), strict=True))
    handles: list[Line2D] = []
    for name, cell in cells.items():
        here, is_fitted = cell[:3] == fitted.best[:3], name == "fitted"
        handles += axes.plot(
            [cell.box_thresh],
            [cell.unclip_ratio + 0.2],
            linestyle="",
            label=name if here else f"{name} (tried with another resize, thresh or score_mode)",
            marker=MARKS[name],
            markersize=9 if is_fitted else 6,
            markerfacecolor="red" if is_fitted else "none",
            markeredgecolor="red",
        )
    handles.append(
        Line2D([], [], color="red", lw=1.2, label=f"not more than {FLAT:g} below the fitted")
    )
    axes.legend(
        handles=handles,
        title="number in a cell: its value in thousandths",
        loc="upper center",
        bbox_to_anchor=(0.5, -0.14),
        ncols=2,
        fontsize=8,
    )
