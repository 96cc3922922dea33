#!/usr/bin/env python3
"""Measures how often the best trial is discarded at a given risk, and how many trials are.

    tests/bench/search/risk.py FOLDER [--risk 0.05] [--subsets 20] [--trials 40] [--replay PROGRAM]
                               [--method bayes] [--scheduler freeze-thaw] [--budget 20]

Studies are random subsets of the trials of every table with curves in FOLDER. Each is searched
once and calibrated on all other subsets (espalier replay --calibrate), so studies of the same and
of other recorded tables count as exchangeable. Prints one JSON object: the number of studies, the
share whose best was discarded with its 95 % interval (Wilson), and the mean share of trials that
were discarded."""

import argparse
import glob
import json
import math
import os
import random
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))


def has_curves(path):
    with open(path[: -len(".yaml")] + ".curves.csv") as file:
        rows = [line.split(",")[0] for line in (file.readline() for _ in range(3))]
    return rows[1] == rows[2]


def write_subset(path, name, rng, trials, folder):
    """Writes some trials of the table at `path`, renumbered, as folder/name.yaml."""
    stem = path[: -len(".yaml")]
    with open(stem + ".trials.csv") as file:
        header, *rows = file.read().splitlines()
    chosen = {row.split(",")[0]: i for i, row in enumerate(rng.sample(rows, min(trials, len(rows))))}
    kept = sorted((chosen[r.split(",")[0]], r) for r in rows if r.split(",")[0] in chosen)
    with open(os.path.join(folder, name + ".trials.csv"), "w") as file:
        file.write(header + "\n")
        file.writelines(f"{i},{row.split(',', 1)[1]}\n" for i, row in kept)
    points = {}
    with open(stem + ".curves.csv") as file:
        curves = file.readline()
        for line in file:
            trial, rest = line.split(",", 1)
            if trial in chosen:
                points.setdefault(chosen[trial], []).append(rest)
    with open(os.path.join(folder, name + ".curves.csv"), "w") as file:
        file.write(curves)
        for i in sorted(points):
            file.writelines(f"{i},{rest}" for rest in points[i])
    with open(path) as file:
        lines = [line for line in file if not line.startswith(("trials:", "curves:", "name:"))]
    with open(os.path.join(folder, name + ".yaml"), "w") as file:
        file.write(f"name: {name}\n" + "".join(lines))
    return os.path.join(folder, name + ".yaml")


def wilson(hits, n, z=1.96):
    share, root = hits / n, z * math.sqrt(hits / n * (1 - hits / n) / n + z * z / (4 * n * n))
    middle = share + z * z / (2 * n)
    return [round(x / (1 + z * z / n), 4) for x in (max(middle - root, 0), middle + root)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--risk", type=float, default=0.05)
    parser.add_argument("--subsets", type=int, default=20)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--method", default="bayes")
    parser.add_argument("--scheduler", default="freeze-thaw")
    parser.add_argument("--budget", default="20")
    parser.add_argument("--replay", default=os.path.join(ROOT, "build/tests/bench/search/replay"))
    args = parser.parse_args()
    tables = [t for t in sorted(glob.glob(os.path.join(args.folder, "*.yaml"))) if has_curves(t)]
    if not tables:
        sys.exit(f"risk.py: no table with curves in {args.folder}")
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        subsets = [
            write_subset(t, f"{os.path.basename(t)[:-5]}-{i}", rng, args.trials, folder)
            for t in tables
            for i in range(args.subsets)
        ]
        command = [args.replay, *subsets, "--method", args.method, "--scheduler", args.scheduler]
        command += ["--seeds", "1", "--budget", args.budget, "--json"]
        command += ["--risk", str(args.risk), "--calibrate"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"risk.py: {done.stderr.strip()}")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    found = [row["summary"] for row in found if "summary" in row]
    killed = sum(row["best_killed"] > 0 for row in found)
    print(
        json.dumps(
            {
                "method": args.method,
                "scheduler": args.scheduler,
                "risk": args.risk,
                "tables": len(tables),
                "studies": len(found),
                "best_given_up": killed / len(found),
                "interval": wilson(killed, len(found)),
                "discarded": round(sum(row["discarded"] for row in found) / len(found), 4),
            }
        )
    )


main()
