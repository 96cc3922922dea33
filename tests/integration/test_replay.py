"""`espalier replay` on recorded studies and on tables, and the calibration of `--risk`."""
import csv
import itertools
import json
import math
import random
import sqlite3

from harness import ROOT, main, query, reports, states, wait_for

RATES = "{distribution: log_uniform_values, min: 1e-4, max: 1e-1}"
TABLE = ROOT / "tests/golden/shakespeare-d96-l3.yaml"
POLICIES = [("random", "none"), ("random", "asha"), ("tpe", "median"), ("tpe", "hyperband"),
            ("bayes", "none"), ("bayes", "freeze-thaw")]


def replay(t, *arguments, method="random", scheduler="none"):
    """The lines of the seeds, and the summaries."""
    out, _ = t.run("replay", *arguments, "--method", method, "--scheduler", scheduler, "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    return ([line for line in lines if "summary" not in line],
            [line["summary"] for line in lines if "summary" in line])


def timeless(lines):
    for line in lines:
        line.pop("decision_us")
    return lines


def recorded(t, stopping="", run_cap=9, name="small", workers=2):
    run = t.directory(name)
    t.run("run", t.study(name=name, method="random", run_cap=run_cap, learning_rate=RATES,
                         stopping=stopping, workers=workers), "--dir", run)
    return run


def export_table(t, run):
    """Writes the three files of a table from the ledger, as a person would."""
    stem = t.folder / "exported"
    (t.folder / "exported.yaml").write_text(
        "name: small\nhorizon: 20000\nmodel: {parameters: %d, context: 16}\nschedule: cosine\n"
        "metric: {name: val_loss, goal: minimize}\nparameters:\n"
        "  batch_size: {values: [4, 8]}\n"
        "  learning_rate: {scale: log, min: 1e-4, max: 1e-1}\n" % (12 * 1 * 16 * 16))
    trials = {}
    for trial, name, value in query(run, "SELECT trial, name, value FROM param ORDER BY trial"):
        trials.setdefault(trial, {})[name] = value
    with open(str(stem) + ".trials.csv", "w") as file:
        file.write("trial,batch_size,learning_rate\n")
        for trial, values in trials.items():
            file.write("%d,%d,%r\n" % (trial, values["batch_size"], values["learning_rate"]))
    with open(str(stem) + ".curves.csv", "w") as file:
        file.write("trial,tokens,loss,seconds\n")
        for row in query(run, "SELECT trial, tokens, value, device_seconds FROM report "
                              "WHERE tokens > 0 ORDER BY trial, step"):
            file.write("%d,%d,%r,%r\n" % row)
    return t.folder / "exported.yaml"


def test_replay_of_a_study_without_pauses_equals_replay_of_its_table(t):
    run = recorded(t)
    table = export_table(t, run)
    for method, scheduler in POLICIES:
        for cost in ("tokens", "seconds"):
            options = ["--seeds", 4, "--budget", 6, "--cost", cost]
            seeds, summaries = replay(t, run, *options, method=method, scheduler=scheduler)
            same = replay(t, table, *options, method=method, scheduler=scheduler)
            assert timeless(seeds) == timeless(same[0]), (method, scheduler, cost)
            assert timeless(summaries) == timeless(same[1]), (method, scheduler, cost)
            alike = len({json.dumps(line["trace"]) for line in seeds}) == 1
            assert not alike or method == "bayes", "all seeds gave the same trace"
            assert "bounds" not in summaries[0] and "bounds" not in seeds[0], summaries
            assert summaries[0]["unit"] == cost, summaries
    # Both in one call, the study by the path of its ledger: the printed table has one row for each.
    out, _ = t.run("replay", table, run / "study.db", "--method", "random", "--scheduler", "asha",
                   "--seeds", 2)
    rows = [line.split() for line in out.splitlines() if line.startswith("small")]
    assert len(rows) == 2, out
    assert rows[0][:-1] == rows[1][:-1], out  # all but the last column, which is a time
    assert "at least" not in out, out


def test_a_full_training_in_seconds_is_the_median_recorded_one(t):
    run = recorded(t, run_cap=5)
    last = sorted(seconds for seconds, in query(
        run, "SELECT max(device_seconds) FROM report GROUP BY trial"))
    _, summaries = replay(t, run, "--cost", "seconds", "--seeds", 1)
    assert math.isclose(summaries[0]["full_training"], last[2], abs_tol=2e-6), (summaries, last)


def at(trace, spent, before):
    for cost, loss in trace:
        if cost > spent:
            break
        before = loss
    return before


