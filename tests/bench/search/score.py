"""Scores of traces, for all searches, ours and Optuna's. `espalier replay` computes the same
figures, and a test compares the two.

Costs are full trainings. Regret is the returned trial's last loss less the table's best; where it
diverged, or none is returned yet, the table's worst finite loss counts."""

import math
import statistics

WITHIN = {"0.01": 0.01, "0.0025": 0.0025, "0.001": 0.001}
KEYS = list(WITHIN) + ["rank20"]
BUDGETS = [1, 2, 5, 10, 20]
# In a smaller table too many of the settings are among the best twenty.
LARGE_TABLE = 500


def costs_between(low, high, count):
    """Evenly spaced in log, with the page's budgets among them."""
    step = (math.log(high) - math.log(low)) / (count - 1)
    even = [math.exp(math.log(low) + step * i) for i in range(count)]
    even = [c for c in even if all(abs(c - b) > 0.02 * b for b in BUDGETS)]
    return sorted(even + [float(b) for b in BUDGETS if low <= b <= high])


def limit(table, key):
    if key == "rank20":
        return table.ranked20
    return table.best + WITHIN[key] * abs(table.best)


def target_key(table):
    """The goal of a search: within 1 % of the best; in a large table the best twenty."""
    return "rank20" if len(table.rows) >= LARGE_TABLE else "0.01"


def cost_to_stay(trace, most, horizon):
    """Cost from which on the returned loss stays at or under `most`; infinity: it does not."""
    cost = math.inf
    for spent, loss in reversed(trace):
        if not loss <= most:
            break
        cost = spent / horizon
    return cost


def regret_curve(trace, table, costs):
    """Regret after each of the costs, which ascend."""
    regrets, at, loss = [], 0, table.worst
    for cost in costs:
        while at < len(trace) and trace[at][0] <= cost * table.horizon:
            loss = min(trace[at][1], table.worst)
            at += 1
        regrets.append(loss - table.best)
    return regrets


def middle_regret(table):
    """What a table's regrets are divided by before they are averaged with other tables': the
    regret of its median setting, trained in full."""
    middle = min(table.middle, table.worst) - table.best
    return middle if middle > 0 else max(table.worst - table.best, 1e-12)


# A diverged loss may be a large finite number (the tables have 2e9): one such run would be all
# that a mean says. The worst that a run counts for, in regrets of the median setting.
SCALED_MOST = 10


class Cell:
    """One row on one table: its seeds' figures."""

    def __init__(self, table, results, costs):
        self.table, self.seeds = table, len(results)
        self.cost = {
            key: [cost_to_stay(r["trace"], limit(table, key), table.horizon) for r in results]
            for key in KEYS
        }
        self.curves = [regret_curve(r["trace"], table, costs) for r in results]
        self.mean_regret = [statistics.fmean(column) for column in zip(*self.curves)]
        unit = middle_regret(table)
        self.scaled_curves = [[min(r / unit, SCALED_MOST) for r in curve] for curve in self.curves]
        self.scaled = [statistics.fmean(column) for column in zip(*self.scaled_curves)]
        self.costs = costs
        self.killed = statistics.fmean(r["best_killed"] for r in results)
        self.trials = statistics.fmean(r["trials"] for r in results)
        self.discarded = sum(r["discarded"] for r in results) / max(
            1, sum(r["trials"] for r in results)
        )
        times = [r["decision_us"]["p99"] for r in results if r.get("decision_us")]
        self.p99_us = statistics.median(times) if times else None

    def median_cost(self, key, budget):
        """Runs that did not get there count as the whole budget."""
        return statistics.median(min(c, budget) for c in self.cost[key])

    def reached(self, key):
        return statistics.fmean(math.isfinite(c) for c in self.cost[key])

    def scaled_at(self, budget):
        return self.scaled[self.costs.index(float(budget))]

    def regret_at(self, budget):
        """As `espalier replay` has it, without a bound."""
        return self.mean_regret[self.costs.index(float(budget))]
