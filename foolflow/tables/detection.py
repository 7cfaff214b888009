"""Detection rates of feature squeezing, next to those that Xu et al. published."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.data.cells import UNDEFENDED
from foolflow.statistics.bootstrap import RESAMPLES
from foolflow.statistics.budget import Budget, ball_in_words
from foolflow.statistics.detection import (
    Area,
    MeanRate,
    Rate,
    Scores,
    area_under,
    mean_rate_of,
    rate_of,
    threshold_at,
)
from foolflow.statistics.robustness import on_common_images
from foolflow.statistics.scored import Detector, Scored, load_detectors
from foolflow.tables.links import Link, Row, links, to_attacks, to_images, to_victim
from foolflow.tables.over_seeds import spread_column, spread_note, with_spread
from foolflow.tables.wording import rate_with_n
from foolflow.tables.writing import (
    VERSUS,
    Table,
    percent,
    percent_interval,
    verdict,
    verdict_note,
    without_empty_columns,
)

CLEAN, MEAN = "clean test images", "mean of the attacks that do not know the detector"
ANY = "any attack"  # followed by the radius, if there is one
SPREAD_OVER_SEEDS = ("detected", "unseen")


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Table:
    """Build the table. spec: false_positives; detectors, in the order of the input `scores`; reference."""
    detectors = load_detectors(spec["detectors"], artefacts.files["scores"])
    return tabulate(detectors, spec["false_positives"], spec["reference"])


def tabulate(detectors: Sequence[Detector], false_positives: float, reference: Mapping[str, Any]) -> Table:
    """Build the table. reference: reference/xu2017_detection.yaml, in percent; the table's CSV has fractions."""
    rows = [(one, row) for one in detectors for row in _rows(one, false_positives, reference)]
    data = pd.DataFrame([row for _, row in rows])
    for measure in SPREAD_OVER_SEEDS:
        data = with_spread(data, ("dataset", "model", "detector", "images"), f"{measure}_rate", f"{measure}_")
    published = data["published_detected"].notna().any()
    display = _display(data)
    return Table(
        title="Detection by feature squeezing",
        data=data,
        display=display,
        findings=list(_findings(data)),
        best={"detected %": "highest", "fooled, undetected %": "lowest", "AUC %": "highest"},
        best_within=["data set", "images", "seed"],
        images=links(display, [_links(row, one) for one, row in rows]),
        notes=[
            "The score of an image is the L1 distance between the victim's softmax on it and on the squeezed image, "
            "the largest over the detector's squeezers. The threshold is the smallest at which at most "
            f"{100 * false_positives:g} % of the clean val images are classified as adversarial; the row '{CLEAN}' "
            f"shows the rate on the test images. Thresholds: {_thresholds(data)}.",
            "n: the attacked images that the victim classifies correctly when clean. Success and score of an "
            "adversarial image are measured after rounding to 8 bits. Detected: the share of the successful images, as "
            "in Xu et al. Failed, detected: the share of the unsuccessful images. Fooled, undetected: the share of all "
            "n images that fool the victim and are not detected, which is the goal of an adversary. AUC: successful "
            "adversarial images against clean test images. Intervals: Wilson's for the rates of one attack. Those of "
            "the AUC, of which the clean and the adversarial version of one image are both part, and of mean rates, to "
            "which one image contributes several times, come from a bootstrap over the images "
            f"({RESAMPLES:,} resamples, percentiles). The interval has no width if the AUC is 1.",
            *(
                [
                    f"'{MEAN}': each attack has the same weight, however often it fools the victim; attacks that never "
                    "do so have no rate of detection. n counts images there. The attacks in the rows below it know the "
                    "detector and try to minimise its score."
                ]
                if MEAN in set(data["images"])
                else []
            ),
            *(
                [
                    f"'{ANY}': what an adversary reaches who knows the detector and uses, on each image, whichever of "
                    "the attacks above fools the victim undetected, whether the attack itself knows the detector or "
                    "not. n: the images that all of them have in common. Within a radius, only perturbations up to it "
                    "count, measured after rounding. The rate is a lower bound: attacks only try to minimise the "
                    "score, and a stronger one may do better."
                ]
                if data["images"].str.startswith(ANY).any()
                else []
            ),
            *spread_note(data),
            *_verdict_notes(display),
            *([_published_note(reference)] if published else []),
        ],
    )


