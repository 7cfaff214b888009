"""Only what is outdated is rebuilt. Each case edits one thing in the finished demo and names what a run would make."""

import os
import re
import shutil
from contextlib import ExitStack

import pytest

from tests.end_to_end.conftest import copy_project

ZOO = ("MLP", "MLP_d", "MLP_bn", "CNN", "CNN_d", "CNN_bn")
MINIMAL_ATTACKS = ("dichotomy", "automatic", "deepfool")
# Sets of the comparisons of `minimal` besides those: (model, attack, defense).
COMPARED = (
    *(("MLP", name) for name in ("dichotomy_200", "automatic_200", "automatic_published", "fixed_norm")),
    *((model, name) for model in ("MLP", "CNN") for name in ("dichotomy_linf", "deepfool_linf")),
    *(("MLP", name, "pgd_training") for name in ("dichotomy", "deepfool")),
)
# Those of the comparison of `fgsm_sweep`.
WAYS = (
    *(("lenet", name) for name in ("fgsm_any", "fgsm_targeted", "square_any", "rotated", "stretched")),
    ("CNN", "fgsm_any"),
)
PLANNED = ("noise", "pgd_margin", "minimal_linf")  # of the demo's `robustness`
DEFENSES = ("none", "adversarial_training", "feature_squeezing", "bit_depth_4")  # of the demo's `defenses`
BOARD_ZOO = ("MLP", "CNN", "CNN_bn")  # of the demo's matrix, and of one of its boards
BOARDS = ("leaderboard/digits_zoo", "leaderboard/digits_squeezed")
DEFENDED_ATTACKS = ("deepfool", "fgsm", "pgd", "pgd_huge", "pgd_adaptive")
EXPLORED = (
    *("tau-0.05", "tau-0.005", "kappa-0", "init-gaussian", "solver-adam"),
    *("value_tolerance-0.01", "gradient_tolerance-0.001"),
)
STADV = (
    *((model, name) for model in ("B", "C") for name in ("stadv", "stadv_grid")),
    *(("B", f"stadv_fixed-{name}") for name in EXPLORED),
)
STADV_RESULTS = ("stadv_accuracy", "stadv_explorations", "stadv_post_mortem")

# By study: one job makes all its tables, one all its figures.
TABLES = {
    "robustness": ("robustness",),
    "fgsm_sweep": ("fgsm_sweep", "fgsm_sweep_ways"),
    "stadv": (*STADV_RESULTS, "stadv_success"),
    "minimal": tuple(
        f"minimal_{name}" for name in ("accuracy", "attacks", "speed", "published", "linf", "protected", "fixed_norm")
    ),
    "defenses": ("defenses_r3", "defenses_cost_r3", "defenses_distances_r3", "strengths_r3"),
    "detection": ("detection",),
    "transfer": ("transfer/digits_zoo",),
    "leaderboard": BOARDS,
}
FIGURES = {
    "robustness": ("robustness/lenet/none/0",),
    "fgsm_sweep": ("fgsm_sweep", "fgsm_sweep_ways", "samples/digits/lenet/none/0/fgsm_sweep"),
    "stadv": (
        *STADV_RESULTS,
        "stadv_flow_budget",
        *(
            f"{kind}/digits/{model}/none/0/{name}"
            for kind, name in (("attack_sheet", "stadv"), ("flow", "stadv"), ("target_grid", "stadv_grid"))
            for model in ("B", "C")
        ),
    ),
    "minimal": ("minimal_accuracy", "minimal_security"),
    "defenses": (
        *(f"training/digits/six_conv/{defense}/0" for defense in DEFENSES if defense != "bit_depth_4"),
        *(f"squeezed/digits/six_conv/{defense}/0/fgsm" for defense in ("feature_squeezing", "bit_depth_4")),
        "strengths_r3/six_conv/0",
    ),
    "detection": ("detection",),
    "transfer": ("transfer/digits_zoo",),
    "leaderboard": BOARDS,
}
JUDGES = {
    "robustness": ("lenet/none",),
    "fgsm_sweep": ("lenet/none",),
    "stadv": ("B/none", "B_students/none", "C/none"),
    "minimal": (*(f"{model}/none" for model in ZOO), "MLP/pgd_training"),
    "defenses": tuple(f"six_conv/{defense}" for defense in (*DEFENSES, "bit_depth_2")),
    "detection": ("CNN/none",),  # for the page
    "transfer": tuple(f"{model}/none" for model in BOARD_ZOO),
    "leaderboard": (*(f"{model}/none" for model in BOARD_ZOO), "six_conv/none", "six_conv/feature_squeezing"),
}


