"""What the rules share: the checked config, digests of the code, and each job's share of the config."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import yaml

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT))

from foolflow.code_digest import CodeDigest
from foolflow.config import problems
from foolflow.data.sources import DOWNLOADS
from foolflow.environment import has_gpu, prepare_jobs

if found := problems(config, yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text()), ROOT):
    sys.exit("\n".join(f"config: {line}" for line in found))

prepare_jobs(ROOT, config.get("data_mirror"))

NAME = "[A-Za-z0-9][A-Za-z0-9_-]*"
code_digest = CodeDigest(ROOT)


# Where a job computes is no part of its result, so it is a resource and not a param.
DEVICE = config["device"]
GPUS_PER_JOB = int(DEVICE == "cuda" or (DEVICE == "auto" and has_gpu()))


def as_json(value):
    """One line, keys sorted: Snakemake compares params by their repr."""
    return json.dumps(value, sort_keys=True)


def names_matching(names):
    """A wildcard constraint: one of `names`, or nothing at all."""
    return "|".join(names) or "(?!)"


def datasets_from(*sources):
    return [name for name, dataset in config["datasets"].items() if dataset["source"] in sources]


def raw_files(wildcards):
    """The files that a data set is made of: downloaded, or the user's own."""
    dataset = config["datasets"][wildcards.dataset]
    source = dataset["source"]
    if source in DOWNLOADS:
        return [f"<results>/data/{wildcards.dataset}/raw/{file}" for file in DOWNLOADS[source].files]
    if source == "folder":
        return sorted(str(file) for file in Path(dataset["path"]).rglob("*") if file.is_file()) or dataset["path"]
    return dataset["path"] if source == "npz" else []


def dataset_spec(wildcards):
    return as_json({"name": wildcards.dataset, "dataset": config["datasets"][wildcards.dataset]})


def defense_entry(name):
    return {} if name == "none" else config["defenses"][name]


def own_or_builtin(entry, folder, module):
    """The file that a config entry names: the user's (`python:`) or a module of the package."""
    if "python" in entry:
        return [entry["python"].rpartition(":")[0]]
    return [f"foolflow/{folder}/{module}.py"] if module else []


def victim_files(wildcards):
    """The files that a victim's network and filter are built from by name."""
    model = config["models"][wildcards.model]
    defense = defense_entry(wildcards.defense)
    architecture = model.get("architecture", "").partition(".")[0]
    return [
        *own_or_builtin(model, "models", architecture),
        *own_or_builtin(defense, "defenses", defense.get("method")),
    ]


def victim_name(wildcards):
    return f"victims/{wildcards.dataset}/{wildcards.model}/{wildcards.defense}/{wildcards.seed}"


def victim_spec(wildcards):
    return as_json(
        {
            "name": victim_name(wildcards),
            "model": config["models"][wildcards.model],
            "defense": defense_entry(wildcards.defense),
        }
    )


def train_code(wildcards):
    return code_digest("scripts/train.py", *victim_files(wildcards))


def attack_spec(wildcards):
    return as_json(
        {
            "attack": config["attacks"][wildcards.attack],
            "model": config["models"][wildcards.model],
            "defense": defense_entry(wildcards.defense),
        }
    )


def attack_code(wildcards):
    attack = config["attacks"][wildcards.attack]
    method = own_or_builtin(attack, "attacks", attack.get("method"))
    return code_digest("scripts/attack.py", *method, *victim_files(wildcards))


def evaluate_code(wildcards):
    return code_digest("scripts/evaluate.py", *victim_files(wildcards))


def measure_code(wildcards):
    return code_digest("scripts/measure_images.py", *victim_files(wildcards))


def measure_spec(wildcards):
    return as_json({**json.loads(victim_spec(wildcards)), "epsilon": float(wildcards.epsilon)})


# ---- What each study consists of: lists in a fixed order, which the table scripts are given beside the files ----


def sweeps():
    """Each sweep of the study `fgsm_sweep`, once per seed."""
    study = config["studies"].get("fgsm_sweep", {"sweeps": []})
    return [{**sweep, "seed": seed} for sweep in study["sweeps"] for seed in config["seeds"]]


def sweep_paths(pattern):
    return expand(pattern, zip, **{key: [sweep[key] for sweep in sweeps()] for key in SWEEP_KEYS}) if sweeps() else []


SWEEP_KEYS = ("dataset", "model", "seed", "attack", "modified_epsilon")


def sweep_table_spec():
    return [{key: sweep[key] for key in ("dataset", "model", "seed")} for sweep in sweeps()]


def accuracy_victims(study):
    """The victims of an accuracy table, data set by data set."""
    entry = config["studies"].get(study, {"datasets": [], "models": []})
    return [
        {"dataset": dataset, "model": model, "seed": seed}
        for dataset in entry["datasets"]
        for model in entry["models"]
        for seed in config["seeds"]
    ]


def accuracy_metrics(wildcards):
    return [
        f"<results>/victims/{victim['dataset']}/{victim['model']}/none/{victim['seed']}/metrics.json"
        for victim in accuracy_victims(wildcards.study)
    ]


def static_cells():
    """Each defense on each attack's set of the undefended model."""
    study = config["studies"].get("defenses", {"defenses": [], "attacks": []})
    return [
        {"defense": defense, "attack": attack, "seed": seed}
        for defense in study["defenses"]
        for attack in study["attacks"]
        for seed in config["seeds"]
    ]


