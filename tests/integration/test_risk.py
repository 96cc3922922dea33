"""Discarding at a stated risk with real studies: a study is calibrated on finished ones and gives trials up. The
risk is 0.3, so that three finished studies are enough."""
import os
import pathlib
import re
import signal

from harness import main, query, wait_for

# From far too small to large, so that trials differ early.
RATES = "{distribution: log_uniform_values, min: 1e-5, max: 3e-2}"
STUDY = dict(method="random", learning_rate=RATES, run_cap=10, workers=2, tokens=8192, report_every=512,
             checkpoint_seconds=30, stopping="{type: asha, eta: 2, min: 1024, risk: 0.3}")


def begin(t, seed, **changes):
    path = t.study("study%d" % seed, **{**STUDY, **changes})
    path.write_text(path.read_text().replace("seed: 3", "seed: %d" % seed))
    return path


def finished(t, count, **changes):
    for seed in range(count):
        t.run("run", begin(t, seed, **changes), "--dir", t.directory("runs") / ("s%d" % seed))


def scores(run):
    return query(run, "SELECT data ->> 'scored', coalesce(data ->> 'score', 0) FROM event "
                      "WHERE kind = 'ended' ORDER BY seq DESC LIMIT 1")[0]


def calibration(run):
    return query(run, "SELECT data FROM event WHERE kind = 'calibrated'")


def given_up(run):
    return [row[0] for row in query(
        run, "SELECT trial FROM event WHERE kind = 'verdict' AND data ->> 'rule' = 'calibrated' "
             "AND data ->> 'verdict' = 'discard'")]


def files(run, trial):
    return sorted(pathlib.Path(run, "checkpoints", str(trial)).glob("*"))


def kept_as_recorded(run):
    """The checkpoints on disk are those that the ledger lists."""
    kept = {row[0] for row in query(run, "SELECT path FROM checkpoint WHERE dropped_ms IS NULL")}
    found = {str(p.relative_to(run)) for p in pathlib.Path(run, "checkpoints").rglob("*") if p.is_file()}
    assert found == kept, (found ^ kept)


def test_a_study_gives_trials_up_by_scores_of_finished_studies(t):
    # The first three studies have fewer than three before them.
    finished(t, 6)
    runs = t.directory("runs")
    for seed in range(6):
        assert scores(runs / ("s%d" % seed))[0] == 1, seed
        assert len(calibration(runs / ("s%d" % seed))) == 1
    assert given_up(runs / "s0") == [] and given_up(runs / "s2") == []
    assert '"scores":[]' in calibration(runs / "s0")[0][0], calibration(runs / "s0")
    out, err = t.run("run", begin(t, 50), "--dir", runs / "next")
    assert "risk 0.3: calibrated on 6 finished studies" in err, err
    gone = given_up(runs / "next")
    assert gone, query(runs / "next", "SELECT data FROM event WHERE kind IN ('verdict', 'calibrated')")
    status = t.json("status", runs / "next")
    assert status["discards"]["calibration"] == 6 and status["discards"]["needed"] == 3
    assert status["discards"]["given_up"] == len(set(gone))
    assert abs(status["discards"]["share"] - len(set(gone)) / 10) < 1e-9
    assert status["best"]["trial"] not in gone or status["discards"]["begun_anew"] > 0
    kept_as_recorded(runs / "next")
    states = dict(query(runs / "next", "SELECT trial, state FROM trial"))
    still = [trial for trial in gone if states[trial] == "PRUNED"]
    assert still
    assert files(runs / "next", still[0]) == []
    why = t.run("why", runs / "next", still[0])[0]
    words = re.search(r"discarded at mark \d+: calibrated on 6 finished studies at risk 0.3. val_loss "
                      r"[\d.]+ at \S+ tokens is rank (\d+) of (\d+) there; the limit is (\d+) better ones. "
                      r"Nearest rivals: #\d+", why)
    assert words and int(words[1]) > int(words[3]), why
    _, err = t.run("continue", runs / "next", still[0], expect=1)
    assert "discarded at the risk that stopping.risk allows" in err, err


def test_a_killed_study_keeps_its_calibration(t):
    finished(t, 4, stopping="{type: asha, eta: 2, min: 1024, risk: 0.3}")
    run = t.directory("runs") / "next"
    study = begin(t, 60, tokens=65536, report_every=4096,
                  stopping="{type: asha, eta: 2, min: 8192, risk: 0.3, calibrate: ['runs/s*']}")
    process = t.start("run", study, "--dir", run)
    wait_for(lambda: run.joinpath("study.db").exists() and
             len(query(run, "SELECT 1 FROM report")) > 3, "reports")
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = calibration(run)
    assert len(before) == 1 and before[0][0].count(",") >= 3, before
    # The finished studies are gone, and a file that was recorded as dropped is still there.
    for seed in range(4):
        os.rename(t.directory("runs") / ("s%d" % seed), t.directory("gone%d" % seed))
    _, err = t.run("resume", run)
    assert "calibrated on 4 finished studies" in err, err
    assert calibration(run) == before
    dropped = query(run, "SELECT path FROM checkpoint WHERE dropped_ms IS NOT NULL EXCEPT "
                         "SELECT path FROM checkpoint WHERE dropped_ms IS NULL LIMIT 1")
    assert dropped
    left = run / dropped[0][0]
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_bytes(b"left by a crash after the commit")
    t.run("resume", run)
    assert not left.exists()
    kept_as_recorded(run)


def test_bad_entries_of_calibrate_are_reported_with_their_line(t):
    study = begin(t, 1, stopping="{type: asha, risk: 0.3, calibrate: [nowhere]}")
    for verb in (("check", study), ("run", study, "--dir", t.directory("bad"))):
        _, err = t.run(*verb, expect=2)
        line = next(i for i, text in enumerate(study.read_text().splitlines(), 1) if "nowhere" in text)
        assert re.search(r"study1\.yaml:%d:\d+: calibrate: \"nowhere\": no study is there" % line, err), err
    assert not (t.directory("bad") / "study.db").exists()
    finished(t, 1, stopping="{type: asha, eta: 4, min: 1024, risk: 0.3}")
    study = begin(t, 2, stopping="{type: asha, eta: 2, min: 1024, risk: 0.3, calibrate: [runs/s0]}")
    _, err = t.run("check", study, expect=2)
    assert "its early_terminate is another" in err, err


if __name__ == "__main__":
    main(globals())
