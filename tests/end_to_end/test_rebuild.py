"""Only what is outdated is rebuilt. Each case edits one thing in the finished demo and names what a run would make."""

import os
import re
import shutil

import pytest

MODELS = ("lenet", "MLP", "MLP_d", "MLP_bn", "CNN", "CNN_d", "CNN_bn", "B", "B_students", "C", "six_conv")
ZOO = ("MLP", "MLP_d", "MLP_bn", "CNN", "CNN_d", "CNN_bn")
MINIMAL_ATTACKS = ("dichotomy", "automatic", "deepfool")
DEFENSES = ("none", "adversarial_training", "feature_squeezing", "bit_depth_4")  # of the demo's `defenses`
BOARD_ZOO = ("MLP", "CNN", "CNN_bn")  # of the demo's matrix, and of one of its boards
FILTERED_ATTACKS = ("fgsm", "pgd", "pgd_huge", "pgd_adaptive")
DEFENDED_ATTACKS = (
    *((defense, name) for defense in DEFENSES for name in ("fgsm", "pgd", "pgd_huge")),
    *(("bit_depth_4", "pgd_adaptive"), ("feature_squeezing", "pgd_adaptive"), ("feature_squeezing", "deepfool")),
)
SQUEEZED_ATTACKS = (*FILTERED_ATTACKS, "deepfool")
BOARDS = ("digits_zoo", "digits_squeezed")
EXPLORED = ("tau-0.05", "tau-0.005", "kappa-0", "init-gaussian", "value_tolerance-0.01", "gradient_tolerance-0.001")
STADV = (
    *((model, name) for model in ("B", "C") for name in ("stadv", "stadv_grid")),
    *(("B", f"stadv_fixed-{name}") for name in EXPLORED),
)
STADV_RESULTS = ("stadv_explorations", "stadv_post_mortem")
TABLES = (
    *("fgsm_sweep", "stadv_accuracy", "stadv_success", *STADV_RESULTS),
    *("minimal_accuracy", "minimal_attacks", "defenses_r3"),
)


def files(stem, *endings):
    return {f"{stem}.{ending}" for ending in endings}


def victim(model, defense="none"):
    folder = f"victims/digits/{model}/{defense}/0"
    return trained(model, defense) | {f"{folder}/metrics.json"}


def trained(model, defense="none"):
    folder = f"victims/digits/{model}/{defense}/0"
    return {f"{folder}/{name}" for name in ("weights.safetensors", "history.csv", "training.json")}


def attack(model, name, defense="none"):
    folder = f"attacks/digits/{model}/{defense}/0/{name}"
    return attacked(model, name, defense) | {f"{folder}/summary.json"}


def attacked(model, name, defense="none"):
    folder = f"attacks/digits/{model}/{defense}/0/{name}"
    return {f"{folder}/{file}" for file in ("adversarial.safetensors", "records.parquet", "run.json")}


def table(name):
    return files(f"tables/{name}", "csv", "md", "html")


# Made of everything, so outdated by anything.
MANIFEST = {"manifest.json"} | table("times")


def figure(name):
    return files(f"figures/{name}", "png", "pdf")


def static(name):
    return {f"evaluations/digits/six_conv/{defense}/0/on/six_conv/none/0/{name}.parquet" for defense in DEFENSES}


def squeezed(defense):
    """Examples of FGSM before and after a filter."""
    made = figure(f"squeezed/digits/six_conv/{defense}/0/fgsm")
    return made | {f"evaluations/digits/six_conv/{defense}/0/squeezed/fgsm.safetensors"}


def minimal(*changed):
    """What the study `minimal` shows of its attacks, and the changed ones: (model, attack)."""
    made = {path for model, name in changed for path in attack(model, name)}
    return made | table("minimal_attacks") | table("minimal_speed") | figure("minimal_security")


def transfer(*victims):
    """The matrix of the study `transfer`, and its evaluations from or to these victims."""
    pairs = [(target, source) for target in BOARD_ZOO for source in BOARD_ZOO if target != source]
    evaluated = {
        f"evaluations/digits/{target}/none/0/on/{source}/none/0/deepfool.parquet"
        for target, source in pairs
        if target in victims or source in victims
    }
    return evaluated | table("transfer/digits_zoo") | figure("transfer/digits_zoo")


def leaderboard(*boards):
    shown = {path for name in boards for make in (table, figure) for path in make(f"leaderboard/{name}")}
    return shown | {"pages/leaderboard.html"}


