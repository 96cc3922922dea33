"""A study from start to end, and the output of the verbs that show it."""
import csv
import io
import json

from harness import check_complete, main, processes_of, query


def test_a_grid_trains_every_trial_to_its_horizon(t):
    run = t.directory()
    out, err = t.run("run", t.study(), "--dir", run)
    status = check_complete(t, run, 4)
    assert status["trials"]["complete"] == 4, status
    assert status["best"]["params"].keys() == {"learning_rate", "batch_size"}, status
    assert status["spent"]["tokens"] == status["full_cost"]["tokens"], status
    assert "learning_rate" in out and "%" in out, out


def test_asha_spends_less_than_the_full_cost(t):
    run = t.directory()
    t.run("run", t.study(method="random", run_cap=9, stopping="{type: asha, eta: 3, min: 2000}",
                         learning_rate="{distribution: log_uniform_values, min: 1e-4, max: 1e-2}"),
          "--dir", run)
    status = check_complete(t, run, 9)
    assert status["trials"]["pruned"] > 0 and status["trials"]["complete"] >= 1, status
    assert status["spent"]["tokens"] < 0.8 * status["full_cost"]["tokens"], status


def test_median_runs_to_its_planned_end(t):
    run = t.directory()
    t.run("run", t.study(method="sobol", run_cap=8, stopping="{type: median}",
                         learning_rate="{distribution: log_uniform_values, min: 1e-4, max: 1e-1}"),
          "--dir", run)
    check_complete(t, run, 8)


def test_a_search_ends_when_every_setting_was_trained(t):
    for method in ("random", "sobol", "tpe", "bayes", "grid"):
        run = t.directory(method)
        out, _ = t.run("run", t.study(name=method, method=method, run_cap=9, tokens=2000), "--dir", run)
        assert "every setting was trained" in out, out
        status = check_complete(t, run, 4)
        assert status["reason"] == "exhausted", status
        assert status["trials"]["complete"] == 4, status
        settings = {(trial["param.batch_size"], trial["param.learning_rate"])
                    for trial in map(json.loads, t.run("export", run, "--format", "jsonl")[0].splitlines())}
        assert len(settings) == 4, settings
        assert "every setting was trained" in t.run("status", run)[0]
    out, _ = t.run("resume", run)
    assert "every setting was trained" in out, out
    check_complete(t, run, 4)


def test_check_counts_the_settings(t):
    for method, stopping, settings, trials in (("random", "{type: none}", 4, 4), ("grid", "{type: none}", 4, 4),
                                               ("random", "{type: none, repeats: 1}", 4, 9)):
        study = t.study(method=method, run_cap=9, stopping=stopping)
        out, _ = t.run("check", study)
        assert "settings: %d\ntrials: %d\n" % (settings, trials) in out, out
        assert t.json("check", study)["settings"] == settings
    study = t.study(method="random", learning_rate="{min: 1e-4, max: 1e-2}")
    out, _ = t.run("check", study)
    assert "settings" not in out and "trials: 4" in out, out


def test_check_lists_the_values_of_a_grid(t):
    study = t.folder / "grid.yaml"
    study.write_text("program: t.py\nmethod: grid\nmetric: {name: l}\nparameters:\n"
                     "  a: {min: 3, max: 6}\n"
                     "  b: {distribution: q_uniform, min: 0, max: 0.5, q: 0.1}\n"
                     "  c: {values: [x, y, y]}\n"
                     "  d: {min: 1, max: 50}\n")
    out, _ = t.run("check", study)
    for line in ("  a: 3, 4, 5, 6\n", "  b: 0, 0.1, 0.2, 0.3, 0.4\n", "  c: x, y\n",
                 "  d: 1, 2, 3, 4, … 50 (50 values)\n", "settings: 2000\n", "trials: 2000\n"):
        assert line in out, out


def test_the_trial_that_reaches_the_target_is_complete_and_the_best(t):
    run = t.directory()
    study = t.study(run_cap=4, tokens=40000000, report_every=1000, workers=1)
    study.write_text(study.read_text().replace("goal: minimize", "goal: minimize, target: 5.0"))
    out, _ = t.run("run", study, "--dir", run)
    assert "end: the metric's target is reached" in out and "complete (target)" in out, out
    status = t.json("status", run)
    assert (status["state"], status["reason"]) == ("complete", "target"), status
    (winner, tokens, horizon), = query(run, "SELECT trial, tokens, horizon FROM trial WHERE state = 'COMPLETE'")
    assert tokens < horizon and t.json("best", run)[0]["trial"] == winner
    assert query(run, "SELECT number FROM trials WHERE state = 'COMPLETE'") == [(winner,)]
    assert "reached the metric's target" in t.run("why", run, winner)[0]


def test_a_raised_run_cap_ends_when_every_setting_was_trained(t):
    run = t.directory()
    study = t.study(method="random", run_cap=3, tokens=2000)
    t.run("run", study, "--dir", run)
    assert check_complete(t, run, 3)["reason"] == "run_cap"
    t.run("set", run, "run_cap=20")
    out, _ = t.run("resume", run)
    assert "every setting was trained" in out, out
    check_complete(t, run, 4)


def test_a_raised_run_cap_without_any_setting_left_says_so(t):
    run = t.directory()
    t.run("run", t.study(tokens=2000), "--dir", run)
    assert check_complete(t, run, 4)["reason"] != "exhausted"
    t.run("set", run, "run_cap=20")
    for _ in range(2):
        out, _ = t.run("resume", run)
        assert "every setting was trained" in out, out
        assert check_complete(t, run, 4)["reason"] == "exhausted"


