"""Shared by the integration tests: small real studies and the means to observe their processes and ledgers.

A test file defines functions named test_…(t), where t is a Case. `main` runs them and prints one line for each
and a tally. Nothing is mocked: the programs are the built ones, and ledgers are read with sqlite3.
"""
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("ESPALIER_BUILD", ROOT / "build"))
ESPALIER = BUILD / "espalier"
WAIT_S = float(os.environ.get("ESPALIER_TEST_WAIT", "300"))

STUDY = """\
name: {name}
seed: 3
method: {method}
metric: {{name: val_loss, goal: minimize}}
parameters:
  learning_rate: {learning_rate}
  batch_size: {{values: [4, 8]}}
{stopping}run_cap: {run_cap}
workers: {workers}
trainer:
  data: {data}
  model: {{layers: 1, width: 16, heads: 2, context: 16}}
  tokens: {tokens}
  report_every: {report_every}
  checkpoint_seconds: {checkpoint_seconds}
"""


class Skip(Exception):
    pass


class Case:
    """A temporary folder with a text to train on, and the processes that a test starts in it."""

    def __init__(self, name):
        self.name = name
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="espalier-test-"))
        self.random = random.Random(int(os.environ.get("ESPALIER_TEST_SEED", "1")))
        self.started = []
        text = "".join(p.read_text() for p in sorted((ROOT / "controller").rglob("*.c"))[:20])
        self.data = self.folder / "text.txt"
        self.data.write_text((text * (1 + 200_000 // max(len(text), 1)))[:200_000])

    def study(self, name="small", **changes):
        values = dict(
            name=name, method="grid", learning_rate="{values: [1e-3, 3e-3]}", run_cap=4, workers=2,
            stopping="", data=self.data, tokens=20000, report_every=1000, checkpoint_seconds=30)
        values.update(changes)
        if values["stopping"]:
            values["stopping"] = "early_terminate: %s\n" % values["stopping"]
        else:
            values["stopping"] = "early_terminate: {type: none}\n"
        path = self.folder / (name + ".yaml")
        path.write_text(STUDY.format(**values))
        return path

    def directory(self, name="run"):
        return self.folder / name

    def start(self, *arguments, **options):
        """Starts espalier. stdout and stderr go to files, so that a full pipe cannot block it."""
        index = len(self.started)
        out = open(self.folder / ("out.%d" % index), "wb")
        err = open(self.folder / ("err.%d" % index), "wb")
        process = subprocess.Popen([str(ESPALIER), *map(str, arguments)], stdout=out, stderr=err,
                                   stdin=subprocess.DEVNULL, **options)
        out.close()
        err.close()
        process.out = self.folder / ("out.%d" % index)
        process.err = self.folder / ("err.%d" % index)
        self.started.append(process)
        return process

    def finish(self, process, expect=None):
        code = process.wait(timeout=WAIT_S)
        if expect is not None and code != expect:
            raise AssertionError("exit code %s, expected %s; stderr:\n%s" % (
                code, expect, process.err.read_text(errors="replace")[-3000:]))
        return code

    def run(self, *arguments, expect=0, **options):
        process = self.start(*arguments, **options)
        self.finish(process, expect)
        return process.out.read_text(errors="replace"), process.err.read_text(errors="replace")

    def json(self, *arguments):
        return json.loads(self.run(*arguments, "--json")[0])

    def clean(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()
        for pid in processes_of(self.folder):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if os.environ.get("ESPALIER_TEST_KEEP"):
            print("kept: %s" % self.folder)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


def processes_of(folder, program=None):
    """Pids of live processes whose command line names `folder`. `program` selects a kind: "agent", "trial" or
    "run"."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            words = pathlib.Path("/proc", entry, "cmdline").read_bytes().split(b"\0")
            state = pathlib.Path("/proc", entry, "stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state == "Z" or not any(str(folder).encode() in word for word in words):
            continue
        name = os.path.basename(words[0].decode(errors="replace"))
        kind = "trial" if name == "espalier-trial" else (
            "agent" if name == "espalier" and words[1:2] == [b"agent"] else
            "run" if name == "espalier" else "other")
        if program is None and kind != "other" or kind == program:
            found.append(int(entry))
    return sorted(found)


def wait_for(condition, what, seconds=WAIT_S):
    """Polls `condition` until it is true and returns its value; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("waited %g s for %s" % (seconds, what))
        time.sleep(0.005)


def query(directory, sql, *arguments):
    """Rows of the ledger, read as any other reader would; [] before it exists."""
    path = pathlib.Path(directory) / "study.db"
    if not path.exists():
        return []
    connection = sqlite3.connect("file:%s?mode=ro" % path, uri=True, timeout=10)
    try:
        return connection.execute(sql, arguments).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return []
        raise
    finally:
        connection.close()


def reports(directory):
    return {(trial, step): (tokens, value) for trial, step, tokens, value in
            query(directory, "SELECT trial, step, tokens, value FROM report")}


def states(directory):
    return dict(query(directory, "SELECT state, count(*) FROM trial GROUP BY state"))


def check_complete(t, directory, trials):
    """Checks what holds for every study at its planned end."""
    status = t.json("status", directory)
    assert status["state"] == "complete", status
    counts = status["trials"]
    assert sum(counts.values()) == trials, counts
    assert counts["queued"] == counts["running"] == counts["paused"] == 0, counts
    assert processes_of(directory) == [], "processes are left: %s" % processes_of(directory)
    numbers = [row[0] for row in query(directory, "SELECT trial FROM trial ORDER BY trial")]
    assert numbers == list(range(trials)), numbers
    return status


def main(namespace, minutes=None):
    del minutes
    passed = failed = skipped = 0
    wanted = sys.argv[1:]
    for name, function in list(namespace.items()):
        if not name.startswith("test_") or (wanted and name not in wanted):
            continue
        case = Case(name)
        begun = time.monotonic()
        try:
            function(case)
        except Skip as reason:
            skipped += 1
            print("skipped  %s: %s" % (name, reason), flush=True)
        except Exception:  # a test may fail in any way: report it and go on
            failed += 1
            print("FAILED   %s\n%s" % (name, traceback.format_exc()), flush=True)
            for process in case.started[-2:]:
                print("--- %s" % " ".join(process.args[1:]))
                print(process.err.read_text(errors="replace")[-2000:], flush=True)
        else:
            passed += 1
            print("passed   %s (%.1f s)" % (name, time.monotonic() - begun), flush=True)
        finally:
            case.clean()
    tail = ", %d skipped" % skipped if skipped else ""
    print("%d passed, %d failed%s" % (passed, failed, tail))
    sys.exit(1 if failed else 0)
