"""How a job runs is not part of its result, so no digest covers `foolflow.jobs`. This is valid only while nothing in it
can change a number: it must not import science, and science may use only a few names from it.
"""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from foolflow.workflow import code_digest as module
from foolflow.workflow.code_digest import clear_cache, closure, code_digest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = sorted(path.stem for path in (ROOT / "scripts").glob("[a-z]*.py"))
NO_SCIENCE = ("jobs", "workflow", "studies")

# Modules that the plumbing may import in addition to the standard library and itself.
FOR_THE_PLUMBING = {"filelock", "foolflow.errors", "foolflow.workflow.code_digest", "foolflow.workflow.project"}

# Names of the plumbing that science may use: writing files atomically, reporting progress, naming a user's file in
# errors. None of them changes a number, except that the estimated costs choose how many images fit a budget: the rules
# that do so name `foolflow.jobs.costs`.
FOR_SCIENCE = {
    "files.remove_partials",
    "files.whole_file",
    "files.whole_folder",
    "files.write_json",
    "files.write_text",
    "costs.Cost",
    "costs.passes",
    "progress.Progress",
    "progress.log_throughput",
    "error_reporting.line_in_user_file",
    "error_reporting.register_user_file",
}

# The programs may use more, because they call both.
FOR_PROGRAMS = FOR_SCIENCE | {
    "command_line.add_compute_options",
    "command_line.add_input",
    "command_line.add_named_files",
    "command_line.add_named_inputs",
    "command_line.add_output",
    "command_line.add_victim",
    "command_line.job_parser",
    "command_line.named_inputs",
    "command_line.run_job",
    "supervision.continue_in_child",
    "supervision.leave",
    "terminal.print_to_terminal",
    "terminal.redirect_to",
}


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (module, name) for every import anywhere in a file. For `import a.b`, the name is ''."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from ((node.module or "", alias.name) for alias in node.names)


def of_the_plumbing(path: Path) -> set[str]:
    """Return the names of foolflow.jobs that a file uses, as `module.name`. A whole module or the package is `*`."""
    used = set()
    for source, name in imported(path):
        if source == "foolflow" and name == "jobs":
            used.add("*")
        elif f"{source}.".startswith("foolflow.jobs."):
            inside = source.removeprefix("foolflow.jobs").removeprefix(".")
            used.add(f"{inside}.{name}" if inside and name else "*")
    return used


def files_of(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found
    return found


def test_the_plumbing_imports_no_science():
    for path in files_of("foolflow/jobs"):
        for source, _ in imported(path):
            allowed = source.partition(".")[0] in sys.stdlib_module_names or source in FOR_THE_PLUMBING
            assert allowed or source.startswith("foolflow.jobs."), f"{path}: {source}"


def test_imports_of_the_plumbing_import_no_science_either():
    for name in FOR_THE_PLUMBING - {"filelock"}:
        for source, _ in imported(ROOT / f"{name.replace('.', '/')}.py"):
            allowed = source.partition(".")[0] in sys.stdlib_module_names or source in FOR_THE_PLUMBING
            assert allowed, f"{name}: {source}"


def test_science_uses_only_plumbing_that_cannot_change_a_number():
    packages = {path.name for path in (ROOT / "foolflow").iterdir() if (path / "__init__.py").is_file()}
    assert packages > set(NO_SCIENCE)
    files = [path for package in packages - set(NO_SCIENCE) for path in files_of(f"foolflow/{package}")]
    files += sorted((ROOT / "foolflow").glob("*.py"))
    used = {path.relative_to(ROOT).as_posix(): of_the_plumbing(path) for path in files}
    assert {path: names - FOR_SCIENCE for path, names in used.items() if names - FOR_SCIENCE} == {}


def test_the_programs_use_only_the_listed_plumbing():
    used = {path.name: of_the_plumbing(path) for path in files_of("scripts")}
    assert {path: names - FOR_PROGRAMS for path, names in used.items() if names - FOR_PROGRAMS} == {}


def test_every_listed_name_is_used():
    everything = [path for path in files_of("foolflow") if not path.is_relative_to(ROOT / "foolflow/jobs")]
    used = set().union(*(of_the_plumbing(path) for path in [*everything, *files_of("scripts")]))
    assert used >= FOR_PROGRAMS


@pytest.fixture
def copied(tmp_path, monkeypatch) -> Path:
    """Return a copy of the project's code that may be edited."""
    for folder in ("foolflow", "scripts"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "PACKAGE", tmp_path / "foolflow")
    monkeypatch.setattr(module, "project_folder", lambda: tmp_path)
    clear_cache()
    yield tmp_path
    clear_cache()


def digests() -> dict[str, str]:
    clear_cache()
    return {program: code_digest(f"scripts.{program}") for program in PROGRAMS}


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_digest_covers_the_plumbing(program):
    reached = closure(f"scripts.{program}")
    assert len(reached) > 3
    assert not [name for name in reached if f"{name}.".startswith("foolflow.jobs.")]


def test_rewording_the_plumbing_rebuilds_nothing(copied):
    before = digests()
    for path in sorted((copied / "foolflow/jobs").rglob("*.py")):
        path.write_text("VALUE = 'at the top'\n" + path.read_text().replace("e", "a") + "\nthis is not even Python\n")
    assert digests() == before


@pytest.fixture
def parsed_once(monkeypatch) -> None:
    """Parse a file again only if its content has changed: parsing takes most of the time of a digest."""
    parse, parsed = module._read.__wrapped__, {}

    @cache
    def read(name: str) -> object:
        key = name, module._path(name).read_bytes()
        if key not in parsed:
            parsed[key] = parse(name)
        return parsed[key]

    monkeypatch.setattr(module, "_read", read)


@pytest.mark.usefixtures("parsed_once")
def test_editing_other_code_rebuilds_exactly_the_jobs_that_run_it(copied):
    before = digests()
    reached = {program: closure(f"scripts.{program}") for program in PROGRAMS}
    for name in sorted(set().union(*reached.values())):
        path = module._path(name)
        text = path.read_text(encoding="utf-8")
        path.write_text(f"{text}\nADDED = 1\n", encoding="utf-8")
        after = digests()
        changed = {program for program in PROGRAMS if after[program] != before[program]}
        assert changed == {program for program in PROGRAMS if name in reached[program]}, name
        path.write_text(text, encoding="utf-8")
    assert digests() == before


def test_planning_loads_neither_pytorch_nor_scipy():
    """Each call of Snakemake, and each job on a cluster, imports what the rules import."""
    files = [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    named = {line.split()[1] for line in lines if line.startswith("from foolflow")}
    assert {"foolflow.workflow.code_digest", "foolflow.studies"} <= named
    studies = {f"foolflow.studies.{path.stem}" for path in (ROOT / "foolflow/studies").glob("[a-z]*.py")}
    program = f"import sys, {', '.join(sorted(named | studies))}; print(*({{'torch', 'scipy'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
