"""The page: for each group of tables, the cost and regret of every search; and the targets."""

import statistics

import plot
import rows
from bootstrap import interval, ranks
from score import BUDGETS, KEYS, middle_regret, target_key

HEADS = {"0.01": "1 %", "0.0025": "0.25 %", "0.001": "0.1 %", "rank20": "20th best"}


class Group:
    """Tables of one kind, and the rows that ran on all of them."""

    def __init__(self, name, title, tables, cells, labels):
        self.name, self.title, self.tables = name, title, tables
        self.cells = {
            label: [cells[label][t.name] for t in tables]
            for label in labels
            if label in cells and all(t.name in cells[label] for t in tables)
        }


def make_groups(tables, cells):
    all_rows = rows.ROWS + rows.OPTUNA_ROWS
    plain = [r.label for r in all_rows if r.tables not in ("law", "usual")]
    law = [r.label for r in all_rows if r.tables == "law"]
    law = [rows.DEFAULT, rows.DEFAULT_NO_PRIOR] + law
    usual = [rows.DEFAULT, rows.DEFAULT_NO_PRIOR, rows.BAYES_ASHA, rows.ASHA]
    usual += [r.label for r in rows.OPTUNA_ROWS if r.tables == "usual"]
    curves = [t for t in tables if t.has_curves]
    lawful = [t for t in curves if rows.has_law(t)]
    finals = [t for t in tables if not t.has_curves]
    many = [t for t in curves if rows.has_usual(t)]
    habits = "Curves in many dimensions: with usual values at first, without"
    priors = "Curves where a scaling law is known: with it, without, misplaced"
    groups = [
        Group("finals", "Final losses", finals, cells, plain),
        Group("curves", "Curves", curves, cells, plain),
        Group("law", priors, lawful, cells, law),
        Group("usual", habits, many, cells, usual),
    ]
    return [g for g in groups if g.tables and g.cells]


def figures(cells, budget):
    """The numbers of one row of a group, for the JSON and the page."""
    found = {"cost_to_within": {}, "regret_at": {}, "tables": len(cells)}
    for key in KEYS:
        medians = [c.median_cost(key, budget) for c in cells]
        low, high = interval(medians)
        found["cost_to_within"][key] = {
            "mean": statistics.fmean(medians),
            "interval": [low, high],
            "reached": statistics.fmean(c.reached(key) for c in cells),
        }
    for b in budgets_in(cells):
        numbers = [c.scaled_at(b) for c in cells]
        low, high = interval(numbers)
        found["regret_at"][f"{b:g}"] = {"mean": statistics.fmean(numbers), "interval": [low, high]}
    found["best_killed"] = statistics.fmean(c.killed for c in cells)
    found["discarded"] = statistics.fmean(c.discarded for c in cells)
    found["trials"] = statistics.fmean(c.trials for c in cells)
    found["seeds"] = min(c.seeds for c in cells)
    times = [c.p99_us for c in cells if c.p99_us is not None]
    found["decision_p99_us"] = statistics.fmean(times) if times else None
    return found


def budgets_in(cells):
    return [b for b in BUDGETS if float(b) in cells[0].costs]


def mean_ranks(group):
    """{label: {budget: rank}}: rank of the mean regret among the rows, averaged over tables."""
    labels = list(group.cells)
    found = {label: {} for label in labels}
    for b in budgets_in(group.cells[labels[0]]):
        per_table = [
            ranks([group.cells[label][t].scaled_at(b) for label in labels])
            for t in range(len(group.tables))
        ]
        for place, label in enumerate(labels):
            found[label][f"{b:g}"] = statistics.fmean(column[place] for column in per_table)
    return found


def spread(mean, low, high, form):
    """The mean and its interval; a single table has none."""
    ends = "" if low == high == mean else f" [{low:{form}}, {high:{form}}]"
    return f"{mean:{form}}{ends}"


def cost_table(summary):
    head = [HEADS[key] for key in KEYS]
    page = ["| search | " + " | ".join(head) + " |", "|---" * (len(head) + 1) + "|"]
    for label, row in summary.items():
        cells = []
        for key in KEYS:
            cost = row["cost_to_within"][key]
            numbers = spread(cost["mean"], *cost["interval"], ".2f")
            cells.append(f"{numbers} {100 * cost['reached']:.0f} %")
        page.append(f"| {label} | " + " | ".join(cells) + " |")
    return page


def regret_table(summary):
    budgets = list(next(iter(summary.values()))["regret_at"])
    head = [f"at {b}" for b in budgets] + ["mean rank"]
    page = ["| search | " + " | ".join(head) + " |", "|---" * (len(head) + 1) + "|"]
    for label, row in summary.items():
        cells = [spread(r["mean"], *r["interval"], ".3f") for r in row["regret_at"].values()]
        cells.append(f"{statistics.fmean(row['rank'].values()):.1f}")
        page.append(f"| {label} | " + " | ".join(cells) + " |")
    return page


