"""Summary statistics of an attack on a victim."""

import pandas as pd

from foolflow.statistics.intervals import wilson_interval


def rate(successes: int, trials: int) -> dict:
    """Return a rate in the form used by all JSON files of the workflow: counts, fraction, Wilson's 95 % interval."""
    return {
        "n": trials,
        "count": successes,
        "rate": successes / trials if trials else None,
        "interval": list(wilson_interval(successes, trials)),
    }


def summarise(records: pd.DataFrame) -> list[dict]:
    """Return one entry per epsilon: success among correctly classified images, accuracy over all; also in 8 bits."""
    return [
        {"epsilon": None if pd.isna(epsilon) else epsilon, **_summarise_one(table)}
        for epsilon, table in records.groupby("epsilon", dropna=False, sort=False)
    ]


def _summarise_one(table: pd.DataFrame) -> dict:
    right = table[table["clean_prediction"] == table["label"]]
    fooled = right[right["success"]]
    return {
        "clean_accuracy": rate(len(right), len(table)),
        "accuracy": rate(int((table["prediction"] == table["label"]).sum()), len(table)),
        "accuracy_8bit": rate(int((table["prediction_8bit"] == table["label"]).sum()), len(table)),
        "success": rate(len(fooled), len(right)),
        "success_8bit": rate(int(right["success_8bit"].sum()), len(right)),
        "median_l2": float(fooled["l2"].median()) if len(fooled) else None,
        "mean_l2": float(fooled["l2"].mean()) if len(fooled) else None,
        "median_linf": float(fooled["linf"].median()) if len(fooled) else None,
        "mean_gradient_evaluations": float(right["gradient_evaluations"].mean()) if len(right) else None,
    }