def detection(*scored):
    """The study `detection`, and its scores of these: attacks, or `clean`."""
    folder = "evaluations/digits/CNN/none/0/detection/joint_mnist"
    scores = {f"{folder}/clean.parquet" if name == "clean" else f"{folder}/on/{name}.parquet" for name in scored}
    return scores | table("detection") | figure("detection")


def stadv_images():
    """The figures that show images of stAdv."""
    shown = (("attack_sheet", "stadv"), ("flow", "stadv"), ("target_grid", "stadv_grid"))
    return {
        path for kind, name in shown for model in ("B", "C") for path in figure(f"{kind}/digits/{model}/none/0/{name}")
    }


RATE = "arguments: { dropout: 0.3 }\n    training: { epochs: 15, learning_rate: "

CASES = {
    "a figure's module redraws that figure alone": (
        ("foolflow/figures/accuracy_curve.py", 'loc="upper center"', 'loc="lower center"'),
        figure("fgsm_sweep") | MANIFEST,
    ),
    "DeepFool's module remakes its sets and what depends on them, and trains nothing": (
        ("foolflow/attacks/deepfool.py", "NUDGE = 1e-4", "NUDGE = 2e-4"),
        attack("six_conv", "deepfool")
        | static("deepfool")
        | table("defenses_r3")
        | minimal(*((model, "deepfool") for model in ZOO))
        | attack("six_conv", "deepfool", "feature_squeezing")  # which the leaderboard alone wants
        | transfer(*BOARD_ZOO)
        | leaderboard(*BOARDS)
        | detection("deepfool")
        | MANIFEST,
    ),
    "stAdv's module remakes its sets and what shows them, and not what the students ran": (
        ("foolflow/attacks/stadv.py", "SHIFT = 2.0", "SHIFT = 1.0"),
        {path for model, name in STADV for path in attack(model, name)}
        | {path for name in ("stadv_success", *STADV_RESULTS) for path in table(name)}
        | {path for name in STADV_RESULTS for path in figure(name)}
        | stadv_images()
        | MANIFEST,
    ),
    "how arrows are drawn": (
        ("foolflow/figures/flow_arrows.py", "SHORTEST = 0.05", "SHORTEST = 0.1"),
        {path for path in stadv_images() if "/flow/" in path} | MANIFEST,
    ),
    "a model's learning rate retrains that model alone": (
        ("config.yaml", RATE + "0.002", RATE + "0.003"),
        victim("MLP_d")
        | table("minimal_accuracy")
        | figure("minimal_accuracy")
        | minimal(*(("MLP_d", name) for name in MINIMAL_ATTACKS))
        | MANIFEST,
    ),
    "a model's module retrains the models of that module": (
        ("foolflow/models/mlp.py", "widths: Sequence[int] = (512, 512)", "widths: Sequence[int] = (512, 256)"),
        victim("MLP")
        | victim("MLP_d")
        | victim("MLP_bn")
        | table("minimal_accuracy")
        | figure("minimal_accuracy")
        | minimal(*((model, name) for model in ("MLP", "MLP_d", "MLP_bn") for name in MINIMAL_ATTACKS))
        | transfer("MLP")
        | leaderboard("digits_zoo")
        | MANIFEST,
    ),
    "a defense's module retrains what is defended": (
        ("foolflow/defenses/median_filter.py", "median_blur(padded, size)", "median_blur(padded, (size, size))"),
        victim("six_conv", "feature_squeezing")
        | {path for name in ("deepfool", "fgsm") for path in static(name) if "feature_squeezing" in path}
        | {path for name in SQUEEZED_ATTACKS for path in attack("six_conv", name, "feature_squeezing")}
        | squeezed("feature_squeezing")
        | attack("CNN", "pgd_undetected_mnist")  # it and the detector squeeze by a median, too
        | detection("clean", "deepfool", "fgsm_mnist", "pgd_undetected_mnist")
        | table("defenses_r3")
        | figure("training/digits/six_conv/feature_squeezing/0")
        | leaderboard("digits_squeezed")
        | MANIFEST,
    ),
    "a defense that acts at test alone trains nothing": (
        ("foolflow/defenses/bit_depth.py", "steps = 2**bits - 1", "steps = 2**bits"),
        trained("six_conv", "bit_depth_4")
        | {path for name in ("deepfool", "fgsm") for path in static(name) if "bit_depth_4" in path}
        | {path for name in FILTERED_ATTACKS for path in attack("six_conv", name, "bit_depth_4")}
        | squeezed("bit_depth_4")
        | attack("CNN", "pgd_undetected_mnist")
        | detection("clean", "deepfool", "fgsm_mnist", "pgd_undetected_mnist")
        | table("defenses_r3")
        | MANIFEST,
    ),
    "an attack's parameter remakes that attack": (
        ("config.yaml", "parameters: { epsilon: 0.1 }", "parameters: { epsilon: 0.2 }"),
        {path for defense in DEFENSES for path in attack("six_conv", "fgsm", defense)}
        | static("fgsm")
        | squeezed("feature_squeezing")
        | squeezed("bit_depth_4")
        | table("defenses_r3")
        | MANIFEST,
    ),
    "a published number remakes the tables that show it": (
        ("reference/r2_minimal.yaml", "train: 98.70", "train: 98.71"),
        table("minimal_accuracy") | figure("minimal_accuracy") | MANIFEST,
    ),
    "the paired test concerns the tables that have it": (
        ("foolflow/statistics/paired.py", "exact=True", "exact=False"),
        table("fgsm_sweep") | figure("fgsm_sweep") | table("defenses_r3") | leaderboard(*BOARDS) | MANIFEST,
    ),
    "the template of the page concerns the page": (
        ("foolflow/pages/leaderboard.html", "<h1>Leaderboard</h1>", "<h1>The leaderboard</h1>"),
        leaderboard() | MANIFEST,
    ),
    "a board's budget concerns that board": (
        ("profiles/demo/workflow.yaml", "epsilon: 1.5", "epsilon: 1.0"),
        leaderboard("digits_zoo") | MANIFEST,
    ),
    "how one image's perturbation is drawn": (
        ("foolflow/figures/perturbation.py", 'cmap="RdBu_r"', 'cmap="PuOr"'),
        figure("minimal/CNN/7") | MANIFEST,
    ),
    "how intervals are computed concerns what measures, and nothing that trains or attacks": (
        ("foolflow/statistics/intervals.py", 'method="wilson"', 'method="exact"'),
        {f"victims/digits/{name}/none/0/metrics.json" for name in MODELS}
        | {f"victims/digits/six_conv/{name}/0/metrics.json" for name in ("feature_squeezing", "adversarial_training")}
        | {
            f"attacks/digits/{name}/summary.json"
            for name in ("lenet/none/0/fgsm_sweep", "six_conv/none/0/deepfool", "six_conv/none/0/fgsm")
        }
        | {f"attacks/digits/{model}/none/0/{name}/summary.json" for model in ZOO for name in MINIMAL_ATTACKS}
        | {
            f"attacks/digits/{model}/none/0/{name}/summary.json"
            for model, name in (*STADV, ("B_students", "students"), ("B_students", "students_best"))
        }
        | {path for name in TABLES for path in table(name)}
        | {f"attacks/digits/six_conv/{defense}/0/{name}/summary.json" for defense, name in DEFENDED_ATTACKS}
        | {f"attacks/digits/CNN/none/0/{name}/summary.json" for name in ("fgsm_mnist", "pgd_undetected_mnist")}
        | transfer()
        | leaderboard(*BOARDS)
        | detection()
        | {
            path
            for name in ("fgsm_sweep", "stadv_accuracy", "minimal_accuracy", "minimal_security", *STADV_RESULTS)
            for path in figure(name)
        }
        | MANIFEST,
    ),
    "how another source is read": (
        ("foolflow/data/readers/folder.py", "Resampling.BILINEAR", "Resampling.BICUBIC"),
        set(),
    ),
    "how files are fetched, since their checksums are known": (
        ("foolflow/data/fetch.py", "cannot download", "could not download"),
        set(),
    ),
    "another attack": (
        ("foolflow/attacks/peers/art.py", 'MODULE = "art.attacks.evasion"', 'MODULE = "art.attacks"'),
        set(),
    ),
    "a comment and a docstring": (
        ("foolflow/training/loop.py", '"""One training loop for every victim."""', '"""One loop."""  # and a comment'),
        set(),
    ),
    "the order of the keys in the config": (
        ("config.yaml", "epochs: 20, learning_rate: 0.004", "learning_rate: 0.004, epochs: 20"),
        set(),
    ),
    "the number of threads and the memory of a rule": (
        ("rules/train.smk", "more_each_attempt(4000)", "more_each_attempt(5000)"),
        set(),
    ),
    "a caption of the report": (
        ("report/fgsm_sweep.rst", "Accuracy on the test split", "Accuracy"),
        set(),
    ),
}