def work_table(summary):
    page = ["| search | seeds | trials | discarded | best discarded | decision p99 |"]
    page.append("|---" * 6 + "|")
    for label, row in summary.items():
        p99 = row["decision_p99_us"]
        cells = [
            f"{row['seeds']}",
            f"{row['trials']:.0f}",
            f"{100 * row['discarded']:.0f} %",
            f"{100 * row['best_killed']:.1f} %",
            "" if p99 is None else f"{p99 / 1000:.2f} ms",
        ]
        page.append(f"| {label} | " + " | ".join(cells) + " |")
    return page


def target_table(targets):
    page = ["| target | limit | measured | verdict | details |", "|---|---|---|---|---|"]
    for t in targets:
        if t["met"] is None:
            measured, verdict = "not measured", ""
        else:
            measured = f"{t['value']:.3g}"
            if t["interval"]:
                measured += " [%.3g, %.3g]" % tuple(t["interval"])
            verdict = "met" if t["met"] else "**missed**"
        wanted = f"≤ {t['wanted_at_most']:g}"
        page.append(f"| {t['claim']} | {wanted} | {measured} | {verdict} | {t['note']} |")
    return page


def goal(group, table):
    """The key of the limit that the group's searches are compared by."""
    return "0.0025" if group.name == "finals" else target_key(table)


def drawn(group):
    """The rows that a figure shows: ours, our baselines, and the two of Optuna's combinations with
    the lowest cost to the goal."""
    order = {
        "finals": [rows.PRIOR, rows.NO_PRIOR, rows.MISPLACED[0], "random + none", "tpe + none"],
        "curves": [rows.DEFAULT, rows.ASHA, rows.HYPERBAND, rows.ASHA_TPE],
    }.get(group.name, list(group.cells)[:4])

    def cost(label):
        cells = group.cells[label]
        costs = [c.median_cost(goal(group, c.table), c.costs[-1]) for c in cells]
        return statistics.fmean(costs), label

    with_law = {r.label for r in rows.OPTUNA_ROWS if r.center is not None}
    optuna = [r.label for r in rows.OPTUNA_ROWS if r.label in group.cells]
    if group.name not in ("law", "usual"):
        optuna = [label for label in optuna if label not in with_law]
    return [label for label in order if label in group.cells] + sorted(optuna, key=cost)[:2]


def line_of(label, columns):
    """A line with its interval; one column per cost."""
    ends = [interval(column, samples=400) for column in columns]
    middle = [statistics.fmean(column) for column in columns]
    return label, middle, [low for low, _ in ends], [high for _, high in ends]


def draw_group(group, folder):
    """Draws a figure per table, and one over all tables; returns their names."""
    names, labels = [], drawn(group)
    costs = next(iter(group.cells.values()))[0].costs
    # A grid of final losses shows nothing before the first full training.
    first = costs.index(1.0) if group.name == "finals" else 0
    for place, table in enumerate(group.tables):
        series = []
        for label in labels:
            cell = group.cells[label][place]
            unit = middle_regret(table)
            columns = [[r * unit for r in column] for column in zip(*cell.scaled_curves)][first:]
            series.append(line_of(label, columns))
        name = f"{group.name}-{table.name}.svg"
        title = f"{table.name} ({cell.seeds} seeds)"
        plot.draw(f"{folder}/{name}", title, "mean regret (loss)", costs[first:], series)
        names.append(name)
    if len(group.tables) > 1:
        series = []
        for label in labels:
            cells = group.cells[label]
            scaled = [c.scaled for c in cells]
            series.append(line_of(label, [list(column) for column in zip(*scaled)][first:]))
        name = f"{group.name}.svg"
        title = f"{group.title}: mean over {len(group.tables)} tables"
        label = "mean regret (1: the median setting)"
        plot.draw(f"{folder}/{name}", title, label, costs[first:], series)
        names.insert(0, name)
    return names


def per_table(group, budget):
    """Each table with the rows that its figure shows; the JSON has all rows."""
    budgets = budgets_in(next(iter(group.cells.values())))
    head = ["table", "search", "goal", "cost", "reached"] + [f"regret at {b}" for b in budgets]
    page = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for place, table in enumerate(group.tables):
        key = goal(group, table)
        for label in drawn(group):
            c = group.cells[label][place]
            regrets = " | ".join(f"{c.regret_at(b):.3g}" for b in budgets)
            cost = f"{c.median_cost(key, budget):.2f}"
            page.append(
                f"| {table.name} | {label} | {HEADS[key]} | {cost} | "
                f"{100 * c.reached(key):.0f} % | {regrets} |"
            )
    return page
