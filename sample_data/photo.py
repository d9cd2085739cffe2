"""The camera: perspective, light, reflections, blur and noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sample_data.materials import clouds
from sample_data.patch import (
    OVERSAMPLE,
    Field,
    Image,
    Rng,
    polygon_mask,
    uniform,
)
from sample_data.scene import Scene


def photograph(rng: Rng, scene: Scene) -> tuple[NDArray[np.uint8], list[Field]]:
    """Take a picture (h, w, 3) uint8 BGR of the scene; return it with the fields' places in it."""
    width, height = scene.picture_width_px, scene.picture_height_px
    matrix = _view(rng, scene.content, width, height)
    size = (width * OVERSAMPLE, height * OVERSAMPLE)
    view = cv2.warpPerspective(scene.surface.bgr, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    image = cv2.resize(view, (width, height), interpolation=cv2.INTER_AREA)
    _light(rng, image)
    _reflections(rng, image)
    picture = _sensor(rng, _blurred(rng, image))
    return picture, [one.mapped(lambda xy: _project(xy, matrix)) for one in scene.surface.fields]


def _view(rng: Rng, content: Image, width: int, height: int) -> NDArray[np.float64]:
    """Return the homography from scene pixels to pixels of the oversampled picture."""
    turn = np.deg2rad(np.clip(rng.normal(0.0, 2.5), -6.0, 6.0))
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    center = np.array([width, height]) / 2
    corners = (np.array([(0, 0), (width, 0), (width, height), (0, height)]) - center) @ rotation.T
    corners *= 1.0 - rng.uniform(0.0, 0.1, (4, 2))
    fit = np.min(center / np.abs(corners).max(axis=0)) * uniform(rng, 0.95, 0.99)
    target = ((corners * fit + center) * OVERSAMPLE).astype(np.float32)
    matrix: NDArray[np.float64] = cv2.getPerspectiveTransform(content, target)
    return matrix


def _project(points: Image, matrix: NDArray[np.float64]) -> Image:
    mapped: Image = cv2.perspectiveTransform(points[None], matrix)[0] / OVERSAMPLE
    return mapped


def _light(rng: Rng, image: Image) -> None:
    """Add a main light from one side and soft shadows, in place."""
    height, width = image.shape[:2]
    angle = uniform(rng, 0.0, 2 * np.pi)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :] * np.cos(angle)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * np.sin(angle)
    slope = (x + y).astype(np.float32) * uniform(rng, 0.0, 0.35)
    shadow = np.clip(clouds(rng, height, width, max(height, width) // 2), -1, 1) * 0.12
    tint = rng.uniform(0.93, 1.07, 3).astype(np.float32)
    light = (1.0 + slope + shadow) * np.float32(uniform(rng, 0.7, 1.0))
    image *= cv2.merge([light * part for part in tint])


def _reflections(rng: Rng, image: Image) -> None:
    """Lamps and windows mirrored in glossy parts, in place."""
    height, width = image.shape[:2]
    for _ in range(int(rng.integers(0, 3))):
        x, y = uniform(rng, 0, width), uniform(rng, 0, height)
        long, wide = uniform(rng, 0.2, 0.6) * width, uniform(rng, 0.02, 0.12) * width
        angle = uniform(rng, 0.0, np.pi)
        along = np.array([np.cos(angle), np.sin(angle)])
        across = np.array([-along[1], along[0]])
        corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
        shape = np.array(
            [(x, y) + along * a * long / 2 + across * b * wide / 2 for a, b in corners]
        )
        glare = cv2.GaussianBlur(polygon_mask(width, height, [shape]), (0, 0), wide * 0.2 + 1)
        glare *= uniform(rng, 0.04, 0.2)
        image += cv2.merge([glare, glare, glare])


def _blurred(rng: Rng, image: Image) -> Image:
    """Slight defocus or camera shake."""
    if rng.random() < 0.25:
        length = int(rng.integers(2, 4))
        kernel = np.eye(length, dtype=np.float32) / length
        shaken: Image = cv2.filter2D(image, -1, kernel if rng.random() < 0.5 else kernel[::-1])
        return shaken
    soft: Image = cv2.GaussianBlur(image, (0, 0), uniform(rng, 0.35, 0.9))
    return soft


def _sensor(rng: Rng, image: Image) -> NDArray[np.uint8]:
    """Noise that grows with the light, and 8 bits."""
    height, width = image.shape[:2]
    fine = rng.standard_normal((height, width), np.float32)
    coarse = rng.standard_normal((height // 2 + 1, width // 2 + 1, 3), np.float32)
    noise = cv2.resize(coarse, (width, height)) * 0.7 + fine[..., None]
    noise *= uniform(rng, 0.006, 0.02)
    exposed = image + noise * np.sqrt(np.clip(image, 0.05, 1.0))
    pixels: NDArray[np.uint8] = np.clip(exposed * 255.0 + 0.5, 0, 255).astype(np.uint8)
    return pixels
