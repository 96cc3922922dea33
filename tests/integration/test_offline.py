"""Commands on a study without a running controller: recorded at once, and applied when it is resumed."""
from harness import check_complete, main, query


def test_a_finished_search_gets_more_trials(t):
    run = t.directory()
    rates = "{distribution: log_uniform_values, min: 1e-4, max: 1e-2}"
    t.run("run", t.study(method="random", learning_rate=rates), "--dir", run)
    check_complete(t, run, 4)
    _, err = t.run("set", run, "run_cap=6")
    assert "recorded; espalier resume" in err, err
    assert query(run, "SELECT count(*) FROM trial") == [(4,)], "a trial was created without a controller"
    t.run("resume", run)
    check_complete(t, run, 6)


def test_notes_and_refusals_need_no_controller(t):
    run = t.directory()
    t.run("run", t.study(), "--dir", run)
    t.run("note", run, "1", "looks odd")
    out, _ = t.run("show", run, "1")
    assert "looks odd" in out, out
    _, err = t.run("stop", run, "1", expect=1)
    assert "trial #1: it has ended already" in err, err
    _, err = t.run("continue", run, "99", expect=1)
    assert "there is no such trial" in err, err
    _, err = t.run("set", run, "run_cap=3")
    assert "recorded." in err and "resume" not in err, err
    t.run("resume", run)
    check_complete(t, run, 4)


def test_a_pruned_trial_continued_after_the_search_trains_to_its_horizon(t):
    run = t.directory()
    stopping = "{type: asha, eta: 2, min: 8000}"
    t.run("run", t.study(method="random", run_cap=8, stopping=stopping, tokens=40000, report_every=4000), "--dir", run)
    pruned = [n for n, in query(run, "SELECT trial FROM trial WHERE state = 'PRUNED'")]
    assert pruned, query(run, "SELECT trial, state FROM trial")
    _, err = t.run("continue", run, pruned[0])
    assert "recorded; espalier resume" in err and "trains until" in err, err
    t.run("resume", run)
    assert query(run, "SELECT state FROM trial WHERE trial = %d" % pruned[0]) == [("COMPLETE",)]


if __name__ == "__main__":
    main(globals())
