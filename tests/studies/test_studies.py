"""The cells, tables and figures of the studies with the shipped configs."""

import copy
import importlib
import json
import runpy
import shlex

import pytest
import yaml

from foolflow.data.cells import VICTIM, model_and_defense, source_of
from foolflow.studies import defenses, leaderboard
from foolflow.studies.cells import seeds_of, sets_of, study_seeds, victims_of
from foolflow.studies.robustness import robustness_attacks
from foolflow.studies.stadv import explored_attacks
from foolflow.workflow.commands import as_spec
from foolflow.workflow.config.defaults import with_defaults
from foolflow.workflow.config.numbers import with_numbers
from tests.conftest import ROOT

STUDIES = sorted(
    path.stem for path in (ROOT / "rules").glob("*.smk") if (ROOT / f"foolflow/studies/{path.stem}.py").exists()
)
REFERENCES = {
    "fgsm_sweep": "r4_fgsm_sweep",
    "minimal": "r2_minimal",
    "stadv": "r1_stadv",
    "defenses": "r3_defenses",
    "detection": "xu2017_detection",
}
KINDS = {"tables": "foolflow.tables", "figures": "foolflow.figures"}


def merged(below, above):
    """Merge two configs as Snakemake does: mappings are merged, other values are replaced."""
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {key: merged(below.get(key), value) for key, value in above.items()}
    return above


def config_with(*overlays):
    found = {}
    for file in ("config.yaml", *overlays):
        found = merged(found, yaml.safe_load((ROOT / file).read_text(encoding="utf-8")))
    found = with_defaults(with_numbers(found))
    return found | {"attacks": found["attacks"] | explored_attacks(found) | robustness_attacks(found)}


@pytest.fixture(scope="module", params=[(), ("profiles/demo/workflow.yaml",)], ids=["shipped", "demo"])
def config(request):
    return config_with(*request.param)


SUPPLIED = {"torchvision": "resnet18", "weights": "resnet18.pth"}


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_may_have_seeds_of_its_own(study):
    config = config_with()
    config["studies"][study]["seeds"] = [3, 5]
    for name in STUDIES:
        module = importlib.import_module(f"foolflow.studies.{name}")
        seeds = {cell["seed"] for cell in module.cells(config)}
        assert seeds == set(config["studies"][name].get("seeds", [0]))
        assert {cell["seed"] for cell in getattr(module, "victims", lambda config: [])(config)} <= seeds


def test_supplied_weights_and_expensive_models_are_one_victim_with_the_first_seed_of_the_study():
    models = {"mine": SUPPLIED, "lenet": {}, "slow": {"one_seed": True}}
    config = config_with() | {"models": models, "studies": {"minimal": {"seeds": [3, 5]}}}
    assert seeds_of(config, "minimal", "mine") == seeds_of(config, "minimal", "slow") == [3]
    assert seeds_of(config, "minimal", "lenet") == [3, 5]
    assert seeds_of(config, "stadv", "lenet") == [0]


def test_only_an_adaptive_attack_repeats_a_white_box_attack():
    """It has nothing to adapt to where there is no filter. A white-box attack with a `filter_gradient` runs anyway."""
    attacks = {
        "pgd": {"method": "pgd", "filter_gradient": "own"},
        "adaptive": {"method": "pgd", "filter_gradient": "auto"},
    }
    entry = {"dataset": "mnist", "models": ["A"], "defenses": ["none"], "white_box": ["pgd"], "adaptive": ["adaptive"]}
    config = {"attacks": attacks, "seeds": [0], "studies": {"defenses": {}}, "models": {"A": {}}, "defenses": {}}
    assert [(cell["kind"], cell["attack"]) for cell in defenses.table_cells(config, entry)] == [("white_box", "pgd")]
    config["defenses"] = {"median": {"method": "median_filter", "at": ["test"]}}
    (white_box, adaptive) = defenses.table_cells(config, entry | {"defenses": ["median"]})
    assert (white_box["repeats"], adaptive["repeats"]) == (None, "pgd")
    del attacks["adaptive"]["filter_gradient"]  # it runs on every victim
    everywhere = defenses.table_cells(config, entry | {"defenses": ["none", "median"]})
    assert [cell["repeats"] for cell in everywhere] == [None] * 4


def test_a_matrix_compares_victims_of_the_same_seed():
    config = config_with()
    config["studies"]["transfer"]["seeds"] = [3, 5]
    config["models"]["B"]["one_seed"] = True
    cells = [cell for cell in importlib.import_module("foolflow.studies.transfer").cells(config) if cell["seed"] == 5]
    assert "A" in {cell["model"] for cell in cells}
    assert "B" not in {cell["model"] for cell in cells}
    assert "B/none" not in {cell["source"] for cell in cells}


