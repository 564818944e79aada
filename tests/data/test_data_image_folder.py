from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from spenser_gee.data import load_dataset
from spenser_gee.data.image_decode import decode_image, resize
from spenser_gee.errors import InputError

Images = dict[str, np.ndarray]


def write_images(root: Path, images: Images) -> None:
    for path, pixels in images.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / path)


def random_images(shape: tuple[int, ...] = (5, 6, 3), seed: int = 0) -> Images:
    rng = np.random.default_rng(seed)
    paths = [
        f"{part}/{name}/{i}.png" for part in ("train", "test") for name in ("cat", "ant") for i in range(3)
    ]
    return {path: rng.integers(0, 256, shape, dtype=np.uint8) for path in paths}


def pack(folder: Path, archive: Path) -> Path:
    with tarfile.open(archive, "w:gz" if archive.suffix == ".gz" else "w") as tar:
        for name in ("test", "train"):
            tar.add(folder / name, arcname=f"./{name}")
    return archive


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_images(tmp_path / "images", random_images())
    return tmp_path / "images"


@pytest.mark.parametrize("kind", ["folder", ".tar", ".tar.gz"])
def test_folder_and_archives_give_the_same_images(folder: Path, kind: str) -> None:
    root = folder if kind == "folder" else pack(folder, folder.parent / f"images{kind}")
    data = load_dataset("image-folder", root)
    images = random_images()
    assert data.classes == ("ant", "cat")
    assert data.input_shape == (3, 5, 6)
    for name, part in (("train", data.train), ("test", data.test)):
        assert part.labels.tolist() == [0, 0, 0, 1, 1, 1]
        expected = [images[f"{name}/{label}/{i}.png"] for label in ("ant", "cat") for i in range(3)]
        assert np.array_equal(part.images.permute(0, 2, 3, 1).numpy(), np.stack(expected))


def test_other_files_are_passed_over(folder: Path) -> None:
    (folder / "README.md").write_text("images")
    (folder / "train" / "LICENCE").write_text("free")
    (folder / "train" / "cat" / "notes.txt").write_text("none")
    (folder / "train" / "cat" / "._0.png").write_bytes(b"resource fork")
    (folder / "train" / ".cache").mkdir()
    assert len(load_dataset("image-folder", folder).train) == 6


def test_a_linked_class_folder_is_read(folder: Path) -> None:
    (folder / "train" / "cat").rename(folder.parent / "elsewhere")
    (folder / "train" / "cat").symlink_to(folder.parent / "elsewhere")
    assert load_dataset("image-folder", folder).train.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_grey_stays_grey_unless_mixed_or_asked(tmp_path: Path) -> None:
    images = random_images((4, 4))
    write_images(tmp_path, images)
    grey = load_dataset("image-folder", tmp_path)
    assert grey.input_shape == (1, 4, 4)
    assert np.array_equal(grey.train.images[0, 0].numpy(), images["train/ant/0.png"])
    assert load_dataset("image-folder", tmp_path, channels=3).input_shape == (3, 4, 4)
    colour = np.zeros((4, 4, 3), np.uint8)
    colour[..., 0] = 200
    write_images(tmp_path, {"train/cat/0.png": colour})
    mixed = load_dataset("image-folder", tmp_path)
    assert mixed.input_shape == (3, 4, 4)
    assert np.array_equal(mixed.train.images[0].numpy(), np.stack([images["train/ant/0.png"]] * 3))
    assert mixed.train.images[3, :, 0, 0].tolist() == [200, 0, 0]
    assert load_dataset("image-folder", tmp_path, channels=1).input_shape == (1, 4, 4)


def test_images_are_resized_once(tmp_path: Path) -> None:
    images = random_images((6, 6))
    images["train/cat/1.png"] = np.kron(np.arange(9, dtype=np.uint8).reshape(3, 3), np.ones((4, 4), np.uint8))
    images["test/ant/2.png"] = np.full((31, 17), 77, np.uint8)
    write_images(tmp_path, images)
    with pytest.raises(InputError, match=r"6 x 6") as caught:
        load_dataset("image-folder", tmp_path, image_size=None)
    assert "train/cat/1.png (12 x 12)" in str(caught.value)
    assert "Set image_size" in str(caught.value)
    data = load_dataset("image-folder", tmp_path, image_size=6)
    assert data.input_shape == (1, 6, 6)
    # Those of the right size are untouched, and each resized image is in its own place.
    assert np.array_equal(data.train.images[3, 0].numpy(), images["train/cat/0.png"])
    assert data.test.images[2].unique().tolist() == [77]
    assert np.array_equal(data.train.images[4, 0].numpy()[::5, ::5], [[0, 2], [6, 8]])


