"""Figures on the page: PNG files, made small enough for all of them to fit."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

WIDTHS = (1400, 1000, 700)  # pixels; twice the width of a column, and less if the figures would not fit
COLOURS = 256


@dataclass(frozen=True)
class Picture:
    """One figure. data: the PNG in base64.  width, height: in pixels."""

    data: str
    width: int
    height: int


def pictures(files: Sequence[Path], limit: int) -> list[Picture]:
    """Return the figures, together at most `limit` bytes if the smallest width allows it."""
    found: list[Picture] = []
    for width in WIDTHS:
        found = [picture(file, width) for file in files]
        if sum(len(one.data) for one in found) <= limit:
            break
    return found


def picture(file: Path, width: int) -> Picture:
    """Return a figure of at most this width, with a palette: a third of the size, and hardly a visible difference."""
    with Image.open(file) as opened:
        image = opened.convert("RGB")
    if image.width > width:
        image = image.resize((width, max(1, round(image.height * width / image.width))), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(written, format="PNG", optimize=True)
    return Picture(base64.b64encode(written.getvalue()).decode(), image.width, image.height)
