"""Real Optuna on one table, scored as `espalier replay` scores.

    optuna_replay.py TABLE.yaml tpe|gp none|hyperband|median SEEDS BUDGET

The sampler proposes within the ranges and gets the nearest trial not yet taken; the trial is
trained point by point and paid for, until its end or until the pruner stops it."""

import csv
import json
import math
import os
import statistics
import sys
import warnings

import optuna

warnings.filterwarnings("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
BUDGETS = [1, 2, 5, 10, 20]


def number(text):
    try:
        return float(text)
    except ValueError:
        return text


def parse(path):
    """The flat YAML of a table: one key a line, parameters as one-line mappings."""
    table, inside = {"parameters": {}}, None
    with open(path) as file:
        for line in file:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            key, _, rest = line.strip().partition(":")
            rest = rest.strip()
            if line[0] != " ":
                inside = key if not rest else None
                table[key] = rest.strip('"') if rest else table.get(key, {})
            elif inside == "parameters":
                entry = {}
                body = rest.strip("{} ")
                if "values:" in body:
                    values = body[body.index("[") + 1 : body.index("]")]
                    entry["values"] = [number(v.strip()) for v in values.split(",")]
                    body = body[: body.index("values:")]
                for part in body.split(","):
                    if ":" in part:
                        name, _, value = part.partition(":")
                        entry[name.strip()] = number(value.strip())
                table["parameters"][key] = entry
    stem = path[: -len(".yaml")]
    with open(stem + ".trials.csv") as file:
        rows = list(csv.DictReader(file))
    with open(stem + ".curves.csv") as file:
        curves = [[] for _ in rows]
        for row in csv.DictReader(file):
            curves[int(row["trial"])].append((int(float(row["tokens"])), float(row["loss"])))
    table["rows"], table["curves"] = rows, curves
    return table


def stretch(scale, x):
    return math.log(x) if scale == "log" else math.log1p(-x) if scale == "log1m" else x


class Space:
    def __init__(self, table):
        self.names, self.params, self.places = [], table["parameters"], []
        self.ranges = {}
        for name, entry in self.params.items():
            column = [number(row[name]) for row in table["rows"]]
            values = entry.get("values")
            if values and any(isinstance(v, str) for v in values):
                column = [values.index(v) for v in column]
                entry["nominal"] = True
            scale = "linear" if entry.get("nominal") else entry.get("scale", "linear")
            low = min(column) if values else entry.get("min", min(column))
            high = max(column) if values else entry.get("max", max(column))
            a, b = stretch(scale, low), stretch(scale, high)
            self.ranges[name] = (scale, low, high, a, b)
            self.names.append(name)
            self.places.append([0.5 if a == b else (stretch(scale, x) - a) / (b - a) for x in column])

    def suggest(self, trial):
        place = []
        for name in self.names:
            scale, low, high, a, b = self.ranges[name]
            entry = self.params[name]
            if low == high:
                place.append(0.5)
                continue
            if entry.get("values"):
                x = trial.suggest_categorical(name, entry["values"])
                x = entry["values"].index(x) if entry.get("nominal") else x
            elif scale == "log":
                x = trial.suggest_float(name, low, high, log=True)
            elif scale == "log1m":
                x = 1 - trial.suggest_float(name, 1 - high, 1 - low, log=True)
            else:
                x = trial.suggest_float(name, low, high)
            place.append((stretch(scale, x) - a) / (b - a))
        return place

    def nearest(self, place, taken):
        best, least = -1, math.inf
        for row in range(len(taken)):
            if not taken[row]:
                d = sum((p[row] - q) ** 2 for p, q in zip(self.places, place))
                if d < least:
                    best, least = row, d
        return best


def run(table, space, sampler, pruner, seed, budget):
    horizon, curves = int(float(table["horizon"])), table["curves"]
    samplers = {"tpe": optuna.samplers.TPESampler, "gp": optuna.samplers.GPSampler}
    pruners = {
        "none": optuna.pruners.NopPruner,
        "median": optuna.pruners.MedianPruner,
        "hyperband": lambda: optuna.pruners.HyperbandPruner(
            min_resource=1, max_resource=max(len(c) for c in curves), reduction_factor=3
        ),
    }
    study = optuna.create_study(sampler=samplers[sampler](seed=seed), pruner=pruners[pruner]())
    taken, trace, spent = [False] * len(curves), [], 0
    complete, partial = (math.inf, -1), (math.inf, -1)
    sign = -1 if "maximize" in str(table.get("metric")) else 1
    while not all(taken):
        trial = study.ask()
        row = space.nearest(space.suggest(trial), taken)
        taken[row] = True
        before, state, loss = 0, optuna.trial.TrialState.COMPLETE, math.nan
        for step, (tokens, value) in enumerate(curves[row], 1):
            if spent + tokens - before > budget * horizon:
                return trace
            spent += tokens - before
            before, loss = tokens, sign * value
            last = step == len(curves[row])
            finite = math.isfinite(loss)
            if finite and last:
                complete = min(complete, (loss, row))
            if finite and (partial[1] == row or loss < partial[0]):
                partial = (loss, row)
            named = complete[1] if complete[1] >= 0 else partial[1] if partial[1] >= 0 else row
            end = sign * curves[named][-1][1]
            trace.append((spent, end if math.isfinite(end) else math.inf))
            if not finite:
                state = optuna.trial.TrialState.FAIL
                break
            if not last:
                trial.report(loss, step)
                if trial.should_prune():
                    state = optuna.trial.TrialState.PRUNED
                    break
        study.tell(trial, loss if state == optuna.trial.TrialState.COMPLETE else None, state)
    return trace


def main():
    path, sampler, pruner, seeds, budget = sys.argv[1:6]
    seeds, budget = int(seeds), float(budget)
    table = parse(path)
    space, horizon = Space(table), float(table["horizon"])
    sign = -1 if "maximize" in str(table.get("metric")) else 1
    finals = sorted(
        sign * c[-1][1] for c in table["curves"] if math.isfinite(c[-1][1])
    )
    best, worst = finals[0], finals[-1]
    limits = {k: best + float(k) * abs(best) for k in ["0.01", "0.0025", "0.001"]}
    limits["rank20"] = finals[min(19, len(finals) - 1)]
    costs, regrets = {k: [] for k in limits}, {b: [] for b in BUDGETS}
    for seed in range(1, seeds + 1):
        trace = run(table, space, sampler, pruner, seed, budget)
        for key, limit in limits.items():
            reached = math.inf
            for spent, loss in reversed(trace):
                if not loss <= limit:
                    break
                reached = spent / horizon
            costs[key].append(reached)
        for b in BUDGETS:
            before = [loss for spent, loss in trace if spent <= b * horizon]
            regrets[b].append((min(before[-1], worst) if before else worst) - best)
    summary = {
        "table": os.path.basename(path)[: -len(".yaml")],
        "method": "optuna-" + sampler,
        "scheduler": pruner,
        "seeds": seeds,
        "budget": budget,
        "best": best,
        "cost_to_within": {},
        "regret_at": {str(b): statistics.mean(r) for b, r in regrets.items()},
    }
    for key, found in costs.items():
        middle = statistics.median(found)
        summary["cost_to_within"][key] = {
            "median": middle if math.isfinite(middle) else None,
            "reached": sum(math.isfinite(c) for c in found) / seeds,
        }
    print(json.dumps({"summary": summary}))


main()
