"""Tests of the benchmark: its arithmetic by hand, its reading of tables, and a small run."""
import json
import math
import os
import pathlib
import subprocess
import sys
import types
import xml.etree.ElementTree

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "integration"), str(HERE.parents[1] / "peers")]

import bootstrap  # noqa: E402
import environment  # noqa: E402
import harness  # noqa: E402
import returned  # noqa: E402
import rows  # noqa: E402
import runs  # noqa: E402
import score  # noqa: E402
import table  # noqa: E402
import targets  # noqa: E402

REPLAY = harness.BUILD / "tests/bench/search/replay"
RATES = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2]
SIZES = [4, 8, 16]
POINTS = 6


def loss_at(rate, size, share):
    """A bowl around 3e-3 and 8 whose curve falls; the largest rate leads early, then diverges."""
    u, v = math.log2(rate / 3e-3), math.log2(size / 8)
    if rate > 2e-2 and share > 0.5:
        return math.nan
    return 2 + 0.03 * u * u + 0.02 * v * v + 0.5 * (share**-0.4 - 1) * (1 - 0.05 * u)


def write_table(folder, name, points, more=""):
    settings = [(rate, size) for rate in RATES for size in SIZES]
    stem = folder / name
    stem.with_suffix(".yaml").write_text(
        f"name: {name}   # made by a test\n"
        'source: "made up: a bowl, # and nothing else"\n'
        "horizon: 60000\n"
        "model: {parameters: 331776, context: 64}\n"
        "metric: {name: val_loss, goal: minimize}\n"
        "schedule: cosine\n"
        "parameters:\n"
        "  learning_rate: {scale: log, min: 0.0001, max: 0.03}\n"
        "  batch_size: {scale: log, values: [4, 8, 16]}\n" + more
    )
    lines = ["trial,learning_rate,batch_size"]
    lines += [f"{i},{rate},{size}" for i, (rate, size) in enumerate(settings)]
    (folder / f"{name}.trials.csv").write_text("\n".join(lines) + "\n")
    lines = ["trial,tokens,loss,seconds"]
    for i, (rate, size) in enumerate(settings):
        for k in range(1, points + 1):
            lines.append(f"{i},{60000 * k // points},{loss_at(rate, size, k / points):.6f},")
    (folder / f"{name}.curves.csv").write_text("\n".join(lines) + "\n")
    return str(stem.with_suffix(".yaml"))


def test_bootstrap_of_three_numbers_by_hand(t):
    # Of the 27 samples of (0, 0, 3) 8 have the mean 0, 12 have 1, 6 have 2 and one has 3: the
    # mean is at most 2 in 96.3 %, so the interval is [0, 2] at the 90 % level, [0, 3] at 95 %.
    assert bootstrap.interval([0, 0, 3], level=0.90, samples=20000) == (0, 2)
    assert bootstrap.interval([0, 0, 3], level=0.95, samples=20000) == (0, 3)


def test_bootstrap_of_equal_numbers_is_that_number(t):
    assert bootstrap.interval([2.5] * 7) == (2.5, 2.5)
    assert bootstrap.interval([4.0]) == (4.0, 4.0)


def test_percentile_is_the_smallest_number_with_that_share_under_it(t):
    assert bootstrap.percentile([1, 2, 3, 4], 0.25) == 1
    assert bootstrap.percentile([1, 2, 3, 4], 0.26) == 2
    assert bootstrap.percentile([1, 2, 3, 4], 1.0) == 4
    assert bootstrap.percentile([1, 2, 3, 4], 0.0) == 1


def test_equal_regrets_share_the_mean_of_their_ranks(t):
    assert bootstrap.ranks([3.0, 1.0, 3.0, 2.0]) == [3.5, 1, 3.5, 2]


def test_geometric_mean_of_a_half_and_two_is_one(t):
    assert abs(bootstrap.geometric_mean([0.5, 2.0]) - 1) < 1e-15


