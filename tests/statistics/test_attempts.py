import pandas as pd
import pytest

from foolflow.data.artefacts import Artefacts
from foolflow.errors import InvalidInput
from foolflow.statistics.attempts import load_attempts, short_names

JUDGEMENT = pd.DataFrame(
    {
        "attack": ["fgsm"] * 4,
        "source": ["MLP/none", "MLP/none", "CNN/none", "CNN/none"],
        "index": [0, 1, 0, 1],
        "label": [3, 4, 3, 4],
        "prediction": [5, 5, 3, 5],
        "l2": [1.0, 2.0, 3.0, 4.0],
    }
)


@pytest.fixture
def artefacts(tmp_path):
    path = tmp_path / "judgements/transfer/digits/MLP/none/0/records.parquet"
    path.parent.mkdir(parents=True)
    JUDGEMENT.to_parquet(path)
    return Artefacts({"judgements": [path]})


def cell(source):
    return {"dataset": "digits", "model": "MLP", "defense": "none", "seed": 0, "attack": "fgsm", "source": source}


def test_an_attempt_has_the_victims_judgement_of_its_own_or_of_anothers_images(artefacts):
    own, other = load_attempts([cell(None), cell("CNN/none")], artefacts)
    assert own.records["prediction"].tolist() == [5, 5]
    assert other.records["prediction"].tolist() == [3, 5]
    assert other.records["l2"].tolist() == [3.0, 4.0]
    assert list(other.records.index) == [0, 1]
    assert other.victim == "MLP/none"


def test_images_that_were_not_judged_are_named(artefacts):
    with pytest.raises(InvalidInput, match="no judgement of fgsm on MLP_bn/none"):
        load_attempts([cell("MLP_bn/none")], artefacts)


def test_short_names_keep_only_the_part_that_differs():
    assert list(short_names(["MLP/none", "CNN/none"]).values()) == ["MLP", "CNN"]
    assert list(short_names(["CNN/none", "CNN/jpeg"]).values()) == ["none", "jpeg"]
    assert list(short_names(["MLP/none", "CNN/jpeg"]).values()) == ["MLP/none", "CNN/jpeg"]
    assert list(short_names(["CNN/none"]).values()) == ["CNN/none"]
