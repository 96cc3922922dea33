"""Interrupted searches: signals, kill -9, and resuming."""
import os
import signal

from harness import check_complete, main, processes_of, query, reports, wait_for


def values(directory):
    return query(directory, "SELECT trial, step, value FROM report ORDER BY trial, step")


def uninterrupted(t, **changes):
    run = t.directory("uninterrupted")
    t.run("run", t.study(**changes), "--dir", run)
    return values(run)


LONG = dict(tokens=120000, report_every=2000)


def started(t, run, count=3, slots=None, **changes):
    """A running study with `count` reports. `slots` sets the number of trial processes, on any number of cores."""
    environment = {**os.environ, "ESPALIER_SLOTS": str(slots)} if slots else None
    process = t.start("run", t.study(**{**LONG, **changes}), "--dir", run, env=environment)
    wait_for(lambda: len(reports(run)) >= count or process.poll() is not None, "reports")
    assert process.poll() is None, process.err.read_text()
    return process


def test_a_study_resumed_after_sigint_equals_an_uninterrupted_one(t):
    expected = uninterrupted(t, **LONG)
    run = t.directory()
    process = started(t, run, 5)
    process.send_signal(signal.SIGINT)
    t.finish(process, 5)
    assert processes_of(run) == []
    status = t.json("status", run)
    assert status["state"] == "interrupted" and status["trials"]["running"] == 0, status
    assert "resume" in process.err.read_text()
    t.run("resume", run)
    check_complete(t, run, 4)
    assert values(run) == expected


def test_sigterm_saves_too_and_run_resumes(t):
    run = t.directory()
    process = started(t, run)
    process.send_signal(signal.SIGTERM)
    t.finish(process, 5)
    t.run("run", t.study(**LONG), "--dir", run)
    check_complete(t, run, 4)


def test_a_study_ended_by_two_signals_can_be_resumed(t):
    expected = uninterrupted(t, **LONG)
    run = t.directory()
    process = started(t, run)
    process.send_signal(signal.SIGINT)
    wait_for(lambda: "again" in process.err.read_text() or process.poll() is not None, "the message")
    process.send_signal(signal.SIGINT)
    code = t.finish(process)
    assert code in (130, 5), code
    assert processes_of(run) == []
    t.run("resume", run)
    check_complete(t, run, 4)
    assert values(run) == expected


def test_the_same_processes_report_to_the_resumed_controller(t):
    run = t.directory()
    process = started(t, run, slots=2, tokens=600000, report_every=4000)
    wait_for(lambda: len({trial for trial, _ in reports(run)}) == 2, "reports of both processes")
    before = processes_of(run, "trial")
    agents = processes_of(run, "agent")
    assert len(before) == 2 and len(agents) == 1, (before, agents)
    process.send_signal(signal.SIGKILL)
    process.wait()
    known = reports(run)
    resumed = t.start("resume", run)
    wait_for(lambda: len(reports(run)) >= len(known) + 4 or resumed.poll() is not None, "new reports")
    assert processes_of(run, "trial") == before, "other processes train now"
    assert processes_of(run, "agent") == agents
    assert known.items() <= reports(run).items()
    attempts = query(run, "SELECT DISTINCT attempt FROM report")
    assert attempts == [(1,)], "an adopted trial began another attempt: %s" % attempts
    t.finish(resumed, 0)
    check_complete(t, run, 4)