def test_cost_counts_from_when_the_loss_stays_within(t):
    trace = [[10, 2.0], [20, 1.0], [30, 3.0], [40, 1.0], [60, 0.9]]
    assert score.cost_to_stay(trace, 1.0, 20) == 2.0
    assert score.cost_to_stay(trace, 0.95, 20) == 3.0
    assert score.cost_to_stay(trace, 0.5, 20) == math.inf


def test_before_any_horizon_the_lowest_last_value_is_returned(t):
    best = returned.Returned()
    assert best.row(7) == 7
    best.observe(0, 2.0, False)
    best.observe(1, 1.5, False)
    assert best.row(7) == 1
    best.observe(1, 2.5, False)  # its loss rose: the other one is lower now
    assert best.row(7) == 0
    best.observe(0, math.nan, False)  # diverged: it has no value any more
    assert best.row(7) == 1
    best.observe(2, 9.0, True)  # at its horizon: ranks before all others
    assert best.row(7) == 2
    best.observe(3, 1.0, False)
    assert best.row(7) == 2
    best.observe(3, 8.0, True)
    assert best.row(7) == 3


def test_regret_is_the_worst_loss_before_anything_is_returned(t):
    made = table.Table(write_table(t.folder, "bowl", POINTS))
    trace = [[60000, made.best + 1], [120000, 1e30], [180000, made.best]]
    found = score.regret_curve(trace, made, [0.5, 1, 2, 2.5, 3])
    worst = made.worst - made.best
    wanted = [worst, min(1, worst), worst, worst, 0]
    assert all(abs(a - b) < 1e-12 for a, b in zip(found, wanted)), (found, wanted)


def test_one_huge_loss_does_not_dominate_a_mean(t):
    made = table.Table(write_table(t.folder, "bowl", POINTS))
    made.worst, unit = 2e9, score.middle_regret(made)
    seeds = [[[60000, 2e9]], [[60000, made.best + unit]]]
    counts = {"trials": 1, "complete": 1, "discarded": 0, "diverged": 0, "best_killed": False}
    cell = score.Cell(made, [dict(counts, trace=trace) for trace in seeds], [1.0])
    assert abs(cell.scaled_at(1) - (score.SCALED_MOST + 1) / 2) < 1e-9
    assert cell.regret_at(1) > 9e8


def test_a_table_is_read_with_its_ranges_and_its_diverged_trials(t):
    made = table.Table(write_table(t.folder, "bowl", POINTS))
    assert made.name == "bowl" and made.horizon == 60000 and made.has_curves
    assert made.parameters["batch_size"] == {"scale": "log", "values": [4, 8, 16]}
    assert made.parameters["learning_rate"]["max"] == 0.03
    assert made.rows[made.best_row] == {"trial": "10", "learning_rate": "0.003", "batch_size": "8"}
    assert sum(math.isinf(made.final(row)) for row in range(len(made.rows))) == len(SIZES)
    assert rows.has_law(made)


def test_an_invalid_line_is_named(t):
    path = write_table(t.folder, "bowl", POINTS, more="nonsense\n")
    try:
        table.Table(path)
    except table.Fault as fault:
        assert f"{path}:10:" in str(fault) and "nonsense" in str(fault), fault
    else:
        raise AssertionError("read an invalid line")


def test_targets_are_met_or_missed(t):
    assert targets.target("c", 2.0, 2)["met"] is True
    assert targets.target("c", 2.01, 2)["met"] is False
    assert targets.target("c", None, 2)["met"] is None


def test_regrets_within_seed_noise_are_equal(t):
    one = types.SimpleNamespace(name="one")
    cells = {
        rows.DEFAULT: {"one": types.SimpleNamespace(scaled=[0.3, 0.0004, 0.004])},
        "a": {"one": types.SimpleNamespace(scaled=[0.2, 0.0, 0.0])},
        "b": {"one": types.SimpleNamespace(scaled=[0.4, 0.1, 0.1])},
    }
    found = [targets.ratio_at(cells, [one], ["a", "b"], at) for at in range(3)]
    assert [round(ratio, 9) for ratio, *_ in found] == [1.5, 1.0, 4.0]
    assert all(label == "a" for *_, label in found)


