import pandas as pd
import pytest

from foolflow.data.artefacts import Artefacts
from foolflow.errors import InvalidInput
from foolflow.statistics.attempts import load_attempts, short_names

OWN = pd.DataFrame(
    {"index": [0, 1], "label": [3, 4], "clean_prediction": [3, 0], "prediction": [5, 5], "l2": [1.0, 2.0]}
).assign(attack="fgsm", source="MLP/none")
OTHERS = OWN.assign(source="CNN/none", prediction=[3, 5], l2=[3.0, 4.0])


@pytest.fixture
def artefacts(tmp_path):
    path = tmp_path / "judgements/leaderboard/mnist/MLP/none/0/records.parquet"
    path.parent.mkdir(parents=True)
    pd.concat([OWN, OTHERS]).to_parquet(path)
    return Artefacts({"judgements": [path]})


def entry(source):
    return {"dataset": "mnist", "model": "MLP", "defense": "none", "seed": 0, "attack": "fgsm", "source": source}


def test_transferred_images_keep_their_norms_and_have_the_predictions_of_the_judging_victim(artefacts):
    own, other = load_attempts([entry(None), entry("CNN/none")], artefacts)
    assert own.records["prediction"].tolist() == [5, 5]
    assert own.records["l2"].tolist() == [1.0, 2.0]
    assert other.records["prediction"].tolist() == [3, 5]
    assert other.records["clean_prediction"].tolist() == [3, 0]
    assert other.records["l2"].tolist() == [3.0, 4.0]
    assert (own.source, other.source) == (None, "CNN/none")
    assert other.victim == "MLP/none"


def test_a_missing_judgement_gives_a_one_line_error(artefacts):
    with pytest.raises(InvalidInput, match=r"^no judgement of fgsm on A/none by mnist/MLP/none/0$"):
        load_attempts([entry("A/none")], artefacts)


def test_short_names_keep_only_the_part_that_differs():
    assert list(short_names(["MLP/none", "CNN/none"]).values()) == ["MLP", "CNN"]
    assert list(short_names(["CNN/none", "CNN/jpeg"]).values()) == ["none", "jpeg"]
    assert list(short_names(["MLP/none", "CNN/jpeg"]).values()) == ["MLP/none", "CNN/jpeg"]
    assert list(short_names(["CNN/none"]).values()) == ["CNN/none"]
