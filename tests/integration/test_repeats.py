"""Settings that tie under seed noise are trained again with another seed, and ranked by the mean."""
import csv
import io
import json
import os
import re
import signal
import sqlite3

from harness import check_complete, main, query, reports, wait_for


def tie(t, name="tie", **changes):
    """A study whose learning rates differ by less than the seed noise; of its six trials three are kept for
    repeats. The rates are so small that training does not amplify a difference of a thousandth, so the result
    does not depend on the text, which changes with this tree."""
    values = dict(learning_rate="{values: [1e-5, 1.001e-5, 1.002e-5, 1.003e-5, 1.004e-5, 1.005e-5]}",
                  method="grid", run_cap=6, workers=1, stopping="{type: none, repeats: 1}")
    values.update(changes)
    path = t.study(name, **values)
    path.write_text(path.read_text().replace("batch_size: {values: [4, 8]}", "batch_size: {value: 4}"))
    return path


def seeds_of(run):
    return query(run, "SELECT trial, repeats, seed FROM trial ORDER BY trial")


def test_a_tie_is_settled_by_a_second_seed(t):
    run = t.directory()
    out, _ = t.run("run", tie(t), "--dir", run)
    check_complete(t, run, 6)
    rows = seeds_of(run)
    repeats = [row for row in rows if row[1] is not None]
    assert repeats and all(seed == 1 for _, _, seed in repeats), rows
    assert all(seed == 0 for _, of, seed in rows if of is None), rows
    values = dict(query(run, "SELECT trial, value FROM trial"))
    params = "SELECT name, value FROM param WHERE trial = %d ORDER BY position"
    for trial, of, _ in repeats:
        assert query(run, params % trial) == query(run, params % of)
        assert values[trial] != values[of], "another seed gave the same loss"
    best = t.json("best", run, "-n", "9")
    assert len(best) == 6 - len(repeats), best
    means = {}
    for row in best:
        mine = [values[row["trial"]]] + [values[a] for a, of, _ in repeats if of == row["trial"]]
        means[row["trial"]] = sum(mine) / len(mine)
        assert row["value"] == values[row["trial"]], (row, mine)
        if len(mine) == 1:
            assert set(row) == {"trial", "value", "tokens", "params"}, row
            continue
        assert row["seeds"] == len(mine) and abs(row["mean"] - means[row["trial"]]) < 1e-12, (row, mine)
        assert abs(row["spread"] - abs(mine[0] - mine[1]) / 2 ** 0.5) < 1e-9, (row, mine)
    several = [row["mean"] for row in best if "seeds" in row]
    assert several == sorted(several), best
    words, _ = t.run("best", run)
    assert "±" in words and "(2)" in words and "±" in out, words
    trial, of, _ = repeats[0]
    phrase = "repeats #%d with seed 1" % of
    for verb in ("ls", "watch"):
        words, _ = t.run(verb, run)
        assert phrase in words, words
    for verb in ("show", "why"):
        words, _ = t.run(verb, run, trial)
        assert phrase in words, words
    words, _ = t.run("why", run, trial)
    assert "a tie" in words and "#" in words, words
    row = [row for row in t.json("ls", run) if row["trial"] == trial][0]
    assert row["repeats"] == of and row["seed"] == 1, row
    status = t.json("status", run)
    assert status["best"]["trial"] == best[0]["trial"], (status, best)
    table = list(csv.DictReader(io.StringIO(t.run("export", run, "--format", "csv")[0])))
    assert list(table[0]) == ["trial", "state", "attempts", "tokens", "value", "param.batch_size",
                              "param.learning_rate", "repeats", "seed",
                              "created", "started", "ended", "device_seconds", "usd"], table[0]
    for row, (trial, of, seed) in zip(table, rows, strict=True):
        told = (row["trial"], row["repeats"], row["seed"])
        assert told == (str(trial), "" if of is None else str(of), str(seed)), (row, of, seed)