@pytest.mark.parametrize(("edit", "expected"), CASES.values(), ids=CASES)
def test_an_edit_outdates_what_it_concerns_and_nothing_else(demo, edit, expected):
    with demo.edited(*edit):
        assert demo.outdated() == expected
    assert demo.outdated() == set()


def test_two_values_that_trade_places_are_a_change(demo):
    """Snakemake compares params as a set of values: the names have to be part of the value."""
    old = "learning_rate: 0.001, schedule: one_cycle, weight_decay: 0.05"
    new = "learning_rate: 0.05, schedule: one_cycle, weight_decay: 0.001"
    with demo.edited("config.yaml", old, new):
        assert victim("MLP") <= demo.outdated()


def test_touching_every_file_outdates_nothing(demo):
    for folder in ("foolflow", "scripts", "rules", "reference", "schemas", "report"):
        for path in (demo.folder / folder).rglob("*"):
            os.utime(path)
    for name in ("config.yaml", "Snakefile"):
        os.utime(demo.folder / name)
    assert demo.outdated() == set()


def test_another_branch_and_back_outdates_nothing(demo, tmp_path):
    """What `git checkout` does: other content, then the first content again, all with new times."""
    kept = tmp_path / "foolflow"
    shutil.copytree(demo.folder / "foolflow", kept)
    for path in (demo.folder / "foolflow").rglob("*.py"):
        path.write_text(path.read_text() + "\nOTHER_BRANCH = True\n")
    assert len(demo.outdated()) > 60
    shutil.rmtree(demo.folder / "foolflow")
    shutil.copytree(kept, demo.folder / "foolflow", copy_function=shutil.copy)
    assert demo.outdated() == set()


