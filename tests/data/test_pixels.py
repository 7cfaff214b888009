"""An image file becomes the pixels that a viewer shows and that torchvision's transforms make."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps
from torchvision import transforms

from foolflow.data.pixels import ORIENTATION, UPRIGHT, Fit, look_at, open_image, pixels_of
from foolflow.errors import InvalidInput

PHOTO = np.random.default_rng(0).integers(0, 256, (61, 83, 3), dtype=np.uint8)


def saved(image: Image.Image, path, **options):
    image.save(path, **options)
    return path


@pytest.mark.parametrize("shape", [(61, 83), (83, 61), (64, 64), (7, 200), (224, 299), (33, 34)])
@pytest.mark.parametrize(("resize", "crop"), [(256, 224), (32, 32), (40, (33, 20)), (61, None), (None, 24), (None, 70)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_resize_and_crop_give_the_pixels_of_torchvision(shape, resize, crop, mode):
    pixels = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    theirs = [transforms.Resize(resize)] if resize else []
    theirs += [transforms.CenterCrop(crop)] if crop else []
    expected = np.asarray(transforms.Compose(theirs)(image))
    fit = Fit.of({"resize": resize, "crop": crop})
    found = fit.apply(image)
    assert (np.asarray(found) == expected).all()
    assert fit.final(*shape) == expected.shape[:2]
    assert fit.pads(*shape) == (crop is not None and any(np.less(fit.scaled(*shape), crop)))


@pytest.mark.parametrize("shape", [(61, 83), (83, 61), (50, 50), (7, 200)])
def test_size_scales_the_short_side_and_crops(shape):
    image = Image.fromarray(np.random.default_rng(2).integers(0, 256, (*shape, 3), dtype=np.uint8))
    expected = transforms.Compose([transforms.Resize(48), transforms.CenterCrop(48)])(image)
    assert (np.asarray(Fit.of({"size": 48}).apply(image)) == np.asarray(expected)).all()


@pytest.mark.parametrize("size", [(48, 64), (64, 48), (10, 100), (100, 10), (1, 1), (61, 83)])
@pytest.mark.parametrize("shape", [(61, 83), (83, 61), (50, 50), (3, 400)])
def test_size_covers_without_distortion(shape, size):
    """A disc stays a disc: height and width are scaled by the same factor, up to the rounding of one pixel."""
    fit = Fit.of({"size": list(size)})
    height, width = fit.scaled(*shape)
    assert height >= size[0]
    assert width >= size[1]
    assert height == size[0] or width == size[1]
    factor = max(size[0] / shape[0], size[1] / shape[1])
    assert abs(height - factor * shape[0]) < 1
    assert abs(width - factor * shape[1]) < 1
    assert fit.apply(Image.new("L", shape[::-1])).size == size[::-1]


def test_an_image_of_the_right_size_keeps_its_pixels():
    image = Image.fromarray(PHOTO)
    for entry in ({}, {"size": [61, 83]}, {"resize": 61}, {"crop": [61, 83]}):
        assert (pixels_of(Fit.of(entry).apply(image))[0] == PHOTO.transpose(2, 0, 1)).all()


# ---- Transparency -----------------------------------------------------------------------------------------------

ALPHA = np.zeros((8, 8), np.uint8)
ALPHA[2:6, 2:6] = 255
ALPHA[0, 0] = 128


def shape_in_alpha(mode: str) -> Image.Image:
    """Return a black image whose shape is only in its alpha channel."""
    bands = [Image.new("L", (8, 8))] * (len(mode) - 1)
    return Image.merge(mode, [*bands, Image.fromarray(ALPHA)])


def palette_with_transparency(path):
    image = Image.fromarray((ALPHA == 255).astype(np.uint8)).convert("P")
    image.putpalette([0, 255, 0] + [0, 0, 0] + [0, 0, 0] * 254)
    return saved(image, path, transparency=0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("kind", ["png", "webp", "tif"])
def test_alpha_is_put_on_white(tmp_path, mode, kind, channels):
    options = {"lossless": True, "exact": True} if kind == "webp" else {}
    path = saved(shape_in_alpha(mode), tmp_path / f"a.{kind}", **options)
    assert look_at(path).transparent
    found = pixels_of(open_image(path, channels))[0]
    assert (found == 255 - ALPHA).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_colour_is_put_on_white(tmp_path, channels):
    inside = ALPHA == 255
    grey = Image.fromarray(np.where(inside, 40, 7).astype(np.uint8))
    colour = Image.merge("RGB", [grey] * 3)
    for path in (
        saved(grey, tmp_path / "l.png", transparency=7),
        saved(colour, tmp_path / "rgb.png", transparency=(7, 7, 7)),
        saved(grey, tmp_path / "l.gif", transparency=7),
    ):
        assert look_at(path).transparent, path
        assert (pixels_of(open_image(path, channels))[0] == np.where(inside, 40, 255)).all(), path
    path = palette_with_transparency(tmp_path / "p.png")
    assert look_at(path).transparent
    assert (pixels_of(open_image(path, channels))[0] == np.where(inside, 0, 255)).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_opaque_images_are_not_called_transparent(tmp_path, mode):
    image = Image.fromarray(PHOTO).convert("L" if mode == "LA" else "RGB").convert(mode)
    path = saved(image, tmp_path / "a.png")
    assert not look_at(path).transparent
    assert (np.asarray(open_image(path, 3)) == np.asarray(image.convert("RGB"))).all()


# ---- Orientation ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tif"])
def test_images_are_turned_as_viewers_turn_them(tmp_path, orientation, kind):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = saved(Image.fromarray(PHOTO), tmp_path / f"a.{kind}", exif=exif)
    with Image.open(path) as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored))
    look = look_at(path)
    assert (np.asarray(open_image(path, 3)) == expected).all()
    assert look.size == expected.shape[:2]
    assert look.turned == (orientation in UPRIGHT and kind != "tif")  # Pillow turns TIFFs, for torchvision as well


def test_damaged_exif_does_not_make_an_image_unreadable(tmp_path):
    path = saved(Image.fromarray(PHOTO), tmp_path / "a.jpg", exif=b"Exif\0\0no TIFF header at all")
    assert not look_at(path).turned
    assert open_image(path, 3).size == (83, 61)


# ---- Modes ------------------------------------------------------------------------------------------------------


def test_cmyk_one_bit_and_palette_images(tmp_path):
    cmyk = saved(Image.fromarray(PHOTO).convert("CMYK"), tmp_path / "cmyk.tif")
    assert (np.asarray(open_image(cmyk, 3)) == PHOTO).all()
    bits = saved(Image.fromarray(PHOTO[..., 0] > 127), tmp_path / "bits.png")
    assert (np.asarray(open_image(bits, 1)) == np.where(PHOTO[..., 0] > 127, 255, 0)).all()
    palette = Image.fromarray(PHOTO).quantize(64)
    path = saved(palette, tmp_path / "palette.png")
    assert (np.asarray(open_image(path, 3)) == np.asarray(palette.convert("RGB"))).all()
    assert look_at(cmyk).colour
    assert look_at(path).colour
    assert not look_at(bits).colour
    grey = saved(Image.fromarray(PHOTO[..., 0]).convert("P"), tmp_path / "grey.png")
    assert not look_at(grey).colour


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_deep_images_are_refused(tmp_path, mode):
    path = saved(Image.new(mode, (8, 8), 300), tmp_path / "deep.tif")
    with pytest.raises(InvalidInput, match=r"deep\.tif has more than 8 bits per channel"):
        look_at(path)


def png_with_16_bits(colour_type: int, channels: int) -> bytes:
    """Return a PNG that Pillow cannot write. colour_type: 0 is grey, 2 RGB, 4 grey with alpha, 6 RGBA."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", 4, 4, 16, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + bytes(range(8 * channels)) for _ in range(4))
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_pngs_with_16_bits_per_channel_are_refused_whatever_their_channels(tmp_path, colour_type, channels):
    path = tmp_path / "deep.png"
    path.write_bytes(png_with_16_bits(colour_type, channels))
    with pytest.raises(InvalidInput, match=r"deep\.png has more than 8 bits per channel"):
        look_at(path)


def test_images_with_16_bits_per_pixel_are_read(tmp_path):
    """BMP files of 5, 6 and 5 bits for red, green and blue."""
    pixels = struct.pack("<16H", *[0b11111_000000_00000] * 16)
    header = struct.pack("<IiiHHIIiiII", 40, 4, 4, 1, 16, 3, len(pixels), 0, 0, 0, 0)
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    first = struct.pack("<2sIHHI", b"BM", 66 + len(pixels), 0, 0, 66)
    path = tmp_path / "a.bmp"
    path.write_bytes(first + header + masks + pixels)
    assert look_at(path).colour
    assert (np.asarray(open_image(path, 3)) == (255, 0, 0)).all()


def test_photos_of_cameras_with_several_pictures_are_read(tmp_path):
    first = Image.fromarray(PHOTO)
    path = saved(first, tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[first.resize((8, 8))])
    assert look_at(path).frames == 1
    with Image.open(path) as stored:
        assert stored.n_frames == 2
        assert (np.asarray(open_image(path, 3)) == np.asarray(stored.convert("RGB"))).all()