def result_labels(result, rows):
    """Labels of a table or figure about several data sets, models and attacks at once."""
    study = config["studies"].get("defenses", {})

    def listed(key):
        return ", ".join(dict.fromkeys(str(row.get(key, study.get(key, ""))) for row in rows))

    return {"result": result, "data set": listed("dataset"), "model": listed("model"), "attack": listed("attack")}


def static_table_spec():
    return {"dataset": config["studies"].get("defenses", {}).get("dataset"), "cells": static_cells()}


def static_evaluations(wildcards):
    study = config["studies"]["defenses"]
    dataset, model = study["dataset"], study["model"]
    return [
        f"<results>/evaluations/{dataset}/{model}/{{defense}}/{{seed}}/on/{model}/none/{{seed}}/{{attack}}.parquet".format(
            **cell
        )
        for cell in static_cells()
    ]


def defenses_training_curves():
    study = config["studies"].get("defenses", {"defenses": []})
    return [
        f"<results>/figures/training/{study['dataset']}/{study['model']}/{defense}/{seed}.png"
        for defense in study["defenses"]
        for seed in config["seeds"]
    ]


ACCURACY_STUDIES = {
    "stadv": {
        "title": "Accuracy of A, B and C (R1)",
        "reference": "reference/r1_stadv.yaml",
    },
    "minimal": {
        "title": "Accuracy of the MLPs and CNNs (R2)",
        "reference": "reference/r2_minimal.yaml",
    },
}

STUDY_TITLES = {
    "stadv": "R1: stAdv",
    "minimal": "R2: minimal perturbations",
    "defenses": "R3: defenses",
    "fgsm_sweep": "R4: FGSM sweep",
}


def study_category(wildcards):
    return STUDY_TITLES[wildcards.study]


def study_outputs(study):
    """The tables and figures of a study; nothing if the config has no such study."""
    if study not in config["studies"]:
        return []
    match study:
        case "fgsm_sweep":
            return [
                "<results>/tables/fgsm_sweep.csv",
                "<results>/figures/fgsm_sweep.png",
                *sweep_paths("<results>/figures/samples/{dataset}/{model}/none/{seed}/{attack}.png"),
            ]
        case "stadv" | "minimal":
            return [f"<results>/tables/{study}_accuracy.csv", f"<results>/figures/{study}_accuracy.png"]
        case "defenses":
            return ["<results>/tables/defenses_static.csv", *defenses_training_curves()]


# ---- The manifest: every artefact that the studies are made of, with the digest of its code ----


def study_victims():
    """(data set, model, defense, seed) of every victim of the studies, each once."""
    found = [(sweep["dataset"], sweep["model"], "none", sweep["seed"]) for sweep in sweeps()]
    for study in ACCURACY_STUDIES:
        found += [(victim["dataset"], victim["model"], "none", victim["seed"]) for victim in accuracy_victims(study)]
    if static_cells():
        study = config["studies"]["defenses"]
        for cell in static_cells():
            found += [(study["dataset"], study["model"], name, cell["seed"]) for name in ("none", cell["defense"])]
    return sorted(set(found))


def study_attacks():
    """(data set, model, defense, seed, attack) of every adversarial set of the studies, each once."""
    found = [(sweep["dataset"], sweep["model"], "none", sweep["seed"], sweep["attack"]) for sweep in sweeps()]
    if static_cells():
        study = config["studies"]["defenses"]
        found += [(study["dataset"], study["model"], "none", cell["seed"], cell["attack"]) for cell in static_cells()]
    return sorted(set(found))


def artefacts():
    """`path` below the results folder and `code`, in the order of the workflow."""
    listed = []

    def add(code, *paths):
        listed.extend({"path": path, "code": code} for path in paths)

    victims = study_victims()
    for dataset in sorted({dataset for dataset, *_ in victims}):
        add(
            code_digest("scripts/split.py"),
            *(f"data/{dataset}/{part}.safetensors" for part in ("train", "val", "test")),
        )
    for names in victims:
        wildcards = SimpleNamespace(**dict(zip(("dataset", "model", "defense", "seed"), names)))
        add(train_code(wildcards), f"victims/{'/'.join(map(str, names))}/weights.safetensors")
    for names in study_attacks():
        wildcards = SimpleNamespace(**dict(zip(("dataset", "model", "defense", "seed", "attack"), names)))
        folder = f"attacks/{'/'.join(map(str, names))}"
        add(attack_code(wildcards), f"{folder}/adversarial.safetensors", f"{folder}/records.parquet")
    if sweeps():
        add(code_digest("scripts/tabulate_fgsm_sweep.py"), "tables/fgsm_sweep.csv")
        add(code_digest("scripts/draw_accuracy_curve.py"), "figures/fgsm_sweep.png", "figures/fgsm_sweep.pdf")
    for study in ACCURACY_STUDIES:
        if study in config["studies"]:
            add(code_digest("scripts/tabulate_accuracy.py"), f"tables/{study}_accuracy.csv")
            figures = [f"figures/{study}_accuracy.{ending}" for ending in ("png", "pdf")]
            add(code_digest("scripts/draw_accuracy_dots.py"), *figures)
    if static_cells():
        add(code_digest("scripts/tabulate_defenses.py"), "tables/defenses_static.csv")
    return listed
