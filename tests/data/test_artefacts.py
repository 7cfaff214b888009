"""Finding the files of a job by victim and attack."""

import json

import numpy as np
import pandas as pd
import pytest

from foolflow.data.adversarial import AdversarialSet
from foolflow.data.artefacts import Artefacts
from foolflow.data.splits import Split
from foolflow.errors import InvalidInput
from tests.saving import save_set, save_split

LENET = {"dataset": "digits", "model": "lenet", "defense": "none", "seed": 0}
SQUEEZED = LENET | {"defense": "squeezed"}


def folder(cell):
    return "{dataset}/{model}/{defense}/{seed}".format(**cell)


def split(first_label):
    return Split(np.full((3, 1, 2, 2), first_label, np.uint8), np.arange(3), ("a", "b", "c"))


def adversarial_set(value):
    none = np.zeros(4, np.int64)
    return AdversarialSet(
        {
            "images": np.full((4, 1, 2, 2), value, np.float32)
            + np.arange(4, dtype=np.float32)[:, None, None, None] / 8,
            "epsilon": np.zeros(4),
            **dict.fromkeys(("index", "target", "iterations", "gradient_evaluations"), none),
        }
    )


@pytest.fixture
def artefacts(tmp_path):
    """Build artefacts of two data sets, two victims, which both judge the first one's images, and two seeds."""
    results = tmp_path / "my results"
    files = {kind: [] for kind in ("splits", "judgements", "accuracies", "adversarial", "runs", "histories", "tables")}

    def place(kind, path):
        files[kind].append(results / path)
        (results / path).parent.mkdir(parents=True, exist_ok=True)
        return results / path

    for label, dataset in enumerate(("digits", "mnist")):
        save_split(place("splits", f"data/{dataset}/test.safetensors"), split(label))
    for number, cell in enumerate((LENET, LENET | {"seed": 1}, SQUEEZED, LENET | {"dataset": "mnist"})):
        for attack in ("fgsm", "pgd"):
            at = f"attacks/{folder(cell)}/{attack}"
            save_set(place("adversarial", f"{at}/adversarial.safetensors"), adversarial_set(number / 16))
            place("runs", f"{at}/run.json").write_text(json.dumps({"seconds": number, "attack": attack}))
        judged = [(attack, "lenet/none") for attack in ("fgsm", "pgd")]
        judged += [("fgsm", "lenet/squeezed")] if cell == SQUEEZED else []
        tables = [
            pd.DataFrame({"attack": attack, "source": source, "index": range(4), "judge": number})
            for attack, source in judged
        ]
        at = f"judgements/study/{folder(cell)}"
        pd.concat(tables).to_parquet(place("judgements", f"{at}/records.parquet"))
        place("accuracies", f"{at}/accuracy.json").write_text(json.dumps({"test": {"n": 3, "correct": number}}))
        place("histories", f"victims/{folder(cell)}/history.csv").write_text(f"epoch,loss\n1,{number}\n")
    for name in ("study", "boards/study", "my_study"):
        place("tables", f"tables/{name}.csv").write_text(f"name,value\n{name},007\n")
    return Artefacts(files)


def test_records_are_found_by_judge_and_set(artefacts):
    own = artefacts.records(SQUEEZED | {"attack": "fgsm", "source": None})
    assert set(own["source"]) == {"lenet/squeezed"}
    assert list(own.index) == [0, 1, 2, 3]
    others = artefacts.records(SQUEEZED | {"attack": "pgd", "source": "lenet/none"})
    assert (set(others["source"]), set(others["attack"]), set(others["judge"])) == ({"lenet/none"}, {"pgd"}, {2})
    assert set(artefacts.records(LENET | {"attack": "fgsm", "seed": 1})["judge"]) == {1}
    assert set(artefacts.records(LENET | {"attack": "fgsm", "source": "lenet/none"})["judge"]) == {0}