def files(stem, *endings):
    return {f"{stem}.{ending}" for ending in endings}


def recorded(job, *outputs):
    """The outputs of a job, and the record of what produced them."""
    return {*outputs, f"provenance/{job}.json"}


def split():
    return recorded("data/digits/splits", *(f"data/digits/{part}.safetensors" for part in ("train", "val", "test")))


def trained(model, defense="none"):
    folder = f"victims/digits/{model}/{defense}/0"
    made = (f"{folder}/{name}" for name in ("weights.safetensors", "history.csv", "training.json"))
    return recorded(folder, *made)


def attack(model, name, defense="none"):
    folder = f"attacks/digits/{model}/{defense}/0/{name}"
    return recorded(folder, f"{folder}/adversarial.safetensors", f"{folder}/run.json")


def judgements(study, *victims):
    """Of the judges of a study (model/defense), all or some."""
    folders = [f"judgements/{study}/digits/{victim}/0" for victim in victims or JUDGES[study]]
    return {
        path for folder in folders for path in recorded(folder, f"{folder}/records.parquet", f"{folder}/accuracy.json")
    }


def tables(study):
    made = (path for name in TABLES[study] for path in files(f"tables/{name}", "csv", "md", "html", "json"))
    return recorded(f"tables/{study}", *made)


def figures(study):
    made = (path for name in FIGURES[study] for path in figure(name))
    return recorded(f"figures/{study}", *made)


def figure(name):
    return files(f"figures/{name}", "png", "pdf")


def shown(*studies):
    """The tables of studies, and the figures that are drawn from the tables or from the same judgements."""
    return {path for study in studies for make in (tables, figures) for path in make(study)}


def perturbation():
    return recorded("figures/minimal/CNN/7", *figure("minimal/CNN/7"))


def squeezed():
    """Examples of FGSM before and after each filter."""
    examples = "evaluations/squeezed/r3/six_conv/0"
    return recorded(examples, f"{examples}.safetensors")


def inspected():
    """The clean accuracy and the warnings of the victim of `robustness`."""
    inspection = "robustness/digits/lenet/none/0/inspection"
    return recorded(inspection, f"{inspection}.json")


def plan():
    """How many images each attack of `robustness` gets."""
    folder = "robustness/digits/lenet/none/0"
    return recorded(f"{folder}/plan", f"{folder}/plan.json", *(f"{folder}/images/{name}.json" for name in PLANNED))


def scores():
    """What the detector makes of the clean images and of every attack."""
    scored = "evaluations/digits/CNN/none/0/detection/joint_mnist"
    return recorded(scored, f"{scored}.parquet")


def modified():
    """The data set that R4 modifies, and the victim's accuracy on it."""
    exported = "datasets/digits/lenet/none/0/fgsm_sweep/0.25"
    return recorded(exported, exported) | measured()


def measured():
    """The victim's accuracy on the modified data set."""
    accuracy = "evaluations/digits/lenet/none/0/modified/fgsm_sweep/0.25"
    return recorded(accuracy, f"{accuracy}.json")


def each(make, *names):
    """What `make` makes of every name."""
    return {path for name in names for path in make(*((name,) if isinstance(name, str) else name))}


PAGE = recorded("page", "index.html")
# Made of everything, so outdated by anything.
MANIFEST = {"manifest.json"} | recorded("tables/times", *files("tables/times", "csv", "md", "html", "json")) | PAGE

RATE = "arguments: { dropout: 0.3 }\n    training: "

