"""Read judgement records. This is a separate module, so that jobs without records need not import pandas."""

from pathlib import Path

import pandas as pd

from foolflow.data.reading import unreadable


def read_records(path: Path) -> pd.DataFrame:
    """Read a Parquet file. Raises InvalidInput, naming the file, if it is missing or damaged."""
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow raises ValueError for a damaged file
        raise unreadable(path, "a Parquet file", error) from error
