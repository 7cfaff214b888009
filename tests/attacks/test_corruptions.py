"""Closed forms of each kind of corruption."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from scipy.stats import kstest

from foolflow.attacks.corruptions import CORRUPTIONS, Draw
from foolflow.attacks.kinds import KINDS, NOISES, STRENGTHS

EXAMPLES = {
    "rotation": 20.0,
    "translation": 2.5,
    "scale": 0.2,
    "crop": 0.3,
    "stretch": 0.2,
    "blur": 0.8,
    "contrast": 0.4,
    "jpeg": 60.0,
}
EXAMPLES |= dict.fromkeys(NOISES, 0.1)


def random_images(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def smooth(*shape):
    """Return images without much detail, of which a codec keeps almost everything."""
    blurred = ndimage.gaussian_filter(random_images(*shape).numpy(), (0, 0, 4, 4))
    return torch.from_numpy((blurred - blurred.min()) / (blurred.max() - blurred.min()))


def shifted(image, right, down):
    """Shift (C, H, W) by whole pixels; black comes in."""
    moved = np.zeros_like(image)
    height, width = image.shape[1:]
    target = [slice(max(by, 0), size + min(by, 0)) for by, size in ((down, height), (right, width))]
    origin = [slice(max(-by, 0), size - max(by, 0)) for by, size in ((down, height), (right, width))]
    moved[:, target[0], target[1]] = image[:, origin[0], origin[1]]
    return moved


def test_every_kind_has_a_function_and_an_example():
    assert set(KINDS) == set(CORRUPTIONS) == set(EXAMPLES)


@pytest.mark.parametrize(("norm", "order"), [("linf", torch.inf), ("l2", 2)])
@pytest.mark.parametrize("kind", NOISES)
def test_noise_has_exactly_the_given_norm(kind, norm, order):
    images = random_images(6, 3, 9, 7)
    noise = CORRUPTIONS[kind](images, 0.25, Draw(0, norm)) - images
    assert noise.flatten(1).norm(p=order, dim=1).numpy() == pytest.approx(0.25, rel=1e-5)


def test_noise_has_the_shape_that_its_name_says():
    images = random_images(30, 3, 32, 32)

    def drawn(kind, norm):
        return (CORRUPTIONS[kind](images, 1.0, Draw(0, norm)) - images).flatten(1).double()

    assert drawn("sign_noise", "linf").abs().numpy() == pytest.approx(1, abs=1e-6)
    assert drawn("sign_noise", "l2").abs().numpy() == pytest.approx((3 * 32 * 32) ** -0.5, abs=1e-6)
    gaussian, uniform = drawn("gaussian_noise", "l2"), drawn("uniform_noise", "linf")
    assert kstest((gaussian[0] / gaussian[0].std()).numpy(), "norm").pvalue > 0.001
    assert kstest(uniform[0].numpy(), "uniform", args=(-1, 2)).pvalue > 0.001
    assert torch.equal(drawn("noise", "linf"), drawn("sign_noise", "linf"))
    assert torch.equal(drawn("noise", "l2"), drawn("gaussian_noise", "l2"))


@pytest.mark.parametrize(("degrees", "turns"), [(90.0, 1), (180.0, 2)])
def test_a_right_angle_turns_the_pixels_in_both_directions(degrees, turns):
    images = random_images(20, 3, 8, 8)
    made = CORRUPTIONS["rotation"](images, degrees, Draw(0))
    left, right = (torch.rot90(images, sign * turns, (2, 3)) for sign in (1, -1))
    is_left, is_right = ((made - one).abs().flatten(1).amax(1) < 1e-6 for one in (left, right))
    assert (is_left | is_right).all()
    assert turns == 2 or (5 <= is_left.sum() <= 15)


def test_a_rotation_equals_scipys():
    image = random_images(1, 1, 15, 11)
    made = CORRUPTIONS["rotation"](image, 17.0, Draw(0))[0, 0].numpy()
    plain = image[0, 0].double().numpy()
    both = [ndimage.rotate(plain, sign * 17, reshape=False, order=1, mode="constant") for sign in (1, -1)]
    inside = np.zeros_like(made, bool)
    inside[4:-4, 3:-3] = True  # at the border, SciPy blends differently
    assert min(np.abs(one - made)[inside].max() for one in both) < 1e-5


def test_a_translation_by_whole_pixels_shifts_in_each_of_8_directions_and_black_comes_in():
    images = random_images(80, 2, 6, 7) + 0.1
    made = CORRUPTIONS["translation"](images, 2.0, Draw(0)).numpy()
    directions = [(right, down) for right in (-2, 0, 2) for down in (-2, 0, 2)]
    taken = [
        next(by for by in directions if np.allclose(shifted(image.numpy(), *by), one, atol=1e-6))
        for image, one in zip(images, made, strict=True)
    ]
    assert set(taken) == {*directions} - {(0, 0)}


def test_a_translation_by_more_than_the_image_is_black():
    assert CORRUPTIONS["translation"](random_images(3, 1, 5, 5), 5.0, Draw(0)).abs().max() < 1e-6


def test_scaling_by_a_whole_factor_reads_every_other_pixel_or_the_centre():
    image = random_images(1, 1, 9, 9).expand(30, -1, -1, -1) * torch.linspace(0.5, 1, 30).view(-1, 1, 1, 1)
    made = CORRUPTIONS["scale"](image, 1.0, Draw(0))
    smaller, larger = torch.zeros_like(image), torch.zeros_like(image)
    smaller[:, :, 2:7, 2:7] = image[:, :, ::2, ::2]
    larger[:, :, ::2, ::2] = image[:, :, 2:7, 2:7]
    is_smaller = (made - smaller).abs().flatten(1).amax(1) < 1e-6
    is_larger = ((made - larger)[:, :, ::2, ::2]).abs().flatten(1).amax(1) < 1e-6
    assert (is_smaller ^ is_larger).all()
    assert 5 <= is_smaller.sum() <= 25


def test_cropping_half_enlarges_the_centre():
    image = random_images(4, 2, 9, 9)
    made = CORRUPTIONS["crop"](image, 0.5, Draw(0))
    assert torch.allclose(made[:, :, ::2, ::2], image[:, :, 2:7, 2:7], atol=1e-6)


def test_stretching_by_a_whole_factor_changes_one_axis_in_each_of_4_ways():
    images = random_images(1, 1, 9, 9).expand(40, -1, -1, -1) * torch.linspace(0.5, 1, 40).view(-1, 1, 1, 1)
    made = CORRUPTIONS["stretch"](images, 1.0, Draw(0))

    def ways(images, made):
        smaller = torch.zeros_like(images)
        smaller[..., 2:7] = images[..., ::2]
        is_smaller = (made - smaller).abs().flatten(1).amax(1) < 1e-6
        return [is_smaller, (made[..., ::2] - images[..., 2:7]).abs().flatten(1).amax(1) < 1e-6]

    found = torch.stack([*ways(images, made), *ways(images.transpose(2, 3), made.transpose(2, 3))])
    assert (found.sum(0) == 1).all()
    assert (found.sum(1) >= 4).all()


def test_up_to_draws_the_angle_uniformly():
    """The bright pixel of a long row moves by its distance from the centre times the sine of the angle."""
    images = torch.zeros(300, 1, 41, 41)
    images[:, 0, 20, 36] = 1
    images[:, 0, 0, 0] = torch.linspace(0, 1, 300)  # makes the images differ
    made = CORRUPTIONS["rotation"](images, 40.0, Draw(0, up_to=True))[:, 0, :, 21:]
    made = made * (torch.arange(21, 41).view(1, 1, -1) > 25)
    centre = (made.sum(2) * torch.arange(41)).sum(1) / made.sum((1, 2)) - 20
    angles = torch.rad2deg(torch.asin((centre / 16).clamp(-1, 1)))
    assert kstest(angles.numpy(), "uniform", args=(-40, 80)).pvalue > 0.001


def test_up_to_draws_shifts_along_both_axes():
    images = torch.zeros(300, 1, 21, 21)
    images[:, 0, 10, 10] = torch.linspace(0.5, 1, 300)
    made = CORRUPTIONS["translation"](images, 3.0, Draw(0, up_to=True))[:, 0]
    places = torch.arange(21) - 10
    for axis in (1, 2):
        moved = (made.sum(3 - axis) * places).sum(1) / made.sum((1, 2))
        assert kstest(moved.numpy(), "uniform", args=(-3, 6)).pvalue > 0.001


def test_blur_equals_scipys_and_keeps_a_constant_image():
    images = random_images(2, 3, 13, 12)
    expected = ndimage.gaussian_filter(images.double().numpy(), (0, 0, 1.5, 1.5))
    np.testing.assert_allclose(CORRUPTIONS["blur"](images, 1.5, Draw(0)).numpy(), expected, atol=1e-6)
    constant = torch.full((2, 1, 9, 9), 0.3)
    assert torch.allclose(CORRUPTIONS["blur"](constant, 2.0, Draw(0)), constant, atol=1e-7)


@pytest.mark.parametrize("channels", [1, 3])
def test_contrast_keeps_the_mean_grey_and_scales_the_differences(channels):
    images = random_images(4, channels, 6, 5)
    weights = torch.tensor([0.299, 0.587, 0.114] if channels == 3 else [1.0]).view(1, -1, 1, 1)
    grey = (images * weights).sum(1).mean((1, 2)).view(-1, 1, 1, 1)
    made = CORRUPTIONS["contrast"](images, 0.3, Draw(0))
    assert torch.allclose(made, grey + 0.3 * (images - grey), atol=1e-6)
    assert torch.allclose(CORRUPTIONS["contrast"](images, 0.0, Draw(0)), grey.expand_as(images), atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quality", [10, 75, 100])
def test_jpeg_is_what_libjpeg_makes_of_each_image(channels, quality):
    images = random_images(3, channels, 17, 30)
    made = CORRUPTIONS["jpeg"](images, float(quality), Draw(0))
    for image, found in zip(images, made, strict=True):
        pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
        file = io.BytesIO()
        Image.fromarray(pixels if channels == 3 else pixels[:, :, 0]).save(file, "JPEG", quality=quality)
        decoded = np.array(Image.open(file)).reshape(pixels.shape)
        assert torch.equal(found, torch.from_numpy(decoded).permute(2, 0, 1).float() / 255)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_agrees_with_torchvisions_codec(channels):
    image = smooth(1, channels, 40, 33)
    torchvision = pytest.importorskip("torchvision.io")
    if not hasattr(torchvision, "encode_jpeg"):
        pytest.skip("this torchvision has no codecs")
    theirs = torchvision.decode_jpeg(torchvision.encode_jpeg((image[0] * 255).round().byte(), quality=80))
    made = CORRUPTIONS["jpeg"](image, 80.0, Draw(0))[0]
    assert (made * 255 - theirs.float()).abs().max() <= 1.5  # of 255 levels


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_at_full_quality_is_near_the_image_and_less_quality_is_further_away(channels):
    images = smooth(2, channels, 32, 40)
    far, near, full = ((CORRUPTIONS["jpeg"](images, q, Draw(0)) - images).abs().mean() for q in (5.0, 60.0, 100.0))
    assert far > near > full
    assert (CORRUPTIONS["jpeg"](images, 100.0, Draw(0)) - images).abs().max() < (3 if channels == 1 else 9) / 255


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_batch_stays_empty(kind):
    for plan in (Draw(0), Draw(0, "l2"), Draw(0, up_to=True)):
        made = CORRUPTIONS[kind](torch.empty(0, 3, 16, 17), EXAMPLES[kind], plan)
        assert made.shape == (0, 3, 16, 17)
        assert made.dtype == torch.float32


@settings(max_examples=40)
@given(
    kind=st.sampled_from(KINDS),
    channels=st.sampled_from([1, 3]),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    count=st.integers(1, 5),
    norm=st.sampled_from(["linf", "l2"]),
    seed=st.integers(0, 2**62),
)
def test_images_of_any_size_keep_their_shape_and_do_not_depend_on_their_batch(
    kind, channels, height, width, count, norm, seed
):
    images = random_images(count, channels, height, width)
    plan = Draw(seed, norm, up_to=kind in STRENGTHS and STRENGTHS[kind].random)
    made = CORRUPTIONS[kind](images, EXAMPLES[kind], plan)
    assert made.shape == images.shape
    assert made.dtype == torch.float32
    assert made.isfinite().all()
    for row in (0, count - 1):
        assert torch.equal(CORRUPTIONS[kind](images[row : row + 1], EXAMPLES[kind], plan)[0], made[row])
