from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from spenser_gee.data import crop, cutout, flip, shift
from spenser_gee.errors import InputError

SHAPES = [(1, 1, 1, 1), (16, 1, 8, 8), (12, 3, 5, 9)]


def batch(shape: tuple[int, ...]) -> torch.Tensor:
    # Above zero: a filled-in zero cannot be taken for a pixel.
    return torch.rand(shape, generator=torch.Generator().manual_seed(99)) + 0.5


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def moved(image: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """One image moved by whole pixels, pixel by pixel; zeros move in."""
    out = torch.zeros_like(image)
    _, height, width = image.shape
    for row in range(height):
        for column in range(width):
            if 0 <= row - down < height and 0 <= column - right < width:
                out[:, row, column] = image[:, row - down, column - right]
    return out


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("function", [shift, crop])
@pytest.mark.parametrize("pixels", [0, 1, 3, 7])
def test_windows_against_one_image_at_a_time(
    shape: tuple[int, ...], function: Callable[..., torch.Tensor], pixels: int
) -> None:
    images = batch(shape)
    result = function(images, pixels, generator(pixels))
    draws = generator(pixels)
    top = torch.randint(2 * pixels + 1, (len(images),), generator=draws)
    left = torch.randint(2 * pixels + 1, (len(images),), generator=draws)
    # A window beginning `top` rows below the padded edge shows the image `pixels - top` further down.
    expected = [moved(images[i], pixels - int(top[i]), pixels - int(left[i])) for i in range(len(images))]
    assert torch.equal(result, torch.stack(expected))


def test_every_shift_occurs_and_no_other() -> None:
    image = torch.zeros(1, 5, 5)
    image[0, 2, 2] = 1
    moved_images = shift(image.expand(2000, 1, 5, 5), 1, generator(0))
    places = moved_images.flatten(1).argmax(1)
    counts = torch.bincount(places, minlength=25).reshape(5, 5)
    # Multinomial over 9 cells: mean 222, standard deviation 14; five of them.
    assert (counts[1:4, 1:4] - 2000 / 9).abs().max() < 70
    assert counts[1:4, 1:4].sum() == 2000


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
def test_flip_against_one_image_at_a_time(shape: tuple[int, ...], probability: float) -> None:
    images = batch(shape)
    result = flip(images, probability, generator(4))
    draws = torch.rand(len(images), generator=generator(4))
    for image, out, draw in zip(images, result, draws.tolist(), strict=True):
        width = image.shape[-1]
        columns = [width - 1 - i if draw < probability else i for i in range(width)]
        for i, column in enumerate(columns):
            assert torch.equal(out[:, :, i], image[:, :, column])


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_flip_never_and_always(probability: float) -> None:
    images = batch((500, 1, 2, 3))
    expected = images.flip(3) if probability else images
    assert torch.equal(flip(images, probability, generator(0)), expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [0, 1, 2, 3, 20])
def test_cutout_against_one_image_at_a_time(shape: tuple[int, ...], size: int) -> None:
    images = batch(shape)
    result = cutout(images, size, generator(size))
    draws = generator(size)
    _, _, height, width = shape
    middle_row = torch.randint(height, (len(images),), generator=draws).tolist()
    middle_column = torch.randint(width, (len(images),), generator=draws).tolist()
    for i, image in enumerate(images):
        expected = image.clone()
        top, left = middle_row[i] - size // 2, middle_column[i] - size // 2
        expected[:, max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)] = 0
        assert torch.equal(result[i], expected)


def test_cutout_cuts_a_square_of_that_size_inside() -> None:
    areas = (cutout(torch.ones(400, 1, 9, 9), 3, generator(1)) == 0).sum((1, 2, 3))
    # Whole inside, cut at one side, cut at a corner; and the centre is always in.
    assert sorted(set(areas.tolist())) == [4, 6, 9]


@pytest.mark.parametrize(("function", "value"), [(shift, 2), (crop, 2), (flip, 0.5), (cutout, 2)])
def test_input_kept_seed_decides_global_state_untouched(
    function: Callable[..., torch.Tensor], value: float
) -> None:
    images = batch((64, 2, 6, 6))
    copy, state = images.clone(), torch.get_rng_state()
    first = function(images, value, generator(1))
    assert torch.equal(images, copy)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.dtype == images.dtype
    assert torch.equal(function(images, value, generator(1)), first)
    assert not torch.equal(function(images, value, generator(2)), first)


@pytest.mark.parametrize(
    ("function", "value"),
    [(shift, -1), (crop, -1), (cutout, -1), (flip, -0.1), (flip, 1.1), (flip, float("nan"))],
)
def test_bad_values(function: Callable[..., torch.Tensor], value: float) -> None:
    with pytest.raises(InputError, match="expected"):
        function(batch((2, 1, 3, 3)), value, generator(0))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("function", "value"), [(shift, 2), (crop, 2), (flip, 0.5), (cutout, 2)])
def test_cuda_gives_the_same_without_waiting(function: Callable[..., torch.Tensor], value: float) -> None:
    images = batch((64, 2, 6, 6))
    expected, moved_images = function(images, value, generator(1)), images.cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        result = function(moved_images, value, generator(1))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(result.cpu(), expected)
