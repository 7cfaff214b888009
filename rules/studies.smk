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
    "transfer": "Transfer",
    "leaderboard": "Leaderboard",
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


def matrices():
    """Each matrix of the study `transfer`, by name."""
    return {matrix["name"]: matrix for matrix in config["studies"].get("transfer", {"matrices": []})["matrices"]}


def matrix_attempts(name):
    """Each victim of a matrix on each one's images, target by target; no source: on its own."""
    matrix = matrices()[name]
    victims = [f"{model}/{defense}" for model in matrix["models"] for defense in matrix["defenses"]]
    return [
        attempt(target, seed, matrix["attack"], source)
        for seed in config["seeds"]
        for target in victims
        for source in victims
    ]


def attempt(victim, seed, attack, source):
    """What `victim` makes of an attack on `source`, as scripts/tabulate_transfer.py is told it."""
    model, defense = victim.split("/")
    other = None if source == victim else source
    return {"model": model, "defense": defense, "seed": seed, "attack": attack, "source": other}


def matrix_spec(name):
    about = {key: matrices()[name][key] for key in ("name", "dataset", "attack")}
    return {"matrix": about, "attempts": matrix_attempts(name)}


def boards():
    """Each board of the study `leaderboard`, by name."""
    return {board["name"]: board for board in config["studies"].get("leaderboard", {"boards": []})["boards"]}


def board_attempts(name):
    """Each attack of a board on each of its victims; then what was made on the sources of `transfer_from`."""
    board = boards()[name]
    return [
        attempt(f"{model}/{defense}", seed, attack, source)
        for model in board["models"]
        for defense in board["defenses"]
        for seed in config["seeds"]
        for source in dict.fromkeys([f"{model}/{defense}", *board.get("transfer_from", [])])
        for attack in board["attacks"]
    ]


def board_spec(name):
    about = {key: boards()[name][key] for key in ("name", "dataset", "norm", "epsilon") if key in boards()[name]}
    return {"board": about, "attempts": board_attempts(name)}


def attempt_files(dataset, attempts, name):
    """The file `name` of the attack behind each attempt, on its source."""
    pattern = f"<results>/attacks/{dataset}/{{source}}/{{seed}}/{{attack}}/{name}"
    return [pattern.format(**attempt | {"source": source_of(attempt)}) for attempt in attempts]


def attempt_evaluations(dataset, attempts):
    """The evaluations of the attempts with another victim's images."""
    return [f"<results>/{attempt_evaluation(dataset, one)}" for one in attempts if one["source"] is not None]


def attempt_evaluation(dataset, attempt):
    pattern = "evaluations/{dataset}/{model}/{defense}/{seed}/on/{source}/{seed}/{attack}.parquet"
    return pattern.format(dataset=dataset, **attempt)


def source_of(attempt):
    return attempt["source"] or "{model}/{defense}".format(**attempt)


def matrix_files(wildcards, name):
    return attempt_files(matrices()[wildcards.name]["dataset"], matrix_attempts(wildcards.name), name)


def matrix_evaluations(wildcards):
    return attempt_evaluations(matrices()[wildcards.name]["dataset"], matrix_attempts(wildcards.name))


def board_files(wildcards, name):
    return attempt_files(boards()[wildcards.name]["dataset"], board_attempts(wildcards.name), name)


def board_evaluations(wildcards):
    return attempt_evaluations(boards()[wildcards.name]["dataset"], board_attempts(wildcards.name))


def page_files(name):
    """Of every attempt of every board, board by board."""
    return [path for board in boards() for path in board_files(SimpleNamespace(name=board), name)]


def page_evaluations():
    return [path for board in boards() for path in board_evaluations(SimpleNamespace(name=board))]


def board_cells():
    """What the report says of all boards: data set, model and attack of each attempt."""
    return [{"dataset": board["dataset"], **one} for name, board in boards().items() for one in board_attempts(name)]


