"""The controller's socket: what a refused peer sends has no effect."""
import subprocess

from harness import BUILD, check_complete, main, query, wait_for

IMPOSTOR = BUILD / "tests" / "integration" / "impostor"


def live_process(directory):
    """The key of a trial process and a trial that it trains, once it has reported."""
    rows = query(directory, "SELECT w.key, t.trial FROM worker w JOIN trial t ON t.process = w.key "
                 "WHERE w.exited_ms IS NULL AND t.state = 'RUNNING' AND t.tokens > 0")
    return rows[0] if rows else None


def test_a_peer_with_a_real_key_and_a_wrong_study_changes_nothing(t):
    directory = t.directory()
    process = t.start("run", t.study(tokens=400000, report_every=2000, run_cap=2, workers=1), "--dir", directory)
    key, trial = wait_for(lambda: live_process(directory), "a report")
    endpoint = "ipc://%s" % (directory / "controller.sock")
    for role in ("trial", "agent", "trial"):
        done = subprocess.run([IMPOSTOR, endpoint, role, str(int(key, 16)), str(trial)],
                              capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "another study\n"), done
    t.finish(process, 0)
    check_complete(t, directory, 2)
    assert query(directory, "SELECT count(*) FROM report WHERE value < 0") == [(0,)]
    # One attempt each: the real process kept its connection, and nobody took it for dead.
    assert query(directory, "SELECT DISTINCT attempts FROM trial") == [(1,)]
    assert query(directory, "SELECT count(*) FROM event WHERE kind = 'protocol'") == [(0,)]


def test_keys_are_not_in_the_list_of_processes(t):
    directory = t.directory()
    process = t.start("run", t.study(tokens=400000, report_every=2000, run_cap=2, workers=1), "--dir", directory)
    key, _ = wait_for(lambda: live_process(directory), "a report")
    listed = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    assert "espalier-trial" in listed, listed
    assert key not in listed and str(int(key, 16)) not in listed, listed
    t.finish(process, 0)


main(globals())
