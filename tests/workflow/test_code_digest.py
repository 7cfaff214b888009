import subprocess
import sys
from pathlib import Path

import pytest

from foolflow.errors import InvalidInput
from foolflow.workflow import code_digest as module
from foolflow.workflow.code_digest import clear_cache, closure, code_digest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = sorted(path.stem for path in (ROOT / "scripts").glob("[a-z]*.py"))
SCRIPT = '''
"""What it does."""
from foolflow.near import helper

def main():
    """Docstring."""
    return helper()  # comment
'''


@pytest.fixture
def tree(tmp_path, monkeypatch) -> Path:
    """Build a small project that contains the user's working directory."""
    files = {
        "scripts/run.py": SCRIPT,
        "foolflow/__init__.py": "",
        "foolflow/near.py": "import foolflow.far\n\ndef helper():\n    return foolflow.far.VALUE\n",
        "foolflow/far.py": "from foolflow.jobs import files\n\nVALUE = 1\n",
        "foolflow/unused.py": "VALUE = 2\n",
        "foolflow/page.html": "<p>",
        "foolflow/jobs/__init__.py": "",
        "foolflow/jobs/files.py": "import foolflow.unused\n",
    }
    for file, text in files.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "PACKAGE", tmp_path / "foolflow")
    monkeypatch.setattr(module, "project_folder", lambda: tmp_path)
    clear_cache()
    yield tmp_path
    clear_cache()


def digest(*names: str) -> str:
    clear_cache()
    return code_digest("scripts.run", *names)


def test_direct_and_indirect_imports_are_reached(tree):
    assert closure("scripts.run") == {"scripts.run", "foolflow.near", "foolflow.far"}


def test_the_digest_is_followed_by_the_names_it_was_computed_from(tree):
    hexadecimal, *names = digest("foolflow.unused", "foolflow.unused").split()
    assert names == ["foolflow.unused", "scripts.run"]
    assert len(hexadecimal) == 16
    assert code_digest(*names) == " ".join([hexadecimal, *names])


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("# comment", "# another comment"),
        lambda text: text.replace("Docstring.", "Another docstring.\n\n    Longer."),
        lambda text: text.replace('    """Docstring."""\n', ""),
        lambda text: text.replace("def main():", "def main(\n):"),
        lambda text: "\n\n" + text,
        lambda text: text.replace("What it does", "What else it does"),
    ],
)
def test_comments_docstrings_and_formatting_do_not_count(tree, change):
    before = digest()
    changed = change(SCRIPT)
    assert changed != SCRIPT
    (tree / "scripts/run.py").write_text(changed)
    assert digest() == before


@pytest.mark.parametrize("file", ["scripts/run.py", "foolflow/near.py", "foolflow/far.py"])
def test_a_change_of_code_in_any_reached_file_counts(tree, file):
    before = digest()
    path = tree / file
    path.write_text(path.read_text() + "\nNEW = 1\n")
    assert digest() != before


@pytest.mark.parametrize("file", ["foolflow/jobs/files.py", "foolflow/jobs/__init__.py", "foolflow/__init__.py"])
def test_code_that_only_runs_jobs_does_not_count(tree, file):
    """Neither does code that only the plumbing imports, nor the package's list of public names."""
    before = digest()
    path = tree / file
    path.write_text(path.read_text() + "\nNEW = 1\n")
    assert digest() == before
    (tree / "foolflow/unused.py").write_text("VALUE = 3\n")
    assert digest() == before


def test_code_that_runs_jobs_counts_where_it_is_named(tree):
    before = digest("foolflow.jobs.files")
    path = tree / "foolflow/jobs/files.py"
    path.write_text(path.read_text() + "\nNEW = 1\n")
    assert digest("foolflow.jobs.files") != before


def test_code_that_is_not_reached_does_not_count(tree):
    before = digest()
    (tree / "foolflow/unused.py").write_text("VALUE = 3\n")
    assert digest() == before
    assert digest("foolflow.unused").split()[0] != before.split()[0]


def test_every_byte_of_a_data_file_counts(tree):
    before = digest("foolflow:page.html")
    (tree / "foolflow/page.html").write_text("<p> ")
    assert digest("foolflow:page.html") != before