def test_resizing_agrees_with_pillow() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    for size in (7, 32, 64):
        reference = np.array(Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR))
        ours = resize(torch.from_numpy(pixels).permute(2, 0, 1)[None], size)[0].permute(1, 2, 0).numpy()
        assert np.abs(ours.astype(int) - reference).max() <= 1


def test_resizing_in_several_rounds_keeps_the_order(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load_dataset("image-folder", folder, image_size=4)
    monkeypatch.setattr("spenser_gee.data.image_decode._PENDING_BYTES", 200)
    assert torch.equal(load_dataset("image-folder", folder, image_size=4).train.images, whole.train.images)


def test_sixteen_bits_keep_their_upper_eight() -> None:
    deep = np.array([[0, 255, 256], [4660, 32768, 65535]], np.uint16)
    file = io.BytesIO()
    Image.fromarray(deep).save(file, "PNG")
    assert decode_image(file.getvalue(), None).tolist() == [[[0, 0, 1], [18, 128, 255]]]


# -------------------------------------------------------------------------------------------------- errors


def message(root: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_dataset("image-folder", root)
    return str(caught.value)


def test_unreadable_images_are_all_named(folder: Path) -> None:
    good = (folder / "train" / "cat" / "0.png").read_bytes()
    (folder / "train" / "cat" / "0.png").write_bytes(good[:60])
    (folder / "train" / "cat" / "1.png").write_bytes(b"")
    (folder / "test" / "ant" / "2.png").write_bytes(b"<html>")
    for root in (folder, pack(folder, folder.parent / "images.tar")):
        text = message(root)
        for path in ("train/cat/0.png", "train/cat/1.png", "test/ant/2.png"):
            assert f"{root}/{path}: cannot be read" in text
        assert len(text.splitlines()) == 3


def test_a_class_without_images(folder: Path) -> None:
    for image in (folder / "test" / "cat").iterdir():
        image.unlink()
    for root in (folder, pack(folder, folder.parent / "images.tar.gz")):
        assert f"{root}/test/cat: no image in this class folder" in message(root)


def test_train_and_test_with_different_classes(folder: Path) -> None:
    (folder / "test" / "cat").rename(folder / "test" / "cats")
    text = message(folder)
    assert 'test/cat: class "cat" is in train and not in test' in text
    assert 'train/cats: class "cats" is in test and not in train' in text


def test_no_such_folder_and_no_classes(tmp_path: Path) -> None:
    assert "found nothing" in message(tmp_path / "absent")
    text = message(tmp_path)
    assert f"{tmp_path}/train: expected one folder for each class" in text
    assert f"{tmp_path}/test: expected one folder for each class" in text


def test_a_file_that_is_no_archive(tmp_path: Path) -> None:
    for content in (b"", b"text", b"\x1f\x8b text", b"\0" * 100):
        (tmp_path / "images.tar").write_bytes(content)
        assert "cannot be read as an archive" in message(tmp_path / "images.tar")


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_an_archive_cut_anywhere_is_refused(folder: Path, suffix: str) -> None:
    archive = pack(folder, folder.parent / f"images{suffix}")
    whole = archive.read_bytes()
    with tarfile.open(archive) as tar:
        offsets = [member.offset for member in tar]
    ends = (
        [*offsets, *(offset + 100 for offset in offsets)]
        if suffix == ".tar"
        else [*range(0, len(whole), 97), len(whole) - 1]
    )
    for end in ends:
        archive.write_bytes(whole[:end])
        assert "archive" in message(archive)


def test_an_archive_with_a_wrong_checksum_is_refused(folder: Path) -> None:
    archive = pack(folder, folder.parent / "images.tar.gz")
    whole = bytearray(archive.read_bytes())
    whole[-8] ^= 1
    archive.write_bytes(whole)
    assert "CRC" in message(archive)


@pytest.mark.parametrize("options", [{"image_size": 0}, {"channels": 2}])
def test_bad_options(folder: Path, options: dict[str, int]) -> None:
    with pytest.raises(InputError, match="expected"):
        load_dataset("image-folder", folder, **options)  # type: ignore[arg-type]
