"""What each study consists of: its rows in a fixed order, its files, and the digest of the code behind each file."""

ACCURACY_STUDIES = {
    "stadv": {"title": "Accuracy of A, B and C (R1)", "reference": "reference/r1_stadv.yaml"},
    "minimal": {"title": "Accuracy of the MLPs and CNNs (R2)", "reference": "reference/r2_minimal.yaml"},
}

STUDY_TITLES = {
    "stadv": "R1: stAdv",
    "minimal": "R2: minimal perturbations",
    "defenses": "R3: defenses",
    "fgsm_sweep": "R4: FGSM sweep",
    "detection": "Detection by feature squeezing",
}

SWEEP_KEYS = ("dataset", "model", "seed", "attack", "modified_epsilon")


def study_category(wildcards):
    return STUDY_TITLES[wildcards.study]


def result_labels(result, rows):
    """Labels of a table or figure about several data sets, models and attacks at once."""

    def listed(key):
        return ", ".join(dict.fromkeys(str(row[key]) for row in rows))

    return {"result": result, "data set": listed("dataset"), "model": listed("model"), "attack": listed("attack")}


# ---- The rows of the tables, which their scripts are given beside the files ----


def sweeps():
    """Each sweep of the study `fgsm_sweep`, once per seed."""
    study = config["studies"].get("fgsm_sweep", {"sweeps": []})
    return [{**sweep, "seed": seed} for sweep in study["sweeps"] for seed in config["seeds"]]


def sweep_paths(pattern):
    return expand(pattern, zip, **{key: [sweep[key] for sweep in sweeps()] for key in SWEEP_KEYS}) if sweeps() else []


def sweep_table_spec():
    return [{key: sweep[key] for key in ("dataset", "model", "attack", "seed")} for sweep in sweeps()]


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
    pattern = "<results>/victims/{dataset}/{model}/none/{seed}/metrics.json"
    return [pattern.format(**victim) for victim in accuracy_victims(wildcards.study)]


def stadv_study():
    return config["studies"].get("stadv", {})


def stadv_attacks():
    """The study's attack on each of its victims."""
    return [victim | {"defense": "none", "attack": stadv_study()["attack"]} for victim in accuracy_victims("stadv")]


def exploration_settings():
    """Each value of each parameter that is varied, on each model, and the attack that has it."""
    explored = stadv_study().get("explorations")
    if explored is None:
        return []
    return [
        {"dataset": explored["dataset"], "model": model, "defense": "none", "seed": config["seeds"][0], **setting}
        for model in explored["models"]
        for setting in varied(explored)
    ]


def exploration_spec():
    explored = stadv_study()["explorations"]
    fixed = {key: value for key, value in config["attacks"][explored["attack"]]["parameters"].items()}
    keys = ("model", "parameter", "value")
    return {
        "title": f"{explored['attack']} on {explored['dataset']}: one parameter varied at a time (R1)",
        "fixed": ", ".join(f"{key} {value}" for key, value in fixed.items()),
        "settings": [{key: setting[key] for key in keys} for setting in exploration_settings()],
    }


def post_mortem_steps():
    """The attack of each step of the post-mortem, and how its success is counted."""
    study = stadv_study().get("post_mortem", {"steps": []})
    shared = {"any_class": False, "clean_errors": False, "defense": "none", "seed": config["seeds"][0]}
    return [shared | {"dataset": study["dataset"]} | step for step in study["steps"]]


def post_mortem_spec():
    keys = ("change", "model", "attack", "any_class", "clean_errors")
    dataset = stadv_study()["post_mortem"]["dataset"]
    return {
        "title": f"What each mistake cost: stAdv on {dataset} from the students' settings to ours (R1)",
        "steps": [{key: step[key] for key in keys} for step in post_mortem_steps()],
    }


def attack_files(attacked, name):
    """The file `name` of each of these attacks."""
    pattern = "<results>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/"
    return [pattern.format(**one) + name for one in attacked]


def static_cells():
    """Each defense on each attack's set of the undefended model."""
    study = config["studies"].get("defenses", {"defenses": [], "attacks": []})
    return [
        {"dataset": study["dataset"], "model": study["model"], "defense": defense, "attack": attack, "seed": seed}
        for defense in study["defenses"]
        for attack in study["attacks"]
        for seed in config["seeds"]
    ]


def static_table_spec():
    cells = [{key: cell[key] for key in ("defense", "attack", "seed")} for cell in static_cells()]
    return {"dataset": config["studies"].get("defenses", {}).get("dataset"), "cells": cells}


def static_evaluations(wildcards):
    return [f"<results>/{evaluation_path(cell)}" for cell in static_cells()]


def evaluation_path(cell):
    pattern = "evaluations/{dataset}/{model}/{defense}/{seed}/on/{model}/none/{seed}/{attack}.parquet"
    return pattern.format(**cell)


