"""Figures on the page: PNG files, made small enough for all of them to fit."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

# Colours and scales, tried in this order until all figures fit. A palette saves two thirds, hardly visibly. Smaller
# figures only save space if they show photographs: in magnified small images, resizing adds colours.
STEPS = ((256, 1.0), (128, 1.0), (64, 1.0), (32, 1.0), (32, 0.5), (32, 0.25))


@dataclass(frozen=True)
class Picture:
    """One figure. data: the PNG in base64.  width, height: of the file, in pixels."""

    data: str
    width: int
    height: int


def pictures(files: Sequence[Path], limit: int) -> list[Picture]:
    """Return the figures, together at most `limit` bytes if the last step allows it."""
    found: list[Picture] = []
    for colours, scale in STEPS:
        found = [picture(file, colours, scale) for file in files]
        if sum(len(one.data) for one in found) <= limit:
            break
    return found


def picture(file: Path, colours: int, scale: float) -> Picture:
    """Scale a figure by `scale`, and reduce it to a palette of `colours` colours."""
    with Image.open(file) as opened:
        image = opened.convert("RGB")
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    smaller = image if scale == 1 else image.resize(size, Image.Resampling.LANCZOS)
    written = io.BytesIO()
    _with_palette(smaller, colours).save(written, format="PNG", optimize=True)
    return Picture(base64.b64encode(written.getvalue()).decode(), *image.size)


def _with_palette(image: Image.Image, colours: int) -> Image.Image:
    """Reduce an image to `colours` colours. The octree preserves colour gradients better than the median cut."""
    found = image.quantize(colours, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    # A palette colour is an average. The background, which is the colour of the corner, stays exact.
    palette, background = found.getpalette() or [], found.getpixel((0, 0))
    if isinstance(background, int):
        palette[3 * background : 3 * background + 3] = image.getpixel((0, 0))
        found.putpalette(palette)
    return found
