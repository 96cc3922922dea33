"""Runs searches on tables, one process per row and table, and caches their results.

A result is a dict per seed: {"seed", "trace": [[cost, loss], …], "trials", "complete",
"discarded", "diverged", "best_killed"}; costs in tokens, a diverged loss is 1e30. In a cache
folder each is a file, keyed by its inputs: the table's content, the seed and the budget; for our
searches the program's content and arguments, for Optuna its version and the driver's
PROTOCOL."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Cache:
    def __init__(self, folder):
        self.folder = folder
        if folder:
            os.makedirs(folder, exist_ok=True)

    def path(self, key):
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
        return os.path.join(self.folder, name + ".json")

    def get(self, key):
        if not self.folder:
            return None
        try:
            with open(self.path(key)) as file:
                kept = json.load(file)
        except FileNotFoundError:
            return None
        return kept["result"] if kept["key"] == key else None

    def put(self, key, result):
        if not self.folder:
            return
        path = self.path(key)
        with open(f"{path}.{os.getpid()}", "w") as file:
            json.dump({"key": key, "result": result}, file)
        os.replace(file.name, path)


def thin(trace):
    """The steps at which the returned loss changes."""
    kept = []
    for cost, loss in trace:
        if not kept or kept[-1][1] != loss:
            kept.append([cost, loss])
    return kept


def seeds_in(stdout):
    """The results of seeds among the JSON lines, as they arrive."""
    for line in stdout:
        result = json.loads(line)
        if "seed" in result:
            yield {
                "seed": result["seed"],
                "trace": thin(result["trace"]),
                "trials": result["trials"],
                "complete": result["complete"],
                "discarded": result["discarded"],
                "diverged": result["diverged"],
                "best_killed": result["best_killed"],
                "decision_us": result.get("decision_us"),
            }


def consecutive(seeds):
    """[1, 2, 3, 7] as [(1, 3), (7, 1)]: first and count."""
    spans = []
    for seed in seeds:
        if spans and sum(spans[-1]) == seed:
            spans[-1] = (spans[-1][0], spans[-1][1] + 1)
        else:
            spans.append((seed, 1))
    return spans


class Replay:
    """`espalier replay`, or the benchmark's own program that does the same."""

    def __init__(self, command, budget):
        self.command, self.budget = command, budget
        with open(command[0], "rb") as file:
            self.content = hashlib.sha256(file.read()).hexdigest()

    def arguments(self, row):
        chosen = ["--method", row.method, "--scheduler", row.scheduler, "--prior", row.prior]
        return chosen + list(row.extra) + ["--budget", f"{self.budget:g}"]

    def key(self, row, table, seed):
        return ["replay", self.content, table.hash, self.arguments(row), seed]

    def commands(self, row, table, seeds):
        for first, count in consecutive(seeds):
            span = ["--first-seed", str(first), "--seeds", str(count), "--json"]
            yield self.command + [table.path] + self.arguments(row) + span


class Optuna:
    def __init__(self, python, budget):
        # 20 and 20.0 are the same budget, with the same key in the cache.
        self.python, self.budget = python, int(budget) if budget == int(budget) else budget
        self.driver = os.path.join(HERE, "optuna_replay.py")
        with open(self.driver) as file:
            self.protocol = int(re.search(r"^PROTOCOL = (\d+)$", file.read(), re.M).group(1))
        asked = [python, "-c", "import optuna; print(optuna.__version__)"]
        done = subprocess.run(asked, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"run: --optuna {python}: {done.stderr.strip().splitlines()[-1]}")
        self.version = done.stdout.strip()

    def key(self, row, table, seed):
        what = [row.sampler, row.pruner, row.center, self.budget, seed]
        what += ["usual"] if row.usual else []
        return ["optuna", self.version, self.protocol, table.hash] + what

    def commands(self, row, table, seeds):
        command = [self.python, self.driver, table.path, row.sampler, row.pruner]
        command += ["--budget", f"{self.budget:g}", "--seeds", ",".join(map(str, seeds))]
        command += [] if row.center is None else [f"--center={row.center:g}"]
        yield command + (["--usual"] if row.usual else [])


def run_row(engine, cache, row, table, seeds):
    """{seed: result}; missing results are computed and cached one by one."""
    found = {seed: cache.get(engine.key(row, table, seed)) for seed in seeds}
    missing = [seed for seed in seeds if found[seed] is None]
    for command in engine.commands(row, table, missing) if missing else []:
        env = dict(os.environ, **ONE_THREAD)
        # A file, not a pipe: long output on stderr must not block a program that we read from.
        with tempfile.TemporaryFile("w+") as stderr:
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=env
            ) as process:
                for result in seeds_in(process.stdout):
                    found[result["seed"]] = result
                    cache.put(engine.key(row, table, result["seed"]), result)
            stderr.seek(0)
            errors = stderr.read()
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: exit {process.returncode}: {errors.strip()}")
    lacking = [seed for seed in seeds if found[seed] is None]
    if lacking:
        raise RuntimeError(f"{row.label} on {table.name}: no result for seeds {lacking}")
    return found


def run_all(work, jobs, progress):
    """Calls functions without arguments; returns their results in order, raises the first failure."""
    results = []
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(one) for one in work]
        try:
            for done, future in enumerate(futures, 1):
                results.append(future.result())
                progress(done, len(futures))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return results
