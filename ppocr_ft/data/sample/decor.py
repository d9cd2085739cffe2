"""What is on a surface before anything is mounted on it: scratches and seams."""

from __future__ import annotations

from ppocr_ft.data.sample.patch import (
    OVERSAMPLE,
    Color,
    Patch,
    Rng,
    capsule,
    uniform,
)


def scratches(rng: Rng, scene: Patch) -> None:
    """Thin straight scuffs, some bright and some dark."""
    for _ in range(int(rng.integers(0, 20))):
        start = rng.random(2) * (scene.width, scene.height)
        end = start + rng.normal(0.0, scene.width * 0.06, 2)
        line = capsule((start[0], start[1]), (end[0], end[1]), uniform(rng, 0.4, 1.0) * OVERSAMPLE)
        color: Color = (1.0, 1.0, 1.0) if rng.random() < 0.5 else (0.0, 0.0, 0.0)
        scene.draw(line, color, uniform(rng, 0.05, 0.25))


def seam(rng: Rng, scene: Patch) -> None:
    """The groove around a cover plate, close to the edge of what the picture shows."""
    inset = uniform(rng, 0.03, 0.09) * min(scene.width, scene.height)
    right, bottom = scene.width - inset, scene.height - inset
    corners = [(inset, inset), (right, inset), (right, bottom), (inset, bottom)]
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        for shift, color, opacity in ((2, (1.0, 1.0, 1.0), 0.45), (0, (0.0, 0.0, 0.0), 0.75)):
            line = capsule((x0 + shift, y0 + shift), (x1 + shift, y1 + shift), 2.0 * OVERSAMPLE)
            scene.draw(line, color, opacity)
