"""The user's images in the workflow: which splits are made, and which changes of a folder make them again."""

import subprocess
from pathlib import Path

import pytest
import yaml
from PIL import Image

from foolflow.data.splits import load_split
from tests.conftest import ROOT
from tests.end_to_end.conftest import BARE, SNAKEMAKE

CONFIG = {
    "datasets": {
        "photos": {"source": "folder", "path": "photos"},
        "divided": {"source": "folder", "path": "photos", "val": 4, "test": 4},
    }
}


def snakemake(folder: Path, *targets: str) -> str:
    command = [SNAKEMAKE, *targets, "-s", ROOT / "Snakefile", "-d", folder, "--cores", "1"]
    command += ["--replace-workflow-config", "--configfile", folder / "mine.yaml"]
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=BARE, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


@pytest.fixture
def folder(tmp_path) -> Path:
    for number in range(16):
        file = tmp_path / f"photos/{'cat' if number % 2 else 'dog'}/{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (12, 8), number).save(file)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(CONFIG))
    return tmp_path


def test_a_folder_is_read_again_only_if_its_images_or_classes_change(folder):
    test = "results/data/photos/test.safetensors"
    targets = (test, "results/data/divided/train.safetensors")
    (folder / "photos/cat/a.heic").write_bytes(b"")
    assert "notice: photos: 1 of 17 files passed over" in snakemake(folder, *targets)
    made = sorted(path.relative_to(folder / "results/data").as_posix() for path in folder.rglob("*.safetensors"))
    assert made == [f"{name}.safetensors" for name in ("divided/test", "divided/train", "divided/val", "photos/test")]
    before = (folder / test).read_bytes()

    for name in (".DS_Store", "cat/Thumbs.db", "dog/._1.png", ".ipynb_checkpoints/1.png", "__MACOSX/cat/1.png"):
        (folder / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (9, 9)).save(folder / "photos" / name, "png")
    assert "Nothing to be done" in snakemake(folder, *targets)
    snakemake(folder, "--force", test)
    assert (folder / test).read_bytes() == before

    (folder / "photos/emu").mkdir()
    snakemake(folder, test)
    assert load_split(folder / test).class_names == ("cat", "dog", "emu")
    Image.new("L", (12, 8), 99).save(folder / "photos/emu/1.png")
    snakemake(folder, test)
    split = load_split(folder / test)
    row = split.files.index("emu/1.png")
    assert (split.labels[row], split.images[row].max()) == (2, 99)
