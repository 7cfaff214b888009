"""Check the data sets of a config, and that those of models to train have train images."""

import importlib
from collections.abc import Iterator
from pathlib import Path

from foolflow.data.layout import parts_of
from foolflow.data.sources import splits_of
from foolflow.errors import InvalidInput
from foolflow.models.kinds import is_supplied
from foolflow.studies.cells import Cell, attacked
from foolflow.workflow.config.names import Config

USER_KEYS = ("path", "channels", "size", "resize", "crop")  # for the sources folder and npz alone


def dataset_problems(key: str, dataset: Config, *, needed: bool) -> Iterator[str]:
    """Yield the problems of a data set. needed: whether a study uses it; its files are checked only then."""
    source = dataset["source"]
    if source not in ("folder", "npz"):
        for name in USER_KEYS:
            if name in dataset:
                yield f"{key}.{name}: only for the sources folder and npz, not for {source}"
    if source != "folder" and "test" in dataset and "val" not in dataset:
        yield f"{key}.val: missing; `test` images are set aside from a data set to train on, which needs `val`, too"
    if not needed or "path" not in dataset:
        return
    if not Path(dataset["path"]).exists():
        yield f"{key}.path: {dataset['path']} does not exist"
    elif source == "folder":
        try:
            parts_of(dataset)
        except InvalidInput as error:
            yield f"{key}.{error}"


def training_problems(config: Config) -> Iterator[str]:
    """Yield the data sets without train and val images that a study needs.

    config: without other problems.
    """
    evaluated = {name for name, dataset in config["datasets"].items() if splits_of(dataset) == ("test",)}
    for study in config["studies"]:
        module = importlib.import_module(f"foolflow.studies.{study}")
        cells: list[Cell] = module.cells(config)
        scored: list[Cell] = getattr(module, "scored", lambda config: [])(config)
        for cell in scored:
            if cell["dataset"] in evaluated:
                yield f"datasets.{cell['dataset']}.val: missing; {study} sets its detectors' threshold on val images"
        for cell in (*cells, *scored):
            for model in (cell["model"], attacked(cell)["model"]):
                if cell["dataset"] in evaluated and not is_supplied(config["models"][model]):
                    yield (
                        f"datasets.{cell['dataset']}.val: missing; {study} trains {model} on this data set, "
                        "so set the number of images to set aside"
                    )