def minimal_cells():
    """Each attack of the study `minimal` on each of its victims, victim by victim."""
    attacks = config["studies"].get("minimal", {"attacks": []})["attacks"]
    return [victim | {"attack": attack} for victim in accuracy_victims("minimal") for attack in attacks]


def minimal_files(name):
    """The file `name` of every attack on every victim of the study `minimal`."""
    return attack_files([cell | {"defense": "none"} for cell in minimal_cells()], name)


def perturbation_shown():
    """What the figure of one image's perturbation is about, but for its network and image: first data set and seed."""
    study = config["studies"].get("minimal", {"datasets": ["none"], "perturbation": {"attack": "none"}})
    return {"dataset": study["datasets"][0], "seed": config["seeds"][0], "attack": study["perturbation"]["attack"]}


def perturbation_file(name):
    return attack_files([perturbation_shown() | {"model": "{model}", "defense": "none"}], name)[0]


def perturbation_title(wildcards):
    place = "{dataset}, image {image} of the test split: {attack} on {model}"
    return place.format(image=wildcards.image, model=wildcards.model, **perturbation_shown())


def detections():
    """Each detector of the study `detection` at each of its victims, with the attacks that it is held against."""
    study = config["studies"].get("detection", {"detections": []})
    return [
        {
            **{key: detection[key] for key in ("dataset", "model", "detector")},
            "seed": seed,
            "attacks": [
                {"attack": attack, "adaptive": field == "adaptive"}
                for field in ("attacks", "adaptive")
                for attack in detection.get(field, [])
            ],
        }
        for detection in study["detections"]
        for seed in config["seeds"]
    ]


def detection_cells():
    """Each attack of each detection."""
    return [
        {key: detection[key] for key in ("dataset", "model", "detector", "seed")} | {"defense": "none"} | attack
        for detection in detections()
        for attack in detection["attacks"]
    ]


def clean_scores_path(detection):
    return "evaluations/{dataset}/{model}/none/{seed}/detection/{detector}/clean.parquet".format(**detection)


def adversarial_scores_path(cell):
    pattern = "evaluations/{dataset}/{model}/{defense}/{seed}/detection/{detector}/on/{attack}.parquet"
    return pattern.format(**cell)


def detection_clean(wildcards):
    return [f"<results>/{clean_scores_path(detection)}" for detection in detections()]


def detection_scores(wildcards):
    return [f"<results>/{adversarial_scores_path(cell)}" for cell in detection_cells()]


def detection_spec():
    study = config["studies"].get("detection", {"false_positives": None})
    return {"false_positives": study["false_positives"], "detectors": detections()}


# ---- The files of a study: `path` below the results folder, `code` the digest of what makes it ----


def files(code, *paths):
    return [{"path": path, "code": code} for path in paths]


def table_files(name, script):
    return files(code_digest(script), *(f"tables/{name}.{ending}" for ending in ("csv", "md", "html")))


def figure_files(name, script):
    return files(code_digest(script), *(f"figures/{name}.{ending}" for ending in ("png", "pdf")))


def victim_artefacts(victim):
    """A victim's splits and weights."""
    wildcards = SimpleNamespace(**victim)
    folder = "{dataset}/{model}/{defense}/{seed}".format(**victim)
    splits = (f"data/{wildcards.dataset}/{part}.safetensors" for part in ("train", "val", "test"))
    return files(split_code(wildcards), *splits) + files(train_code(wildcards), f"victims/{folder}/weights.safetensors")


def attack_artefacts(attacked):
    """A victim and what one attack made of it."""
    folder = "attacks/{dataset}/{model}/{defense}/{seed}/{attack}".format(**attacked)
    made = files(
        attack_code(SimpleNamespace(**attacked)), f"{folder}/adversarial.safetensors", f"{folder}/records.parquet"
    )
    return victim_artefacts(attacked) + made


def sweep_artefacts(sweep):
    attacked = sweep | {"defense": "none"}
    name = "{dataset}/{model}/none/{seed}".format(**sweep)
    modified = "{attack}/{modified_epsilon}".format(**sweep)
    measured = f"evaluations/{name}/modified/{modified}.json"
    return [
        *attack_artefacts(attacked),
        *files(code_digest("scripts/export_images.py"), f"datasets/{name}/{modified}"),
        *files(measure_images_code(SimpleNamespace(**attacked)), measured),
        *figure_files(f"samples/{name}/{sweep['attack']}", "scripts/draw_sample_grid.py"),
    ]


def cell_artefacts(cell):
    evaluated = files(evaluate_code(SimpleNamespace(**cell)), evaluation_path(cell))
    curves = figure_files(
        "training/{dataset}/{model}/{defense}/{seed}".format(**cell), "scripts/draw_training_curves.py"
    )
    return [*attack_artefacts(cell | {"defense": "none"}), *victim_artefacts(cell), *evaluated, *curves]


