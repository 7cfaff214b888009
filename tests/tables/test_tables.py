import json

import numpy as np
import pandas as pd
import pytest
import yaml

from foolflow.tables import accuracy, fgsm_sweep
from foolflow.tables.writing import p_text, percent, write_table


def reference(root, name):
    return yaml.safe_load((root / f"reference/{name}.yaml").read_text())


def sweep_records(wrong_at):
    """Return records of 1,000 images: 10 clean errors, and at each epsilon the first `wrong_at[epsilon]` are wrong."""
    tables = []
    for epsilon, wrong in wrong_at.items():
        index = np.arange(1000)
        tables.append(
            pd.DataFrame(
                {
                    "index": index,
                    "epsilon": epsilon,
                    "label": 0,
                    "clean_prediction": (index < 10).astype(int),
                    "prediction": (index < wrong).astype(int),
                    "prediction_8bit": (index < wrong + 1).astype(int),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def sweep(wrong_at, dataset="mnist", model="lenet", attack="fgsm"):
    modified = {"epsilon": 0.1, "n": 1000, "correct": 499}
    return fgsm_sweep.Sweep(dataset, model, attack, 0, sweep_records(wrong_at), modified)


def test_the_published_row_is_next_to_the_sweep(root):
    table = fgsm_sweep.tabulate([sweep({0.05: 12, 0.1: 500, 0.3: 1000})], reference(root, "r4_fgsm_sweep"))
    data = table.data.set_index("epsilon")
    assert data["accuracy"].to_dict() == pytest.approx({0.0: 0.99, 0.05: 0.988, 0.1: 0.5, 0.3: 0.0})
    assert data["accuracy_8bit"].to_dict() == pytest.approx({0.0: 0.99, 0.05: 0.987, 0.1: 0.499, 0.3: 0.0})
    assert data["published_tutorial"].to_dict() == {0.0: 0.9810, 0.05: 0.9426, 0.1: 0.8510, 0.3: 0.0869}
    assert data.loc[0.1, "accuracy_modified"] == 0.499
    assert data.loc[0.1, "right_to_wrong"] == 490


def test_a_drop_of_490_images_is_significant_and_a_drop_of_2_is_not(root):
    table = fgsm_sweep.tabulate([sweep({0.05: 12, 0.1: 500})], reference(root, "r4_fgsm_sweep"))
    data = table.data.set_index("epsilon")
    assert data.loc[0.05, "p_value"] == pytest.approx(0.5)  # two changes, both for the worse: 2 / 2**2
    assert data.loc[0.05, "p_holm"] == pytest.approx(0.5)
    assert data.loc[0.1, "p_holm"] == pytest.approx(2 * data.loc[0.1, "p_value"])
    assert "statistically worse from epsilon 0.1 on: its accuracy falls from 99.00 % to 50.00 %" in table.notes[0]


def test_a_harmless_attack_is_called_harmless(root):
    table = fgsm_sweep.tabulate([sweep({0.1: 10})], reference(root, "r4_fgsm_sweep"))
    assert "is statistically worse at no epsilon" in table.notes[0]


def test_statistically_worse_from_an_epsilon_on_means_at_every_larger_one(root):
    table = fgsm_sweep.tabulate([sweep({0.05: 300, 0.1: 12, 0.2: 500})], reference(root, "r4_fgsm_sweep"))
    assert "statistically worse from epsilon 0.2 on" in table.notes[0]
    table = fgsm_sweep.tabulate([sweep({0.1: 500, 0.2: 12})], reference(root, "r4_fgsm_sweep"))
    assert "statistically worse only at epsilon 0.1 " in table.notes[0]


def test_two_sweeps_of_one_victim_are_separate(root):
    both = [sweep({0.1: 500}), sweep({0.1: 400, 0.2: 600}, attack="pgd")]
    table = fgsm_sweep.tabulate(both, reference(root, "r4_fgsm_sweep"))
    assert table.data.groupby("attack")["epsilon"].apply(list).to_dict() == {"fgsm": [0, 0.1], "pgd": [0, 0.1, 0.2]}
    assert len([note for note in table.notes if "statistically worse" in note]) == 2


def test_there_is_no_published_column_without_published_numbers(root):
    table = fgsm_sweep.tabulate([sweep({0.1: 500}, dataset="cifar10")], reference(root, "r4_fgsm_sweep"))
    assert table.data["published_tutorial"].isna().all()
    assert not any("published" in column for column in table.display)


def right(test):
    """Return the accuracy of a victim that classifies this share of each split correctly."""
    return {part: {"n": 1000, "correct": round(1000 * test)} for part in ("train", "val", "test")}


def test_accuracies_of_the_paper_and_the_students_are_next_to_ours(root):
    victims = [accuracy.Victim("mnist", model, 0, right(0.99)) for model in ("A", "A_students")]
    table = accuracy.tabulate("title", victims, reference(root, "r1_stadv"))
    assert table.data["published_paper"].tolist()[0] == pytest.approx(0.9858)
    assert pd.isna(table.data["published_paper"].tolist()[1])
    assert table.data["published_students"].tolist() == pytest.approx([0.9395, 0.9395])
    assert table.display["test %"].tolist() == ["99.00", "99.00"]
    assert "seed" not in table.display


def test_several_seeds_have_a_column(root):
    victims = [accuracy.Victim("mnist", "CNN", seed, right(test)) for seed, test in enumerate((0.99, 0.98))]
    table = accuracy.tabulate("title", victims, reference(root, "r2_minimal"))
    assert table.display["seed"].tolist() == ["0", "1"]
    assert table.display["test %, mean ± sd over seeds"].tolist() == ["98.50 ± 0.71"] * 2


def test_a_table_is_written_four_ways_and_html_is_escaped(root, tmp_path):
    victims = [accuracy.Victim("mnist", "CNN", 0, right(0.99))]
    table = accuracy.tabulate("A <b>title</b>", victims, reference(root, "r2_minimal"))
    csv, markdown, html, page = (tmp_path / f"a.{suffix}" for suffix in ("csv", "md", "html", "json"))
    write_table(table, csv, markdown, html, page)
    assert pd.read_csv(csv)["test"].tolist() == [0.99]
    assert "| mnist" in markdown.read_text()
    assert "<b>title" not in html.read_text()
    assert json.loads(page.read_text())["title"] == "A <b>title</b>"


@pytest.mark.parametrize(
    ("value", "text"), [(0.04321, "0.043"), (3.2e-7, "3e-07"), (0.0, "< 1e-300"), (float("nan"), ""), (1.0, "1.000")]
)
def test_p_values_are_formatted_for_readers(value, text):
    assert p_text(value) == text


def test_percentages_have_the_given_digits():
    assert percent(0.98765) == "98.77"
    assert percent(None) == ""
    assert percent(float("nan")) == ""