def test_the_control_of_a_matrix_is_made_on_each_target():
    config = config_with()
    matrix = {"name": "zoo", "dataset": "mnist", "models": ["A", "B"], "defenses": ["none"], "attack": "cw_03_transfer"}

    def attempted(matrix):
        found = importlib.import_module("foolflow.studies.transfer").attempts(config, matrix)
        return [(cell["model"], cell["source"], cell["attack"]) for cell in found]

    plain = attempted(matrix)
    assert plain == attempted(matrix | {"control": None})
    controlled = attempted(matrix | {"control": "noise_03"})
    assert set(controlled) == {*plain, ("A", None, "noise_03"), ("B", None, "noise_03")}
    assert len(controlled) == 6


def test_a_board_compares_only_epsilons_of_its_own_norm_with_its_bound():
    config = config_with()
    board = {"name": "zoo", "dataset": "mnist", "models": ["A"], "defenses": ["none"], "attacks": ["large"]}
    config["studies"]["leaderboard"]["boards"] = [board | {"norm": "linf", "epsilon": 0.1}]
    config["attacks"] |= {"large": {"method": "pgd", "parameters": {"norm": "l2", "epsilon": [0.5, 1.0]}}}
    assert list(leaderboard.problems(config)) == []
    assert {cell["epsilon_norm"] for cell in leaderboard.cells(config)} == {"l2"}
    config["attacks"]["large"]["parameters"]["norm"] = "linf"
    assert "large has no epsilon up to 0.1" in next(leaderboard.problems(config))


def test_a_board_may_transfer_other_attacks_than_its_own():
    config = config_with()
    board = {"name": "zoo", "dataset": "mnist", "models": ["A", "B"], "defenses": ["none"], "attacks": ["cw_03"]}

    def attempted(board):
        return {(cell["model"], cell["source"], cell["attack"]) for cell in leaderboard.attempts(config, board)}

    own = {("A", None, "cw_03"), ("B", None, "cw_03")}
    assert attempted(board) == own
    board["transfer_from"] = ["A/none"]
    assert attempted(board) == own | {("B", "A/none", "cw_03")}
    board["transfer_attacks"] = ["fgsm_03", "cw_03_transfer"]
    assert attempted(board) == own | {("B", "A/none", "fgsm_03"), ("B", "A/none", "cw_03_transfer")}


def test_no_shipped_board_transfers_images_of_an_attack_that_stops_at_its_first_success():
    config = config_with()
    transferred = {cell["attack"] for cell in leaderboard.cells(config) if cell["source"] is not None}
    assert transferred == {"fgsm_8", "pgd_8_transfer", "fgsm_03", "cw_03_transfer"}
    for entry in (config["attacks"][name] for name in transferred):
        assert entry["method"] == "fgsm" or entry["parameters"]["early_stop"] is False


def test_no_shipped_matrix_transfers_images_of_a_single_step_or_of_an_attack_that_stops_at_its_first_success():
    config = config_with()
    for matrix in config["studies"]["transfer"]["matrices"]:
        entry = config["attacks"][matrix["attack"]]
        assert (entry["method"], entry["parameters"]["early_stop"]) == ("pgd", False)


@pytest.mark.parametrize("study", ["fgsm_sweep", "leaderboard"])
def test_images_come_only_from_victims_with_the_seed_of_the_attacked_one(study):
    config = config_with()
    config["studies"][study]["seeds"] = [3, 5]
    config["models"] |= {name: config["models"][name] | {"one_seed": True} for name in ("A", "CNN")}
    cells = importlib.import_module(f"foolflow.studies.{study}").cells(config)
    sources = {(cell["source"], cell["seed"]) for cell in cells if cell.get("source")}
    once = {"fgsm_sweep": "CNN/none", "leaderboard": "A/none"}[study]
    assert (once, 3) in sources
    assert (once, 5) not in sources


def exhibits(config, study):
    """Return (kind, exhibit) for each table and figure."""
    module = importlib.import_module(f"foolflow.studies.{study}")
    name = REFERENCES.get(study)
    reference = yaml.safe_load((ROOT / f"reference/{name}.yaml").read_text(encoding="utf-8")) if name else None
    found = [("tables", one) for one in module.tables(config, reference)]
    found += [("figures", one) for one in module.figures(config)]
    if study == "minimal":
        shown = config["studies"]["minimal"]["perturbation"]
        found += [
            ("figures", module.perturbation_figure(config, model, image))
            for model in shown["models"]
            for image in shown["images"]
        ]
    return found


def test_every_study_of_the_config_is_a_pair_of_files(config):
    assert set(config["studies"]) == set(STUDIES)


