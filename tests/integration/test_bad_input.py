"""Bad input: an error that names file, line, value and remedy, and no data is lost."""
import os
import pathlib
import shutil
import sqlite3
import stat
import struct

from harness import BUILD, Skip, check_complete, main, processes_of, query, reports, wait_for


def refused(t, text, *phrases, directory=None):
    path = t.folder / "bad.yaml"
    path.write_text(text)
    run = directory or t.directory("never")
    _, err = t.run("run", path, "--dir", run, expect=2)
    for phrase in phrases:
        assert phrase in err, "%r is not in:\n%s" % (phrase, err)
    assert directory or not run.exists(), "a refused study left a folder"
    _, err = t.run("check", path, expect=2)
    assert phrases[0] in err, err
    return err


def good(t):
    return t.study().read_text()


def test_broken_yaml(t):
    refused(t, good(t).replace("{values: [4, 8]}", "{values: [4, 8}"), "bad.yaml:", ":")


def test_an_unknown_key_is_shown_with_its_line_and_a_suggestion(t):
    err = refused(t, good(t).replace("run_cap:", "run_cpa:"), "bad.yaml:", "run_cpa", "run_cap")
    line = [number for number, text in enumerate(good(t).splitlines(), 1) if "run_cap" in text][0]
    assert "bad.yaml:%d:1" % line in err, err


def test_a_misspelt_method_causes_no_other_fault(t):
    text = good(t).replace("method: grid", "method: bayess").replace(
        "{values: [1e-3, 3e-3]}", "{distribution: log_uniform_values, min: 1e-4, max: 1e-2}")
    err = refused(t, text, "bad.yaml:3:9: method must be one of grid", 'did you mean "bayes"')
    assert "cannot go through" not in err, err


def test_min_above_max(t):
    refused(t, good(t).replace("{values: [1e-3, 3e-3]}", "{min: 0.1, max: 0.01}"), "bad.yaml:", "learning_rate")


def test_no_parameters(t):
    text = good(t)
    begin, end = text.index("parameters:"), text.index("early_terminate:")
    refused(t, text[:begin] + text[end:], "bad.yaml", "parameters")


def test_all_errors_at_once(t):
    text = good(t).replace("run_cap: 4", "run_cap: 0").replace("method: grid", "method: gird")
    text = text.replace("workers: 2", "wrokers: 2").replace("tokens: 20000", "tokens: -5")
    refused(t, text, "run_cap", "grid", "workers", "tokens")


def test_a_budget_too_small_for_one_trial_is_reported(t):
    study = t.study(run_cap=2, tokens=20000)
    study.write_text(study.read_text() + "budget: {tokens: 5000}\n")
    for verb, code in ((("check", study), 0), (("run", study, "--dir", t.directory()), 4)):
        _, err = t.run(*verb, expect=code)
        assert "budget.tokens, 5000, is less than one training to the horizon, 20000" in err, err


def test_missing_data(t):
    refused(t, good(t).replace(str(t.data), "/nowhere/text.txt"), "/nowhere/text.txt")


def test_data_that_is_too_small(t):
    small = t.folder / "small.txt"
    small.write_text("too short")
    refused(t, good(t).replace(str(t.data), str(small)), "small.txt", "9")


def test_a_missing_study_file(t):
    _, err = t.run("run", t.folder / "absent.yaml", expect=2)
    assert "absent.yaml" in err, err


def test_an_unwritable_directory(t):
    if os.geteuid() == 0:
        run = pathlib.Path("/proc/espalier-run")
    else:
        parent = t.folder / "locked"
        parent.mkdir()
        parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
        run = parent / "run"
    _, err = t.run("run", t.study(), "--dir", run, expect=2)
    assert str(run) in err, err


def test_a_file_in_place_of_the_directory(t):
    run = t.folder / "file"
    run.write_text("mine")
    _, err = t.run("run", t.study(), "--dir", run, expect=2)
    assert str(run) in err and run.read_text() == "mine", err


