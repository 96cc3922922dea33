#!/usr/bin/env python3
"""Measures durable reports per second, and the time from a report to its acknowledgement.

It runs `espalier run` unchanged, with its agent, socket and ledger, and with loadgen, which trains
nothing, in place of espalier-trial. It prints one JSON object per measurement.

    tests/bench/messages/bench.py [--build build] [--processes 64] [--seconds 10] [--rate N]

--rate: reports per second of all processes together, each timed; 0: as many as are accepted. Without
it both rates of the benchmark are measured: 0, then 2000.
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
name: load
method: random
metric: {{name: val_loss, goal: minimize}}
parameters:
  learning_rate: {{distribution: log_uniform_values, min: 1e-4, max: 3e-2}}
early_terminate: {{type: none}}
run_cap: {processes}
workers: {processes}
trainer:
  data: {data}
  model: {{layers: 1, width: 16, heads: 2, context: 16}}
  batch_size: 1
  tokens: 1000000000
"""


def reports(folder):
    with sqlite3.connect("file:%s?mode=ro" % (folder / "run/study.db"), uri=True) as ledger:
        return ledger.execute("SELECT count(*), count(DISTINCT trial) FROM report").fetchone()


def wait_for_all(folder, run, processes):
    """Waits until every process has reported."""
    end = time.monotonic() + 60
    while True:
        if time.monotonic() > end:
            raise SystemExit("not every process reported within a minute")
        if run.poll() is not None:
            raise SystemExit("espalier ended with %d:\n%s" % (
                run.returncode, (folder / "err").read_text()[-2000:]))
        try:
            if reports(folder)[1] == processes:
                return
        except sqlite3.OperationalError:
            pass
        time.sleep(0.2)


def cpu_seconds(pid):
    fields = pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(build, processes, seconds, rate):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="espalier-bench-"))
    try:
        (folder / "bin").mkdir()
        (folder / "times").mkdir()
        shutil.copy(build / "espalier", folder / "bin/espalier")
        shutil.copy(build / "tests/bench/messages/loadgen", folder / "bin/espalier-trial")
        (folder / "text").write_text("the quick brown fox jumps over the lazy dog\n" * 1000)
        (folder / "study.yaml").write_text(STUDY.format(processes=processes, data=folder / "text"))
        environment = {**os.environ, "ESPALIER_SLOTS": str(processes),
                       "ESPALIER_LOAD_RATE": str(rate / processes),
                       "ESPALIER_LOAD_OUT": str(folder / "times")}
        with open(folder / "err", "wb") as err:
            run = subprocess.Popen(
                [folder / "bin/espalier", "run", folder / "study.yaml", "--dir", folder / "run"],
                stdout=subprocess.DEVNULL, stderr=err, env=environment)
        try:
            wait_for_all(folder, run, processes)
            first, begin, cpu = reports(folder)[0], time.monotonic(), cpu_seconds(run.pid)
            time.sleep(seconds)
            cpu = cpu_seconds(run.pid) - cpu
            last, end = reports(folder)[0], time.monotonic()
            status = pathlib.Path("/proc/%d/status" % run.pid).read_text()
            run.send_signal(signal.SIGINT)
            code = run.wait(timeout=120)
        finally:
            if run.poll() is None:
                run.kill()
                run.wait()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        out = {"processes": processes, "rate_asked": rate, "seconds": round(end - begin, 2),
               "reports_per_second": round((last - first) / (end - begin)),
               "controller_cpu_share": round(cpu / (end - begin), 3),
               "controller_peak_mib": round(int(peak.split()[1]) / 1024, 1), "exit_code": code}
        times = sorted(int(line) for path in (folder / "times").iterdir() for line in open(path))
        if times:
            out["ack_ms"] = {name: round(times[int(share * (len(times) - 1))] / 1000, 3)
                             for name, share in (("p50", .5), ("p99", .99), ("max", 1))}
            out["timed"] = len(times)
        return out
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--processes", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=float)
    options = parser.parse_args()
    for rate in [options.rate] if options.rate is not None else [0, 2000]:
        print(json.dumps(measure(options.build, options.processes, options.seconds, rate)), flush=True)


main()
