"""Read records. A module of its own: importing pandas takes longer than many jobs that need no records."""

from pathlib import Path

import pandas as pd

from foolflow.data.reading import unreadable


def read_records(path: Path) -> pd.DataFrame:
    """Raises InvalidInput, naming the file, if it is missing or damaged."""
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow raises a ValueError for a damaged file
        raise unreadable(path, "a Parquet file", error) from error
