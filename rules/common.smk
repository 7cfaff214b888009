"""Shared by all rules: the validated config, code digests, and each job's part of the config."""

import gc
import importlib
import os
import sys
from inspect import signature
from itertools import pairwise
from shlex import join, quote, split
from types import SimpleNamespace

import yaml
from snakemake.exceptions import WorkflowError

from foolflow.attacks.peers.sources import installed
from foolflow.data.sources import DOWNLOADS, READERS, SPLITS, class_folders_of, source_files, source_folders, splits_of
from foolflow.jobs.gpus import visible_gpus
from foolflow.data.cells import source_of
from foolflow.models.kinds import argument_files, is_supplied, model_files, of_one_victim, without_training
from foolflow.studies.contents import boards, contents, judged, read_by_page
from foolflow.studies.cells import sets_of, study_seeds, trained_defenses, victims_of
from foolflow.studies.robustness import attacks as robustness_plan
from foolflow.studies.robustness import robustness_attacks
from foolflow.studies.robustness import set_name as robustness_set
from foolflow.studies.stadv import explored_attacks
from foolflow.workflow.code_digest import code_digest
from foolflow.workflow.commands import as_json, as_options, as_spec, config_options, to_remake
from foolflow.workflow.commands import program as program_param
from foolflow.workflow.config.checks import problems
from foolflow.workflow.config.defaults import with_defaults
from foolflow.workflow.config.numbers import with_numbers
from foolflow.workflow.config.schema import load_schema
from foolflow.workflow.config.syntax import repeated_keys
from foolflow.workflow.grouping import groups_of
from foolflow.workflow.project import PACKAGE

# A graph of many jobs has millions of objects that live until the end. Looking for garbage among them took a fifth of
# the time of planning.
gc.set_threshold(100_000, 50, 100)

# Inside another workflow, these are the files of its own config.
configfiles = workflow.configfiles if workflow.modifier.parent_modifier is None else []
config.update(with_numbers(config))
repeated = [line for file in configfiles for line in repeated_keys(Path(file))]
if found := repeated + problems(config, load_schema()):
    raise WorkflowError("\n".join(f"config: {line}" for line in found))
config.update(with_defaults(config))

config["attacks"] |= explored_attacks(config) | robustness_attacks(config)


def with_signature(function):
    """Cache the function's signature; Snakemake would otherwise inspect it several times per job."""
    function.__signature__ = signature(function)
    return function


program = with_signature(program_param(workflow.deployment_settings.deployment_method))

# The device does not define a result, so it is a resource and not a param: changing it reruns nothing.
DEVICE = config["device"]
GPUS_PER_JOB = int(DEVICE == "cuda" or (DEVICE == "auto" and len(visible_gpus()) > 0))
DATA_MIRROR = config["data_mirror"] or os.environ.get("FOOLFLOW_DATA_MIRROR", "")

# Run at most one GPU job per GPU of this machine at a time. Set no limit if the user does (`--resources gpu=N`), on a
# cluster (`--jobs`, here `nodes`), whose scheduler assigns GPUs, or inside another workflow, which has its own limits.
if (
    workflow.is_main_process
    and workflow.modifier.parent_modifier is None  # this is no module of another workflow
    and workflow.resource_settings.nodes is None
    and "gpu" not in workflow.global_resources
):
    workflow.register_resource("gpu", max(1, len(visible_gpus())))


def more_each_attempt(amount):
    """Return a resource that grows by `amount` with each attempt, for jobs that ran out of time or memory."""
    return with_signature(lambda wildcards, attempt: amount * attempt)


def names_matching(names):
    """Return a wildcard constraint that matches one of `names`, or nothing if there are none."""
    return "|".join(names) or "(?!)"


def paths(pattern, rows):
    """Format `pattern` with each row. Return the paths in order, without duplicates."""
    return list(dict.fromkeys(pattern.format(**row) for row in rows))


# ---- Data sets --------------------------------------------------------------------------------------------------


def datasets_from(*sources):
    return [name for name, dataset in config["datasets"].items() if dataset["source"] in sources]


def datasets_split_into(*splits):
    return [name for name, dataset in config["datasets"].items() if splits_of(dataset) == splits]


