#!/usr/bin/env python3
"""Runs the real Optuna on one table, by the rules of `espalier replay`.

    optuna_replay.py TABLE.yaml tpe|gp none|hyperband|median --budget B --seeds S[,S…]
                     [--center OCTAVES | --usual]

The sampler proposes within the ranges and gets the nearest trial not yet taken. The trial is
trained point by point, at its cost, until its end or until the pruner stops it. After every point
the trial that `best` would name is scored by its last loss.

To make the comparison as strong as possible, Optuna gets
* the parameters of the trial that stands for the proposal, not the proposed ones, so that its
  models see what was trained (on a table of 1000 settings in eight dimensions they differ a lot);
* batch sizes and other numbers as ordered, on the scale of the table (log, or log of 1 - x);
* the real number of points as Hyperband's largest resource, instead of a guess;
* a diverged trial as pruned, which TPE counts as bad, and not as failed, which it ignores.

With --center the first trial is Step Law's optimum (arXiv 2503.04715), its learning rate moved by
so many octaves. With --usual it has the default values that bayes of espalier begins with
(controller/search/default_prior.h). Prints a JSON line per seed. Increase PROTOCOL when the
measurement changes: results of another PROTOCOL are not reused."""

import argparse
import json
import math
import sys
import warnings

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from returned import Returned
from table import Fault, Table

PROTOCOL = 2
# Where any value up to a limit is equally good: the middle of the values that are searched.
USUAL = {"learning_rate": 3e-3, "lr": 3e-3, "l1": 1e-6, "l2": 1e-6, "weight_decay": 0.03,
         "dropout": 0.05}
warnings.filterwarnings("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)


class Axis:
    """One parameter: Optuna's distribution, each row's value in it, and its place in [0, 1]."""

    def __init__(self, name, entry, cells):
        values = entry.get("values")
        self.name = name
        if values and any(isinstance(v, str) for v in values):
            texts = [v if isinstance(v, str) else f"{v:g}" for v in values]
            self.distribution = CategoricalDistribution(texts)
            self.rows = list(cells)
            self.low, self.span, self.log = 0, max(1, len(values) - 1), False
            self.at = texts.index
        else:
            scale = entry.get("scale", "linear")
            numbers = [float(cell) for cell in cells]
            ends = [min(numbers), max(numbers)]
            if not values:
                ends = [float(entry.get("min", ends[0])), float(entry.get("max", ends[1]))]
            self.turn = (lambda x: 1 - x) if scale == "log1m" else (lambda x: x)
            ends = sorted(self.turn(x) for x in ends)
            self.log = scale != "linear"
            self.distribution = FloatDistribution(ends[0], ends[1], log=self.log)
            self.low = self.stretch(ends[0])
            self.span = self.stretch(ends[1]) - self.low
            self.at = lambda x: x
            self.rows = [min(max(self.turn(x), ends[0]), ends[1]) for x in numbers]
        self.places = [self.place(value) for value in self.rows]

    def stretch(self, x):
        return math.log(x) if self.log else x

    def place(self, value):
        if self.span == 0:
            return 0.5
        return (self.stretch(self.at(value)) - self.low) / self.span


class Nearest(optuna.samplers.BaseSampler):
    """Wraps a sampler: each proposal is replaced by the nearest trial that is not taken yet."""

    def __init__(self, inner, axes, first):
        self.inner, self.first = inner, first
        self.axes = [axis for axis in axes if axis.span > 0]
        self.space = {axis.name: axis.distribution for axis in self.axes}
        self.taken = [False] * len(axes[0].rows)
        self.row = None

    def infer_relative_search_space(self, study, trial):
        return self.space

    def sample_relative(self, study, trial, search_space):
        space = self.inner.infer_relative_search_space(study, trial)
        values = self.inner.sample_relative(study, trial, space)
        for axis in self.axes:
            if axis.name not in values:
                values[axis.name] = self.inner.sample_independent(
                    study, trial, axis.name, axis.distribution
                )
        if self.first:
            values.update(self.first)
            self.first = None
        self.row = self.nearest([axis.place(values[axis.name]) for axis in self.axes])
        self.taken[self.row] = True
        return {axis.name: axis.rows[self.row] for axis in self.axes}

    def sample_independent(self, study, trial, name, distribution):
        raise AssertionError(f"{name} was not sampled with the others")

    def nearest(self, place):
        best, least = -1, math.inf
        for row, taken in enumerate(self.taken):
            if not taken:
                d = sum((axis.places[row] - at) ** 2 for axis, at in zip(self.axes, place))
                if d < least:
                    best, least = row, d
        return best

    def reseed_rng(self):
        self.inner.reseed_rng()

    def before_trial(self, study, trial):
        self.inner.before_trial(study, trial)

    def after_trial(self, study, trial, state, values):
        self.inner.after_trial(study, trial, state, values)


def make_sampler(name, seed):
    if name == "gp":
        return optuna.samplers.GPSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed)


