"""How often ranking by one seed names a setting that is not the best, and how often a second seed corrects it.

    tests/bench/seeds/ties.py [--settings N] [--seeds N] [--tokens N] [--rate LR] [--steps N]
                             [--table FILE.csv]

Trains close settings (learning rates a fraction of an octave apart) with several seeds each, by
build/espalier on a grid; or takes a table with learning_rate, batch_size, seed, tokens, val_loss.
Every seed in turn is the first of all settings, the next ones their repeats, by the rules of
controller/stop/repeat.h; the truth is the mean over the seeds that a choice has not seen. Prints one
JSON object: the share of wrong choices, and by how much they are worse in nats."""
import argparse
import collections
import csv
import json
import math
import pathlib
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
SHARE, LEAST, MOST, FREEDOM, LEADERS = 0.0025, 0.002, 0.05, 2.0, 3


def train(settings, seeds, tokens, rate, steps):
    """{setting: [loss by seed]} of real trainings on this tree's C sources."""
    with tempfile.TemporaryDirectory(prefix="espalier-ties-") as folder:
        folder = pathlib.Path(folder)
        text = "".join(path.read_text() for path in sorted((ROOT / "controller").rglob("*.c")))
        (folder / "text.txt").write_text(text)
        rates = [rate * 2 ** ((i - settings / 2) / steps) for i in range(settings)]
        (folder / "ties.yaml").write_text(
            "name: ties\nmethod: grid\nmetric: {name: val_loss, goal: minimize}\nparameters:\n"
            "  learning_rate: {values: [%s]}\n  seed: {values: [%s]}\nearly_terminate: {type: none}\n"
            "trainer:\n  data: text.txt\n  model: {layers: 2, width: 32, heads: 2, context: 32}\n"
            "  batch_size: 8\n  tokens: %d\n" % (
                ", ".join("%.6g" % rate for rate in rates), ", ".join(map(str, range(seeds))), tokens))
        espalier = ROOT / "build" / "espalier"
        subprocess.run([espalier, "run", folder / "ties.yaml", "--dir", folder / "run"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        rows = json.loads(subprocess.run([espalier, "ls", folder / "run", "--json"], check=True,
                                         stdout=subprocess.PIPE).stdout)
    losses = collections.defaultdict(dict)
    for row in rows:
        losses[row["param.learning_rate"]][row["param.seed"]] = row["value"]
    return {key: [by[seed] for seed in sorted(by)] for key, by in losses.items()}


def read(path):
    losses = collections.defaultdict(dict)
    for row in csv.DictReader(open(path)):
        losses[row["learning_rate"], row["batch_size"]][row["seed"]] = float(row["val_loss"])
    return {key: [by[seed] for seed in sorted(by)] for key, by in losses.items()}


def choose(losses, first, repeats):
    """The setting that is named best, and the trainings spent on repeats."""
    count = len(next(iter(losses.values())))
    seen = {key: [values[first]] for key, values in losses.items()}
    spent, repeated = 0, set()

    def noise():
        least = min(min(values) for values in seen.values())
        prior = min(max(SHARE * abs(least), LEAST), MOST)
        squares = sum(sum((x - statistics.mean(v)) ** 2 for x in v) for v in seen.values())
        return math.sqrt((FREEDOM * prior ** 2 + squares) /
                         (FREEDOM + sum(len(v) - 1 for v in seen.values())))

    while True:
        sigma = noise()
        order = sorted(seen, key=lambda k: statistics.mean(seen[k]) + sigma / math.sqrt(len(seen[k])))
        best = order[0]
        tied = [key for key in order[:LEADERS] if key == best or
                abs(statistics.mean(seen[key]) - statistics.mean(seen[best])) <
                sigma * math.sqrt(1 / len(seen[key]) + 1 / len(seen[best]))]
        able = [key for key in tied if len(seen[key]) <= repeats and
                (key in repeated or len(repeated) < LEADERS)]
        if len(tied) < 2 or not able:
            return best, seen, spent
        key = min(able, key=lambda k: len(seen[k]))
        repeated.add(key)
        seen[key].append(losses[key][(first + len(seen[key])) % count])
        spent += 1


def measure(losses, repeats):
    """The truth for every choice is what no policy has seen: the seeds after first + 2."""
    wrong, worse, spent = [], [], []
    count = len(next(iter(losses.values())))
    held = range(3, count) if count > 3 else range(repeats + 1, count)
    for first in range(count):
        truth = {key: statistics.mean(values[(first + k) % count] for k in held)
                 for key, values in losses.items()}
        best, _, cost = choose(losses, first, repeats)
        wrong.append(truth[best] > min(truth.values()))
        worse.append(truth[best] - min(truth.values()))
        spent.append(cost)
    return {"wrong": round(statistics.mean(wrong), 3), "worse_nats": round(statistics.mean(worse), 5),
            "repeats": round(statistics.mean(spent), 2), "choices": count}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--settings", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=100000)
    parser.add_argument("--rate", type=float, default=4e-3, help="in the middle of the settings")
    parser.add_argument("--steps", type=float, default=8, help="learning rates per octave")
    parser.add_argument("--table")
    options = parser.parse_args()
    losses = read(options.table) if options.table else train(
        options.settings, options.seeds, options.tokens, options.rate, options.steps)
    sigma = math.sqrt(statistics.mean(statistics.variance(v) for v in losses.values()))
    print(json.dumps({
        "settings": len(losses), "seeds": len(next(iter(losses.values()))),
        "seed_sd": round(sigma, 5),
        "spread_of_means": round(statistics.pstdev(statistics.mean(v) for v in losses.values()), 5),
        "one_seed": measure(losses, 0), "repeats_1": measure(losses, 1),
        "repeats_2": measure(losses, 2) if len(next(iter(losses.values()))) > 3 else None}))


main()
