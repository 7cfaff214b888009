"""Find the inputs of a table or figure among the files of its job."""

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from foolflow.data.adversarial import from_stored
from foolflow.data.cells import VICTIM, Cell, model_and_defense, source_of
from foolflow.data.reading import open_tensors, read_json
from foolflow.data.records import read_records
from foolflow.data.splits import Split, load_split
from foolflow.errors import InvalidInput

# The columns of tables that contain names or other text from the config.
NAMES = dict.fromkeys(("dataset", "model", "defense", "attack", "parameter", "value", "change", "control"), str)


class Artefacts:
    """The input files of a job, by the names that its rule gives them.

    The path of a file identifies its data set, victim or attack, and the study if several judged the same victim. A
    cell may then name the study.

    splits       data/{dataset}/test.safetensors
    judgements   judgements/{study}/{dataset}/{model}/{defense}/{seed}/records.parquet
    accuracies   judgements/{study}/{dataset}/{model}/{defense}/{seed}/accuracy.json
    adversarial  attacks/{dataset}/{model}/{defense}/{seed}/{attack}/adversarial.safetensors
    runs         attacks/{dataset}/{model}/{defense}/{seed}/{attack}/run.json
    histories    victims/{dataset}/{model}/{defense}/{seed}/history.csv
    tables       tables/{name}.csv

    Other inputs are read through `files`. Every method raises InvalidInput if the job has no such input.
    """

    def __init__(self, files: Mapping[str, Sequence[Path]]) -> None:
        self.files = files
        self._split = cache(load_split)
        self._judgement = cache(read_records)
        self._used: set[Path] = set()

    def records(self, cell: Cell) -> pd.DataFrame:
        """Return the judgement of one adversarial set, one row per image: see `foolflow.attacks.judging.judge`."""
        path = self._judged("judgements", cell)
        self._used.add(path)
        table = self._judgement(path)
        source = source_of(cell)
        found = table[(table["attack"] == cell["attack"]) & (table["source"] == source)]
        if found.empty:
            raise InvalidInput(f"no judgement of {cell['attack']} on {source} by {'/'.join(_keys(cell))}")
        return found.reset_index(drop=True)

    def accuracy(self, cell: Cell) -> dict[str, Any]:
        """Return for each split the number of images `n`, and how many of them are classified correctly, `correct`."""
        path = self._judged("accuracies", cell)
        self._used |= {path.with_name("records.parquet")} & set(self.files.get("judgements", ()))
        return read_json(path)

    def split(self, cell: Cell) -> Split:
        """Return the test split of the cell's data set."""
        return self._split(self._one("splits", cell["dataset"]))

    def attacks(self, victim: Cell) -> set[str]:
        """Return the names of the attacks of which the victim has judged at least one image."""
        return set(self._judgement(self._judged("judgements", victim))["attack"])

    def class_names(self, cell: Cell) -> tuple[str, ...]:
        """Return the names of the classes that the cell's victim predicts, which may be more than the split's."""
        return tuple(self._judgement(self._judged("judgements", cell)).attrs["class_names"])

    def random_victims(self) -> dict[str, int]:
        """Return the judges that draw random numbers, of those that were read since the last call.

        Their names are dataset/model/defense, the values the number of passes that are averaged.
        """
        draws = {"/".join(path.parts[-5:-2]): self._judgement(path).attrs.get("draws", 1) for path in self._used}
        self._used.clear()
        return {victim: passes for victim, passes in sorted(draws.items()) if passes > 1}

    def history(self, cell: Cell) -> pd.DataFrame:
        return pd.read_csv(self._one("histories", *_keys(cell)))

    def run(self, cell: Cell) -> dict[str, Any]:
        """Return the attack's `seconds`, `images_per_second` and `device`."""
        return read_json(self._one("runs", *_keys(cell), cell["attack"]))

    def tensor(self, cell: Cell, name: str, rows: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """Return a tensor of an adversarial set, such as `images` or `flow`. Images are float32 in [0, 1].

        rows: the images to read, as indices into the set and the rows of its judgement; None: all.
        """
        with open_tensors(self.adversarial(cell)) as file:
            if rows is None:
                found = file.get_tensor(name)
            else:
                tensor = file.get_slice(name)
                found = np.stack([tensor[row : row + 1][0] for row in rows])
        return from_stored(found) if name == "images" else found

    def has_tensor(self, cell: Cell, name: str) -> bool:
        """Whether the adversarial set has this tensor."""
        with open_tensors(self.adversarial(cell)) as file:
            return name in file.keys()  # noqa: SIM118 (not a mapping)

    def adversarial(self, cell: Cell) -> Path:
        """Return the file of the adversarial set that the cell's images come from."""
        model, defense = model_and_defense(source_of(cell))
        return self._one("adversarial", cell["dataset"], model, defense, str(cell["seed"]), cell["attack"])

    def table(self, name: str, **options: Any) -> pd.DataFrame:
        """Read the CSV of a table. options: those of pandas.read_csv; a `dtype` replaces NAMES.

        Names are text, whatever they look like: a user may have named a model `null` or `1`.
        """
        found = [path for path in self.files.get("tables", ()) if path.as_posix().endswith(f"tables/{name}.csv")]
        if not found:
            raise InvalidInput(f"the inputs of the job include no tables/{name}.csv")
        as_written: dict[str, Any] = {"dtype": NAMES, "keep_default_na": False, "na_values": [""]}
        return pd.read_csv(found[0], **(as_written | options))

    def _judged(self, kind: str, cell: Cell) -> Path:
        study = cell.get("study")
        return self._one(kind, *(() if study is None else (study,)), *_keys(cell))

    def _one(self, kind: str, *keys: str) -> Path:
        found = self._by_folder.get((kind, *keys))
        if found is None:
            raise InvalidInput(f"the inputs of the job include no {kind} of {'/'.join(keys)}")
        return found

    @cached_property
    def _by_folder(self) -> dict[tuple[str, ...], Path]:
        """Index the files by kind and by the last folders of their paths: judgements with and without the study."""
        depths = {
            "splits": (1,),
            "judgements": (4, 5),
            "accuracies": (4, 5),
            "histories": (4,),
            "adversarial": (5,),
            "runs": (5,),
        }
        return {
            (kind, *path.parts[-1 - depth : -1]): path
            for kind, paths in self.files.items()
            for depth in depths.get(kind, ())
            for path in paths
        }


def _keys(cell: Cell) -> tuple[str, ...]:
    return tuple(str(cell[key]) for key in VICTIM)
