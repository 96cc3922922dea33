#!/usr/bin/env python3
"""A large study taken up again, and how soon a search gives its first sign of life.

    tests/bench/resume/bench.py [--build build] [--processes 32]

Prints one JSON object per question:
  resume         seconds and peak memory of `espalier resume` on a ledger of 10,000 trials × 100 reports
                 (opening, checking every page, loading, folding, and the results it prints)
  memory         peak of the controller that wrote 1,000 trials × 1,000 reports, and of a resume of it
  first_report   seconds from `espalier run studies/quickstart.yaml` to the first report on disk

The ledgers are written by `espalier run` itself with the load generator in espalier-trial's place.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
STUDY = """\
name: large
method: random
metric: {{name: val_loss, goal: minimize}}
parameters:
  learning_rate: {{distribution: log_uniform_values, min: 1e-4, max: 3e-2}}
early_terminate: {{type: none}}
run_cap: {trials}
workers: {processes}
trainer:
  data: {data}
  model: {{layers: 1, width: 16, heads: 2, context: 16}}
  batch_size: 1
  tokens: {tokens}
  report_every: 16
"""


def rows(directory):
    with sqlite3.connect("file:%s?mode=ro" % (directory / "study.db"), uri=True) as ledger:
        return ledger.execute("SELECT count(*) FROM report").fetchone()[0]


def timed(arguments, **options):
    """Seconds, peak MiB and exit code of a whole process."""
    begin = time.monotonic()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return round(time.monotonic() - begin, 3), round(usage.ru_maxrss / 1024, 1), process.returncode


def large(build, folder, processes, trials, points):
    (folder / "bin").mkdir(exist_ok=True)
    shutil.copy(build / "espalier", folder / "bin/espalier")
    shutil.copy(build / "tests/bench/messages/loadgen", folder / "bin/espalier-trial")
    (folder / "text").write_text("the quick brown fox jumps over the lazy dog\n" * 1000)
    study, directory = folder / ("%d.yaml" % trials), folder / ("run%d" % trials)
    study.write_text(STUDY.format(processes=processes, data=folder / "text", trials=trials,
                                  tokens=16 * points))
    environment = {**os.environ, "ESPALIER_SLOTS": str(processes)}
    wrote = timed([folder / "bin/espalier", "run", study, "--dir", directory], env=environment)
    resumed = [timed([build / "espalier", "resume", directory]) for _ in range(3)]
    return {"trials": trials, "reports": rows(directory), "ledger_mib":
            round((directory / "study.db").stat().st_size / 2 ** 20, 1),
            "wrote": dict(zip(("seconds", "peak_mib", "exit_code"), wrote)),
            "resume": dict(zip(("seconds", "peak_mib", "exit_code"), sorted(resumed)[1]))}


def first_report(build, folder):
    directory = folder / "quickstart"
    begin = time.monotonic()
    process = subprocess.Popen([build / "espalier", "run", ROOT / "studies/quickstart.yaml", "--dir", directory],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.monotonic() < begin + 60:
            try:
                if rows(directory) > 0:
                    return {"first_report_seconds": round(time.monotonic() - begin, 3)}
            except sqlite3.OperationalError:
                pass
            time.sleep(0.005)
        raise SystemExit("no report within a minute")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--processes", type=int, default=32)
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="espalier-bench-"))
    try:
        print(json.dumps(first_report(options.build, folder)), flush=True)
        for trials, points in ((10000, 100), (1000, 1000)):
            print(json.dumps(large(options.build, folder, options.processes, trials, points)), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