CASES = {
    "a figure's module redraws the figures of its study alone": (
        ("foolflow/figures/accuracy_curve.py", 'loc="upper center"', 'loc="lower center"'),
        figures("fgsm_sweep") | MANIFEST,
    ),
    "a table's module remakes the tables of its study, and the figures that are drawn from them": (
        ("foolflow/tables/explorations.py", '"its 95 % interval"', '"95 % interval of the median"'),
        shown("stadv") | MANIFEST,
    ),
    "DeepFool's module remakes its sets and what depends on them, and trains nothing": (
        ("foolflow/attacks/deepfool.py", "NUDGE = 2.0", "NUDGE = 3.0"),
        each(attack, *((model, "deepfool") for model in ZOO))
        | each(attack, *(one for one in COMPARED if one[1].startswith("deepfool")))
        | each(attack, *(("six_conv", "deepfool", defense) for defense in DEFENSES))
        | each(judgements, "minimal", "detection", "transfer", "leaderboard")
        | judgements("defenses", *(f"six_conv/{defense}" for defense in DEFENSES))
        | scores()
        | shown("defenses", "minimal", "detection", "transfer", "leaderboard")
        | perturbation()
        | MANIFEST,
    ),
    "stAdv's module remakes its sets and what shows them, and not what the students ran": (
        ("foolflow/attacks/stadv.py", "START = 2.0", "START = 1.0"),
        each(attack, *STADV) | judgements("stadv", "B/none", "C/none") | shown("stadv") | MANIFEST,
    ),
    "how an image is judged concerns every judgement and what shows it, and no attack": (
        ("foolflow/attacks/judging.py", "(images * 255).round()", "(255 * images).round()"),
        each(judgements, *JUDGES)
        | measured()
        | inspected()
        | scores()
        | squeezed()
        | shown(*TABLES)
        | perturbation()
        | MANIFEST,
    ),
    "the estimated costs choose how many images fit a budget": (
        ("foolflow/jobs/costs.py", "UNKNOWN = Cost(100, 100, 1000, 1000)", "UNKNOWN = Cost(100, 100, 2000, 2000)"),
        plan()
        | each(attack, *(("lenet", f"robustness-{name}") for name in PLANNED))
        | judgements("robustness")
        | shown("robustness")
        | MANIFEST,
    ),
    "how arrows are drawn": (
        ("foolflow/figures/flow_arrows.py", "SHORTEST = 0.05", "SHORTEST = 0.1"),
        figures("stadv") | MANIFEST,
    ),
    "a model's learning rate retrains that model alone": (
        ("config.yaml", RATE + "*zoo", RATE + "{ <<: *zoo, learning_rate: 0.004 }"),
        trained("MLP_d")
        | each(attack, *(("MLP_d", name) for name in MINIMAL_ATTACKS))
        | judgements("minimal", "MLP_d/none")
        | shown("minimal")
        | MANIFEST,
    ),
    "a model's module retrains the models of that module": (
        ("foolflow/models/mlp.py", "widths: Sequence[int] = (512, 512)", "widths: Sequence[int] = (512, 256)"),
        each(trained, "MLP", "MLP_d", "MLP_bn")
        | each(attack, *((model, name) for model in ("MLP", "MLP_d", "MLP_bn") for name in MINIMAL_ATTACKS))
        | trained("MLP", "pgd_training")
        | each(attack, *(one for one in COMPARED if one[0] == "MLP"))
        | judgements("minimal", "MLP/none", "MLP_d/none", "MLP_bn/none", "MLP/pgd_training")
        | judgements("transfer")  # each judges the images that were made on MLP
        | judgements("leaderboard", "MLP/none")
        | shown("minimal", "transfer", "leaderboard")
        | MANIFEST,
    ),
    "a defense's module retrains what is defended": (
        ("foolflow/defenses/median_filter.py", "median_blur(padded, size)", "median_blur(padded, (size, size))"),
        trained("six_conv", "feature_squeezing")
        | each(attack, *(("six_conv", name, "feature_squeezing") for name in DEFENDED_ATTACKS))
        | judgements("defenses", "six_conv/feature_squeezing")
        | judgements("leaderboard", "six_conv/feature_squeezing")
        | squeezed()
        | attack("CNN", "pgd_undetected_mnist")  # it and the detector squeeze by a median, too
        | judgements("detection")
        | scores()
        | shown("defenses", "detection", "leaderboard")
        | MANIFEST,
    ),
    "a defense that acts at test alone trains nothing": (
        ("foolflow/defenses/bit_depth.py", "steps = 2**bits - 1", "steps = 2**bits"),
        each(attack, *(("six_conv", name, "bit_depth_4") for name in DEFENDED_ATTACKS))
        | judgements("defenses", "six_conv/bit_depth_4", "six_conv/bit_depth_2")
        | squeezed()
        | attack("CNN", "pgd_undetected_mnist")
        | judgements("detection")
        | scores()
        | shown("defenses", "detection")
        | MANIFEST,
    ),
    "an attack's parameter remakes that attack": (
        ("config.yaml", "parameters: { epsilon: 0.1 }", "parameters: { epsilon: 0.2 }"),
        each(attack, *(("six_conv", "fgsm", defense) for defense in DEFENSES))
        | judgements("defenses")
        | squeezed()
        | shown("defenses")
        | MANIFEST,
    ),
    "a published number remakes the tables that show it": (
        ("reference/r2_minimal.yaml", "train: 98.70", "train: 98.71"),
        shown("minimal") | MANIFEST,
    ),
    "the paired test concerns the tables that have it": (
        ("foolflow/statistics/paired.py", "exact=True", "exact=False"),
        tables("robustness") | shown("fgsm_sweep", "minimal", "leaderboard", "defenses") | MANIFEST,
    ),
    "the style of the page concerns the page": (
        ("foolflow/pages/templates/page.css", "--ground: #fff;", "--ground: #fefefe;"),
        PAGE,
    ),
    "what the page explains concerns the page": (
        ("foolflow/pages/words.py", "1 means equal", "1 means the same"),
        PAGE,
    ),
    "the size of the page": (
        ("profiles/demo/workflow.yaml", "megabytes: 3", "megabytes: 2"),
        PAGE,
    ),
    "a board's budget concerns the boards": (
        ("profiles/demo/workflow.yaml", "epsilon: 1.5", "epsilon: 1.0"),
        shown("leaderboard") | MANIFEST,
    ),
    "how one image's perturbation is drawn": (
        ("foolflow/figures/perturbation.py", 'cmap="RdBu_r"', 'cmap="PuOr"'),
        perturbation() | MANIFEST,
    ),
    "how intervals are computed concerns what is shown, and nothing that trains, attacks or judges": (
        ("foolflow/statistics/intervals.py", 'method="wilson"', 'method="exact"'),
        tables("robustness")
        | shown("fgsm_sweep", "stadv", "minimal", "detection", "transfer", "leaderboard", "defenses")
        | MANIFEST,
    ),
    "a caption concerns the page that shows it": (
        ("report/fgsm_sweep.rst", "Accuracy on the test split", "Accuracy"),
        PAGE,
    ),
}