def accuracy_artefacts(study):
    victims = accuracy_victims(study)
    return [
        *(artefact for victim in victims for artefact in victim_artefacts(victim | {"defense": "none"})),
        *table_files(f"{study}_accuracy", "scripts/tabulate_accuracy.py"),
        *figure_files(f"{study}_accuracy", "scripts/draw_accuracy_dots.py"),
    ]


def attack_figure_files(kind, attacked):
    folder = "{dataset}/{model}/{defense}/{seed}/{attack}".format(**attacked)
    return figure_files(f"{kind}/{folder}", f"scripts/draw_{kind}.py")


def stadv_artefacts():
    found = table_files("stadv_success", "scripts/tabulate_stadv.py")
    for attacked in stadv_attacks():
        found += attack_artefacts(attacked)
        found += attack_figure_files("attack_sheet", attacked) + attack_figure_files("flow", attacked)
        if "grid" in stadv_study():
            towards_all = attacked | {"attack": stadv_study()["grid"]}
            found += attack_artefacts(towards_all) + attack_figure_files("target_grid", towards_all)
    for name, attacks in (("explorations", exploration_settings()), ("post_mortem", post_mortem_steps())):
        if attacks:
            found += [artefact for attacked in attacks for artefact in attack_artefacts(attacked)]
            found += table_files(f"stadv_{name}", f"scripts/tabulate_{name}.py")
            found += figure_files(f"stadv_{name}", f"scripts/draw_{name}.py")
    return found


def minimal_artefacts():
    """The attacks of the study `minimal`, and its tables and figures but for the accuracies."""
    shown = config["studies"]["minimal"]["perturbation"]
    cells = minimal_cells() + [perturbation_shown() | {"model": model} for model in shown["models"]]
    found = [artefact for cell in cells for artefact in attack_artefacts(cell | {"defense": "none"})]
    found += table_files("minimal_attacks", "scripts/tabulate_minimal.py")
    found += figure_files("minimal_security", "scripts/draw_security_curves.py")
    for name in expand("minimal/{model}/{image}", model=shown["models"], image=shown["images"]):
        found += figure_files(name, "scripts/draw_perturbation.py")
    return found


def detection_artefacts():
    found = table_files("detection", "scripts/tabulate_detection.py")
    found += figure_files("detection", "scripts/draw_detection.py")
    for detection in detections():
        victim = detection | {"defense": "none"}
        found += victim_artefacts(victim)
        found += files(score_clean_code(SimpleNamespace(**victim)), clean_scores_path(detection))
    for cell in detection_cells():
        found += attack_artefacts(cell)
        found += files(score_adversarial_code(SimpleNamespace(**cell)), adversarial_scores_path(cell))
    return found


def study_artefacts(study):
    """Every file of a study that two runs agree on to the byte (those with timings are left out)."""
    match study:
        case "fgsm_sweep":
            found = [artefact for sweep in sweeps() for artefact in sweep_artefacts(sweep)]
            found += table_files("fgsm_sweep", "scripts/tabulate_fgsm_sweep.py")
            found += figure_files("fgsm_sweep", "scripts/draw_accuracy_curve.py")
        case "stadv":
            found = accuracy_artefacts(study) + stadv_artefacts()
        case "minimal":
            found = accuracy_artefacts(study) + minimal_artefacts()
        case "defenses":
            found = [artefact for cell in static_cells() for artefact in cell_artefacts(cell)]
            found += table_files("defenses_static", "scripts/tabulate_defenses.py")
        case "detection":
            found = detection_artefacts()
    return list({artefact["path"]: artefact for artefact in found}.values())


def study_outputs(study):
    """What a study is made for: its tables and figures, and the measures of its victims and attacks; nothing if the
    config has no such study."""
    if study not in config["studies"]:
        return []
    paths = [artefact["path"] for artefact in study_artefacts(study)]
    rendered = [path for path in paths if path.startswith(("tables/", "figures/"))]
    metrics = [path.replace("weights.safetensors", "metrics.json") for path in paths if path.startswith("victims/")]
    summaries = [path.replace("records.parquet", "summary.json") for path in paths if path.endswith("records.parquet")]
    measured = [path for path in summaries if path.startswith("attacks/")]
    timings = [f"tables/minimal_speed.{ending}" for ending in ("csv", "md", "html")] if study == "minimal" else []
    return [f"<results>/{path}" for path in rendered + metrics + measured + timings]


def all_artefacts():
    found = [artefact for study in sorted(config["studies"]) for artefact in study_artefacts(study)]
    return list({artefact["path"]: artefact for artefact in found}.values())