def _rows(one: Detector, false_positives: float, reference: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    threshold = threshold_at(one.scores_of("val"), false_positives)
    published = reference["detectors"].get(one.dataset, {}).get(one.detector, {})
    test = one.rows_of("test")
    clean = Scores(test["score"].to_numpy(), test["index"].to_numpy())
    common = {
        "dataset": one.dataset,
        "model": one.model,
        "detector": one.detector,
        "seed": one.seed,
        "threshold": threshold,
        "published_threshold": published.get("threshold"),
    }

    def row(scored: Scored) -> dict[str, Any]:
        rates = {name: rate_of(*rows) for name, rows in _measured(scored.records, threshold).items()}
        return {
            **common,
            "images": scored.attack,
            "adaptive": scored.adaptive,
            **_all_named(rates),
            **_named("auc", area_under(clean, _successful(scored))),
            "published_detected": _fraction(published.get("detected", {}).get(scored.attack)),
            "published_auc": None,
        }

    def mean(several: Sequence[Scored]) -> dict[str, Any]:
        each = [_measured(scored.records, threshold) for scored in several]
        return {
            **common,
            "images": MEAN,
            "adaptive": False,
            **_all_named({name: mean_rate_of([sets[name] for sets in each]) for name in each[0]}),
            **_named("auc", area_under(clean, *(_successful(scored) for scored in several))),
            "published_detected": _fraction(published.get("detected", {}).get("all")),
            "published_auc": _fraction(published.get("auc")),
        }

    yield {
        **common,
        "images": CLEAN,
        **_named("detected", rate_of(clean.score > threshold)),
        "published_detected": _fraction(published.get("false_positives")),
    }
    static = [scored for scored in one.attacked if not scored.adaptive]
    yield from map(row, static)
    if len(static) > 1:
        yield mean(static)
    yield from (row(scored) for scored in one.attacked if scored.adaptive)
    if len(one.attacked) > 1:
        yield {**common, "images": _any(one), "adaptive": None, **_all_named(_together(one, threshold))}


def _measured(records: pd.DataFrame, threshold: float) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return for each rate which rows count, bool, and their images."""
    image, fooled = records["index"].to_numpy(), records["success_8bit"].to_numpy(bool)
    detected = records["score"].to_numpy() > threshold
    return {
        "success": (fooled, image),
        "detected": (detected[fooled], image[fooled]),
        "failed_detected": (detected[~fooled], image[~fooled]),
        "unseen": (fooled & ~detected, image),
    }


def _any(one: Detector) -> str:
    return ANY if one.epsilon is None else f"{ANY} within {ball_in_words('linf', one.epsilon)}"


def _together(one: Detector, threshold: float) -> dict[str, Rate]:
    """Return on how many of the common images at least one attack succeeds, and does so unseen, within the radius."""
    found: dict[str, list[pd.Series]] = {"success": [], "unseen": []}
    for scored in one.attacked:
        records, measured = scored.records, _measured(scored.records, threshold)
        within = np.ones(len(records), bool)
        if one.epsilon is not None:
            within = records["linf"].to_numpy() <= Budget("linf", one.epsilon).largest
        for name, each in found.items():
            each.append(pd.Series(measured[name][0] & within, index=records["index"]).groupby(level=0).any())
    return {name: rate_of(on_common_images(each).any(axis=1).to_numpy()) for name, each in found.items()}


def _successful(scored: Scored) -> Scores:
    records = scored.records[scored.records["success_8bit"].astype(bool)]
    return Scores(records["score"].to_numpy(), records["index"].to_numpy())


def _links(row: Row, one: Detector) -> dict[str, Link]:
    """Return the links of a row. The clean images and the mean of several attacks lead to the victim."""
    cell = {**row, "defense": UNDEFENDED}  # the study tests detectors on undefended victims
    if row["images"] == _any(one):
        budget = None if one.epsilon is None else Budget("linf", one.epsilon)
        made = to_attacks(cell, (scored.attack for scored in one.attacked), budget)
    else:
        made = to_victim(cell) if row["images"] in (CLEAN, MEAN) else to_images(cell, row["images"])
    columns = ("n", "success %", "detected %", "95 % interval", "failed, detected %", "fooled, undetected %")
    return dict.fromkeys((*columns, "95 % interval (undetected)", "AUC %", "AUC, 95 % interval"), made)


def _findings(data: pd.DataFrame) -> Iterator[str]:
    """Say for each detector what it finds, and how often an adversary who knows it fools the victim undetected."""
    for _, rows in data.groupby(["dataset", "model", "detector", "seed"], sort=False):
        name = _name(rows.iloc[0], data)
        clean, attacked = rows.iloc[0], rows.iloc[1:]
        static, adaptive = (attacked[attacked["adaptive"] == known] for known in (False, True))
        together = attacked[attacked["adaptive"].isna()]
        if len(static):
            every = static.iloc[-1]  # the mean, if there are several
            if every["detected_total"]:
                found = _rate(every, "detected", "images that fool the victim")
                under = "attacks that do not know it" + (", on average over them" if every["images"] == MEAN else "")
                alarms = _rate(clean, "detected", "clean images")
                yield f"{name} detects {found} under {under}, and {alarms}."
            else:
                yield f"No attack that does not know {name} fools the victim."
        if adaptive.empty:
            yield f"No attack that knows {name} was run."
            continue
        best = (adaptive if together.empty else together).iloc[0]  # one attack, or whichever works
        if best["unseen_total"]:
            unseen = f"undetected on at least {_rate(best, 'unseen', 'images')}"
            yield f"With {best['images']}, an adversary who knows {name} fools the victim {unseen}."


def _name(row: pd.Series | Row, data: pd.DataFrame) -> str:
    seed = f", seed {row['seed']}" if data["seed"].nunique() > 1 else ""
    return f"{row['detector']} on {row['dataset']} ({row['model']}{seed})"


def _rate(row: pd.Series, measure: str, images: str) -> str:
    rate, total, low, high = (row[f"{measure}_{part}"] for part in ("rate", "total", "low", "high"))
    return rate_with_n(rate, total, low, high, images=images)


def _named(name: str, value: Rate | MeanRate | Area) -> dict[str, Any]:
    return {f"{name}_{field}": number for field, number in asdict(value).items()}


def _all_named(rates: Mapping[str, Rate | MeanRate]) -> dict[str, Any]:
    return {column: number for name, rate in rates.items() for column, number in _named(name, rate).items()}


def _fraction(published: float | None) -> float | None:
    return None if published is None else published / 100


def _thresholds(data: pd.DataFrame) -> str:
    several_seeds = data["seed"].nunique() > 1
    each = []
    for (dataset, model, detector, seed), rows in data.groupby(["dataset", "model", "detector", "seed"], sort=False):
        first = rows.iloc[0]
        theirs = "" if pd.isna(first["published_threshold"]) else f" (Xu et al.: {first['published_threshold']:g})"
        run = f", seed {seed}" if several_seeds else ""
        each.append(f"{detector} on {dataset}, {model}{run}: {first['threshold']:.4g}{theirs}")
    return "; ".join(each)


def _published_note(reference: Mapping[str, Any]) -> str:
    return f"Published: {reference['source']['xu']}. {' '.join(reference['differences'].split())}"


def _verdict_notes(display: pd.DataFrame) -> list[str]:
    """Explain the verdicts; nothing if there are none."""
    if not (explained := verdict_note(display)):
        return []
    return [*explained, "Only single attacks are compared; the other published numbers are for information."]


def _display(data: pd.DataFrame) -> pd.DataFrame:
    def interval(name: str, digits: int = 1) -> list[str]:
        bounds = zip(data[f"{name}_low"], data[f"{name}_high"], data[f"{name}_{_value(name)}"], strict=True)
        return ["" if pd.isna(value) else percent_interval(low, high, digits) for low, high, value in bounds]

    def rates(name: str) -> pd.Series:
        return data[f"{name}_{_value(name)}"].map(lambda rate: percent(rate, 1))

    compared = data["published_detected"].mask(data["images"].isin((CLEAN, MEAN)))  # the others are for information
    detected = zip(data["detected_rate"], data["detected_low"], data["detected_high"], compared, strict=True)

    columns = {
        "data set": data["dataset"],
        "images": data["images"],
        "model": data["model"],
        "detector": data["detector"],
        **({"seed": data["seed"].astype(str)} if data["seed"].nunique() > 1 else {}),
        "n": data["success_total"].fillna(data["detected_total"]).map("{:,.0f}".format),
        "success %": rates("success"),
        "detected %": rates("detected"),
        "95 % interval": interval("detected"),
        **spread_column(data, "detected %", "detected_", digits=1),
        "failed, detected %": rates("failed_detected"),
        "fooled, undetected %": rates("unseen"),
        "95 % interval (undetected)": interval("unseen"),
        **spread_column(data, "fooled, undetected %", "unseen_", digits=1),
        "AUC %": data["auc_area"].map(lambda area: percent(area, 2)),
        "AUC, 95 % interval": interval("auc", 2),
        "published: detected %": data["published_detected"].map(lambda rate: percent(rate, 1)),
        f"{VERSUS}: detected": [verdict(*values) for values in detected],
        "published: AUC %": data["published_auc"].map(percent),
    }
    return without_empty_columns(pd.DataFrame(columns))


def _value(name: str) -> str:
    return "area" if name == "auc" else "rate"
