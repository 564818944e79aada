from __future__ import annotations

import io
import os
import tarfile
import warnings
from collections.abc import Callable
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


def test_an_image_that_a_class_has_twice_through_links_counts_once(folder: Path) -> None:
    whole = load_dataset("image-folder", folder)
    cat = folder / "train" / "cat"
    (cat / "again").symlink_to(".")
    (cat / "0 too.png").symlink_to("0.png")
    (cat / "other.png").symlink_to(cat / "1.png")
    (folder / "pool" / "deep").mkdir(parents=True)
    (cat / "2.png").rename(folder / "pool" / "deep" / "2.png")
    (cat / "pool").symlink_to("../../pool")
    (cat / "zoo").symlink_to("../../pool/deep")
    (folder / "pool" / "back").symlink_to("../train/cat")
    data = load_dataset("image-folder", folder)
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert sorted(image.numpy().tobytes() for image in data.train.images) == sorted(
        image.numpy().tobytes() for image in whole.train.images
    )


def test_copies_and_hard_links_are_images_of_their_own(folder: Path) -> None:
    os.link(folder / "train" / "cat" / "0.png", folder / "train" / "cat" / "9.png")
    assert len(load_dataset("image-folder", folder).train) == 7


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


def file_of(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_pictures_are_turned_as_their_files_say(kind: str) -> None:
    stored = np.random.default_rng(0).integers(0, 256, (3, 5, 3), dtype=np.uint8)
    # What EXIF 2.3 says of its values 1..8, in which the stored rows and columns run elsewhere.
    upright = (
        stored,
        stored[:, ::-1],
        stored[::-1, ::-1],
        stored[::-1],
        stored.transpose(1, 0, 2),
        np.rot90(stored, -1),
        stored.transpose(1, 0, 2)[::-1, ::-1],
        np.rot90(stored),
    )
    for number, expected in enumerate(upright, 1):
        exif = Image.Exif()
        exif[0x0112] = number
        options = {"lossless": True} if kind == "WEBP" else {}
        image = file_of(Image.fromarray(stored), kind, exif=exif, **options)
        assert np.array_equal(decode_image(image, None).permute(1, 2, 0).numpy(), expected), number


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12"]
)
def test_damaged_exif_turns_nothing(exif: bytes) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 3), dtype=np.uint8)
    image = file_of(Image.fromarray(pixels), exif=exif)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.array_equal(decode_image(image, None).permute(1, 2, 0).numpy(), pixels)


GREY = np.random.default_rng(3).integers(0, 2, (6, 4), dtype=np.uint8) * 200 + 20


def palette(pixels: np.ndarray, colours: np.ndarray) -> Image.Image:
    """A picture of mode P whose value k means `colours[k]`."""
    picture = Image.fromarray(pixels).convert("P")
    picture.putpalette(colours.astype(np.uint8).tobytes())
    return picture


def test_grey_pictures_have_one_channel_however_they_are_stored() -> None:
    ramp = np.arange(256)[:, None].repeat(3, 1)
    assert decode_image(file_of(palette(GREY, ramp)), None).tolist() == [GREY.tolist()]
    assert decode_image(file_of(palette(255 - GREY, ramp[::-1])), None).tolist() == [GREY.tolist()]
    assert decode_image(file_of(palette(GREY, ramp)), 3).tolist() == [GREY.tolist()] * 3
    bits = GREY > 100
    assert decode_image(file_of(Image.fromarray(bits)), None).tolist() == [(bits * 255).tolist()]
    with_alpha = Image.merge("LA", [Image.fromarray(GREY), Image.new("L", (4, 6), 255)])
    assert decode_image(file_of(with_alpha), None).tolist() == [GREY.tolist()]
    coloured = ramp * [1, 0, 1]
    violet = decode_image(file_of(palette(GREY, coloured)), None)
    assert violet.tolist() == [GREY.tolist(), (0 * GREY).tolist(), GREY.tolist()]


