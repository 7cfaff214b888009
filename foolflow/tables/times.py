"""Time spent in each rule of a run, from the files that `benchmark:` writes."""

import csv
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from foolflow.data.artefacts import Artefacts
from foolflow.tables.wording import counted, duration
from foolflow.tables.writing import Table, percent

NOTES = (
    "Wall-clock time of every job with a benchmark file in the results folder, including those of earlier runs. Jobs "
    "that ran in parallel are counted in full.",
    "Busy: CPU time divided by wall-clock time. Above 1, jobs kept several threads busy; far below 1, they waited.",
    "Memory: peak resident memory of the most demanding job of the rule, its child processes included.",
)


def build(spec: None, artefacts: Artefacts) -> Table:
    """Build the table from the files that `benchmark:` writes to the results folder, next to the manifest."""
    (manifest,) = artefacts.files["manifest"]
    return times_table(read_benchmarks(manifest.parent / "benchmarks"))


def read_benchmarks(folder: Path) -> pd.DataFrame:
    """Return one row per job: rule, job, seconds, cpu_seconds and megabytes.

    job: the file's path below `folder`. Values are NaN for a job that was too short to be measured.
    """
    return pd.concat([_read(file, folder) for file in sorted(folder.rglob("*.tsv"))], ignore_index=True)


def _read(file: Path, folder: Path) -> pd.DataFrame:
    # The parameters are JSON with quotes, and a job that was killed and restarted has several rows.
    rows = pd.read_csv(file, sep="\t", quoting=csv.QUOTE_NONE, na_values=["NA", "-"])
    name = file.relative_to(folder).with_suffix("").as_posix()
    # `--benchmark-extended`, which our profiles set, adds the rule. Without it, the first folder is used.
    rule = rows["rule_name"] if "rule_name" in rows else name.partition("/")[0]
    return pd.DataFrame(
        {
            "rule": rule,
            "job": name,
            "seconds": rows["s"],
            "cpu_seconds": rows["cpu_time"],
            "megabytes": rows["max_rss"],
        }
    )


def times_table(jobs: pd.DataFrame) -> Table:
    """Build the table. jobs: from `read_benchmarks`."""
    by_rule = jobs.groupby("rule")
    longest = jobs.loc[by_rule["seconds"].idxmax()].set_index("rule")
    data = pd.DataFrame(
        {
            "jobs": by_rule.size(),
            "seconds": by_rule["seconds"].sum(),
            "cpu_seconds": by_rule["cpu_seconds"].sum(),
            "longest_seconds": longest["seconds"],
            "longest_job": longest["job"],
            "megabytes": by_rule["megabytes"].max(),
        }
    )
    data = data.sort_values("seconds", ascending=False).reset_index()
    data.insert(3, "share", data["seconds"] / data["seconds"].sum())
    return Table(
        "Where the time went",
        data,
        _display(data),
        NOTES,
        varies=True,
        findings=_findings(data),
        totals=[len(data)],
    )


def _findings(data: pd.DataFrame) -> list[str]:
    total, first = data["seconds"].sum(), data.iloc[0]
    if total == 0:
        return ["No job took long enough to be measured."]
    return [
        f"{first['rule']} took longest: {duration(first['seconds'])} of {duration(total)} "
        f"({percent(first['share'], 1)} %) in {counted(first['jobs'], 'job')}. Its longest job, "
        f"{first['longest_job']}, took {duration(first['longest_seconds'])}."
    ]


def _display(data: pd.DataFrame) -> pd.DataFrame:
    rows = [
        [
            row["rule"],
            row["longest_job"],
            f"{row['jobs']:,}",
            duration(row["seconds"]),
            f"{100 * row['share']:.1f}",
            f"{row['seconds'] / row['jobs']:.1f}",
            f"{row['longest_seconds']:.1f}",
            _ratio(row["cpu_seconds"], row["seconds"]),
            "" if pd.isna(row["megabytes"]) else f"{row['megabytes']:,.0f}",
        ]
        for row in data.to_dict("records")
    ]
    total = ["all", "", f"{data['jobs'].sum():,}", duration(data["seconds"].sum()), "100.0", "", ""]
    rows.append([*total, _ratio(data["cpu_seconds"].sum(), data["seconds"].sum()), ""])
    return pd.DataFrame(rows, columns=list(_COLUMNS))


_COLUMNS: Sequence[str] = (
    "rule",
    "its longest job",
    "jobs",
    "time",
    "share (%)",
    "mean (s)",
    "longest (s)",
    "busy",
    "memory (MB)",
)


def _ratio(cpu_seconds: float, seconds: float) -> str:
    return "" if pd.isna(cpu_seconds) or seconds == 0 else f"{cpu_seconds / seconds:.2f}"