# Edits that change no result of the demo.
INERT = {
    "how another source is read": ("foolflow/data/pixels.py", "Resampling.BILINEAR", "Resampling.BICUBIC"),
    "how files are fetched, since their checksums are known": (
        "foolflow/data/fetch.py",
        "cannot download",
        "could not download",
    ),
    "another attack": ("foolflow/attacks/peers/art.py", 'MODULE = "art.attacks.evasion"', 'MODULE = "art.attacks"'),
    "a comment and a docstring": (
        "foolflow/training/loop.py",
        '"""One training loop for every victim."""',
        '"""One loop."""  # and a comment',
    ),
    "the order of the keys in the config": (
        "config.yaml",
        "epochs: 20, learning_rate: 0.004",
        "learning_rate: 0.004, epochs: 20",
    ),
    "the number of threads and the memory of a rule": (
        "rules/victims.smk",
        "more_each_attempt(4000)",
        "more_each_attempt(5000)",
    ),
    "how a job is started": ("scripts/__main__.py", "sys.argv[1] not in programs", "not sys.argv[1] in programs"),
}


@pytest.mark.parametrize(("edit", "expected"), CASES.values(), ids=CASES)
def test_an_edit_outdates_what_it_concerns_and_nothing_else(demo, edit, expected):
    with demo.edited(*edit):
        assert demo.outdated() == expected


