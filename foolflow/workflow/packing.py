"""Long lists as short words: the system allows a command 128 KB, which a thousand paths fill."""

import base64
import json
import zlib
from typing import Any


def pack(value: Any) -> str:
    """Anything that JSON holds, as ASCII without spaces or quotes."""
    return base64.urlsafe_b64encode(zlib.compress(json.dumps(value, sort_keys=True).encode(), 9)).decode()


def unpack(text: str) -> Any:
    """The inverse of `pack`."""
    return json.loads(zlib.decompress(base64.urlsafe_b64decode(text)))
