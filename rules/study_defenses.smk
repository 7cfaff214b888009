"""The study `defenses`: which attack is made on what, and read by whom."""


def defense_evaluations():
    return config["studies"].get("defenses", {"evaluations": []})["evaluations"]


def defense_evaluation(name):
    return next(entry for entry in defense_evaluations() if entry["name"] == name)


def is_repeated(entry, defense, attack):
    """Whether the victim has no filter and the attack is, but for what it sees of one, among the white-box attacks."""
    without = [
        {key: value for key, value in config["attacks"][name].items() if key != "filter_gradient"}
        for name in (attack, *entry.get("white_box", []))
    ]
    return (
        not filters(defense_entry(defense))
        and "filter_gradient" in config["attacks"][attack]
        and without[0] in without[1:]
    )


def defense_cells(entry):
    """Every victim of an evaluation under every attack, kind by kind."""
    return [
        {"dataset": entry["dataset"], "model": model, "defense": defense, "seed": seed, "kind": kind, "attack": attack}
        for model in entry["models"]
        for defense in entry["defenses"]
        for seed in config["seeds"]
        for kind in ("static", "white_box", "adaptive", "black_box")
        for attack in entry.get(kind, [])
        if not is_repeated(entry, defense, attack)
    ]


def evaluation_path(cell):
    pattern = "evaluations/{dataset}/{model}/{defense}/{seed}/on/{model}/none/{seed}/{attack}.parquet"
    return pattern.format(**cell)


def outcome_path(cell):
    """Where a cell's predictions are: an evaluation on the undefended victim's set, or the records of its own."""
    if cell["kind"] == "static":
        return evaluation_path(cell)
    return "attacks/{dataset}/{model}/{defense}/{seed}/{attack}/records.parquet".format(**cell)


def defense_outcomes(wildcards):
    return [f"<results>/{outcome_path(cell)}" for cell in defense_cells(defense_evaluation(wildcards.evaluation))]


def defense_table_spec(wildcards):
    entry = defense_evaluation(wildcards.evaluation)
    keys = ("model", "defense", "seed", "kind", "attack")
    return as_json(
        {
            "title": entry["title"],
            "dataset": entry["dataset"],
            "roles": entry.get("masking"),
            "cells": [{key: cell[key] for key in keys} for cell in defense_cells(entry)],
        }
    )


def defense_cell_artefacts(cell):
    victim = victim_artefacts(cell)
    curves = figure_files(
        "training/{dataset}/{model}/{defense}/{seed}".format(**cell), "scripts/draw_training_curves.py"
    )
    shown = curves if cell["defense"] in trained_defenses() else []
    if cell["kind"] != "static":
        return [*attack_artefacts(cell), *shown]
    evaluated = files(evaluate_code(SimpleNamespace(**cell)), evaluation_path(cell))
    return [*attack_artefacts(cell | {"defense": "none"}), *victim, *evaluated, *shown]


def example_artefacts(entry):
    """The figures of what the filters of an evaluation make of clean and of attacked images."""
    if "examples" not in entry:
        return []
    found = []
    for cell in defense_cells(
        entry | {"static": [entry["examples"]], "white_box": [], "adaptive": [], "black_box": []}
    ):
        if filters(defense_entry(cell["defense"])):
            found += attack_artefacts(cell | {"defense": "none"})
            name = "squeezed/{dataset}/{model}/{defense}/{seed}/{attack}".format(**cell)
            found += figure_files(name, "scripts/draw_squeezed.py")
    return found


def defense_artefacts():
    found = []
    for entry in defense_evaluations():
        found += [artefact for cell in defense_cells(entry) for artefact in defense_cell_artefacts(cell)]
        found += table_files(f"defenses_{entry['name']}", "scripts/tabulate_defenses.py")
        found += example_artefacts(entry)
    return found