def test_bounds_enclose_the_trace_where_trials_were_paused(t):
    run = recorded(t, stopping="{type: asha, eta: 3, min: 2000}")
    assert states(run).get("PRUNED", 0) > 0, states(run)
    before = (run / "study.db").read_bytes()
    for method, scheduler in POLICIES:
        seeds, (summary,) = replay(t, run, "--seeds", 4, "--budget", 6, method=method,
                                   scheduler=scheduler)
        assert summary["censored"]["of"] == 9 and summary["censored"]["trials"] > 0, summary
        for line in seeds:
            lower, upper = line["bounds"]["lower"], line["bounds"]["upper"]
            first = line["censored"]["unknown_at"]
            for spent, _ in line["trace"]:
                low, high = at(lower, spent, -math.inf), at(upper, spent, math.inf)
                assert low <= high, (spent, line)
                if first is None or spent <= first:
                    assert low <= at(line["trace"], spent, None) <= high, (spent, line)
            assert (first is None) == (line["censored"]["trials"] == 0), line
        for limit in summary["bounds"]["cost_to_within"].values():
            low, high = limit["lower"], limit["upper"]
            assert low["reached"] >= high["reached"], summary
            assert high["median"] is None or low["median"] <= high["median"], summary
        for low, high in summary["bounds"]["regret_at"].values():
            assert 0 <= low <= high, summary
    assert (run / "study.db").read_bytes() == before, "replay wrote to the ledger"
    out, _ = t.run("replay", run, "--method", "random", "--scheduler", "none", "--seeds", 3)
    for phrase in ("at least", "at most", "of 9 trials are censored", "% of tokens went beyond"):
        assert phrase in out, out


def test_bounds_are_equal_when_nothing_beyond_the_record_is_needed(t):
    """The budget pays for one trial, the complete one."""
    run = recorded(t, stopping="{type: asha, eta: 3, min: 2000}")
    seeds, _ = replay(t, run, "--seeds", 1000, "--budget", 1)
    lucky = [line for line in seeds if line["complete"] == 1]
    assert lucky, "no seed starts with the complete trial"
    bounds = lucky[0]["bounds"]
    assert bounds["lower"] == bounds["upper"] == lucky[0]["trace"], lucky[0]
    out, _ = t.run("replay", run, "--method", "random", "--scheduler", "none", "--seeds", 1,
                   "--first-seed", lucky[0]["seed"], "--budget", 1)
    assert "at least" not in out and "No result depends" in out, out


def test_replay_of_the_recorded_policy_needs_nothing_beyond_the_record(t):
    run = recorded(t, stopping="{type: asha, eta: 3, min: 2000}", workers=1)
    own = ["replay", run, "--method", "random", "--scheduler", "{type: asha, eta: 3, min: 2000}", "--seeds", 1,
           "--first-seed", 3]
    out, _ = t.run(*own)
    line = json.loads(t.run(*own, "--json")[0].splitlines()[0])
    assert line["censored"]["trials"] == 0 and line["censored"]["unknown_at"] is None, line
    assert abs(line["trace"][-1][1] - t.json("best", run)[0]["value"]) < 1e-6, line
    # The text decides which trial completes first, and whether a worse one was returned before.
    exact = line["bounds"]["lower"] == line["bounds"]["upper"] == line["trace"]
    sentence = "No result depends" if exact else "No trial went beyond its record"
    assert sentence in out and "0% of decisions" not in out, (out, line)


def test_a_running_study_is_replayed(t):
    run = t.directory()
    process = t.start("run", t.study(method="random", run_cap=400, learning_rate=RATES,
                                     tokens=200000, report_every=4000), "--dir", run)
    wait_for(lambda: states(run).get("COMPLETE", 0) >= 1, "a complete trial")
    _, (summary,) = replay(t, run, "--seeds", 2)
    assert process.poll() is None, "the study ended before it was replayed"
    assert summary["seeds"] == 2 and summary["trials"] >= 1, summary
    process.terminate()
    t.finish(process, 5)
    replay(t, run, "--seeds", 2)


def refused(t, *arguments, code=2):
    out, err = t.run("replay", *arguments, expect=code)
    assert out == "", (arguments, out)
    return err


def test_an_input_that_cannot_be_replayed_is_an_error_with_a_remedy(t):
    err = refused(t, t.folder / "absent")
    assert "absent" in err, err
    empty = t.directory("empty")
    empty.mkdir()
    err = refused(t, empty)
    assert str(empty) in err and "study.db" in err, err
    connection = sqlite3.connect(empty / "study.db")
    connection.execute("CREATE TABLE mine (a)")
    connection.commit()
    connection.close()
    err = refused(t, empty)
    assert "another program" in err and "study.db" in err, err
    (t.folder / "other.db").write_bytes((empty / "study.db").read_bytes())
    err = refused(t, t.folder / "other.db")
    assert "other.db" in err and "folder" in err, err

    run = t.directory("early")
    process = t.start("run", t.study(tokens=4000000, report_every=1000), "--dir", run)
    wait_for(lambda: len(reports(run)) >= 3, "reports")
    err = refused(t, run)
    assert "has reached its horizon" in err and "resume" in err and "study.db" in err, err
    process.terminate()
    t.finish(process, 5)