def soft_disc() -> np.ndarray:
    """A disc with soft edges, 32 x 32: 255 inside, 0 outside."""
    rows, columns = np.mgrid[:32, :32] - 15.5
    return (np.clip(12 - np.hypot(rows, columns), 0, 1) * 255).astype(np.uint8)


def see_through(colour: tuple[int, int, int], alpha: np.ndarray) -> Image.Image:
    pixels = np.full((*alpha.shape, 4), [*colour, 0], np.uint8)
    pixels[..., 3] = alpha
    return Image.fromarray(pixels)


def black_palette_with_alpha() -> bytes:
    picture = palette(soft_disc(), np.zeros((256, 3)))
    return file_of(picture, transparency=bytes(range(256)))


def nearly_black() -> Image.Image:
    picture = np.array(see_through((0, 0, 0), soft_disc()))
    picture[..., :3] = np.random.default_rng(0).integers(0, 9, (32, 32, 3))
    return Image.fromarray(picture)


IN_THE_ALPHA: dict[str, Callable[[], bytes]] = {
    "black": lambda: file_of(see_through((0, 0, 0), soft_disc())),
    "white": lambda: file_of(see_through((255, 255, 255), 255 - soft_disc())),
    "grey": lambda: file_of(see_through((9, 9, 9), soft_disc()).convert("LA")),
    "palette": black_palette_with_alpha,
    "nearly black": lambda: file_of(nearly_black()),
    "webp": lambda: file_of(see_through((0, 0, 0), soft_disc()), "WEBP", lossless=True, exact=True),
}


@pytest.mark.parametrize("kind", IN_THE_ALPHA)
def test_a_picture_in_its_transparency_is_refused(folder: Path, kind: str) -> None:
    suffix = "webp" if kind == "webp" else "png"
    file = folder / "train" / "cat" / f"9.{suffix}"
    file.write_bytes(IN_THE_ALPHA[kind]())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = message(folder)
    assert f"{file}: cannot be read: the picture is in its transparency" in text
    assert "put it on a background" in text
    assert len(text.splitlines()) == 1