def test_edits_that_concern_no_result_outdate_nothing(demo):
    with ExitStack() as stack:
        for edit in INERT.values():
            stack.enter_context(demo.edited(*edit))
        for path in (demo.folder / "foolflow/jobs").glob("*.py"):  # how jobs run
            if path.name != "costs.py":  # the estimated costs depend on it: see the case above
                text, file = path.read_text(), path.relative_to(demo.folder).as_posix()
                stack.enter_context(demo.edited(file, text, f"{text}\nADDED = 1  # and a comment\n"))
        assert demo.outdated() == set()


def test_two_values_that_trade_places_are_a_change(demo):
    """Snakemake compares params as a set of values: the names have to be part of the value."""
    old = "learning_rate: 0.003\n      schedule: one_cycle\n      weight_decay: 0.01"
    new = "learning_rate: 0.01\n      schedule: one_cycle\n      weight_decay: 0.003"
    with demo.edited("config.yaml", old, new):
        assert trained("MLP") <= demo.outdated()


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


# One file of each kind, none of which depends on another, with what its job makes together with it.
DELETED = {
    "victims/digits/MLP_d/none/0/weights.safetensors": trained("MLP_d"),
    "attacks/digits/MLP_bn/none/0/deepfool/adversarial.safetensors": attack("MLP_bn", "deepfool"),
    "judgements/transfer/digits/CNN_bn/none/0/records.parquet": judgements("transfer", "CNN_bn/none"),
    "tables/detection.csv": tables("detection"),
}


def contents(project, paths):
    return {path: (project.results / path).read_bytes() for path in paths}


def deleted(project, paths):
    """Delete these files of the results, and return their contents."""
    before = contents(project, paths)
    for path in paths:
        (project.results / path).unlink()
    return before


def test_deleted_files_are_made_again_alone(demo):
    """First those that are asked for, some of which others were made from; then tables and figures by a plain run."""
    before = deleted(demo, DELETED)
    targets = [f"results/demo/{path}" for path in DELETED]
    assert demo.outdated(*targets) == set().union(*DELETED.values())
    demo.snakemake("--cores", "2", *targets)
    assert contents(demo, DELETED) == before

    leaves = ("tables/fgsm_sweep.html", "figures/fgsm_sweep.pdf", "tables/stadv_accuracy.md")
    before = deleted(demo, leaves)
    outdated = demo.outdated()  # nothing of the studies above, whose files are as they were
    assert set(leaves) <= outdated <= shown("fgsm_sweep", "stadv") | MANIFEST
    demo.snakemake("--cores", "2")
    assert contents(demo, leaves) == before
    assert demo.outdated() == set()


@pytest.fixture(scope="module")
def planned(root, tmp_path_factory):
    """A copy of the project in which nothing is made."""
    return copy_project(root, tmp_path_factory.mktemp("planned") / "foolflow")


def test_a_single_figure_needs_only_what_it_is_made_of(planned):
    made = planned.outdated("results/demo/figures/fgsm_sweep.png")
    assert made == (
        split()
        | each(trained, "lenet", "CNN")
        | each(attack, *WAYS)
        | attack("lenet", "fgsm_sweep")
        | attack("lenet", "noise_sweep")
        | judgements("fgsm_sweep")
        | modified()
        | shown("fgsm_sweep")
    )


def test_each_study_is_a_target_that_makes_its_tables_and_figures(planned):
    assert shown(*TABLES) <= planned.outdated(*TABLES)


def test_each_study_is_listed_with_a_line_of_what_it_is(planned):
    listed = planned.snakemake("--list-target-rules").stdout
    described = set(re.findall(r"^(\w+) \(\w", listed, re.MULTILINE))
    assert set(TABLES) <= described