def test_invalid_options_are_refused(t):
    for arguments, phrases in (
            ((TABLE, "--cost", "euros"), ("euros", "tokens, seconds")),
            ((TABLE, "--calibrate"), ("--risk",)),
            ((TABLE, "--scheduler", "none", "--eta", "3"), ("--eta", "none does not use it")),
            ((TABLE, "--calibration", "x"), ("--risk",)),
            ((TABLE, "--risk", "0.1", "--calibrate", "--calibration", "x"), ("one of them",)),
            ((TABLE, "--risk", "0.1", "--calibration", t.folder / "absent"), ("absent",)),
            ((), ("an operand is missing", "TABLE.yaml|DIR"))):
        err = refused(t, *arguments)
        for phrase in phrases:
            assert phrase in err, (arguments, err)
    scores = t.folder / "scores"
    scores.write_text("3\nmany\n")
    err = refused(t, TABLE, "--risk", "0.1", "--calibration", scores)
    assert "scores:2" in err and "many" in err, err
    err = refused(t, TABLE, "--risk", "0.1")
    assert "--risk" in err and "--calibrate" in err and "--calibration" in err, err
    t.run("replay", TABLE, "--method", "random", "--scheduler", "asha", "--seeds", 1, "--risk", 0)


def test_an_impossible_search_is_refused_by_option_before_any_output(t):
    ranges = t.folder / "ranges.yaml"
    text = TABLE.read_text()
    ranges.write_text(text[:text.index("\nparameters:") + 1] +
                      "parameters:\n  learning_rate: {scale: log}\n  batch_size: {scale: log}\n")
    for kind in ("trials", "curves"):
        source = str(TABLE)[: -len(".yaml")] + ".%s.csv" % kind
        (t.folder / ("ranges.%s.csv" % kind)).write_text(open(source).read())
    for arguments, phrases in (
            (("--prior", "foo"), ("--prior", "foo", "step-law, none nor NAME=VALUE")),
            (("--method", "grid"), ("--method grid: ", "batch_size", "has no grid")),
            (("--scheduler", "patience"), ("--scheduler patience", "{type: patience, patience: REPORTS}")),
            (("--scheduler", "threshold"), ("--scheduler threshold", "{type: threshold, threshold: LOSS}")),
            (("--scheduler", "wandb-hyperband"), ("--scheduler wandb-hyperband", "min_iter"))):
        for json_too in ((), ("--json",)):
            err = refused(t, TABLE if arguments[0] == "--scheduler" else ranges, *arguments, *json_too)
            assert "line 0" not in err, err
            for phrase in phrases:
                assert phrase in err, (arguments, err)


def test_a_scheduler_can_be_given_as_in_a_study_file(t):
    """ASHA by its name and in braces is the same search, and the numbers in braces are used."""
    def traces(scheduler, *arguments):
        seeds, _ = replay(t, TABLE, "--seeds", "2", *arguments, method="bayes", scheduler=scheduler)
        return [seed["trace"] for seed in seeds]
    plain = traces("asha", "--eta", "4")
    assert traces("{type: asha, eta: 4}") == plain
    assert traces("{type: asha, eta: 3}") != plain
    for reports, some in ((1, True), (25, False)):
        _, (summary,) = replay(t, TABLE, "--seeds", "2",
                               scheduler="{type: patience, patience: %d}" % reports)
        assert (summary["discarded"] > 0) == some, (reports, summary)
    for text, phrases in (("{type: patience}", ("needs `patience`",)),
                          ("{type: asha, min: 9e9}", ("min 9e+09", "beyond the horizon")),
                          ("{type: asha, foo: 1}", ('unknown key "foo"',)),
                          ("{type: freeze-thaw, repeats: 1}", ("one seed",)),
                          ("{", ("--scheduler:1",))):
        err = refused(t, TABLE, "--scheduler", text)
        for phrase in phrases:
            assert phrase in err, (text, err)
    for option, value in (("--eta", "4"), ("--risk", "0.5")):
        assert "in the braces" in refused(t, TABLE, "--scheduler", "{type: asha}", option, value)


def test_missing_seconds_are_reported_with_their_file(t):
    subset(t, "bare", range(8), seconds=False)
    err = refused(t, t.folder / "bare.yaml", "--cost", "seconds")
    assert "bare.curves.csv" in err and "trial 0" in err and "--cost tokens" in err, err


