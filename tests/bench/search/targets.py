"""Targets of the search: each is computed from the results and gets a verdict.

Costs of a table are medians over its seeds; runs that never reach the limit count with the whole
budget. In a figure over several tables the table is the unit."""

import statistics

import rows
from bootstrap import geometric_mean, interval
from score import target_key

FINALS = [
    ("with the prior", [rows.PRIOR], {"0.0025": 2, "0.001": 4}),
    ("without a prior", [rows.NO_PRIOR], {"0.0025": 6, "0.001": 9}),
    (
        "prior misplaced by two octaves, in the worse direction",
        rows.MISPLACED,
        {"0.0025": 7, "0.001": 10},
    ),
]
REGRET_FROM, REGRET_RATIO = 2, 1.1
# A regret below this share of the median setting's counts as this share: seeds differ by more.
REGRET_LEAST = 1e-3
KILLED_MOST = 0.05
RATIO_MOST, P99_MOST_US = 1.5, 20000


def target(claim, value, most, low=None, high=None, note=""):
    """value None: not measured."""
    met = None if value is None else value <= most
    return {
        "claim": claim,
        "value": value,
        "interval": None if low is None else [low, high],
        "wanted_at_most": most,
        "met": met,
        "note": note,
    }


def on_finals(cells, tables, budget):
    """cells: {label: {table name: Cell}}."""
    found = []
    tables = [t for t in tables if not t.has_curves]
    if not tables:
        return []
    for words, labels, limits in FINALS:
        for key, most in limits.items():
            claim = f"full trainings to within {float(key) * 100:g} % on final-loss grids, {words}"
            medians = [
                [cells[label][t.name].median_cost(key, budget) for t in tables]
                for label in labels
                if all(t.name in cells.get(label, {}) for t in tables)
            ]
            if not medians:
                found.append(target(claim, None, most))
                continue
            worse = max(medians, key=statistics.median)
            low, high = interval(worse, statistics.median)
            note = f"median over {len(tables)} tables; their mean is {statistics.fmean(worse):.2f}"
            found.append(target(claim, statistics.median(worse), most, low, high, note))
    return found


def cost_ratio(claim, cells, tables, rivals, most, budget):
    """Our cost relative to the cheapest rival of each table; the geometric mean over tables."""
    rivals = [label for label in rivals if label in cells]
    tables = [t for t in tables if any(t.name in cells[label] for label in rivals)]
    if not tables:
        return target(claim, None, most)
    ratios, notes = [], []
    for t in tables:
        key = target_key(t)
        ours = cells[rows.DEFAULT][t.name].median_cost(key, budget)
        theirs, label = min(
            (cells[label][t.name].median_cost(key, budget), label)
            for label in rivals
            if t.name in cells[label]
        )
        ratios.append(ours / theirs)
        notes.append(f"{t.name} {ours:.2f} against {theirs:.2f} ({label})")
    low, high = interval(ratios, geometric_mean)
    return target(claim, geometric_mean(ratios), most, low, high, "; ".join(notes))


def normalised(cells, label, tables, at):
    return statistics.fmean(cells[label][t.name].scaled[at] for t in tables)


def ratio_at(cells, tables, rivals, at):
    """(ratio, ours, theirs, label): ours relative to the lowest of the rivals' or REGRET_LEAST."""
    ours = normalised(cells, rows.DEFAULT, tables, at)
    theirs, label = min((normalised(cells, r, tables, at), r) for r in rivals)
    return max(ours, REGRET_LEAST) / max(theirs, REGRET_LEAST), ours, theirs, label


def regret_ratio(claim, cells, groups, rivals):
    """The largest ratio of all budgets and groups; a group's regret is its tables' mean."""
    worst = None
    for tables in groups:
        there = [r for r in rivals if all(t.name in cells[r] for t in tables)]
        costs = cells[rows.DEFAULT][tables[0].name].costs
        for at, cost in enumerate(costs):
            if cost >= REGRET_FROM and there:
                found = ratio_at(cells, tables, there, at)
                if worst is None or found[0] > worst[0][0]:
                    worst = found, cost, tables
    if worst is None:
        return target(claim, None, REGRET_RATIO)
    (ratio, ours, theirs, label), cost, tables = worst
    where = f"{tables[0].name}, " if len(tables) == 1 else ""
    note = f"{where}at {cost:.3g}: {ours:.3g} against {theirs:.3g} ({label})"
    return target(claim, ratio, REGRET_RATIO, note=note)


def on_curves(cells, tables, budget):
    tables = [t for t in tables if t.has_curves and t.name in cells.get(rows.DEFAULT, {})]
    if not tables:
        return []
    plain = [r.label for r in rows.ROWS + rows.OPTUNA_ROWS if r.part == "baseline"]
    plain = [label for label in plain if label in cells]
    with_law = {r.label for r in rows.OPTUNA_ROWS if r.center is not None}
    optuna = [r.label for r in rows.OPTUNA_ROWS if r.label not in with_law]
    what = "cost to the goal on curve tables, as a share of "
    found = [
        cost_ratio(what + words, cells, tables, labels, most, budget)
        for words, labels, most in [
            ("the better of asha and hyperband", [rows.ASHA, rows.HYPERBAND], 0.5),
            ("tpe + asha", [rows.ASHA_TPE], 0.7),
            ("Optuna's best combination (of each table)", optuna, 0.7),
        ]
    ]
    rivals = [label for label in plain if label not in with_law]
    what = f"regret relative to the best baseline's, at the worst budget from {REGRET_FROM} up, "
    for words, groups in [("mean over tables", [tables]), ("any table", [[t] for t in tables])]:
        found.append(regret_ratio(what + words, cells, groups, rivals))
    ours = [cells[rows.DEFAULT][t.name] for t in tables]
    share = statistics.fmean(c.discarded for c in ours)
    found.append(
        target(
            "share of studies whose best trial was discarded (bayes + freeze-thaw)",
            statistics.fmean(c.killed for c in ours),
            KILLED_MOST,
            note=f"share of trials discarded: {share:.3f}",
        )
    )
    return found


def on_decisions(decision):
    """decision: the output of tests/bench/decision; None: it was not run."""
    if not decision:
        return []
    few, many = decision["200"], decision["10000"]
    p50, p99 = (many[p] / few[p] for p in ["p50_us", "p99_us"])
    return [
        target("decision time at 10,000 trials relative to 200 trials, p50", p50, RATIO_MOST),
        target("the same, p99", p99, RATIO_MOST),
        target("decision time at 10,000 trials, p99 in microseconds", many["p99_us"], P99_MOST_US),
    ]