def test_running_a_finished_study_again_adds_nothing(t):
    run, study = t.directory(), t.study()
    t.run("run", study, "--dir", run)
    before = query(run, "SELECT count(*), max(step) FROM report")
    t.run("run", study, "--dir", run)
    t.run("resume", run)
    assert query(run, "SELECT count(*), max(step) FROM report") == before
    check_complete(t, run, 4)


def test_a_raised_run_cap_continues_the_study(t):
    run = t.directory()
    t.run("run", t.study(run_cap=2), "--dir", run)
    check_complete(t, run, 2)
    t.run("run", t.study(run_cap=4), "--dir", run)
    check_complete(t, run, 4)


def test_another_search_in_the_same_folder_is_refused(t):
    run = t.directory()
    t.run("run", t.study(), "--dir", run)
    _, err = t.run("run", t.study(learning_rate="{values: [1e-4, 1e-3]}"), "--dir", run, expect=2)
    assert "learning_rate" in err and str(run) in err, err
    check_complete(t, run, 4)


def test_the_verbs_agree_with_each_other(t):
    run = t.directory()
    t.run("run", t.study(), "--dir", run)
    rows = t.json("ls", run)
    assert [row["trial"] for row in rows] == [0, 1, 2, 3], rows
    assert set(rows[0]) == {"trial", "state", "attempts", "tokens", "value", "param.learning_rate",
                            "param.batch_size", "repeats", "seed", "created", "started", "ended",
                            "device_seconds", "usd"}, rows[0]
    best = t.json("best", run)
    assert [row["value"] for row in best] == sorted(row["value"] for row in rows), best
    assert set(best[0]) == {"trial", "value", "tokens", "params"}, best[0]
    status = t.json("status", run)
    assert status["best"]["trial"] == best[0]["trial"], status
    table = list(csv.DictReader(io.StringIO(t.run("export", run, "--format", "csv")[0])))
    assert [row["trial"] for row in table] == ["0", "1", "2", "3"], table
    assert float(table[0]["value"]) == rows[0]["value"], table
    assert {(row["repeats"], row["seed"]) for row in table} == {("", "0")}, table
    lines = t.run("export", run, "--format", "jsonl", "--curves")[0].splitlines()
    points = [json.loads(line) for line in lines]
    assert set(points[0]) == {"trial", "step", "tokens", "train_loss", "val_loss", "device_seconds"}
    assert len(points) == query(run, "SELECT count(*) FROM report")[0][0]
    for verb in ("show", "why"):
        out, _ = t.run(verb, run, "0")
        assert out.strip(), verb
    out, _ = t.run("watch", run)
    assert "learning_rate" in out, out


def test_settings_shows_keys_in_full_and_suggests_names(t):
    out, _ = t.run("settings")
    assert "early_terminate" in out and "learning_rate" in out, out
    out, _ = t.run("settings", "schedule.warmup")
    assert "trainer.schedule.warmup" in out and "share of all steps" in out, out
    rows = json.loads(t.run("settings", "eta", "--json")[0])
    assert [row["name"] for row in rows] == ["early_terminate.eta"], rows
    assert rows[0]["default"] == "3" and rows[0]["type"] == "number", rows
    _, err = t.run("settings", "lerning_rate", expect=2)
    assert 'did you mean "learning_rate"?' in err, err


def test_why_shows_the_remaining_cost_in_tokens_and_device_time(t):
    run = t.directory()
    t.run("run", t.study(method="sobol", run_cap=9, stopping="{type: freeze-thaw}",
                         learning_rate="{distribution: log_uniform_values, min: 1e-4, max: 1e-2}"),
          "--dir", run)
    verdicts = [json.loads(data) for data, in
                query(run, "SELECT data FROM event WHERE kind = 'verdict' ORDER BY seq")]
    weighed = [v for v in verdicts if v["rule"] == "freeze-thaw"]
    assert weighed and all(v["cost"] > 0 and v["cost_seconds"] > 0 for v in weighed), weighed
    trial = next(v["verdict_trial"] for v in weighed)
    out, _ = t.run("why", run, str(trial))
    assert "tokens that remain, about " in out and " of device time" in out, out
    told = [row["verdict"] for row in t.json("why", run, str(trial))]
    assert any((v["cost_seconds"] or 0) > 0 for v in told), told


def test_sample_writes_text_from_the_best_checkpoint(t):
    run = t.directory()
    t.run("run", t.study(), "--dir", run)
    out, _ = t.run("sample", run, "--prompt", "int ", "--tokens", "80")
    assert out.startswith("int ") and len(out) >= 60, out


def test_no_process_is_left_and_stdout_holds_only_results(t):
    run = t.directory()
    out, err = t.run("run", t.study(), "--dir", run)
    assert processes_of(run) == []
    assert "\r" not in err, "a progress bar without a terminal"
    assert "\x1b" not in out + err, "colours without a terminal"


def test_the_same_study_gives_the_same_values_twice(t):
    values = []
    for name in ("first", "second"):
        run = t.directory(name)
        t.run("run", t.study(), "--dir", run)
        values.append(query(run, "SELECT trial, step, value FROM report ORDER BY trial, step"))
    assert values[0] == values[1]


if __name__ == "__main__":
    main(globals())