@pytest.mark.parametrize("study", STUDIES)
def test_cells_refer_to_entries_of_the_config(config, study):
    module = importlib.import_module(f"foolflow.studies.{study}")
    cells = module.cells(config)
    assert cells
    defenses = {"none", *config["defenses"]}
    for cell in cells:
        assert cell["dataset"] in config["datasets"]
        assert cell["model"] in config["models"]
        assert cell["defense"] in defenses
        assert cell["seed"] in study_seeds(config, study)
        assert cell["attack"] in config["attacks"]
        model, defense = model_and_defense(source_of(cell))
        assert model in config["models"]
        assert defense in defenses
    judged = {(*(cell[key] for key in VICTIM), cell["attack"], source_of(cell)) for cell in cells}
    assert len(victims_of(cells)) == len({row[:4] for row in judged})
    assert len(sets_of(cells)) == len({(row[0], row[3], *row[4:]) for row in judged})


@pytest.mark.parametrize("study", STUDIES)
def test_every_table_and_figure_has_its_module_and_caption(config, study):
    found = exhibits(config, study)
    assert {kind for kind, _ in found} == set(KINDS)
    for kind, one in found:
        assert callable(importlib.import_module(f"{KINDS[kind]}.{one['module']}").build)
        assert (ROOT / "report" / one["caption"]).is_file(), one["caption"]


@pytest.mark.parametrize("study", STUDIES)
def test_every_spec_survives_conversion_to_json(config, study):
    for _, one in exhibits(config, study):
        assert json.loads(json.dumps(one["spec"], sort_keys=True)) == one["spec"], one["name"]
        assert all(isinstance(text, str) and text for text in one["labels"].values()), one["labels"]
        assert "result" in one["labels"]


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_unique(config, kind):
    names = [one["name"] for study in STUDIES for found, one in exhibits(config, study) if found == kind]
    assert sorted(names) == sorted(set(names))
    assert not {"times", "costs"} & set(names)  # the tables that belong to no study
    assert all(name == name.strip("/") and ".." not in name for name in names)


def test_labels_in_the_report_are_unique(config):
    for study in STUDIES:
        labels = [tuple(sorted(one["labels"].items())) for _, one in exhibits(config, study)]
        assert len(labels) == len(set(labels)), study


@pytest.mark.parametrize("study", STUDIES)
def test_figures_of_a_table_refer_to_a_table_of_their_study(config, study):
    found = exhibits(config, study)
    tables = {one["name"] for kind, one in found if kind == "tables"}
    for kind, one in found:
        if kind == "figures" and "table" in one["spec"]:
            assert one["spec"]["table"] in tables


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_that_is_not_in_the_config_is_empty_for_the_rules_that_all_studies_share(config, study):
    less = copy.deepcopy(config)
    del less["studies"][study]
    module = importlib.import_module(f"foolflow.studies.{study}")
    if study not in ("minimal", "stadv"):  # only their own rules call these
        assert module.cells(less) == []
    assert set(explored_attacks(less)) == (set() if study == "stadv" else set(explored_attacks(config)))


def test_every_table_and_figure_module_is_used_by_a_study(config):
    """The only exceptions are the tables of times and costs, which belong to no study."""
    used = {(kind, one["module"]) for study in STUDIES for kind, one in exhibits(config, study)}
    for kind, package in KINDS.items():
        files = (ROOT / package.replace(".", "/")).glob("*.py")
        building = {path.stem for path in files if "\ndef build(" in path.read_text(encoding="utf-8")}
        assert {module for found, module in used if found == kind} == building - {"times", "costs"}


def test_every_caption_is_used(config):
    used = {one["caption"] for study in STUDIES for _, one in exhibits(config, study)}
    rules = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "rules").glob("*.smk"))
    rules += (ROOT / "Snakefile").read_text(encoding="utf-8")
    unused = [path.name for path in (ROOT / "report").glob("*.rst") if path.name not in used and path.name not in rules]
    assert unused == []


def test_published_results_are_tables_or_figures_of_the_shipped_config():
    made = {
        f"{kind}/{one['name']}.{suffix}"
        for study in STUDIES
        for kind, one in exhibits(config_with(), study)
        for suffix in {"tables": ("csv", "md"), "figures": ("png",)}[kind]
    }
    published = runpy.run_path(str(ROOT / "docs/publish.py"))["FILES"]
    paths = {path for files in published.values() for path in files.values()}
    assert len(paths) > 60
    assert {path for path in paths if path.startswith(("tables/", "figures/"))} <= made


LONGEST = 128 * 1024  # bytes of one argument on Linux; Snakemake passes a job's command to the shell as one


@pytest.mark.parametrize("study", STUDIES)
def test_the_command_of_a_job_has_room_for_the_specs_of_ten_seeds(study):
    config = config_with() | {"seeds": list(range(10))}
    for kind in KINDS:
        specs = [
            {key: one[key] for key in ("name", "module", "spec")}
            for found, one in exhibits(config, study)
            if found == kind
        ]
        victims = victims_of(importlib.import_module(f"foolflow.studies.{study}").cells(config))
        inputs = 100 * len(victims)  # one path each
        assert len(shlex.quote(as_spec(specs))) + inputs < 0.95 * LONGEST
