"""Sprite sheets: many small 8-bit images in a few PNG files."""

import base64
import io
import struct
import zlib
from dataclasses import dataclass
from math import ceil, prod, sqrt
from typing import Any

import numpy as np
from PIL import Image

# A sheet is decoded as a whole when one of its images is shown, so sheets are small: 512 x 512 pixels. A single image
# may be larger.
PIXELS = 2**18


class Sheets:
    """The sprite sheets of a page, PNG files in base64, in the order of their numbers."""

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def add(self, images: np.ndarray) -> dict[str, Any]:
        """Add sheets that hold these images, uint8 (N, C, H, W), and return where they lie.

        Image i lies in sheet `first` + i // `per`, in whose rows of `columns` images it has place i % `per`.
        """
        place = Layout.of(images.shape[2:])
        first = len(self.encoded)
        self.encoded += [
            base64.b64encode(png(place.sheet(images[start : start + place.per]))).decode()
            for start in range(0, len(images), place.per)
        ]
        return {"first": first, "per": place.per, "columns": place.columns}


@dataclass(frozen=True)
class Layout:
    """How images lie in a sheet: at most `per`, in rows of `columns`."""

    per: int
    columns: int

    @classmethod
    def of(cls, size: tuple[int, ...]) -> "Layout":
        """Return the layout for images of this size (H, W): almost square sheets of at most PIXELS pixels."""
        per = max(1, PIXELS // prod(size))
        return cls(per, min(per, ceil(sqrt(PIXELS) / size[1])))

    def sheet(self, images: np.ndarray) -> np.ndarray:
        """Return one sheet: uint8 (H', W', C) from uint8 (N, C, H, W). Places without an image are 0."""
        count, channels, height, width = images.shape
        columns = min(self.columns, count)
        rows = -(-count // columns)
        places = np.zeros((rows * columns, channels, height, width), np.uint8)
        places[:count] = images
        grid = places.reshape(rows, columns, channels, height, width).transpose(0, 3, 1, 4, 2)
        return grid.reshape(rows * height, columns * width, channels)


def png(pixels: np.ndarray) -> bytes:
    """Encode an image, uint8 (H, W, C) with one or three channels, as PNG: the smaller of two encodings.

    Pillow filters each row, which suits photographs. Differences with few values are smaller without a filter.
    """
    file = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(file, format="PNG", optimize=True)
    return min(file.getvalue(), _unfiltered_png(pixels), key=len)


def _unfiltered_png(pixels: np.ndarray) -> bytes:
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2}[channels], 0, 0, 0)
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each row starts with its filter: 0, none
    rows[:, 1:] = pixels.reshape(height, -1)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
