import pandas as pd
import pytest

from foolflow.errors import InvalidInput
from foolflow.statistics.attempts import load_attempts, short_names

RECORDS = pd.DataFrame(
    {"index": [0, 1], "label": [3, 4], "clean_prediction": [3, 4], "prediction": [5, 5], "l2": [1.0, 2.0]}
)


@pytest.fixture
def files(tmp_path):
    evaluation = pd.DataFrame({"index": [0, 1], "label": [3, 4], "clean_prediction": [3, 0], "prediction": [3, 5]})
    RECORDS.to_parquet(tmp_path / "records.parquet")
    evaluation.to_parquet(tmp_path / "evaluation.parquet")
    evaluation.assign(index=[1, 0]).to_parquet(tmp_path / "other.parquet")
    return tmp_path


def entry(source):
    return {"model": "MLP", "defense": "none", "seed": 0, "attack": "fgsm", "source": source}


def test_another_victims_images_keep_the_norms_and_get_the_victims_predictions(files):
    own, other = load_attempts(
        [entry(None), entry("CNN/none")], [files / "records.parquet"] * 2, [files / "evaluation.parquet"]
    )
    assert own.records["prediction"].tolist() == [5, 5]
    assert other.records["prediction"].tolist() == [3, 5]
    assert other.records["clean_prediction"].tolist() == [3, 0]
    assert other.records["l2"].tolist() == [1.0, 2.0]
    assert other.victim == "MLP/none"


def test_an_evaluation_of_other_images_is_rejected(files):
    with pytest.raises(InvalidInput, match=r"CNN/none: fgsm: .* not about the same images"):
        load_attempts([entry("CNN/none")], [files / "records.parquet"], [files / "other.parquet"])


def test_short_names_keep_only_the_part_that_differs():
    assert list(short_names(["MLP/none", "CNN/none"]).values()) == ["MLP", "CNN"]
    assert list(short_names(["CNN/none", "CNN/jpeg"]).values()) == ["none", "jpeg"]
    assert list(short_names(["MLP/none", "CNN/jpeg"]).values()) == ["MLP/none", "CNN/jpeg"]
    assert list(short_names(["CNN/none"]).values()) == ["CNN/none"]
