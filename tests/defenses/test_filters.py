"""Compare every built-in filter with another library's, and test the properties that all filters share."""

import io
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import fft, ndimage

from foolflow.defenses.bit_depth import bit_depth
from foolflow.defenses.closing import closing
from foolflow.defenses.filtered import has_gradient
from foolflow.defenses.gaussian_blur import gaussian_blur
from foolflow.defenses.jpeg import jpeg
from foolflow.defenses.low_pass import low_pass
from foolflow.defenses.mean_filter import mean_filter
from foolflow.defenses.median_filter import median_filter
from foolflow.defenses.opening import opening
from foolflow.errors import InvalidInput

FILTERS = {
    "bit_depth": partial(bit_depth, bits=3),
    "median_filter": partial(median_filter, size=2),
    "mean_filter": partial(mean_filter, size=2),
    "gaussian_blur": partial(gaussian_blur, sigma=1.0),
    "opening": partial(opening, size=2),
    "closing": partial(closing, size=3),
    "low_pass": partial(low_pass, cutoff=0.4),
    "jpeg": partial(jpeg, quality=75),
}
every_filter = pytest.mark.parametrize("squeeze", FILTERS.values(), ids=FILTERS)


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 14])
@pytest.mark.parametrize(
    ("ours", "scipys"),
    [
        (mean_filter, ndimage.uniform_filter),
        (opening, ndimage.grey_opening),
        (closing, ndimage.grey_closing),
    ],
    ids=["mean_filter", "opening", "closing"],
)
def test_a_window_filter_equals_scipys(ours, scipys, size):
    images = noise(2, 3, 13, 12)
    expected = scipys(images.double().numpy(), size=(1, 1, size, size))
    np.testing.assert_allclose(ours(images, size=size).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(("sigma", "size"), [(0.5, None), (1.0, None), (4.0, None), (1.0, 3), (2.0, 1)])
def test_gaussian_blur_equals_scipys(sigma, size):
    images = noise(2, 3, 13, 12)
    radius = None if size is None else size // 2
    expected = ndimage.gaussian_filter(images.double().numpy(), (0, 0, sigma, sigma), radius=radius)
    np.testing.assert_allclose(gaussian_blur(images, sigma=sigma, size=size).numpy(), expected, atol=1e-6)


def test_bit_depth_equals_that_of_xu_et_al():
    levels = torch.linspace(0, 1, 256).view(1, 1, 16, 16)
    for bits in range(1, 9):
        steps = 2**bits - 1
        expected = np.rint(levels.numpy() * steps) / steps
        np.testing.assert_allclose(bit_depth(levels, bits=bits).numpy(), expected, atol=1e-7)
    assert bit_depth(levels, bits=1).unique().tolist() == [0, 1]


@pytest.mark.parametrize("cutoff", [0.05, 0.4, 1.0])
@pytest.mark.parametrize("shape", [(2, 3, 13, 12), (1, 1, 28, 28), (1, 1, 1, 5)])
def test_low_pass_attenuates_the_cosines_of_which_images_consist(cutoff, shape):
    """The discrete cosine transform mirrors at the border: its k-th cosine has k / 2N cycles per pixel."""
    images = noise(*shape)
    down, right = np.arange(shape[2])[:, None] / shape[2], np.arange(shape[3]) / shape[3]
    gain = 1 / (1 + ((down**2 + right**2) / cutoff**2) ** 2)
    expected = fft.idctn(fft.dctn(images.double().numpy(), axes=(2, 3)) * gain, axes=(2, 3)).clip(0, 1)
    np.testing.assert_allclose(low_pass(images, cutoff=cutoff).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("quality", [1, 20, 75, 100])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("needs_gradient", [False, True])
def test_jpeg_is_what_pillow_makes_of_each_image(quality, channels, needs_gradient):
    images = noise(2, channels, 17, 21)  # not a multiple of 8
    found = jpeg(images.clone().requires_grad_(needs_gradient), quality=quality)
    assert found.requires_grad == needs_gradient
    for image, coded in zip(images, found.detach(), strict=True):
        file = io.BytesIO()
        pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels if channels == 3 else pixels[..., 0]).save(file, "JPEG", quality=quality)
        expected = torch.from_numpy(np.array(Image.open(file)).reshape(pixels.shape)).permute(2, 0, 1)
        assert torch.equal(coded, expected.float() / 255)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_gradient_of_jpeg_tells_which_detail_the_codec_removes(channels):
    """At low quality a checkerboard vanishes, and a slope over the image stays; the identity would keep both alike."""
    image = torch.from_numpy(ndimage.zoom(noise(channels, 8, 8).numpy(), (1, 4, 4), order=1))[None]
    ramp = torch.linspace(-1, 1, 32).expand(1, channels, 32, 32)
    rows, columns = torch.arange(32).view(-1, 1), torch.arange(32)
    fine = ((rows + columns) % 2 * 2.0 - 1).expand(1, channels, 32, 32)

    def slope(direction):
        images = image.clone().requires_grad_()
        (gradient,) = torch.autograd.grad((jpeg(images, quality=30) * direction).sum(), images)
        return float((gradient * direction).sum() / (direction * direction).sum())

    assert slope(ramp) > 0.05
    assert abs(slope(fine)) < 0.1 * slope(ramp)


@every_filter
@pytest.mark.parametrize("shape", [(4, 1, 28, 28), (3, 3, 32, 32), (2, 3, 17, 21)])
def test_a_filter_keeps_shape_type_and_range(squeeze, shape):
    for images in (noise(*shape), noise(*shape).round()):
        squeezed = squeeze(images)
        assert squeezed.shape == images.shape
        assert squeezed.dtype == torch.float32
        assert squeezed.min() >= 0
        assert squeezed.max() <= 1


@every_filter
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("needs_gradient", [False, True])
def test_an_empty_batch_stays_empty(squeeze, channels, needs_gradient):
    squeezed = squeeze(torch.empty(0, channels, 16, 17, requires_grad=needs_gradient))
    assert squeezed.shape == (0, channels, 16, 17)
    assert squeezed.dtype == torch.float32


@every_filter
def test_a_filtered_image_does_not_depend_on_its_batch(squeeze):
    images = noise(5, 3, 32, 32)
    alone = torch.cat([squeeze(image[None]) for image in images])
    torch.testing.assert_close(squeeze(images), alone, atol=1e-5, rtol=0)


@given(level=st.integers(0, 255), channels=st.sampled_from([1, 3]), name=st.sampled_from(sorted(FILTERS)))
def test_a_filter_does_not_change_a_constant_image(level, channels, name):
    images = torch.full((1, channels, 20, 20), level / 255)
    # bit_depth reduces the levels, and JPEG quantises the mean of a block.
    allowed = {"bit_depth": 0.5 / 7, "jpeg": 0.75 / 255}.get(name, 0.0) + 1e-6
    torch.testing.assert_close(FILTERS[name](images), images, atol=allowed, rtol=0)


@every_filter
def test_every_filter_except_bit_depth_has_a_gradient(squeeze, trained):
    for images in (noise(4, 3, 32, 32), trained.images[:4], noise(4, 3, 32, 32).round()):
        assert has_gradient(squeeze, images) == (squeeze is not FILTERS["bit_depth"])


def test_saturated_pixels_have_a_gradient():
    images = torch.ones(1, 1, 9, 9, requires_grad=True)
    (gradient,) = torch.autograd.grad(mean_filter(images, size=3).sum(), images)
    torch.testing.assert_close(gradient, torch.ones_like(gradient))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (partial(bit_depth, bits=0), "bits must be a whole number from 1 to 8, not 0"),
        (partial(bit_depth, bits=9), "bits must be a whole number from 1 to 8, not 9"),
        (partial(mean_filter, size=0), "size must be a whole number of at least 1, not 0"),
        (partial(opening, size=0), "size must be a whole number of at least 1, not 0"),
        (partial(closing, size=-1), "size must be a whole number of at least 1, not -1"),
        (partial(gaussian_blur, sigma=0), "sigma must be above 0 and finite, not 0"),
        (partial(gaussian_blur, sigma=float("nan")), "sigma must be above 0 and finite, not nan"),
        (partial(gaussian_blur, sigma=1.0, size=4), "size must be an odd whole number of at least 1, not 4"),
        (partial(low_pass, cutoff=0), "cutoff must be above 0, not 0"),
        (partial(low_pass, cutoff=float("nan")), "cutoff must be above 0, not nan"),
        (partial(jpeg, quality=0), "quality must be a whole number from 1 to 100, not 0"),
        (partial(bit_depth, bits=1.5), "bits must be a whole number from 1 to 8, not 1.5"),
        (partial(bit_depth, bits=float("nan")), "bits must be a whole number from 1 to 8, not nan"),
        (partial(bit_depth, bits="4"), "bits must be a whole number from 1 to 8, not '4'"),
        (partial(bit_depth, bits=True), "bits must be a whole number from 1 to 8, not True"),
        (partial(jpeg, quality=75.5), "quality must be a whole number from 1 to 100, not 75.5"),
        (partial(mean_filter, size=2.5), "mean_filter: size must be a whole number of at least 1, not 2.5"),
        (partial(median_filter, size=2.5), "median_filter: size must be a whole number of at least 1, not 2.5"),
        (partial(opening, size=2.5), "opening: size must be a whole number of at least 1, not 2.5"),
        (partial(closing, size=2.5), "closing: size must be a whole number of at least 1, not 2.5"),
        (partial(gaussian_blur, sigma=1.0, size=3.5), "size must be an odd whole number of at least 1, not 3.5"),
    ],
)
def test_the_error_names_the_bad_parameter(call, words):
    with pytest.raises(InvalidInput, match=words):
        call(torch.rand(1, 1, 16, 16))


def test_jpeg_rejects_two_channels():
    with pytest.raises(InvalidInput, match="2 channels; 1 or 3"):
        jpeg(torch.rand(1, 2, 16, 16), quality=75)