def test_labels_of_rows_are_unique(t):
    labels = [row.label for row in rows.ROWS + rows.OPTUNA_ROWS]
    assert len(labels) == len(set(labels))
    for label in [rows.DEFAULT, rows.DEFAULT_NO_PRIOR, rows.PRIOR, rows.NO_PRIOR, rows.ASHA]:
        assert label in labels
    assert set(rows.MISPLACED) | {rows.HYPERBAND, rows.ASHA_TPE} <= set(labels)


def test_seeds_are_requested_in_spans(t):
    assert runs.consecutive([1, 2, 3, 7, 9, 10]) == [(1, 3), (7, 1), (9, 2)]
    assert runs.consecutive([]) == []


def test_scores_equal_those_of_replay(t):
    for points in [1, POINTS]:
        made = table.Table(write_table(t.folder, f"bowl{points}", points))
        command = [str(REPLAY), made.path, "--method", "tpe", "--scheduler", "asha"]
        command += ["--prior", "none", "--seeds", "4", "--budget", "20", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        summary = json.loads(done.stdout.splitlines()[-1])["summary"]
        found = list(runs.seeds_in(done.stdout.splitlines()))
        cell = score.Cell(made, found, score.costs_between(0.1, 20, 60))
        for key in score.KEYS:
            theirs = summary["cost_to_within"][key]
            assert abs(theirs["reached"] - cell.reached(key)) < 1e-4
            if theirs["median"] is not None:
                assert abs(theirs["median"] - cell.median_cost(key, 20)) < 1e-4, (key, theirs)
        for budget in score.BUDGETS:
            ours, theirs = cell.regret_at(budget), summary["regret_at"][str(budget)]
            assert abs(ours - theirs) < 1e-6, (budget, ours, theirs)
        assert abs(summary["best_killed"] - cell.killed) < 1e-4


def bench(t, *more):
    command = [sys.executable, str(HERE / "run"), str(t.folder / "tables"), "--seeds", "2"]
    command += ["--budget", "3", "--replay", str(REPLAY), "--out", str(t.folder / "out")]
    return subprocess.run(command + list(more), capture_output=True, text=True)


def test_a_run_writes_page_json_and_figures(t):
    folder = t.folder / "tables"
    folder.mkdir()
    write_table(folder, "bowl", POINTS)
    write_table(folder, "ends", 1)
    cache = t.folder / "cache"
    done = bench(t, "--cache", str(cache))
    assert done.returncode == 0, done.stderr
    data = json.loads((t.folder / "out/search.json").read_text())
    text = (t.folder / "out/search.md").read_text()
    for row in rows.ROWS:
        assert f"| {row.label} |" in text, row.label
        assert row.label in data["cells"]
    assert set(data["groups"]) == {"finals", "curves", "law"}
    asha = data["groups"]["curves"][rows.ASHA]
    low, high = asha["cost_to_within"]["0.01"]["interval"]
    assert low == high == asha["cost_to_within"]["0.01"]["mean"]
    assert 0 < low <= 3 and asha["seeds"] == 2
    assert "Optuna was not run" in text and data["optuna"] is None
    met = [found for found in data["targets"] if found["met"] is not None]
    assert len(met) >= 10 and all("wanted_at_most" in found for found in met)
    assert str(t.folder) not in text, "the page names a folder of this machine"
    figures = sorted(path.name for path in (t.folder / "out").glob("*.svg"))
    assert figures == ["curves-bowl.svg", "finals-ends.svg", "law-bowl.svg"]
    for figure in figures:
        xml.etree.ElementTree.parse(t.folder / "out" / figure)
        assert f"({figure})" in text
    # Again from the cache only: the same figures, and no new file.
    kept = sorted(os.listdir(cache))
    again = bench(t, "--cache", str(cache), "--jobs", "2", "--only", "tpe")
    assert again.returncode == 0, again.stderr
    assert sorted(os.listdir(cache)) == kept and kept
    cells = json.loads((t.folder / "out/search.json").read_text())["cells"]
    assert cells == {label: found for label, found in data["cells"].items() if "tpe" in label}


def follow(path, table_, arguments):
    """Runs the driver and checks its trace against the table."""
    python = environment.interpreter("peers")
    if not python:
        raise harness.Skip("no optuna: tests/peers/environment.py peers installs it")
    command = [python, str(HERE / "optuna_replay.py"), path, *arguments, "--budget", "6"]
    done = subprocess.run(command + ["--seeds", "1,2"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for result in map(json.loads, done.stdout.splitlines()):
        assert result["spent"] <= 6 * table_.horizon
        losses = {table_.final(row) for row in range(len(table_.rows))}
        assert all(loss in losses or loss == 1e30 for _, loss in result["trace"])
        costs = [cost for cost, _ in result["trace"]]
        assert costs == sorted(costs) and costs[-1] <= result["spent"]
        yield result


def test_optuna_on_final_losses_costs_a_full_training_each(t):
    made = table.Table(write_table(t.folder, "ends", 1))
    for result in follow(made.path, made, ["tpe", "none"]):
        assert result["spent"] == 6 * made.horizon
        assert result["complete"] + result["diverged"] == 6 and result["discarded"] == 0
        finite = [loss for _, loss in result["trace"] if loss < 1e30]
        assert finite == sorted(finite, reverse=True)


def test_optuna_starts_at_the_law_with_center(t):
    made = table.Table(write_table(t.folder, "bowl", POINTS))
    # Step Law for 331776 parameters and 60000 tokens: 6.1e-3 and 4.8 sequences of 64 tokens;
    # nearest in log among the settings: 1e-2 and 4.
    n, d = 331776, 60000
    assert abs(1.79 * n**-0.713 * d**0.307 - 6.1e-3) < 1e-4
    assert abs(0.58 * d**0.571 / 64 - 4.84) < 0.1
    row = next(r for r in made.rows if (r["learning_rate"], r["batch_size"]) == ("0.01", "4"))
    for result in follow(made.path, made, ["tpe", "median", "--center=0"]):
        assert result["trace"][0] == [10000, made.final(int(row["trial"]))]


def test_optuna_starts_at_default_values_with_usual(t):
    made = table.Table(write_table(t.folder, "bowl", POINTS))
    rates = sorted({float(r["learning_rate"]) for r in made.rows})
    nearest = min(rates, key=lambda rate: abs(math.log(rate / 3e-3)))
    for result in follow(made.path, made, ["tpe", "median", "--usual"]):
        first = result["trace"][0][1]
        finals = [
            made.final(int(r["trial"])) for r in made.rows if float(r["learning_rate"]) == nearest
        ]
        assert first in finals and len(finals) < len(made.rows)


def test_optuna_prunes_and_pruned_trials_are_counted(t):
    made = table.Table(write_table(t.folder, "bowl", POINTS))
    for result in follow(made.path, made, ["tpe", "hyperband"]):
        assert result["discarded"] > 0
        ended = result["complete"] + result["discarded"] + result["diverged"]
        assert result["trials"] - 1 <= ended <= result["trials"]


def test_a_failing_search_is_reported_with_its_message(t):
    folder = t.folder / "tables"
    folder.mkdir()
    path = write_table(folder, "bowl", POINTS)
    curves = pathlib.Path(path.replace(".yaml", ".curves.csv"))
    curves.write_text(curves.read_text().replace("0,20000", "0,5000"))
    done = bench(t, "--only", rows.ASHA)
    assert done.returncode == 1
    assert "bowl.curves.csv:3" in done.stderr, done.stderr


def test_a_folder_without_tables_is_an_error(t):
    (t.folder / "tables").mkdir()
    done = bench(t)
    assert done.returncode == 1 and "no table" in done.stderr


harness.main(globals())