def make_pruner(name, table):
    if name == "median":
        return optuna.pruners.MedianPruner()
    if name == "hyperband":
        points = max(len(curve) for curve in table.curves)
        return optuna.pruners.HyperbandPruner(
            min_resource=1, max_resource=points, reduction_factor=3
        )
    return optuna.pruners.NopPruner()


def step_law(table, axes, octaves):
    """Step Law's optimum for N parameters and D tokens."""
    n, d = table.model["parameters"], table.horizon
    wanted = {
        "learning_rate": 1.79 * n**-0.713 * d**0.307 * 2.0**octaves,
        "batch_size": 0.58 * d**0.571 / table.model["context"],
    }
    return within_ranges(wanted, axes)


def within_ranges(wanted, axes):
    ranges = {axis.name: axis.distribution for axis in axes}
    return {
        name: min(max(value, ranges[name].low), ranges[name].high)
        for name, value in wanted.items()
        if name in ranges
    }


class Search:
    """One study on the table, until the budget is spent or every trial is taken."""

    def __init__(self, table, axes, args, seed):
        first = None if args.center is None else step_law(table, axes, args.center)
        first = within_ranges(USUAL, axes) if args.usual else first
        self.table = table
        self.sampler = Nearest(make_sampler(args.sampler, seed), axes, first)
        # Hyperband assigns brackets by a hash of the study's name; without a name they are random.
        self.study = optuna.create_study(
            study_name=f"{table.name}-{seed}",
            sampler=self.sampler,
            pruner=make_pruner(args.pruner, table),
        )
        self.budget = math.floor(args.budget * table.horizon + 1e-6)
        self.spent, self.trace, self.returned = 0, [], Returned()
        self.counts = {"trials": 0, "complete": 0, "discarded": 0, "diverged": 0}
        self.killed = False

    def record(self, row):
        loss = self.table.final(self.returned.row(row))
        loss = loss if math.isfinite(loss) else 1e30
        # Only changes are recorded.
        if not self.trace or self.trace[-1][1] != loss:
            self.trace.append([self.spent, loss])

    def train(self, trial, row):
        """Trains a trial; False: the budget ends first."""
        curve, before, state = self.table.curves[row], 0, TrialState.COMPLETE
        loss = math.nan
        for step, (tokens, loss) in enumerate(curve, 1):
            if self.spent + tokens - before > self.budget:
                return False
            self.spent += tokens - before
            before, last = tokens, step == len(curve)
            self.returned.observe(row, loss, last)
            self.record(row)
            if not math.isfinite(loss):
                trial.report(math.nan, step)
                state = TrialState.PRUNED
                break
            if not last:
                trial.report(loss, step)
                if trial.should_prune():
                    state = TrialState.PRUNED
                    break
        pruned = state == TrialState.PRUNED
        self.killed |= pruned and row == self.table.best_row
        diverged = not math.isfinite(loss)
        self.counts["diverged" if diverged else "discarded" if pruned else "complete"] += 1
        self.study.tell(trial, None if pruned else loss, state)
        return True

    def run(self):
        while not all(self.sampler.taken):
            trial = self.study.ask(self.sampler.space)
            self.counts["trials"] += 1
            if not self.train(trial, self.sampler.row):
                break


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table")
    parser.add_argument("sampler", choices=["tpe", "gp"])
    parser.add_argument("pruner", choices=["none", "hyperband", "median"])
    parser.add_argument("--budget", type=float, required=True)
    parser.add_argument("--seeds", required=True, help="seed numbers, separated by commas")
    first = parser.add_mutually_exclusive_group()
    first.add_argument("--center", type=float, help="octaves from Step Law's optimum")
    first.add_argument("--usual", action="store_true", help="the first trial has default values")
    return parser.parse_args()


def main():
    args = read_arguments()
    try:
        table = Table(args.table)
    except (Fault, OSError, ValueError, KeyError) as fault:
        sys.exit(f"optuna_replay: {fault}")
    axes = [
        Axis(name, entry, [row[name] for row in table.rows])
        for name, entry in table.parameters.items()
    ]
    for seed in [int(s) for s in args.seeds.split(",")]:
        search = Search(table, axes, args, seed)
        search.run()
        result = {"seed": seed, "trace": search.trace, "spent": search.spent}
        result.update(search.counts, best_killed=search.killed)
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