def test_a_missing_judgement_gives_a_one_line_error(artefacts):
    with pytest.raises(InvalidInput, match=r"^no judgement of pgd on lenet/squeezed by digits/lenet/squeezed/0$"):
        artefacts.records(SQUEEZED | {"attack": "pgd"})
    with pytest.raises(InvalidInput, match=r"^the inputs of the job include no judgements of digits/mlp/none/0$"):
        artefacts.records(LENET | {"model": "mlp", "attack": "pgd"})


def test_each_file_is_found_by_its_victim(artefacts):
    assert artefacts.accuracy(LENET | {"seed": 1})["test"] == {"n": 3, "correct": 1}
    assert list(artefacts.history(SQUEEZED)["loss"]) == [2]
    assert artefacts.run(LENET | {"dataset": "mnist", "attack": "pgd"}) == {"seconds": 3, "attack": "pgd"}


def test_splits_are_found_by_data_set(artefacts):
    assert artefacts.split(LENET).images.max() == 0
    assert artefacts.split({"dataset": "mnist"}).images.max() == 1
    with pytest.raises(InvalidInput, match=r"^the inputs of the job include no splits of cifar10$"):
        artefacts.split({"dataset": "cifar10"})
    assert artefacts.split(LENET) is artefacts.split(SQUEEZED)  # read once


def test_tensors_come_from_the_attacked_victim(artefacts):
    cell = SQUEEZED | {"attack": "fgsm"}
    assert artefacts.tensor(cell, "images").min() == 2 / 16
    assert artefacts.tensor(cell | {"source": "lenet/none"}, "images").min() == 0
    assert artefacts.adversarial(cell | {"source": "lenet/none"}).parts[-3:-1] == ("0", "fgsm")


@pytest.mark.parametrize("rows", [[2, 0], np.array([2, 0]), pd.Series([2, 0], index=[5, 6])])
def test_rows_keep_the_requested_order(artefacts, rows):
    images = artefacts.tensor(LENET | {"attack": "pgd"}, "images", rows)
    np.testing.assert_array_equal(images[:, 0, 0, 0], np.float32([2 / 8, 0]))


def test_a_table_is_found_by_its_whole_name(artefacts):
    assert list(artefacts.table("study")["name"]) == ["study"]
    assert list(artefacts.table("boards/study")["name"]) == ["boards/study"]
    assert list(artefacts.table("my_study", dtype=str)["value"]) == ["007"]


def test_a_missing_input_gives_a_one_line_error(artefacts):
    with pytest.raises(InvalidInput, match=r"^the inputs of the job include no tables/other\.csv$"):
        artefacts.table("other")
    nothing = Artefacts({})
    for read in (nothing.split, nothing.records, nothing.history, lambda _: nothing.table("study")):
        with pytest.raises(InvalidInput, match=r"^the inputs of the job include no "):
            read(LENET)


def test_a_missing_tensor_gives_a_one_line_error(artefacts):
    with pytest.raises(InvalidInput, match="is not a safetensors file with the expected tensors"):
        artefacts.tensor(LENET | {"attack": "pgd"}, "flow")


def test_random_judges_are_named_with_their_number_of_passes(tmp_path):
    paths = []
    for cell, attrs in ((LENET, {}), (SQUEEZED, {"draws": 10})):
        path = tmp_path / f"judgements/defenses/{folder(cell)}/records.parquet"
        path.parent.mkdir(parents=True)
        records = pd.DataFrame({"attack": ["fgsm"], "source": [f"{cell['model']}/{cell['defense']}"]})
        records.attrs |= attrs
        records.to_parquet(path)
        paths.append(path)
    artefacts = Artefacts({"judgements": paths})
    artefacts.records(LENET | {"attack": "fgsm"})
    assert artefacts.random_victims() == {}
    artefacts.records(SQUEEZED | {"attack": "fgsm"})
    assert artefacts.random_victims() == {f"{SQUEEZED['dataset']}/lenet/squeezed": 10}
    assert artefacts.random_victims() == {}  # for the next table, of which nothing was read
