"""The demo, run once from a fresh copy: what it leaves, and that a second run has nothing to do."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torchvision.datasets import ImageFolder

import foolflow
from foolflow.attacks.warp import warp
from foolflow.workflow.verification import STAGES

BIT_DEPTH_4 = {"method": "bit_depth", "at": ["test"], "parameters": {"bits": 4}}


def load(demo, victim, **settings):
    """A victim (model/defense) of the demo."""
    return foolflow.load_victim(demo.results / f"victims/digits/{victim}/0/weights.safetensors", **settings)


def adversarial(demo, victim, attack):
    """The tensors of an adversarial set, made on a victim (model/defense)."""
    return load_file(demo.results / f"attacks/digits/{victim}/0/{attack}/adversarial.safetensors")


def judged(demo, study, victim, attack, source=None):
    """The records of one adversarial set in the judgement of a victim; source: the victim that it was made on."""
    records = pd.read_parquet(demo.results / f"judgements/{study}/digits/{victim}/0/records.parquet")
    chosen = (records["attack"] == attack) & (records["source"] == (source or victim))
    return records[chosen].reset_index(drop=True)


def test_every_study_is_there(demo):
    stadv = ("stadv_explorations", "stadv_post_mortem")
    compared = ("published", "linf", "protected", "fixed_norm")
    minimal = tuple(f"minimal_{name}" for name in ("accuracy", "attacks", "speed", *compared))
    boards = ("transfer/digits_zoo", "leaderboard/digits_zoo", "leaderboard/digits_squeezed")
    for name in (
        "fgsm_sweep",
        "fgsm_sweep_ways",
        "stadv_accuracy",
        "stadv_success",
        *stadv,
        *minimal,
        "defenses_r3",
        "defenses_cost_r3",
        "defenses_distances_r3",
        "strengths_r3",
        "detection",
        *boards,
    ):
        for ending in ("csv", "md", "html", "json"):
            assert (demo.results / f"tables/{name}.{ending}").stat().st_size > 0
    figures = (
        "detection",
        "fgsm_sweep",
        "fgsm_sweep_ways",
        "stadv_accuracy",
        "stadv_flow_budget",
        *stadv,
        "minimal_accuracy",
        "minimal_security",
        "minimal/CNN/7",
    )
    images = (
        "target_grid/digits/C/none/0/stadv_grid",
        "flow/digits/C/none/0/stadv",
        "attack_sheet/digits/C/none/0/stadv",
    )
    evaluations = (
        *(f"training/digits/six_conv/{defense}/0" for defense in ("none", "adversarial_training", "feature_squeezing")),
        *(f"squeezed/digits/six_conv/{defense}/0/fgsm" for defense in ("feature_squeezing", "bit_depth_4")),
        "strengths_r3/six_conv/0",
    )
    for name in (*figures, *images, *evaluations, *boards, "samples/digits/lenet/none/0/fgsm_sweep"):
        for ending in ("png", "pdf"):
            assert (demo.results / f"figures/{name}.{ending}").stat().st_size > 1000


def test_a_second_run_has_nothing_to_do(demo):
    done = demo.snakemake("--cores", "2")
    assert "Nothing to be done" in done.stdout + done.stderr


def test_no_half_written_file_checkpoint_or_lock_is_left(demo):
    left = [path for pattern in ("**/*.partial*", "**/checkpoint*", "**/*.lock") for path in demo.results.glob(pattern)]
    assert left == []


def test_the_accuracy_of_a_victim_is_what_its_weights_do(demo):
    measured = json.loads((demo.results / "judgements/minimal/digits/CNN_d/none/0/accuracy.json").read_text())
    assert set(measured) == {"train", "val", "test"}
    victim = load(demo, "CNN_d/none")
    table = pd.read_csv(demo.results / "tables/minimal_accuracy.csv").set_index("model").loc["CNN_d"]
    for part, counted in measured.items():
        data = load_file(demo.results / f"data/digits/{part}.safetensors")
        with torch.no_grad():
            right = (victim(data["images"].float() / 255).argmax(1) == data["labels"]).sum().item()
        assert (counted["correct"], counted["n"]) == (right, len(data["labels"]))
        assert table[part] == pytest.approx(right / counted["n"])
    assert table["low"] < table["test"] < table["high"]


def test_a_training_says_what_it_took(demo):
    training = json.loads((demo.results / "victims/digits/lenet/none/0/training.json").read_text())
    history = pd.read_csv(demo.results / "victims/digits/lenet/none/0/history.csv")
    assert training["epochs"] == len(history) == 12
    assert training["precision"] in ("float32", "bfloat16")
    assert training["images_per_second"] > 0


def test_the_table_of_the_sweep_is_what_the_adversarial_images_do(demo):
    made = adversarial(demo, "lenet/none", "fgsm_sweep")
    labels = load_file(demo.results / "data/digits/test.safetensors")["labels"][made["index"]]
    victim = load(demo, "lenet/none")
    with torch.no_grad():
        right = pd.Series((victim(made["images"]).argmax(1) == labels).numpy()).groupby(made["epsilon"].numpy()).mean()
    table = pd.read_csv(demo.results / "tables/fgsm_sweep.csv").set_index("epsilon")
    assert table["accuracy"].iloc[1:].tolist() == pytest.approx(right.tolist())
    assert table["accuracy"].is_monotonic_decreasing
    assert (table["p_holm"].dropna() < 0.05).all()
    text = (demo.results / "tables/fgsm_sweep.md").read_text()
    assert "is significantly less accurate from epsilon 0.05 on" in text


@pytest.mark.parametrize("attack", ["dichotomy", "deepfool"])
def test_the_table_of_minimal_perturbations_is_what_the_adversarial_images_do(demo, attack):
    table = pd.read_csv(demo.results / "tables/minimal_attacks.csv").set_index(["model", "attack"])
    assert table.groupby("model")["to_best"].min().eq(1).all()
    tensors = adversarial(demo, "CNN/none", attack)
    made = tensors["images"]
    data = load_file(demo.results / "data/digits/test.safetensors")
    clean, labels = data["images"][: len(made)].float() / 255, data["labels"][: len(made)]
    victim = load(demo, "CNN/none")
    with torch.no_grad():
        right, fooled = victim(clean).argmax(1) == labels, victim(made).argmax(1) != labels
    distances = (made - clean).flatten(1).norm(dim=1)[right & fooled].sort().values
    row = table.loc[("CNN", attack)]
    assert (row["n"], row["fooled"]) == (int(right.sum()), len(distances))
    assert row["median_l2"] == pytest.approx(distances[(row["n"] + 1) // 2 - 1].item(), rel=1e-5)
    assert row["mean_l2"] == pytest.approx(distances.mean().item(), rel=1e-5)
    assert row["gradient_evaluations"] == pytest.approx(tensors["gradient_evaluations"][right].double().mean().item())


def test_any_attacked_image_and_network_is_a_target_and_no_other_image(demo):
    for name in ("MLP_bn/0", "CNN/3"):
        target = f"results/demo/figures/minimal/{name}.png"
        demo.snakemake("--cores", "1", target)
        assert (demo.folder / target).read_bytes().startswith(b"\x89PNG")
    done = demo.snakemake("--cores", "1", "results/demo/figures/minimal/CNN/400.png", ok=False)
    assert done.returncode != 0
    output = done.stdout + done.stderr
    assert "error: image 400 of the test split is not among those that were attacked (100 images, 0 to 99)" in output
    assert "Traceback" not in output


def test_the_success_of_stadv_is_what_its_images_do(demo):
    made, test = adversarial(demo, "C/none", "stadv"), load_file(demo.results / "data/digits/test.safetensors")
    clean, labels = test["images"][made["index"]].float() / 255, test["labels"][made["index"]]
    victim = load(demo, "C/none")
    with torch.no_grad():
        right = victim(clean).argmax(1) == labels
        reached = victim(made["images"]).argmax(1) == made["target"]
    assert torch.allclose(warp(clean, made["flow"]), made["images"], atol=1e-5)
    table = pd.read_csv(demo.results / "tables/stadv_success.csv").set_index("model")
    assert table.loc["C", "n"] == right.sum().item()
    assert table.loc["C", "success"] == pytest.approx(reached[right].double().mean().item())
    assert table.loc["C", "success"] > 0.98


def test_the_post_mortem_counts_as_its_steps_say(demo):
    records = judged(demo, "stadv", "B_students/none", "students")
    table = pd.read_csv(demo.results / "tables/stadv_post_mortem.csv")
    assert table["n"].tolist()[0] == len(records) == 60
    assert table["count"].tolist()[0] == (records["prediction"] != records["label"]).sum()
    right = records[records["clean_prediction"] == records["label"]]
    assert table["count"].tolist()[1] == (right["prediction"] == right["target"]).sum()
    assert table["success"].tolist()[-1] > 0.98


def test_torchvision_loads_the_modified_data_set(demo):
    folder = ImageFolder(demo.results / "datasets/digits/lenet/none/0/fgsm_sweep/0.25")
    assert len(folder) == 500
    assert len(folder.classes) == 10
    clean = load_file(demo.results / "data/digits/test.safetensors")
    counts = torch.bincount(clean["labels"]).tolist()
    assert [folder.targets.count(label) for label in range(10)] == counts
    result = json.loads((demo.results / "evaluations/digits/lenet/none/0/modified/fgsm_sweep/0.25.json").read_text())
    table = pd.read_csv(demo.results / "tables/fgsm_sweep.csv").set_index("epsilon")
    assert table.loc[0.25, "accuracy_modified"] == result["correct"] / result["n"]
    assert table.loc[0.25, "accuracy_modified"] == pytest.approx(table.loc[0.25, "accuracy_8bit"])


def test_two_studies_judge_the_same_images_of_a_victim_alike(demo):
    one, other = (judged(demo, study, "six_conv/none", "deepfool") for study in ("defenses", "leaderboard"))
    assert len(one) == 100
    pd.testing.assert_frame_equal(one, other)


def test_a_judgement_is_what_its_victim_makes_of_the_images(demo):
    """Of images that were made on another victim, and of its own."""
    test = load_file(demo.results / "data/digits/test.safetensors")
    victim = load(demo, "six_conv/feature_squeezing")
    for source in ("six_conv/none", "six_conv/feature_squeezing"):
        records = judged(demo, "leaderboard", "six_conv/feature_squeezing", "deepfool", source)
        made = adversarial(demo, source, "deepfool")
        clean, labels = test["images"][made["index"]].float() / 255, test["labels"][made["index"]]
        with torch.no_grad():
            assert (victim(clean).argmax(1).numpy() == records["clean_prediction"]).all()
            predictions = victim(made["images"]).argmax(1).numpy()
        assert (predictions != records["prediction"]).mean() < 0.05  # on the boundary, rounding decides
        assert (records["index"] == made["index"].numpy()).all()
        assert (records["label"] == labels.numpy()).all()
        assert (records["success"] == (records["prediction"] != records["label"])).all()
        assert records["l2"].tolist() == pytest.approx((made["images"] - clean).flatten(1).norm(dim=1).tolist())


def test_a_board_is_what_the_adversarial_images_do(demo):
    table = pd.read_csv(demo.results / "tables/leaderboard/digits_zoo.csv").set_index(["model", "against"])
    data = load_file(demo.results / "data/digits/test.safetensors")
    clean, labels = data["images"][:100].float() / 255, data["labels"][:100]
    victim = load(demo, "CNN_bn/none")
    with torch.no_grad():
        right = victim(clean).argmax(1) == labels
        assert table.loc[("CNN_bn", "clean"), "right"] == right.sum().item()
        robust = right.clone()
        for attack in ("dichotomy", "deepfool"):
            made = adversarial(demo, "CNN_bn/none", attack)["images"]
            within = (made - clean).flatten(1).norm(dim=1) <= 1.5
            stands = right & ~(within & (victim(made).argmax(1) != labels))
            # Rounding decides near the boundary.
            assert table.loc[("CNN_bn", attack), "right"] == pytest.approx(stands.sum().item(), abs=1)
            robust &= stands
    assert table.loc[("CNN_bn", "worst case"), "right"] == pytest.approx(robust.sum().item(), abs=1)


def test_the_transfer_matrix_is_what_the_target_makes_of_the_sources_images(demo):
    table = pd.read_csv(demo.results / "tables/transfer/digits_zoo.csv").set_index(["source", "target"])
    data = load_file(demo.results / "data/digits/test.safetensors")
    clean, labels = data["images"][:100].float() / 255, data["labels"][:100]
    target, made = load(demo, "MLP/none"), adversarial(demo, "CNN/none", "deepfool")["images"]
    with torch.no_grad():
        right, fooled = target(clean).argmax(1) == labels, target(made).argmax(1) != labels
    row = table.loc[("CNN/none", "MLP/none")]
    assert row["n"] == right.sum().item()
    assert row["fooled"] == pytest.approx((right & fooled).sum().item(), abs=1)


def test_the_table_of_defenses_is_what_each_victim_does(demo):
    """White box on the bit depth: blind; adaptive: as bad as none. The numbers are those of the images themselves."""
    table = pd.read_csv(demo.results / "tables/defenses_r3.csv").set_index(["defense", "kind", "attack"])
    data = load_file(demo.results / "data/digits/test.safetensors")
    for defense, kind, attack in (
        ("bit_depth_4", "adaptive", "pgd_adaptive"),
        ("feature_squeezing", "white_box", "pgd"),
        ("adversarial_training", "static", "fgsm"),
    ):
        victim = (
            load(demo, "six_conv/none", defense=BIT_DEPTH_4)
            if defense == "bit_depth_4"
            else load(demo, f"six_conv/{defense}")
        )
        source = "none" if kind == "static" else defense
        made = adversarial(demo, f"six_conv/{source}", attack)["images"]
        with torch.no_grad():
            right = (victim(made).argmax(1) == data["labels"][: len(made)]).float().mean().item()
        # Rounding decides near the boundary.
        assert table.loc[(defense, kind, attack), "accuracy"] == pytest.approx(right, abs=0.02)
    for defense in ("adversarial_training", "feature_squeezing", "bit_depth_4"):
        rows = table.loc[defense]
        worst = rows.loc[("worst case", "all"), "accuracy"]
        bounded = ~rows.index.get_level_values("attack").isin(["pgd_huge", "deepfool"])
        assert worst <= rows.loc[bounded, "accuracy"].min()
        assert rows.loc[("static", "deepfool"), "accuracy"] > worst + 0.2  # R3's protocol credits what is not there
    assert "adaptive pgd_adaptive leaves" in table.loc[("bit_depth_4", "worst case", "all"), "warnings"]
    assert table.loc["none", "warnings"].isna().all()


def test_a_filter_at_test_alone_stands_in_front_of_the_undefended_weights(demo):
    assert not (demo.results / "victims/digits/six_conv/bit_depth_4").exists()
    plain, filtered = load(demo, "six_conv/none"), load(demo, "six_conv/none", defense=BIT_DEPTH_4)
    records = judged(demo, "defenses", "six_conv/bit_depth_4", "fgsm")
    test = load_file(demo.results / "data/digits/test.safetensors")
    clean = test["images"][adversarial(demo, "six_conv/bit_depth_4", "fgsm")["index"]].float() / 255
    with torch.no_grad():
        squeezed = plain((clean * 15).round() / 15)
        assert torch.equal(filtered(clean), squeezed)
    assert (squeezed.argmax(1).numpy() == records["clean_prediction"]).all()


def test_a_filter_that_was_trained_with_has_the_weights_of_the_bare_network(demo):
    plain, defended = (
        load_file(demo.results / f"victims/digits/six_conv/{defense}/0/weights.safetensors")
        for defense in ("none", "feature_squeezing")
    )
    assert {name: tensor.shape for name, tensor in plain.items()} == {
        name: tensor.shape for name, tensor in defended.items()
    }
    assert any(not torch.equal(tensor, defended[name]) for name, tensor in plain.items())


def test_the_manifest_lists_the_artefacts_with_their_checksums(demo):
    manifest = json.loads((demo.results / "manifest.json").read_text())
    assert len(manifest["artefacts"]) > 150
    for path, entry in manifest["artefacts"].items():
        assert (demo.results / path).exists(), path
        if (demo.results / path).is_file():
            assert hashlib.sha256((demo.results / path).read_bytes()).hexdigest() == entry["sha256"]
        job = manifest["jobs"][entry["job"]]
        assert len(job["code"].split()[0]) == 16
        assert manifest["machines"][job["machine"]]["software"]["torch"] == torch.__version__.partition("+")[0]
    kinds = {path.parts[0] for path in map(Path, manifest["artefacts"])}
    assert kinds == set(STAGES) - {"costs"}  # measured speeds, which only `snakemake costs` makes
    # Files that tell how long something took differ from run to run, and other tests make other perturbations.
    files = {path.relative_to(demo.results) for path in demo.results.rglob("*") if path.is_file()}
    unlisted = {
        path.name.partition(".")[0]
        for path in files
        if path.parts[0] in kinds - {"datasets"}
        and path.as_posix() not in manifest["artefacts"]
        and path.parts[:2] != ("figures", "minimal")
    }
    assert unlisted == {"history", "training", "run", "speed", "plan", "minimal_speed", "defenses_cost_r3", "times"}


def test_every_job_left_a_log_without_warnings_or_tracebacks(demo):
    logs = list((demo.results / "logs").rglob("*.log"))
    assert len(logs) > 100
    for log in logs:
        text = log.read_text()
        assert "Traceback" not in text, log
        assert "Warning" not in text, f"{log}: {text}"
        assert re.match(r"\w+\.py on \S+, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\n  ", text), log
        # Other tests have asked the demo for what cannot be had.
        assert re.search(r"^(done in [\d.]+ s, peak memory [\d,]+ MB$|error: )", text, re.MULTILINE), log


def test_a_table_says_where_the_time_went(demo):
    times = pd.read_csv(demo.results / "tables/times.csv").set_index("rule")
    assert {"train_victim", "attack_victim", "tabulate_fgsm_sweep", "draw_fgsm_sweep"} <= set(times.index)
    assert times["share"].sum() == pytest.approx(1)
    benchmarks = list((demo.results / "benchmarks").rglob("*.tsv"))
    assert 100 < times["jobs"].sum() < len(benchmarks)  # not its own, nor those of other tests that came later


def test_training_logs_tell_the_progress(demo):
    text = (demo.results / "logs/victims/digits/lenet/none/0.log").read_text()
    for word in ("epoch", "loss", "val accuracy", "images/s"):
        assert word in text


def test_a_log_tells_how_fast_and_on_what_its_job_computed(demo):
    """With the threads of its rule, which has one; PyTorch would take all cores."""
    if torch.cuda.is_available():
        pytest.skip("the jobs run on a GPU")
    logs = [path.read_text() for path in (demo.results / "logs").rglob("*.log")]
    computed = [log for log in logs if "\n  device: " in log]
    assert len(computed) > 80
    for log in computed:
        assert "\ndevice: cpu, 1 thread\n" in log
        assert "images/s" in log


def test_other_libraries_confirm_a_number_of_the_run(demo, tmp_path):
    command = [sys.executable, "-m", "bench.second_opinion", "--results", str(demo.results), "--images", "40"]
    command += ["digits/lenet/none/0:robustness-pgd_margin:0.1", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=demo.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ours, *peers = pd.read_csv(tmp_path / "second_opinion.csv").to_dict("records")
    records = judged(demo, "robustness", "lenet/none", "robustness-pgd_margin")[:40]
    assert ours["accuracy"] == pytest.approx((records["prediction"] == records["label"]).mean())
    assert [one["attacked by"] for one in peers] == ["pyautoattack", "foolbox, PGD"]
    for one in peers:
        assert one["differ"] <= 10, one
        assert one["low"] <= one["accuracy"] <= one["high"]


def test_the_examples_of_a_filter_are_classified_by_the_victim_with_that_filter(demo):
    file = demo.results / "evaluations/squeezed/r3/six_conv/0.safetensors"
    with safe_open(file, "np") as stored:
        panels = json.loads(stored.metadata()["texts"])["panels"]
    clean = load_file(file)["clean"]
    victims = {
        "feature_squeezing": load(demo, "six_conv/feature_squeezing"),
        "bit_depth_4": load(demo, "six_conv/none", defense=BIT_DEPTH_4),
    }
    for name, victim in victims.items():
        with torch.no_grad():
            expected = victim(clean).softmax(1).max(1).values
        shown = [confidence for _, confidence in panels[f"clean, {name}"]]
        assert shown == pytest.approx(expected.tolist(), abs=1e-4), name


@pytest.mark.parametrize(("study", "splits"), [("robustness", {"test"}), ("minimal", {"train", "val", "test"})])
def test_a_victim_is_judged_on_the_splits_that_its_study_shows(demo, study, splits):
    records = list((demo.results / f"provenance/judgements/{study}").rglob("none/*.json"))
    assert records
    for record in records:
        inputs = json.loads(record.read_text())["inputs"]
        assert {Path(name).stem for name in inputs if name.startswith("data/")} == splits