def test_imports_for_type_checkers_do_not_count(tree):
    near = tree / "foolflow/near.py"
    near.write_text(
        f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import foolflow.unused\n{near.read_text()}"
    )
    assert "foolflow.unused" not in closure("scripts.run")


def test_the_else_branch_of_type_checking_counts(tree):
    near = tree / "foolflow/near.py"
    text = near.read_text()
    near.write_text(f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    FLAG = 1\n{text}")
    before = digest()
    near.write_text(near.read_text().replace("FLAG = 1", "FLAG = 2"))
    assert digest() != before


def test_a_users_file_reaches_files_next_to_it_and_attributes_of_the_package(tree):
    (tree / "mine").mkdir()
    (tree / "mine/helper.py").write_text("VALUE = 1\n")
    (tree / "below_the_root.py").write_text("VALUE = 1\n")
    user = "import foolflow\nimport helper\nfrom below_the_root import VALUE\nx = foolflow.far.VALUE\n"
    (tree / "mine/attack.py").write_text(user)
    assert closure("mine/attack.py") == {
        "mine/attack.py",
        "mine/helper.py",
        "below_the_root",
        "foolflow.far",
    }


@pytest.mark.parametrize(
    "user",
    [
        "import foolflow as ff\nx = ff.part.deep.VALUE\n",
        "from foolflow import part\nx = part.deep.VALUE\n",
        "from foolflow import part as other\n\ndef attack():\n    return other.deep.VALUE\n",
        "import foolflow.part as other\nx = other.deep.VALUE\n",
    ],
)
def test_attributes_are_followed_through_other_names_of_the_package(tree, user):
    (tree / "foolflow/part").mkdir()
    for file in ("__init__", "deep"):
        (tree / f"foolflow/part/{file}.py").write_text("VALUE = 1\n")
    (tree / "mine.py").write_text(user)
    assert "foolflow.part.deep" in closure("mine.py")


def test_a_users_package_is_followed_from_module_to_module(tree):
    package = tree / "mine/package"
    (package / "deep").mkdir(parents=True)
    for file, text in {
        "__init__.py": "",
        "one.py": "from package.deep import two\n",
        "deep/two.py": "from ..three import VALUE\nfrom . import four\n",
        "deep/four.py": "import beside\n",
        "three.py": "VALUE = 3\n",
        "unused.py": "VALUE = 4\n",
        "../beside.py": "VALUE = 5\n",
    }.items():
        (package / file).write_text(text)
    (tree / "mine/attack.py").write_text("from package.one import two\n")
    reached = ("attack", "package/__init__", "package/one", "package/deep/two", "package/deep/four", "package/three")
    assert closure("mine/attack.py") == {f"mine/{name}.py" for name in (*reached, "beside")}


@pytest.mark.parametrize("folder", [".", "zoo"], ids=["below the working directory", "is the working directory"])
@pytest.mark.parametrize("line", ["from .blocks import Block", "from zoo.blocks import Block"])
def test_a_users_file_reaches_the_package_that_it_is_in(tree, monkeypatch, folder, line):
    package = tree / "mine/zoo"
    package.mkdir(parents=True)
    for file, text in {"__init__": "", "net": line, "blocks": "Block = 1"}.items():
        (package / f"{file}.py").write_text(f"{text}\n")
    monkeypatch.chdir(tree / "mine" / folder)
    name = "net.py" if folder == "zoo" else "zoo/net.py"
    assert {Path(one).resolve() for one in closure(name)} == {
        package / f"{file}.py" for file in ("__init__", "net", "blocks")
    }
    for file in ("__init__", "blocks"):
        before = digest(name)
        (package / f"{file}.py").write_text("Block = 2\n")
        assert digest(name) != before


def test_a_file_in_an_installed_package_does_not_reach_the_other_libraries(tree, monkeypatch):
    for file, text in {
        "zoo/__init__": "",
        "zoo/net": "from . import blocks\nimport other",
        "zoo/blocks": "",
        "other/__init__": "",
    }.items():
        path = tree / f"installed/{file}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    files = {f"installed/zoo/{name}.py" for name in ("__init__", "net", "blocks")}
    assert closure("installed/zoo/net.py") == files | {"installed/other/__init__.py"}
    clear_cache()
    monkeypatch.setattr(module, "LIBRARIES", {(tree / "installed").resolve()})
    assert closure("installed/zoo/net.py") == files


def test_a_relative_import_beyond_the_working_directory_is_no_error(tree):
    """It fails when the file runs, which the file may expect."""
    (tree / "mine.py").write_text("try:\n    from ..layers import Block\nexcept ImportError:\n    Block = None\n")
    assert closure("mine.py") == {"mine.py"}


def test_a_users_file_keeps_the_name_from_the_config(tree, monkeypatch):
    (tree / "mine").mkdir()
    (tree / "mine/attack.py").write_text("import helper\n")
    (tree / "mine/helper.py").write_text("VALUE = 1\n")
    before = digest("mine/attack.py")
    elsewhere = tree / "elsewhere"
    elsewhere.mkdir()
    (tree / "mine").rename(elsewhere / "mine")
    monkeypatch.chdir(elsewhere)
    assert digest("mine/attack.py") == before


@pytest.mark.parametrize(
    ("name", "error"),
    [("foolflow.missing", FileNotFoundError), ("mine.py", FileNotFoundError), ("bad.py", InvalidInput)],
)
def test_code_that_cannot_be_read_is_an_error(tree, name, error):
    (tree / "bad.py").write_text("def\n")
    with pytest.raises(error):
        digest(name)


def test_a_string_statement_that_is_not_a_docstring_counts(tree):
    before = digest()
    (tree / "foolflow/far.py").write_text("from foolflow.jobs import files\n\nVALUE = 1\n'text'\n")
    assert digest() != before


# Run each program in a process of its own. All share the packages of others, which take seconds to import.
PROBE = """
import os, runpy, sys
import kornia, pandas, pyarrow.parquet, torch
sys.path.insert(0, ".")
for program in sys.argv[1:]:
    if os.fork():
        assert os.wait()[1] == 0, program
        continue
    sys.argv = ["script", "--help"]
    try:
        runpy.run_module(f"scripts.{program}", run_name="__main__", alter_sys=False)
    except SystemExit:
        pass
    print()
    print("imported by", program, *sys.modules)
    sys.exit()
"""


@pytest.fixture(scope="module")
def loaded_by() -> dict[str, set[str]]:
    """Return the modules that each program has imported when it shows its help."""
    command = [sys.executable, "-c", PROBE, *PROGRAMS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = (line.split() for line in done.stdout.splitlines() if line.startswith("imported by "))
    return {program: set(modules) for _, _, program, *modules in lines}


# The other modules that foolflow.jobs imports: see test_boundary.py.
OF_THE_PLUMBING = {"foolflow", "foolflow.errors", "foolflow.workflow"} | {
    f"foolflow.workflow.{name}" for name in ("code_digest", "project")
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_loads_only_what_its_digest_covers(loaded_by, program):
    loaded = {name for name in loaded_by[program] if name.partition(".")[0] == "foolflow"}
    assert "foolflow.errors" in loaded
    counted = {name for name in loaded if not f"{name}.".startswith("foolflow.jobs.")}
    assert counted <= closure(f"scripts.{program}") | OF_THE_PLUMBING


WITHOUT_TORCH = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
    if "torch" in sys.modules:
        sys.exit(f"{name} imports torch")
"""


def modules_of(*packages: str) -> list[str]:
    return [f"{package}.{path.stem}" for package in packages for path in _files(package) if path.stem != "__init__"]


def _files(package: str) -> list[Path]:
    return sorted((ROOT / package.replace(".", "/")).glob("*.py"))


def test_code_that_draws_or_tabulates_does_not_import_torch():
    """Importing torch takes 1.4 s of each job on a quiet machine."""
    programs = ("draw", "export_images", "gather_attack", "tabulate", "verify", "write_page")
    names = [f"scripts.{program}" for program in (*programs, "write_manifest")]
    names += modules_of(
        *(f"foolflow.{name}" for name in ("figures", "jobs", "pages", "statistics", "studies", "tables"))
    )
    assert len(names) > 60
    command = [sys.executable, "-c", WITHOUT_TORCH, *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