def named_entry(wildcards):
    """The matrix or board that a table or figure of `transfer` or `leaderboard` is about."""
    return {"transfer": matrices, "leaderboard": boards}[wildcards.study]()[wildcards.name]


def entry_labels(result, study, wildcards):
    """Labels of a table or figure of one matrix or board."""
    entry = named_entry(SimpleNamespace(study=study, name=wildcards.name))
    attacks = [entry["attack"]] if study == "transfer" else entry["attacks"]
    return {
        "result": result.format(name=wildcards.name),
        "data set": entry["dataset"],
        "model": ", ".join(entry["models"]),
        "attack": ", ".join(attacks),
    }


def heat_map_spec(wildcards):
    entry = named_entry(wildcards)
    budget = " ({norm} up to {epsilon})" if "norm" in entry else ""
    title = {
        "transfer": "Transfer of {attack} on {dataset}",
        "leaderboard": f"{{name}}: accuracy on {{dataset}}{budget}",
    }[wildcards.study]
    return {"study": wildcards.study, "title": title.format(**entry)}


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
    made = train_code if wildcards.defense in trained_defenses() else defend_code
    return files(split_code(wildcards), *splits) + files(made(wildcards), f"victims/{folder}/weights.safetensors")


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


def attempt_artefacts(dataset, attempts):
    """The attacks behind these attempts, and the evaluations of those with another victim's images."""
    found = []
    for one in attempts:
        model, defense = source_of(one).split("/")
        found += attack_artefacts(one | {"dataset": dataset, "model": model, "defense": defense})
        if one["source"] is not None:
            victim = {"dataset": dataset, **one}
            found += victim_artefacts(victim)
            found += files(evaluate_code(SimpleNamespace(**victim)), attempt_evaluation(dataset, one))
    return found


def transfer_artefacts():
    found = []
    for name, matrix in matrices().items():
        found += attempt_artefacts(matrix["dataset"], matrix_attempts(name))
        found += table_files(f"transfer/{name}", "scripts/tabulate_transfer.py")
        found += figure_files(f"transfer/{name}", "scripts/draw_heat_map.py")
    return found


def leaderboard_artefacts():
    found = files(code_digest("scripts/write_leaderboard_page.py"), "pages/leaderboard.html")
    for name, board in boards().items():
        found += attempt_artefacts(board["dataset"], board_attempts(name))
        found += table_files(f"leaderboard/{name}", "scripts/tabulate_leaderboard.py")
        found += figure_files(f"leaderboard/{name}", "scripts/draw_heat_map.py")
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
            found = defense_artefacts()
        case "transfer":
            found = transfer_artefacts()
        case "leaderboard":
            found = leaderboard_artefacts()
        case "detection":
            found = detection_artefacts()
    return list({artefact["path"]: artefact for artefact in found}.values())


def study_outputs(study):
    """What a study is made for: its tables and figures, and the measures of its victims and attacks; nothing if the
    config has no such study."""
    if study not in config["studies"]:
        return []
    paths = [artefact["path"] for artefact in study_artefacts(study)]
    rendered = [path for path in paths if path.startswith(("tables/", "figures/", "pages/"))]
    trained = [path for path in paths if path.startswith("victims/") and path.split("/")[3] in trained_defenses()]
    metrics = [path.replace("weights.safetensors", "metrics.json") for path in trained]
    summaries = [path.replace("records.parquet", "summary.json") for path in paths if path.endswith("records.parquet")]
    measured = [path for path in summaries if path.startswith("attacks/")]
    timings = [f"tables/minimal_speed.{ending}" for ending in ("csv", "md", "html")] if study == "minimal" else []
    return [f"<results>/{path}" for path in rendered + metrics + measured + timings]


def all_artefacts():
    found = [artefact for study in sorted(config["studies"]) for artefact in study_artefacts(study)]
    return list({artefact["path"]: artefact for artefact in found}.values())