def raw_files(wildcards):
    """Return the files that a data set is read from: the downloaded ones, or the user's."""
    dataset = config["datasets"][wildcards.dataset]
    if dataset["source"] in DOWNLOADS:
        return [f"<results>/data/{wildcards.dataset}/raw/{file}" for file in DOWNLOADS[dataset["source"]].files]
    # `local`: the prefix of a host workflow applies to the results, not to the user's files.
    return [local(file) for file in source_files(dataset)]


def read_files(wildcards, input):
    """Return what a data set is read from, for its record. Files of a user's folder can be more than a command line holds."""
    dataset = config["datasets"][wildcards.dataset]
    return source_folders(dataset) if dataset["source"] == "folder" else input.raw


def class_folders(wildcards):
    return class_folders_of(config["datasets"][wildcards.dataset])


def dataset_spec(wildcards):
    return as_json({"name": wildcards.dataset, "dataset": config["datasets"][wildcards.dataset]})


def split_code(wildcards):
    reader = READERS[config["datasets"][wildcards.dataset]["source"]]
    return code_digest("scripts.split", f"foolflow.data.readers.{reader}")


# ---- Victims ----------------------------------------------------------------------------------------------------

VICTIM_WEIGHTS = "<results>/victims/{dataset}/{model}/{defense}/{seed}/weights.safetensors"


def defense_entry(name):
    return {} if name == "none" else config["defenses"][name]


def trained_models():
    return [name for name, model in config["models"].items() if not is_supplied(model)]


@with_signature
def weights_of(wildcards):
    """Return the files that hold a victim's weights: the trained ones, or those that the user supplied.

    A defense that acts only at test time uses the undefended weights.
    """
    victim = dict(wildcards)
    model = config["models"][victim["model"]]
    if is_supplied(model):
        return [local(file) for file in model_files(model)]
    trained = victim["defense"] if victim["defense"] in trained_defenses(config) else "none"
    return [VICTIM_WEIGHTS.format(**victim | {"defense": trained})]


def own_or_builtin(entry, package, module):
    """Return the code that a config entry names: the user's file (`python:`) or a module of the package."""
    if "python" in entry:
        return [entry["python"].rpartition(":")[0]]
    return [f"foolflow.{package}.{module}"] if module else []


def victim_modules(wildcards):
    """Return the code of a victim's network and filter, which are loaded by name."""
    model = config["models"][wildcards.model]
    defense = defense_entry(wildcards.defense)
    architecture = model.get("architecture", "").partition(".")[0]
    return [
        *own_or_builtin(model, "models", architecture),
        *own_or_builtin(defense, "defenses", defense.get("method")),
    ]


def victim_entries(wildcards):
    """Return the config entries that a victim is built from, without its training."""
    return {
        "model": without_training(config["models"][wildcards.model]),
        "defense": without_training(defense_entry(wildcards.defense)),
    }


@with_signature
def named_files(wildcards):
    """Return the files that the entries of a victim and of its attack name in their arguments.

    The user's code reads them, so a change of one outdates what that code made.
    """
    cell = dict(wildcards)
    attack = config["attacks"][cell["attack"]] if "attack" in cell else {}
    entries = (config["models"][cell["model"]], defense_entry(cell["defense"]), attack)
    return [local(file) for file in argument_files(*entries)]


def timed_entries(victim):
    """Return the config entries that a victim is trained or loaded from."""
    model = of_one_victim(config["models"][victim["model"]])
    return {"model": model, "defense": defense_entry(victim["defense"])}


def train_spec(wildcards):
    return as_json(
        {
            "name": "victims/{dataset}/{model}/{defense}/{seed}".format(**wildcards),
            "model": of_one_victim(config["models"][wildcards.model]),
            "defense": defense_entry(wildcards.defense),
        }
    )


def train_code(wildcards):
    return code_digest("scripts.train", *victim_modules(wildcards))


# ---- Attacks ----------------------------------------------------------------------------------------------------

ATTACK = "<results>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}"
SHARD = f"{ATTACK}/shards/{{shard}}_of_{{shards}}"
GROUP = f"{ATTACK}/shards/{{first}}_to_{{last}}_of_{{shards}}"


