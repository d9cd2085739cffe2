"""The folder of images that labels speak of: sizes as training sees the images."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from ppocr_ft.commands.convert.formats.image_folder import ImageFolder, folder_of_images
from ppocr_ft.commands.convert.formats.texts import Unusable
from ppocr_ft.transforms.image_ops import DecodeImage
from tests.support.convert_samples import put_images, put_text

EXIF_ORIENTATION = 0x0112


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_size_is_that_of_the_image_as_training_decodes_it(
    tmp_path: Path, orientation: int
) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    Image.new("RGB", (40, 20)).save(tmp_path / "a.jpg", exif=exif)
    image = DecodeImage()({"image": (tmp_path / "a.jpg").read_bytes()})["image"]
    assert ImageFolder(tmp_path).size_px("a.jpg") == image.shape[1::-1]
    assert image.shape[1::-1] == ((20, 40) if orientation >= 5 else (40, 20))


def test_a_file_that_is_no_image_is_unusable(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no image")
    with pytest.raises(Unusable, match=r"a\.jpg can't be read"):
        ImageFolder(tmp_path).size_px("a.jpg")


def test_images_are_looked_for_beside_a_folder_of_labels_alone(tmp_path: Path) -> None:
    put_images(tmp_path / "set" / "JPEGImages", "a.jpg")
    label = put_text(tmp_path / "set" / "Annotations" / "train" / "a.xml", "")
    for source in (label, label.parent, label.parent.parent):
        assert folder_of_images(source) == tmp_path / "set" / "JPEGImages"
    assert folder_of_images(tmp_path / "set") == tmp_path / "set"
    page = put_text(tmp_path / "scans" / "page" / "a.xml", "").parent
    put_images(page.parent, "a.jpg")
    assert folder_of_images(page) == page.parent
    put_images(label.parent, "b.jpg")
    assert folder_of_images(label) == label.parent
    assert folder_of_images(tmp_path / "gone" / "a.xml") == tmp_path / "gone"


@pytest.mark.parametrize("name", ["", ".", "/", "..", "./"])
def test_a_path_without_a_name_is_no_image(tmp_path: Path, name: str) -> None:
    put_images(tmp_path, "a.jpg")
    folder = ImageFolder(tmp_path)
    for find in (folder.by_label, lambda path: folder.by_path([path])):
        with pytest.raises(Unusable, match=r"is in|is not in"):
            find(name)


def test_accents_may_be_set_apart(tmp_path: Path) -> None:
    """As in archives made on macOS; both look the same."""
    apart, whole = "cafe\u0301", "caf\u00e9"
    Image.new("RGB", (2, 2)).save(tmp_path / f"{apart}.png")
    Image.new("RGB", (2, 2)).save(tmp_path / f"x{whole}.png")
    folder = ImageFolder(tmp_path)
    assert folder.by_path([f"{whole}.png"]) == folder.by_label(whole) == f"{apart}.png"
    assert folder.by_path([f"set/x{apart}.png"]) == f"x{whole}.png"


BESIDE = {
    "YOLO": ("images/train/a.jpg", "labels/train/a"),
    "Roboflow": ("train/images/a.jpg", "train/labels/a"),
    "DOTA": ("images/a.png", "labelTxt/a"),
    "VOC": ("JPEGImages/a.jpg", "Annotations/a"),
    "SROIE, ReCTS": ("img/a.jpg", "box/a"),
    "deeper": ("set/v1/images/a.jpg", "set/v1/annotations/a"),
}


@pytest.mark.parametrize(("image", "label"), BESIDE.values(), ids=BESIDE)
def test_labels_beside_the_folder_of_images(tmp_path: Path, image: str, label: str) -> None:
    put_images(tmp_path, image, "a.jpg", "b.jpg", "other/a.jpg")
    assert ImageFolder(tmp_path).by_label(label) == image


@pytest.mark.parametrize("label", ["labels/a", "val/labels/a", "train/a"])
def test_no_image_of_another_folder_is_taken(tmp_path: Path, label: str) -> None:
    put_images(tmp_path, "train/images/a.jpg", "val/a.jpg")
    with pytest.raises(Unusable, match="no image"):
        ImageFolder(tmp_path).by_label(label)


def test_two_folders_of_images_are_a_fault(tmp_path: Path) -> None:
    put_images(tmp_path, "images/a.jpg", "imgs/a.jpg")
    with pytest.raises(Unusable, match=r"labels/a can be images/a\.jpg or imgs/a\.jpg"):
        ImageFolder(tmp_path).by_label("labels/a")
