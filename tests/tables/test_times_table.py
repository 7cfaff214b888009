import pandas as pd
import pytest

from foolflow.tables.times import read_benchmarks, times_table
from foolflow.tables.writing import for_page

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time"
EXTENDED = HEADER + "\tjobid\trule_name\twildcards\tparams\tthreads\tcpu_usage\tresources\tinput_size_mb"


def line(seconds, cpu, memory="100.0"):
    return f"{seconds}\t0:00:00\t{memory}\t1\t1\t1\t0\t0\t90\t{cpu}"


def extended(rule, seconds, cpu, memory="100.0"):
    return line(seconds, cpu, memory) + f"\t3\t{rule}\t{{'a': 'b'}}\t{{'spec': '{{\"x\": 1}}'}}\t1\t90\t{{}}\t{{}}"


@pytest.fixture
def folder(tmp_path):
    def put(name, *lines):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("\n".join(lines) + "\n")

    put("victims/digits/lenet/none/0.tsv", EXTENDED, extended("train_victim", 30, 15, "500.5"))
    put("victims/digits/B/none/0.tsv", EXTENDED, extended("train_victim", 60, 60, "400"))
    put("tables/fgsm_sweep.tsv", EXTENDED, extended("tabulate_fgsm_sweep", 0.2, "NA", "NA"))
    return tmp_path


def test_jobs_are_summed_by_rule_with_the_most_expensive_first(folder):
    table = times_table(read_benchmarks(folder))
    first = table.data.iloc[0]
    assert (first["rule"], first["jobs"], first["seconds"], first["cpu_seconds"]) == ("train_victim", 2, 90, 75)
    assert (first["longest_job"], first["megabytes"]) == ("victims/digits/B/none/0", 500.5)
    assert table.data["share"].sum() == pytest.approx(1)
    shown = table.display.set_index("rule")
    assert shown.loc["train_victim", "time"] == "1:30 min"
    assert shown.loc["train_victim", "busy"] == "0.83"
    assert shown.loc["tabulate_fgsm_sweep", "memory (MB)"] == ""
    assert shown.loc["all", "jobs"] == "3"


def test_without_rule_names_the_path_is_used(tmp_path):
    (tmp_path / "attacks").mkdir()
    (tmp_path / "attacks/fgsm.tsv").write_text(f"{HEADER}\n{line(5, 4)}\n")
    jobs = read_benchmarks(tmp_path)
    assert jobs["rule"].tolist() == ["attacks"]
    assert isinstance(jobs, pd.DataFrame)


def test_the_rule_that_took_longest_is_named_and_the_sum_stays_last(folder):
    table = times_table(read_benchmarks(folder))
    assert table.findings == [
        "train_victim took longest: 1:30 min of 1:30 min (99.8 %) in 2 jobs. Its longest job, victims/digits/B/none/0, "
        "took 1:00 min."
    ]
    assert table.images == {}
    page = for_page(table)
    times = [column["name"] for column in page["columns"]].index("time")
    assert [row[times] for row in page["sort"]] == [90.0, 0.0, None]
    assert page["columns"][times]["numeric"]


def test_a_run_that_took_no_time_has_a_finding():
    jobs = pd.DataFrame({"rule": ["a"], "job": ["a/b"], "seconds": [0.0], "cpu_seconds": [0.0], "megabytes": [1.0]})
    assert times_table(jobs).findings == ["No job took long enough to be measured."]