@with_signature
def attack_spec(wildcards):
    entry = {key: value for key, value in config["attacks"][wildcards.attack].items() if key != "shards"}
    return as_json({"attack": entry, **victim_entries(wildcards)})


@with_signature
def attack_code(wildcards):
    entry = config["attacks"][wildcards.attack]
    library, separator, _ = entry.get("method", "").partition(":")
    if separator:
        return _peer_code(library, "scripts.attack", *victim_modules(wildcards))
    method = own_or_builtin(entry, "attacks", entry.get("method"))
    squeezers = squeezer_modules(entry.get("parameters", {}).get("squeezers", []))
    return code_digest("scripts.attack", *method, *squeezers, *victim_modules(wildcards))


def _peer_code(library, *names):
    """Return the digest for an attack of another library, followed by that library's version."""
    peer = importlib.import_module(f"foolflow.attacks.peers.{library}")
    if installed(peer.DISTRIBUTION) is None:
        raise WorkflowError(f"{peer.DISTRIBUTION} is not installed; {peer.INSTALL}")
    digest = code_digest(*names, "foolflow.attacks.peers.running", f"foolflow.attacks.peers.{library}")
    return f"{digest} {peer.DISTRIBUTION}=={installed(peer.DISTRIBUTION)}"


def squeezer_modules(squeezers):
    """Return the code of these filters, which are loaded by name."""
    return [module for entry in squeezers for module in own_or_builtin(entry, "defenses", entry.get("method"))]


INSPECTED = "<results>/robustness/{dataset}/{model}/{defense}/{seed}"
PLANS = {robustness_set(name): name for name in robustness_plan(config)}


@with_signature
def planned_images(wildcards):
    """Return the file with the number of images that a plan gives an attack; nothing for an attack without a plan."""
    if wildcards.attack not in PLANS:
        return []
    file = f"{INSPECTED}/images/{PLANS[wildcards.attack]}.json"
    return [file.format(**wildcards)]


def divided_attacks():
    return [name for name, attack in config["attacks"].items() if attack.get("shards", 1) > 1]


def undivided_attacks():
    return [name for name in config["attacks"] if name not in divided_attacks()]


def parts_of_attack(wildcards):
    """Return the folders of the parts of an attack, in order: of its shards or, if they are many, of groups of them."""
    shards = config["attacks"][wildcards.attack]["shards"]
    if groups := groups_of(shards):
        return [GROUP.format(**wildcards, first=group[0], last=group[-1], shards=shards) for group in groups]
    return [SHARD.format(**wildcards, shard=shard, shards=shards) for shard in range(shards)]


def shards_of_group(wildcards):
    """Return the folders of the shards of a group, in order."""
    shards = range(int(wildcards.first), int(wildcards.last) + 1)
    return [SHARD.format(**wildcards, shard=shard) for shard in shards]


# ---- Judgements -------------------------------------------------------------------------------------------------

JUDGEMENT = "<results>/judgements/{study}/{dataset}/{model}/{defense}/{seed}"


def study_module(name):
    return importlib.import_module(f"foolflow.studies.{name}")


def judged_cells(wildcards):
    """Return the cells of a study that this victim judges, one per adversarial set."""
    victim = {**wildcards, "seed": int(wildcards.seed)}
    cells = [
        cell
        for cell in study_module(wildcards.study).cells(config)
        if all(cell[key] == victim[key] for key in ("dataset", "model", "defense", "seed"))
    ]
    return list({(cell["attack"], source_of(cell)): cell for cell in cells}.values())


def judged_sets(wildcards):
    return paths(f"{ATTACK}/adversarial.safetensors", sets_of(judged_cells(wildcards)))


def judge_spec(wildcards):
    sets = [{"attack": cell["attack"], "source": source_of(cell)} for cell in judged_cells(wildcards)]
    return as_json({"sets": sets, **victim_entries(wildcards), **images_of(wildcards.study)})


def images_of(study):
    """Return how many images of the test split a study uses, as part of a spec; nothing if it uses all."""
    return {key: value for key, value in config["studies"].get(study, {}).items() if key == "images"}