def test_no_repeats_and_a_clear_winner_train_every_setting_once(t):
    run = t.directory("off")
    t.run("run", tie(t, "off", stopping="{type: none, repeats: 0}"), "--dir", run)
    check_complete(t, run, 6)
    assert [row[1:] for row in seeds_of(run)] == [(None, 0)] * 6
    clear = dict(learning_rate="{values: [1e-5, 1e-4, 3e-3]}", run_cap=6,
                 stopping="{type: none, repeats: 1}")
    run = t.directory("grid")
    t.run("run", t.study("grid", **clear), "--dir", run)
    check_complete(t, run, 6)
    points = query(run, "SELECT count(DISTINCT settings) FROM (SELECT group_concat(value) AS settings"
                        " FROM (SELECT * FROM param ORDER BY trial, position)"
                        " WHERE trial IN (SELECT trial FROM trial WHERE repeats IS NULL)"
                        " GROUP BY trial)")
    repeats = len([row for row in seeds_of(run) if row[1] is not None])
    assert points == [(6 - repeats,)], (points, seeds_of(run))


def budget_for(t, name, tokens, **changes):
    path = tie(t, name, **changes)
    path.write_text(path.read_text().replace("run_cap: 6", "budget: {tokens: %d}" % tokens))
    return path


def noise_of(run, trials):
    """The leader's loss, and the estimated seed noise before any repeat, computed as controller/stop/seeds.h says."""
    loss, trial, horizon = min(query(run, "SELECT value, trial, horizon FROM trial WHERE trial IN (%s)"
                                     % ",".join(map(str, trials))))
    points = query(run, "SELECT tokens, value FROM report WHERE trial = %d AND tokens >= %d ORDER BY step"
                   % (trial, horizon // 2))
    squares = []
    for (t0, a), (t1, b), (t2, c) in zip(points, points[1:], points[2:]):
        w = (t1 - t0) / (t2 - t0)
        squares.append((b - a - w * (c - a)) ** 2 / (1 + w * w + (1 - w) ** 2))
    assert len(squares) >= 4, points
    start = max(0.0025 * loss, (sum(squares) / len(squares)) ** 0.5)
    return loss, 1.837 * min(max(start, 0.002), 0.05)


def test_a_budget_keeps_a_part_for_repeats(t):
    run = t.directory()
    t.run("run", budget_for(t, "kept", 4 * 20000), "--dir", run, expect=4)
    rows = [row[1] is not None for row in seeds_of(run)]
    assert rows[:4] == [False, False, True, True], seeds_of(run)
    threshold, = query(run, "SELECT data ->> 'threshold' FROM event WHERE kind = 'verdict' "
                            "AND data ->> 'rule' = 'seed-noise' ORDER BY seq LIMIT 1")[0]
    loss, noise = noise_of(run, (0, 1))
    assert abs(threshold - loss - noise * 2 ** 0.5) < 1e-9, (threshold, loss, noise)
    assert "one more seed" not in t.run("best", run)[0]


def test_a_tie_left_by_a_budget_is_reported_with_its_remedy(t):
    run = t.directory()
    out, _ = t.run("run", budget_for(t, "left", 70000), "--dir", run, expect=4)
    assert not [row for row in seeds_of(run) if row[1] is not None], seeds_of(run)
    told = t.json("status", run)["tie"]
    assert len(told["trials"]) == 3 and told["repeats"] == 3 and told["tokens"] == 60000, told
    assert abs(told["noise"] - noise_of(run, (0, 1, 2))[1]) < 1e-9, told
    for words in (out, t.run("best", run)[0], t.run("best", run, "-n", "1")[0], t.run("status", run)[0]):
        assert "within seed noise of the best" in words, words
        command = re.search(r"3 trainings, [\d.]+k tokens; espalier (set \S+ budget.tokens=\d+), then", words)
        assert command, words
    t.run(*command[1].split())
    t.run("resume", run, expect=4)
    repeats = [row[1] for row in seeds_of(run) if row[1] is not None]
    assert len(set(repeats)) == 3, (repeats, told)  # a trial that the budget cut off may lead now


def test_a_tie_is_found_behind_settings_with_equal_results(t):
    run = t.directory()
    study = tie(t, "twice", learning_rate="{values: [1e-5, 1.001e-5, 1.002e-5]}", run_cap=15,
                stopping="{type: none, repeats: 0}")
    # No gradient of this model is clipped at any of these norms, so they are the same training.
    study.write_text(study.read_text().replace("batch_size:", "clip: {values: [2e5, 3e5, 4e5, 5e5, 6e5]}\n  batch_size:"))
    t.run("run", study, "--dir", run)
    check_complete(t, run, 15)
    values = dict(query(run, "SELECT trial, value FROM trial"))
    assert len(set(values.values())) == 3, values
    assert list(values.values()).count(min(values.values())) >= 3, values  # the first three rows are one setting
    told = t.json("status", run)["tie"]
    assert told and len(told["trials"]) == 3 and told["repeats"] == 3, (told, values)
    assert len({values[trial] for trial in told["trials"]}) == 3, (told, values)
    sentence = re.search(r"within seed noise of the best \(#\d+\): .*", t.run("status", run)[0])[0]
    for rows in (1, 2, 5):
        assert sentence in t.run("best", run, "-n", str(rows))[0], (rows, sentence)


def curves(run):
    return query(run, "SELECT trial, step, value FROM report ORDER BY trial, step")


def test_kill_9_during_a_repeat_changes_no_result(t):
    study = tie(t, "killed", tokens=400000, report_every=4000, checkpoint_seconds=0.3)
    clean = t.directory("clean")
    t.run("run", study, "--dir", clean)
    run = t.directory("killed")
    process = t.start("run", study, "--dir", run)
    half = ("SELECT r.trial FROM report r JOIN trial t USING (trial) "
            "WHERE t.repeats IS NOT NULL AND t.state = 'RUNNING' AND r.tokens > t.horizon / 3")
    wait_for(lambda: process.poll() is not None or
             ((run / "study.db").exists() and reports(run) and query(run, half)), "a repeat")
    assert process.poll() is None, "the study ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    t.run("resume", run)
    check_complete(t, run, 6)
    assert seeds_of(run) == seeds_of(clean)
    assert curves(run) == curves(clean)
    assert t.json("best", run) == t.json("best", clean)


def make_format_1(run):
    """Turns the ledger into one of format 1, from before there were repeats."""
    with sqlite3.connect(run / "study.db") as db:
        db.execute("ALTER TABLE trial DROP COLUMN repeats")
        if "begun_format" in [row[1] for row in db.execute("PRAGMA table_info(study)")]:
            db.execute("ALTER TABLE study DROP COLUMN begun_format")
        db.execute("PRAGMA user_version = 1")
    db.close()


def test_a_study_from_before_repeats_continues_without_them(t):
    ties = dict(method="random", run_cap=2, stopping="{type: freeze-thaw}",
                learning_rate="{distribution: uniform, min: 1e-5, max: 1.005e-5}")
    for name, begun_then in (("then", True), ("now", False)):
        run = t.directory(name)
        t.run("run", tie(t, name, **ties), "--dir", run)
        if begun_then:
            make_format_1(run)
        t.run("run", tie(t, name, **{**ties, "run_cap": 12}), "--dir", run)
        t.run("resume", run)  # the format that it began with is recorded now
        repeats = [row for row in seeds_of(run) if row[1] is not None]
        assert bool(repeats) != begun_then, (name, seeds_of(run))
        assert len(seeds_of(run)) == 12, seeds_of(run)
    run = t.directory("then")
    _, err = t.run("run", tie(t, "then", **{**ties, "run_cap": 12,
                                            "stopping": "{type: freeze-thaw, repeats: 1}"}),
                   "--dir", run, expect=2)
    assert "early_terminate" in err, err


def test_a_ledger_of_format_1_is_read_as_it_is_and_resumed(t):
    run = t.directory()
    t.run("run", t.study(run_cap=2), "--dir", run)
    before = t.run("best", run)[0]
    make_format_1(run)
    assert t.run("best", run)[0] == before
    assert len(t.json("ls", run)) == 2
    t.run("status", run)
    t.run("run", t.study(run_cap=4), "--dir", run)
    check_complete(t, run, 4)
    assert [row[1] for row in seeds_of(run)] == [None] * 4
    assert (run / "study.db.v1.bak").exists()


if __name__ == "__main__":
    main(globals())