def test_no_trial_is_shown_as_running_after_the_controller_was_killed(t):
    run = t.directory()
    process = started(t, run, tokens=600000, report_every=4000)
    assert " running" in t.run("status", run)[0]
    process.send_signal(signal.SIGKILL)
    process.wait()
    status = t.json("status", run)
    count = status["trials"]["running"]
    assert status["state"] == "interrupted" and count > 0, status
    words, _ = t.run("status", run)
    assert ": interrupted; its controller has ended; its processes continue to train for up to 30 s" in words, words
    assert "espalier resume %s takes them over" % run in words, words
    assert " · %d interrupted" % count in words and "running" not in words, words
    trial = query(run, "SELECT trial FROM trial WHERE state = 'RUNNING'")[0][0]
    for verb in (("ls", run), ("watch", run), ("show", run, trial), ("why", run, trial)):
        head = t.run(*verb)[0].split("History")[0]
        assert "interrupted" in head and "running" not in head, (verb, head)
    _, err = t.run("stop", run, trial)
    assert "recorded; a process may still train it for up to 30 s, unless espalier resume %s" % run in err, err
    assert "#%d interrupted → stopping\n" % trial in err, err
    t.run("resume", run)
    states = dict(query(run, "SELECT trial, state FROM trial"))
    assert states.pop(trial) == "STOPPED" and set(states.values()) == {"COMPLETE"}, states


def test_pause_and_continue_say_what_became_of_each_trial(t):
    run = t.directory()
    process = started(t, run, tokens=600000, report_every=4000)
    trials = [n for n, in query(run, "SELECT trial FROM trial WHERE state = 'RUNNING' ORDER BY trial")]
    _, err = t.run("pause", run, *trials)
    assert "done" not in err, err
    for trial in trials:
        assert "#%d running → pausing" % trial in err or "#%d running → paused (held)" % trial in err, err
    _, err = t.run("stop", run, trials[0], 99, expect=1)
    assert "#%d " % trials[0] in err and "stop" in err and "trial #99: there is no such trial" in err, err
    process.send_signal(signal.SIGINT)
    t.finish(process, 5)


def test_a_second_controller_is_refused(t):
    run = t.directory()
    process = started(t, run)
    _, err = t.run("resume", run, expect=None)
    assert str(process.pid) in err and "in use" in err, err
    _, err = t.run("run", t.study(**LONG), "--dir", run, expect=None)
    assert "in use" in err, err
    t.finish(process, 0)
    check_complete(t, run, 4)


def test_resuming_a_finished_study_ends_the_agent_of_a_killed_controller(t):
    """The controller may be killed after the study has ended and before it has ended its agent."""
    run = t.directory()
    t.run("run", t.study(tokens=20000), "--dir", run)
    ended = query(run, "SELECT count(*) FROM event")
    nobody = "ipc://%s" % t.directory("nobody")
    study = int(query(run, "SELECT nonce FROM study")[0][0], 16)
    agent = t.start("agent", "--connect", nobody, "--dir", run,
                    env={**os.environ, "ESPALIER_STUDY_NONCE": str(study)})
    wait_for(lambda: (run / "agent.lock").read_text().split()[:1] == [str(agent.pid)], "its lock")
    assert processes_of(run, "agent") == [agent.pid]
    t.run("resume", run)
    assert processes_of(run) == []
    assert query(run, "SELECT count(*) FROM event") == ended, "resuming a finished study recorded an event"


def test_a_search_ends_with_5_and_names_the_trials_that_the_user_paused(t):
    run = t.directory()
    process = started(t, run, 1, slots=1, workers=1)
    t.run("pause", run, "0")
    t.finish(process, 5)
    continued = "espalier continue %s 0, then espalier resume %s" % (run, run)
    assert continued in process.err.read_text(), process.err.read_text()
    status = t.json("status", run)
    assert (status["state"], status["reason"]) == ("interrupted", "held"), status
    assert continued in t.run("status", run)[0]
    t.run("resume", run, expect=5)  # nothing has changed
    t.run("continue", run, "0")
    t.run("resume", run)
    check_complete(t, run, 4)
    assert t.json("status", run)["reason"] == "run_cap"


def test_processes_without_a_controller_exit_after_their_lease(t):
    run = t.directory()
    process = t.start("run", t.study(tokens=40000000, report_every=4000), "--dir", run)
    wait_for(lambda: len(reports(run)) >= 2, "reports")
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: not processes_of(run, "trial"), "trial processes to exit", 90)
    wait_for(lambda: not processes_of(run, "agent"), "the agent to exit", 60)
    words, _ = t.run("status", run)
    assert ": interrupted; continue it with: espalier resume" in words, words


if __name__ == "__main__":
    main(globals())