def other_splits(wildcards):
    """Return the splits, besides test, on which the study shows this victim's accuracy."""
    study = study_module(wildcards.study)
    shown = study.victims(config) if getattr(study, "SHOWS_ALL_SPLITS", False) else []
    victim = {**wildcards, "seed": int(wildcards.seed)}
    wanted = any(all(row[key] == victim[key] for key in row) for row in shown)
    others = [part for part in splits_of(config["datasets"][wildcards.dataset]) if part != "test"]
    return [f"<results>/data/{wildcards.dataset}/{part}.safetensors" for part in others] if wanted else []


def judge_code(wildcards):
    return code_digest("scripts.judge", *victim_modules(wildcards))


def judgements_of(study, cells):
    """Return the judgements of a study's cells, an input of its tables and figures."""
    return paths(f"{JUDGEMENT}/records.parquet", [{"study": study, **victim} for victim in victims_of(cells)])


def accuracies_of(study, victims):
    return paths(f"{JUDGEMENT}/accuracy.json", [{"study": study, **victim} for victim in victims])


def sets_made(cells, file="adversarial.safetensors"):
    """Return the adversarial sets of the cells, or another file of the same attacks."""
    return paths(f"{ATTACK}/{file}", sets_of(cells))


def test_splits(cells):
    return paths("<results>/data/{dataset}/test.safetensors", cells)


# ---- Inputs of individual studies -------------------------------------------------------------------------------


def squeezed_cell(wildcards):
    """Return the undefended victim and the attack whose images an evaluation shows before and after its filters."""
    wanted = {"evaluation": wildcards.evaluation, "model": wildcards.model, "seed": int(wildcards.seed)}
    return next(
        cell for cell in study_module("defenses").squeezed(config) if all(cell[key] == wanted[key] for key in wanted)
    )


def squeezed_victims(wildcards):
    cell = squeezed_cell(wildcards)
    return [SimpleNamespace(**{**cell, "defense": name}) for name in cell["filters"]]


def squeezed_weights(wildcards):
    """Return the weights of the victim with each filter, one file for each. Supplied weights are the same for all."""
    return [weights_of(vars(victim))[0] for victim in squeezed_victims(wildcards)]


def squeezed_files(wildcards):
    """Return all other files that the victims are loaded from."""
    victims = [{"model": one.model, "defense": one.defense} for one in squeezed_victims(wildcards)]
    further = [file for one in squeezed_victims(wildcards) for file in weights_of(vars(one))[1:]]
    return list(dict.fromkeys([*further, *(file for victim in victims for file in named_files(victim))]))


def squeeze_code(wildcards):
    modules = [module for victim in squeezed_victims(wildcards) for module in victim_modules(victim)]
    return code_digest("scripts.squeeze_examples", *modules)


def squeeze_spec(wildcards):
    cell = squeezed_cell(wildcards)
    model = victim_entries(SimpleNamespace(**cell))["model"]
    filters = [
        {"name": victim.defense, "defense": victim_entries(victim)["defense"]} for victim in squeezed_victims(wildcards)
    ]
    return as_json({"model": model, "filters": filters})


def scored_cells(wildcards):
    """Return the attacks that a detector is tested with, as cells."""
    wanted = {**wildcards, "seed": int(wildcards.seed)}
    cells = [
        cell for cell in study_module("detection").scored(config) if all(cell[key] == wanted[key] for key in wanted)
    ]
    return list({cell["attack"]: cell for cell in cells}.values())


def score_spec(wildcards):
    return as_json(
        {
            **victim_entries(wildcards),
            "squeezers": study_module("detection").squeezers(config, wildcards.detector),
            "attacks": [cell["attack"] for cell in scored_cells(wildcards)],
        }
    )


def scored_files(wildcards):
    """Return the files that a victim and a detector name in their arguments."""
    squeezers = study_module("detection").squeezers(config, wildcards.detector)
    return [*named_files(wildcards), *(local(file) for file in argument_files(*squeezers))]


def score_code(wildcards):
    squeezers = squeezer_modules(study_module("detection").squeezers(config, wildcards.detector))
    return code_digest("scripts.score_detector", *victim_modules(wildcards), *squeezers)


