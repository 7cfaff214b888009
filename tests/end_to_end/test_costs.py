"""`snakemake costs`: the costs of a config, before anything is trained or attacked."""

import pandas as pd

CONFIG = """
results: results/demo
datasets: { digits: { source: digits, val: 197, test: 500 } }
models: { lenet: { architecture: lenet.LeNet, training: { epochs: 200 } } }
defenses:
  hard: { method: adversarial_training, at: [train], parameters: { epsilon: 0.1, steps: 7 } }
attacks: { pgd: { method: pgd, images: 200, parameters: { epsilon: 0.1 } } }
studies:
  leaderboard:
    boards:
      - { name: all, dataset: digits, models: [lenet], defenses: [none, hard], attacks: [pgd] }
"""


def test_the_costs_are_estimated_without_a_training_or_an_attack(fresh):
    (fresh.folder / "mine.yaml").write_text(CONFIG)
    fresh.snakemake("costs", "--cores", "1", "--replace-workflow-config", "--configfile", "mine.yaml")
    (row,) = pd.read_csv(fresh.results / "tables/costs.csv").to_dict("records")
    assert (row["study"], row["trainings"], row["sets"]) == ("leaderboard", 2, 2)
    assert 0 < row["training"] < row["all"] < row["if_all_resist"]
    assert not (fresh.results / "victims").exists()
    assert not (fresh.results / "attacks").exists()
    assert "core-hours" in (fresh.results / "tables/costs.md").read_text()