@pytest.mark.parametrize(
    ("deleted", "together"),
    [
        ("victims/digits/lenet/none/0/weights.safetensors", trained("lenet")),
        ("attacks/digits/lenet/none/0/fgsm_sweep/records.parquet", attacked("lenet", "fgsm_sweep")),
        ("tables/fgsm_sweep.csv", table("fgsm_sweep")),
    ],
)
def test_a_deleted_intermediate_is_made_again_alone(demo, deleted, together):
    path = demo.results / deleted
    before = path.read_bytes()
    path.unlink()
    target = f"results/demo/{deleted}"
    assert demo.outdated(target) == together
    demo.snakemake("--cores", "2", target)
    assert path.read_bytes() == before
    assert demo.outdated() == set()


@pytest.mark.parametrize("leaf", ["tables/fgsm_sweep.html", "figures/fgsm_sweep.pdf", "tables/stadv_accuracy.md"])
def test_a_deleted_table_or_figure_is_made_again_by_a_plain_run(demo, leaf):
    (demo.results / leaf).unlink()
    stem = leaf.rpartition(".")[0]
    outdated = demo.outdated()
    assert leaf in outdated
    assert {path for path in outdated if not path.startswith(stem)} <= MANIFEST | figure("fgsm_sweep") | figure(
        "stadv_accuracy"
    )
    demo.snakemake("--cores", "2")
    assert demo.outdated() == set()


def test_a_single_figure_needs_only_what_it_is_made_of(fresh):
    made = fresh.outdated("results/demo/figures/fgsm_sweep.png")
    assert made == (
        {f"data/digits/{part}.safetensors" for part in ("train", "val", "test")}
        | trained("lenet")
        | attacked("lenet", "fgsm_sweep")
        | {"datasets/digits/lenet/none/0/fgsm_sweep/0.25"}
        | {"evaluations/digits/lenet/none/0/modified/fgsm_sweep/0.25.json"}
        | table("fgsm_sweep")
        | figure("fgsm_sweep")
    )


@pytest.mark.parametrize("study", ["fgsm_sweep", "stadv", "minimal", "defenses", "transfer", "leaderboard"])
def test_each_study_is_a_target_with_a_line_of_what_it_is(fresh, study):
    assert fresh.outdated(study)
    listed = fresh.snakemake("--list-target-rules").stdout
    assert re.search(rf"^{study} \(\w", listed, re.MULTILINE)