def test_the_ledger_of_another_program(t):
    run = t.directory()
    run.mkdir()
    connection = sqlite3.connect(run / "study.db")
    connection.execute("CREATE TABLE mine (a)")
    connection.commit()
    connection.close()
    before = (run / "study.db").read_bytes()
    for arguments in (["run", t.study(), "--dir", run], ["resume", run], ["status", run]):
        _, err = t.run(*arguments, expect=2 if arguments[0] == "run" else None)
        assert "study.db" in err, err
    assert (run / "study.db").read_bytes() == before


def test_the_ledger_of_a_newer_version(t):
    run = t.directory()
    t.run("run", t.study(), "--dir", run)
    connection = sqlite3.connect(run / "study.db")
    connection.execute("PRAGMA user_version = 4242")
    connection.commit()
    connection.close()
    code = t.finish(t.start("resume", run))
    assert code != 0
    err = t.started[-1].err.read_text()
    assert "newer" in err and "4242" in err, err


def test_a_corrupt_ledger(t):
    run = t.directory()
    t.run("run", t.study(), "--dir", run)
    path = run / "study.db"
    data = bytearray(path.read_bytes())
    for offset in range(4096, min(len(data), 65536)):
        data[offset] ^= 0x5A
    path.write_bytes(data)
    code = t.finish(t.start("resume", run))
    assert code != 0
    err = t.started[-1].err.read_text()
    assert "study.db" in err, err
    assert path.read_bytes() == data, "a corrupt ledger was written to"


def test_a_truncated_ledger(t):
    run = t.directory()
    t.run("run", t.study(), "--dir", run)
    path = run / "study.db"
    path.write_bytes(path.read_bytes()[:5000])
    code = t.finish(t.start("status", run))
    assert code != 0 and "study.db" in t.started[-1].err.read_text()


def interrupted(t, run):
    process = t.start("run", t.study(tokens=400000, report_every=4000), "--dir", run)
    wait_for(lambda: len(reports(run)) >= 6, "reports")
    process.terminate()
    t.finish(process, 5)


def damage(run, change):
    """Damages the newest checkpoint of every trial. Returns their number."""
    count = 0
    for trial, path in query(run, "SELECT trial, path FROM checkpoint c WHERE tokens = "
                                  "(SELECT max(tokens) FROM checkpoint WHERE trial = c.trial)"):
        del trial
        change(run / path)
        count += 1
    assert count > 0
    return count


def test_a_truncated_checkpoint_is_detected_and_the_trial_completes(t):
    run = t.directory()
    interrupted(t, run)
    damage(run, lambda path: path.write_bytes(path.read_bytes()[:-100]))
    t.run("resume", run)
    check_complete(t, run, 4)


def test_a_flipped_bit_in_a_checkpoint_is_detected_and_the_trial_completes(t):
    run = t.directory()
    interrupted(t, run)

    def flip(path):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 4
        path.write_bytes(data)

    damage(run, flip)
    t.run("resume", run)
    check_complete(t, run, 4)
    logged = "".join(path.read_text(errors="replace") for path in (run / "logs").iterdir())
    told = query(run, "SELECT data FROM event WHERE kind = 'started'")
    assert any("checksum" in str(row) or "damaged" in str(row) for row in told) or "checksum" in logged


def test_missing_checkpoints_restart_the_trials(t):
    run = t.directory()
    interrupted(t, run)
    shutil.rmtree(run / "checkpoints")
    t.run("resume", run)
    check_complete(t, run, 4)


def test_a_loss_that_is_not_finite_ends_only_its_trial(t):
    run = t.directory()
    t.run("run", t.study(learning_rate="{values: [1e-3, 900]}"), "--dir", run)
    status = check_complete(t, run, 4)
    assert status["trials"]["pruned"] == 2 and status["trials"]["complete"] == 2, status
    causes = query(run, "SELECT trial, cause FROM trial WHERE state = 'PRUNED'")
    assert [cause for _, cause in causes] == ["diverged", "diverged"], causes


def test_a_study_in_which_every_trial_diverges_exits_3(t):
    run = t.directory()
    t.run("run", t.study(learning_rate="{values: [900, 1000]}"), "--dir", run, expect=3)