def test_other_transparency_is_dropped() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 4), dtype=np.uint8)
    flat = np.full_like(pixels, 7)
    for picture in (pixels, flat):
        assert np.array_equal(
            decode_image(file_of(Image.fromarray(picture)), None).permute(1, 2, 0).numpy(), picture[..., :3]
        )
    picture = palette(soft_disc(), np.arange(256)[:, None].repeat(3, 1))
    image = file_of(picture, transparency=bytes(range(256)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_image(image, None).tolist() == [soft_disc().tolist()]


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


def test_files_with_the_same_fault_are_named_together(folder: Path) -> None:
    for number in range(12):
        (folder / "train" / "cat" / f"{number:02}.png").write_bytes(b"")
    text = message(folder).splitlines()
    assert text[0] == f"{folder}/train/cat/00.png: cannot be read: the file is empty"
    names = ", ".join(f"train/cat/{number:02}.png" for number in range(1, 10))
    assert text[1:] == [f"    Likewise: {names} and 2 more"]


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


def test_names_that_only_look_alike(folder: Path) -> None:
    (folder / "train" / "cat").rename(folder / "train" / "caf\u00e9")
    (folder / "test" / "cat").rename(folder / "test" / "cafe\u0301")
    text = message(folder)
    assert text.count(r"look alike") == 2
    assert r"'caf\xe9'" in text
    assert r"'cafe\u0301'" in text


def test_one_class_is_refused(folder: Path) -> None:
    for part in ("train", "test"):
        for image in (folder / part / "ant").iterdir():
            image.unlink()
        (folder / part / "ant").rmdir()
    text = message(folder)
    assert f'{folder}/train: expected two or more classes, found one, "cat"' in text
    assert "move them up" not in text


def test_classes_one_level_too_deep(tmp_path: Path) -> None:
    images = {path.replace("/", "/animals/", 1): pixels for path, pixels in random_images().items()}
    write_images(tmp_path / "images", images)
    for root in (tmp_path / "images", pack(tmp_path / "images", tmp_path / "images.tar")):
        text = message(root)
        assert 'found one, "animals"' in text
        assert "(ant, cat) are the classes, move them up" in text


def test_a_root_one_level_off(folder: Path) -> None:
    assert f"Give the folder that holds both: {folder}. " in message(folder.parent)
    assert "give the folder that holds both" in message(folder / "train")
    archive = folder.parent / "images.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, arcname="animals")
    assert "train and test are in the folder animals: pack them without it" in message(archive)


def test_images_that_are_all_the_same(tmp_path: Path) -> None:
    images = random_images()
    same = np.full((5, 6, 3), 255, np.uint8)
    write_images(tmp_path, {path: same if path.startswith("test") else images[path] for path in images})
    text = message(tmp_path)
    assert "all 6 test images are the same, with pixels in 255..255" in text
    assert "training" not in text
    write_images(tmp_path, dict.fromkeys(images, images["train/cat/0.png"]))
    assert "all 6 training images are the same" in message(tmp_path)


@pytest.mark.parametrize(
    ("link", "target", "other"),
    [
        ("train/cat/9.png", "../ant/0.png", "train/ant/0.png"),
        ("test/cat/9.png", "../../train/cat/0.png", "train/cat/0.png"),
        ("train/cat/more", "../ant", "train/ant/0.png"),
        ("train/dog", "cat", "train/cat/0.png"),
        ("train/cat/up", "..", "train/ant/0.png"),
    ],
)
def test_a_file_in_two_classes_or_parts_is_refused(folder: Path, link: str, target: str, other: str) -> None:
    (folder / link).symlink_to(target)
    text = message(folder)
    assert text.startswith(f"{folder}/{link}")
    assert f"this is the same file as {folder}/{other}" in text


def test_a_linked_part_is_refused(folder: Path) -> None:
    (folder / "test").rename(folder / "unused")
    (folder / "test").symlink_to("train")
    text = message(folder)
    assert f"{folder}/test/ant/0.png: this is the same file as {folder}/train/ant/0.png (and 5 more" in text


@pytest.mark.parametrize("target", ["/", "../..", "../../.."])
def test_a_link_to_what_holds_the_data_is_refused(folder: Path, target: str) -> None:
    (folder / "train" / "cat" / "up").symlink_to(target)
    assert f"{folder}/train/cat/up: this link leads to" in message(folder)


@pytest.mark.parametrize("link", ["train/cat/9.png", "train/cat/more", "train/dog"])
@pytest.mark.parametrize("target", ["/nowhere/at/all", "9.png", "more", "dog"])
def test_a_link_that_leads_nowhere_is_refused(folder: Path, link: str, target: str) -> None:
    (folder / link).symlink_to(target)
    assert f"{folder}/{link}: this link leads nowhere: {target}" in message(folder)


@pytest.mark.timeout(20)
def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "train" / "cat" / "9.png")
    assert f"{folder}/train/cat/9.png: expected an image file" in message(folder)


@pytest.mark.parametrize("kind", ["class", "part", "image", "hard"])
def test_links_in_an_archive_are_refused(folder: Path, kind: str) -> None:
    cat = folder / "train" / "cat"
    if kind == "class":
        cat.rename(folder.parent / "elsewhere")
        cat.symlink_to(folder.parent / "elsewhere")
    elif kind == "part":
        (folder / "test").rename(folder.parent / "elsewhere")
        (folder / "test").symlink_to(folder.parent / "elsewhere")
    elif kind == "image":
        (cat / "9.png").symlink_to("0.png")
    else:
        os.link(cat / "0.png", cat / "9.png")
    text = message(pack(folder, folder.parent / "images.tar"))
    assert "links in an archive are not followed" in text
    assert "--dereference" in text


def test_a_file_twice_in_an_archive_is_refused(folder: Path) -> None:
    archive = pack(folder, folder.parent / "images.tar")
    with tarfile.open(archive, "a") as tar:
        tar.add(folder / "train" / "cat" / "0.png", arcname="train/cat/0.png")
    assert f"{archive}/train/cat/0.png: this file is in the archive twice" in message(archive)


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
