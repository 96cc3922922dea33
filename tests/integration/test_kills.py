"""kill -9 of every process at random moments, many times: no acknowledged report is lost, no trial is
counted twice, and the final result is that of an uninterrupted run. ESPALIER_KILLS sets the number of kills of
each kind of process."""
import os
import signal

from harness import check_complete, main, processes_of, query, reports, wait_for

KILLS = int(os.environ.get("ESPALIER_KILLS", "20"))
STUDY = dict(tokens=400000, report_every=4000, checkpoint_seconds=0.3)


def values(directory):
    return query(directory, "SELECT trial, step, value FROM report ORDER BY trial, step")


def victims_of(run, kind):
    """Processes that may be killed now. A trial process may be killed only when its attempt has brought a new
    report, since three attempts in a row without one make a trial FAILED."""
    pids = processes_of(run, kind)
    if kind != "trial":
        return pids
    keys = {str(int(row[0], 16)) for row in query(
        run, "SELECT process FROM trial t WHERE state = 'RUNNING' AND EXISTS "
             "(SELECT 1 FROM report WHERE trial = t.trial AND attempt = t.attempts)")}
    found = []
    for key in keys:
        try:  # the agent's record of the process: lines of a name and a value
            record = (run / "agent/processes" / key).read_text().split()
        except OSError:
            continue
        pid = int(record[record.index("pid") + 1])
        if pid in pids:
            found.append(pid)
    return found


def kill_loop(t, kind):
    """Kills processes of one study after another, until there were KILLS kills."""
    expected = None
    kills = studies = 0
    while kills < KILLS:
        assert studies <= 5 + KILLS, "%d kills in %d studies" % (kills, studies)
        run = t.directory("run%d" % studies)
        studies += 1
        study = t.study("study", **STUDY)
        process = t.start("run", study, "--dir", run)
        while kills < KILLS:
            # Wait for at least one report between kills, so that the study makes progress; then a random time.
            count = len(reports(run))
            wait_for(lambda: len(reports(run)) > count or process.poll() is not None, "a report")
            pause = t.random.random() ** 2 * 1.0
            try:
                process.wait(timeout=pause)
            except Exception:  # still running, as intended
                pass
            if process.poll() is not None:
                break
            before = reports(run)
            victims = victims_of(run, kind)
            if not victims:
                continue
            try:
                os.kill(t.random.choice(victims), signal.SIGKILL)
            except ProcessLookupError:
                continue
            kills += 1
            if kind == "run":
                process.wait()
                after = reports(run)
                assert before.items() <= after.items(), "reports are gone after kill %d" % kills
                process = t.start("resume", run)
        t.finish(process, 0)
        check_complete(t, run, 4)
        if expected is None:
            clean = t.directory("uninterrupted")
            t.run("run", study, "--dir", clean)
            expected = values(clean)
        assert values(run) == expected, "the curves differ from those of an uninterrupted run"
        unfinished = query(run, "SELECT trial FROM trial WHERE state NOT IN ('COMPLETE')")
        assert unfinished == [], unfinished
    print("  %d kills in %d studies" % (kills, studies), flush=True)


def test_kills_of_the_controller(t):
    kill_loop(t, "run")


def test_kills_of_the_agent(t):
    kill_loop(t, "agent")


def test_kills_of_trial_processes(t):
    kill_loop(t, "trial")


def test_kill_of_everything_at_once(t):
    run = t.directory()
    process = t.start("run", t.study(**STUDY), "--dir", run)
    for _ in range(3):
        count = len(reports(run))
        wait_for(lambda: len(reports(run)) >= count + 3 or process.poll() is not None, "reports")
        before = reports(run)
        for pid in processes_of(run):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.wait()
        assert before.items() <= reports(run).items()
        process = t.start("resume", run)
    t.finish(process, 0)
    check_complete(t, run, 4)


if __name__ == "__main__":
    main(globals())