def test_a_sweep_with_a_program_can_be_checked_but_not_run(t):
    study = t.folder / "sweep.yaml"
    study.write_text("program: train.py\nmethod: random\nmetric: {name: loss}\n"
                     "parameters: {lr: {min: 1e-5, max: 1e-2}}\n")
    _, err = t.run("check", study)
    assert "cannot be run yet" in err and "run_cap" in err, err
    run = t.directory()
    _, err = t.run("run", study, "--dir", run, expect=2)
    assert "program" in err and not run.exists(), err


def broken_trial(t, script):
    """Path of an espalier that starts `script` as its espalier-trial."""
    folder = t.folder / "bin"
    folder.mkdir()
    shutil.copy2(BUILD / "espalier", folder / "espalier")
    program = folder / "espalier-trial"
    program.write_text(script)
    program.chmod(0o755)
    return folder / "espalier"


def test_the_output_of_trial_processes_that_fail_at_start_is_shown(t):
    import subprocess
    espalier = broken_trial(t, "#!/bin/sh\necho 'the device is on fire' >&2\nexit 7\n")
    run = t.directory()
    result = subprocess.run([espalier, "run", t.study(), "--dir", run], capture_output=True,
                            stdin=subprocess.DEVNULL, timeout=120)
    assert result.returncode == 1, result
    assert b"the device is on fire" in result.stderr, result.stderr
    assert processes_of(run) == []
    t.run("resume", run)
    check_complete(t, run, 4)


def test_a_trial_that_crashes_every_time_fails_after_three_attempts(t):
    # The real trainer with one second of CPU time (RLIMIT_CPU): each attempt sends its first report, and is
    # killed in the training that follows.
    import subprocess
    espalier = broken_trial(
        t, "#!/bin/sh\nulimit -t 1\necho 'one second only' >&2\nexec %s \"$@\"\n" % (BUILD / "espalier-trial"))
    run = t.directory()
    study = t.study(tokens=400000000, report_every=400000000, run_cap=1, workers=1)
    result = subprocess.run([espalier, "run", study, "--dir", run], capture_output=True,
                            stdin=subprocess.DEVNULL, timeout=300)
    assert result.returncode == 3 or result.returncode == 0, result
    status = t.json("status", run)
    assert status["trials"]["failed"] == 1, status
    attempts = query(run, "SELECT attempts FROM trial")
    assert attempts[0][0] in (3, 4), attempts  # the first attempt also brought the report at step 0
    out, _ = t.run("show", run, "0")
    assert "one second only" in out, out


def test_random_bytes_on_the_socket_change_nothing(t):
    import socket
    run = t.directory()
    process = t.start("run", t.study(tokens=200000, report_every=4000), "--dir", run)
    wait_for(lambda: len(reports(run)) >= 2, "reports")
    path = next(run.glob("*.sock"), None)
    if path is None:
        process.wait()
        raise Skip("the socket is in another folder, since its path would be too long in this one")
    for attempt in range(20):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            try:
                connection.sendall(t.random.randbytes(t.random.randrange(1, 100000)))
            except OSError:
                pass  # the controller closed the connection, as it should
    # A well-formed ZMTP 3.0 greeting, then frames of random bytes and one that claims 2^62 bytes.
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        try:
            connection.sendall(b"\xff" + b"\0" * 8 + b"\x7f\x03\0" + b"NULL".ljust(20, b"\0") + b"\0" * 32)
            ready = b"\x05READY\x0bSocket-Type\0\0\0\x06DEALER"
            connection.sendall(b"\x04" + bytes([len(ready)]) + ready)
            for size in (0, 1, 50, 255):
                connection.sendall(b"\0" + bytes([size]) + t.random.randbytes(size))
            connection.sendall(b"\x02" + struct.pack(">Q", 2 ** 62))
        except OSError:
            pass
    t.finish(process, 0)
    check_complete(t, run, 4)


if __name__ == "__main__":
    main(globals())
