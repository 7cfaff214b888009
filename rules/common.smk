"""What the rules share: the checked config, digests of the code, and each job's share of the config."""

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import yaml
from snakemake.exceptions import WorkflowError

from foolflow.attacks.peers.sources import installed
from foolflow.workflow.code_digest import CodeDigest
from foolflow.workflow.config import problems, repeated_keys, varied
from foolflow.data.sources import DOWNLOADS, READERS
from foolflow.defenses.kinds import filters
from foolflow.workflow.environment import prepare_jobs
from foolflow.jobs.gpus import visible_gpus
from foolflow.workflow.packing import pack

ROOT = Path(workflow.basedir)

repeated = [line for file in workflow.configfiles for line in repeated_keys(Path(file))]
if found := repeated + problems(config, yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text()), ROOT):
    sys.exit("\n".join(f"config: {line}" for line in found))


def add_explorations():
    """Put the attacks of the explorations beside the others."""
    for study in config["studies"].values():
        explored = study.get("explorations")
        for setting in varied(explored) if explored else []:
            entry = config["attacks"][explored["attack"]]
            parameters = entry.get("parameters", {}) | {setting["parameter"]: setting["value"]}
            config["attacks"][setting["attack"]] = entry | {"parameters": parameters}


add_explorations()
prepare_jobs(ROOT, config.get("data_mirror"))
shell.prefix(". rules/before_job.sh; ")

code_digest = CodeDigest(ROOT)


# Where a job computes is no part of its result, so it is a resource and not a param.
DEVICE = config["device"]
GPUS_PER_JOB = int(DEVICE == "cuda" or (DEVICE == "auto" and len(visible_gpus()) > 0))

# On this machine there are at most as many such jobs at a time as it has GPUs. `jobs` (here: nodes) is set for a cluster,
# whose scheduler deals out its own; `--resources gpu=N` has the last word.
if workflow.is_main_process and workflow.resource_settings.nodes is None and "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", max(1, len(visible_gpus())))


def more_each_attempt(amount):
    """A resource that grows by `amount` with every attempt: a job that ran out of time or memory is given more."""
    return lambda wildcards, attempt: amount * attempt


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


def trained_defenses():
    """Those that have a training of their own; the others act at test alone, before the undefended weights."""
    return ["none", *(name for name, defense in config["defenses"].items() if "train" in defense["at"])]


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


def victim_parts(wildcards):
    """Of `victim_spec`, what a victim is built from again."""
    return as_json({key: value for key, value in json.loads(victim_spec(wildcards)).items() if key != "name"})


def split_code(wildcards):
    reader = READERS[config["datasets"][wildcards.dataset]["source"]]
    return code_digest("scripts/split.py", f"foolflow/data/readers/{reader}.py")


def train_code(wildcards):
    return code_digest("scripts/train.py", *victim_files(wildcards))


def defend_code(wildcards):
    return code_digest("scripts/defend.py", *victim_files(wildcards))


def attack_spec(wildcards):
    return as_json(
        {
            "attack": {key: value for key, value in config["attacks"][wildcards.attack].items() if key != "shards"},
            "model": config["models"][wildcards.model],
            "defense": defense_entry(wildcards.defense),
        }
    )


# Where one share of a divided attack lies.
SHARD = "<results>/attacks/{dataset}/{model}/{defense}/{seed}/{attack}/shards/{shard}_of_{shards}"


def divided_attacks():
    return [name for name, attack in config["attacks"].items() if attack.get("shards", 1) > 1]


def undivided_attacks():
    return [name for name in config["attacks"] if name not in divided_attacks()]


def shard_paths(file):
    """An input function: this file of each share of an attack, in order."""

    def paths(wildcards):
        shards = config["attacks"][wildcards.attack]["shards"]
        return [f"{SHARD}/{file}".format(**wildcards, shard=shard, shards=shards) for shard in range(shards)]

    return paths


def squeezer_files(squeezers):
    """The files of filters that are loaded by name."""
    return [file for entry in squeezers for file in own_or_builtin(entry, "defenses", entry.get("method"))]


def attack_code(wildcards):
    attack = config["attacks"][wildcards.attack]
    if ":" in attack.get("method", ""):
        return peer_code(attack["method"].partition(":")[0], *victim_files(wildcards))
    method = own_or_builtin(attack, "attacks", attack.get("method"))
    squeezers = squeezer_files(attack.get("parameters", {}).get("squeezers", []))
    return code_digest("scripts/attack.py", *method, *squeezers, *victim_files(wildcards))


def peer_code(library, *files):
    """Of an attack of another library: its version is part of what runs."""
    folder = "foolflow/attacks/peers"
    digest = code_digest("scripts/attack.py", f"{folder}/running.py", f"{folder}/{library}.py", *files)
    peer = importlib.import_module(f"foolflow.attacks.peers.{library}")
    if installed(peer.DISTRIBUTION) is None:
        raise WorkflowError(f"{peer.DISTRIBUTION} is not installed; {peer.INSTALL}")
    return f"{digest} {peer.DISTRIBUTION} {installed(peer.DISTRIBUTION)}"


def evaluate_code(wildcards):
    return code_digest("scripts/evaluate.py", *victim_files(wildcards))


def measure_victim_code(wildcards):
    return code_digest("scripts/measure_victim.py", *victim_files(wildcards))


def measure_images_code(wildcards):
    return code_digest("scripts/measure_images.py", *victim_files(wildcards))


def measure_images_spec(wildcards):
    return as_json({**json.loads(victim_spec(wildcards)), "epsilon": float(wildcards.epsilon)})


def detector_squeezers(wildcards):
    """The filters of a detector, in its order: the entries of its defenses, but for where these act."""
    names = config["detectors"][wildcards.detector]["squeezers"]
    kept = ("method", "python", "parameters")
    return [
        {"name": name} | {key: value for key, value in defense_entry(name).items() if key in kept} for name in names
    ]


def detector_spec(wildcards):
    victim = json.loads(victim_spec(wildcards))
    return as_json({key: victim[key] for key in ("model", "defense")} | {"squeezers": detector_squeezers(wildcards)})


def score_clean_code(wildcards):
    return code_digest(
        "scripts/score_clean.py", *victim_files(wildcards), *squeezer_files(detector_squeezers(wildcards))
    )


def score_adversarial_code(wildcards):
    return code_digest(
        "scripts/score_adversarial.py", *victim_files(wildcards), *squeezer_files(detector_squeezers(wildcards))
    )
