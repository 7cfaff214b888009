"""Open an image file and bring it to the channels and the size that its data set needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from foolflow.errors import InvalidInput, in_one_line

# Pillow identifies a file by its content and not by its name, and would run the program in a PostScript file.
# Photos of some cameras are MPO files, JPEG files with further pictures attached. JPEG includes them.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
DEEP_MODES = ("I", "F")  # Pillow's modes with more than 8 bits per channel; converting them clips instead of scaling
DEEP_FORMATS = ("PNG", "TIFF")  # whose colour images with 16 bits per channel Pillow cuts to 8 without a word
GREY_MODES = ("1", "L", "LA", "La")
WHITE = (255, 255, 255, 255)

ORIENTATION = 0x0112  # the EXIF tag, and what turns an image upright
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

MUCH = 0.05  # of an image's area, cut off by `size` without being asked for


@dataclass(frozen=True)
class Look:
    """What is known of an image before it is converted.

    frames: more than 1 for an animation, and for a file with several pages.
    colour: whether it is stored in colour.  transparent: whether some of its pixels are.
    turned: whether its EXIF orientation turns it.  size: (height, width) in pixels, upright.
    """

    frames: int
    colour: bool
    transparent: bool
    turned: bool
    size: tuple[int, int]


def look_at(file: Path) -> Look:
    """Inspect an image. Only images that may be transparent are decoded, and PNGs, where EXIF may follow the pixels.

    Raises InvalidInput if the file is not an image with 8 bits per channel, or has too many pixels.
    """
    try:
        with Image.open(file, formats=FORMATS) as image:
            frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            colour = _has_colour(image)
            deep = image.mode.startswith(DEEP_MODES) or _is_cut(image)
            transparent = not deep and frames == 1 and _is_transparent(image)
            turned = _orientation(image) in UPRIGHT
            swapped = _orientation(image) >= 5 and turned
            mode, (width, height) = image.mode, image.size
    except Exception as error:  # Pillow's decoders raise many types of errors on damaged files
        raise InvalidInput(f"{file} is not a readable image: {in_one_line(error)}") from error
    if deep:
        raise InvalidInput(f"{file} has more than 8 bits per channel (mode {mode}); convert it to 8 bits")
    return Look(frames, colour, transparent, turned, (width, height) if swapped else (height, width))


def _is_cut(image: ImageFile.ImageFile) -> bool:
    """Whether Pillow decodes 16 bits per channel to 8; the layout of what it decodes names the bits."""
    return image.format in DEEP_FORMATS and any(";16" in str(tile.args) for tile in image.tile)


def open_image(file: Path, channels: int) -> Image.Image:
    """Decode an image: upright, in grey (1 channel) or RGB (3), with white where it is transparent.

    Raises InvalidInput if the file is damaged.
    """
    try:
        with Image.open(file, formats=FORMATS) as opened:
            image: Image.Image = opened
            if opened.has_transparency_data:
                white = Image.new("RGBA", opened.size, WHITE)
                image = Image.alpha_composite(white, opened.convert("RGBA"))
            image = image.convert("RGB" if channels == 3 else "L")
            turn = UPRIGHT.get(_orientation(opened))
            return image if turn is None else image.transpose(turn)
    except Exception as error:  # Pillow's decoders raise many types of errors on damaged files
        raise InvalidInput(f"{file} is not a readable image: {in_one_line(error)}") from error


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":  # Pillow itself turns it upright
        return 1
    try:
        found = image.getexif().get(ORIENTATION, 1)
    except (OSError, ValueError, SyntaxError, KeyError, TypeError):  # the EXIF data are damaged, not the image
        return 1
    return found if isinstance(found, int) else 1


def _has_colour(image: Image.Image) -> bool:
    if image.mode in ("P", "PA"):
        palette = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        return bool((palette != palette[:, :1]).any())
    return image.mode not in GREY_MODES and not image.mode.startswith(DEEP_MODES)


def _is_transparent(image: Image.Image) -> bool:
    return image.has_transparency_data and bool((np.asarray(image.convert("RGBA"))[..., 3] < 255).any())


def pixels_of(image: Image.Image) -> np.ndarray:
    """Return uint8 (1, C, H, W)."""
    pixels = np.asarray(image)
    return pixels[None, None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)[None]


@dataclass(frozen=True)
class Fit:
    """How the images of a data set are brought to one size, without distortion.

    size: (height, width) that each image is scaled to cover, and then cropped to.
    resize: the length of the shorter side after scaling, as in torchvision's Resize(int).
    crop: (height, width) that is cut out of the centre, as in torchvision's CenterCrop.
    Images are scaled with antialiased bilinear interpolation, as torchvision scales PIL images.
    """

    size: tuple[int, int] | None = None
    resize: int | None = None
    crop: tuple[int, int] | None = None

    @classmethod
    def of(cls, dataset: Mapping[str, Any]) -> "Fit":
        """Return the Fit of a config entry, with its keys `size`, `resize` and `crop`."""
        return cls(_pair(dataset.get("size")), dataset.get("resize"), _pair(dataset.get("crop")))

    def scaled(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width of an image after scaling, before cropping."""
        if self.size is not None:
            tall = self.size[0] * width >= self.size[1] * height  # scaled to that height, the image covers the width
            covering = self.size[0] if tall else self.size[1]
            side = height if tall else width
            return covering * height // side, covering * width // side
        if self.resize is not None:
            shorter = min(height, width)
            return self.resize * height // shorter, self.resize * width // shorter
        return height, width

    def final(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width of an image after scaling and cropping."""
        return self.size or self.crop or self.scaled(height, width)

    def pads(self, height: int, width: int) -> bool:
        """Return whether the crop is larger than the scaled image, so that its border becomes black."""
        scaled = self.scaled(height, width)
        return self.crop is not None and (scaled[0] < self.crop[0] or scaled[1] < self.crop[1])

    def cut(self, height: int, width: int) -> float:
        """Return the share of the scaled image's area that `size` cuts off."""
        return 0.0 if self.size is None else 1 - prod(self.size) / prod(self.scaled(height, width))

    def apply(self, image: Image.Image) -> Image.Image:
        scaled = self.scaled(image.height, image.width)
        if scaled != (image.height, image.width):
            image = image.resize((scaled[1], scaled[0]), Image.Resampling.BILINEAR)
        final = self.size or self.crop
        if final is None:
            return image
        top, left = (_start(whole, kept) for whole, kept in zip(scaled, final, strict=True))
        return image.crop((left, top, left + final[1], top + final[0]))


def _start(whole: int, kept: int) -> int:
    """Return where torchvision's CenterCrop starts to cut `kept` out of `whole` pixels. Negative: it pads."""
    return round((whole - kept) / 2) if whole >= kept else -((kept - whole) // 2)


def _pair(size: int | Sequence[int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    return (size, size) if isinstance(size, int) else (size[0], size[1])