def subset(t, name, rows, seconds=True):
    """A table with some trials of the golden table."""
    text = TABLE.read_text().replace("shakespeare-d96-l3", name)
    (t.folder / (name + ".yaml")).write_text(text)
    number = {str(row): i for i, row in enumerate(sorted(rows))}
    stem = str(TABLE)[: -len(".yaml")]
    for kind in ("trials", "curves"):
        with open("%s.%s.csv" % (stem, kind)) as source:
            table = list(csv.reader(source))
        with open(t.folder / ("%s.%s.csv" % (name, kind)), "w") as file:
            file.write(",".join(table[0]) + "\n")
            for row in table[1:]:
                if row[0] in number:
                    row[0] = str(number[row[0]])
                    if kind == "curves" and not seconds:
                        row[3] = ""
                    file.write(",".join(row) + "\n")
    return t.folder / (name + ".yaml")


def limit_of(scores, risk):
    """The quantile of split conformal prediction, from its definition."""
    rank = math.ceil((len(scores) + 1) * (1 - risk) - 1e-9)
    ordered = sorted(scores)
    return ordered[rank - 1] if rank <= len(ordered) else math.inf


def test_risk_is_calibrated_on_the_other_tables(t):
    rng = random.Random(4)
    tables = [subset(t, "part%d" % i, rng.sample(range(55), 24)) for i in range(24)]
    count, risk = 2, 0.1
    options = ["--seeds", count, "--budget", 12]
    scored, plain = replay(t, *tables, *options, scheduler="asha")
    assert all(summary["discarded"] == 0 for summary in plain), plain
    seeds, summaries = replay(t, *tables, *options, "--risk", risk, "--calibrate",
                              scheduler="asha")
    for i, summary in enumerate(summaries):
        others = [line["best_score"] for k, line in enumerate(scored) if k // count != i]
        limit = limit_of(others, risk)
        assert summary["calibration"] == {"scores": len(others), "needed": 9,
                                          "limit": limit}, (i, limit, summary)
        own = seeds[i * count:(i + 1) * count]
        share = sum(line["discarded"] / line["trials"] for line in own) / count
        assert math.isclose(summary["discarded"], share, rel_tol=1e-3), summary
        assert summary["best_killed"] == sum(line["best_killed"] for line in own) / count, summary
    assert sum(summary["discarded"] for summary in summaries) / len(tables) > 0.1, summaries
    killed = sum(summary["best_killed"] for summary in summaries) / len(tables)
    assert killed <= risk, killed

    # The same scores from a file give the same search.
    scores = t.folder / "scores"
    scores.write_text("".join("%r\n" % line["best_score"] for line in scored[count:]))
    same, _ = replay(t, tables[0], *options, "--risk", risk, "--calibration", scores,
                     scheduler="asha")
    assert timeless(same) == timeless(seeds[:count])


def test_giving_trials_up_changes_no_decision(t):
    """Nor the result: a trial that is chosen again restarts, which costs its training once more."""
    table = subset(t, "whole", random.Random(6).sample(range(55), 24))
    scores = t.folder / "bold"
    scores.write_text("0\n" * 9)
    options = ["--seeds", 6, "--budget", 100]
    plain, _ = replay(t, table, *options, scheduler="asha")
    bold, _ = replay(t, table, *options, "--risk", 0.1, "--calibration", scores,
                     scheduler="asha")
    assert sum(line["discarded"] for line in bold) > 0, bold
    for a, b in zip(plain, bold):
        # The audit comes after the plain search, with the promotions that it makes room for.
        assert a["trials"] == b["trials"] and a["complete"] <= b["complete"], (a, b)
        found = [loss for loss, _ in itertools.groupby(loss for _, loss in a["trace"])]
        again = [loss for loss, _ in itertools.groupby(loss for _, loss in b["trace"])]
        assert again[:len(found)] == found, (found, again)
        assert b["trace"][-1][0] >= a["trace"][-1][0], (a, b)


def test_too_few_scores_discard_nothing_and_say_so(t):
    rng = random.Random(5)
    tables = [subset(t, "part%d" % i, rng.sample(range(55), 24)) for i in range(3)]
    options = ["--seeds", 2, "--budget", 6, "--risk", 0.1, "--calibrate"]
    _, summaries = replay(t, *tables, *options, scheduler="asha")
    for summary in summaries:
        assert summary["calibration"] == {"scores": 4, "needed": 9, "limit": None}, summary
        assert summary["discarded"] == 0, summary
    out, _ = t.run("replay", *tables, *options, "--method", "random", "--scheduler", "asha")
    assert "4 scores are too few for risk 0.1 (9 are needed): nothing was discarded" in out, out


main(globals())