# ---- Tables and figures -----------------------------------------------------------------------------------------


def reference(name):
    """Load published numbers. They are part of a table's spec, so a change rebuilds the table."""
    return yaml.safe_load((PROJECT / f"reference/{name}.yaml").read_text(encoding="utf-8"))


def table_files(study, exhibits):
    """Return the outputs of a study's tables."""
    return {
        "csv": [f"<results>/tables/{one['name']}.csv" for one in exhibits],
        "markdown": [f"<results>/tables/{one['name']}.md" for one in exhibits],
        "html": [_reported(f"<results>/tables/{one['name']}.html", study, one) for one in exhibits],
        "page": [f"<results>/tables/{one['name']}.json" for one in exhibits],
        "provenance": f"<results>/provenance/tables/{study}.json",
    }


def figure_files(study, exhibits):
    """Return the outputs of a study's figures."""
    return {
        "png": [_reported(f"<results>/figures/{one['name']}.png", study, one) for one in exhibits],
        "pdf": [f"<results>/figures/{one['name']}.pdf" for one in exhibits],
        "provenance": f"<results>/provenance/figures/{study}.json",
    }


def _reported(path, study, exhibit):
    return report(
        path,
        caption=str(PROJECT / "report" / exhibit["caption"]),
        category=study_module(study).TITLE,
        labels=exhibit["labels"],
    )


def exhibit_spec(exhibits):
    return as_spec([{key: one[key] for key in ("name", "module", "spec")} for one in exhibits])


def tables_code(exhibits):
    return code_digest("scripts.tabulate", *(f"foolflow.tables.{one['module']}" for one in exhibits))


def figures_code(exhibits):
    return code_digest("scripts.draw", *(f"foolflow.figures.{one['module']}" for one in exhibits))


# ---- The page ---------------------------------------------------------------------------------------------------

PAGE_SECTIONS = contents(config)
PAGE_BOARDS = boards(config)
PAGE_CELLS = judged(config)
PAGE_SEEDS = sorted({seed for study in config["studies"] for seed in study_seeds(config, study)})
PAGE_TEMPLATES = [
    f"foolflow.pages:templates/{file.name}"
    for file in sorted((PACKAGE / "pages/templates").iterdir())
    if file.is_file()
]


def paths_of_exhibits(kind, ending):
    """Return the files of all tables or figures that the page shows, in its order."""
    return [f"<results>/{kind}/{one['name']}.{ending}" for section in PAGE_SECTIONS for one in section[kind]]


def command_to_remake():
    """Return the command that makes a file of the results again, with {} in the place of the file."""
    snakefile, given = Path(workflow.main_snakefile), workflow.config_settings
    if command := os.environ.get("FOOLFLOW_COMMAND", ""):  # set by `foolflow evaluate`
        return join([*split(command), *config_options(given.config), "--forcerun"]) + " {}"
    return to_remake(
        snakefile,
        Path.cwd(),
        profile=snakefile.parent if globals().get("OVERLAYS") else None,  # profiles/demo, or a profile like it
        files=workflow.overwrite_configfiles,
        values=given.config,
        replace=given.replace_workflow_config,
    )


def report_beside(page):
    """Return the option that names Snakemake's report, if this run makes it beside the page or one lies there."""
    folder = Path(page).absolute().parent
    given = next((Path(word) for option, word in pairwise(sys.argv) if option == "--report"), folder / "report.html")
    made = "--report" in sys.argv or given.is_file()
    return f"--report {quote(given.name)}" if made and given.absolute().parent == folder else ""


# ---- The whole run ----------------------------------------------------------------------------------------------


def everything(wildcards):
    """Return what the studies, the manifest, the table of times and the page consist of.

    The manifest depends on the studies, but Snakemake notices a deleted file only if it is asked for.
    """
    shown = [path for study in config["studies"] for path in getattr(rules, study).input]
    return [*shown, *rules.write_manifest.output, *rules.tabulate_times.output, *rules.write_page.output]


def records_among(wildcards, input, output):
    """Return the records among the inputs of the manifest: those of the last job of each kind."""
    folder = Path(output.manifest).parent / "provenance"
    return [path for path in input if Path(path).is_relative_to(folder)]
