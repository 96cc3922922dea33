"""The searches that the benchmark compares, one line each.

`label` is the row's name on the page and in the JSON. `tables` are the tables that it runs on:
"finals" (one point per trial), "curves", "both", "law" (curves of a transformer of known size, for
which a scaling law exists; shown in a group of their own), or "usual" (curves in many dimensions).
`extra` are further arguments of `espalier replay`, such as ablations:

    Row("bayes + freeze-thaw, no curve model", "bayes", "freeze-thaw",
        tables="curves", extra=("--ablate", "curve"), part="ablation")
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    label: str
    method: str
    scheduler: str
    prior: str = "none"
    tables: str = "both"
    extra: tuple = ()
    part: str = "baseline"  # ours | ablation | baseline, for the targets

    optuna = False


@dataclass(frozen=True)
class OptunaRow:
    label: str
    sampler: str
    pruner: str
    tables: str = "both"
    center: float = None  # octaves from Step Law's optimum; None: no such first trial
    usual: bool = False  # its first trial has the default values that bayes knows
    seeds: int = None  # at most so many, for slow rows; the page shows it
    part: str = "baseline"

    optuna = True


DEFAULT = "bayes + freeze-thaw"
DEFAULT_NO_PRIOR = "bayes + freeze-thaw, no prior"
PRIOR, NO_PRIOR = "bayes + none, step-law", "bayes + none"
MISPLACED = ("bayes + none, step-law +2 octaves", "bayes + none, step-law -2 octaves")
BAYES_ASHA = "bayes + asha"
ASHA, HYPERBAND, ASHA_TPE = "random + asha", "random + hyperband", "tpe + asha"

ROWS = [
    Row(DEFAULT, "bayes", "freeze-thaw", "default", "curves", part="ours"),
    Row(DEFAULT_NO_PRIOR, "bayes", "freeze-thaw", "none", "curves", part="ablation"),
    Row(DEFAULT + ", +2 octaves", "bayes", "freeze-thaw", "step-law+2", "law", part="ablation"),
    Row(DEFAULT + ", -2 octaves", "bayes", "freeze-thaw", "step-law-2", "law", part="ablation"),
    Row("freeze-thaw without the curve model", "bayes", "freeze-thaw", "default", "curves",
        ("--ablate", "curve"), "ablation"),
    Row("freeze-thaw without the schedule", "bayes", "freeze-thaw", "default", "curves",
        ("--ablate", "schedule"), "ablation"),
    Row("freeze-thaw without any prior shape", "bayes", "freeze-thaw", "default", "curves",
        ("--ablate", "prior"), "ablation"),
    Row("bayes + none, without any prior shape", "bayes", "none", "step-law", "finals",
        ("--ablate", "prior"), "ablation"),
    Row(BAYES_ASHA, "bayes", "asha", "default", "curves", part="ablation"),
    Row(PRIOR, "bayes", "none", "step-law", part="ours"),
    Row(NO_PRIOR, "bayes", "none", part="ours"),
    Row(MISPLACED[0], "bayes", "none", "step-law+2", "finals", part="ours"),
    Row(MISPLACED[1], "bayes", "none", "step-law-2", "finals", part="ours"),
    Row("random + none", "random", "none"),
    Row("sobol + none", "sobol", "none"),
    Row("tpe + none", "tpe", "none"),
    Row("tpe (univariate) + none", "tpe-univariate", "none"),
    Row(ASHA, "random", "asha", tables="curves"),
    Row("random + asha, stopping", "random", "asha-stopping", tables="curves"),
    Row(HYPERBAND, "random", "hyperband", tables="curves"),
    Row("random + halving", "random", "halving", tables="curves"),
    Row("random + pasha", "random", "pasha", tables="curves"),
    Row("random + median", "random", "median", tables="curves"),
    Row("random + cut", "random", "cut", tables="curves"),
    Row(ASHA_TPE, "tpe", "asha", tables="curves"),
    Row("tpe + asha, stopping", "tpe", "asha-stopping", tables="curves"),
    Row("tpe + hyperband", "tpe", "hyperband", tables="curves"),
    Row("tpe + bohb", "tpe", "bohb", tables="curves"),
    Row("tpe + median", "tpe", "median", tables="curves"),
]

OPTUNA_ROWS = [
    OptunaRow("optuna tpe + none", "tpe", "none"),
    OptunaRow("optuna tpe + hyperband", "tpe", "hyperband", "curves"),
    OptunaRow("optuna tpe + median", "tpe", "median", "curves"),
    OptunaRow("optuna gp + none", "gp", "none"),
    OptunaRow("optuna gp + hyperband", "gp", "hyperband", "curves"),
    OptunaRow("optuna gp + median", "gp", "median", "curves"),
    OptunaRow("optuna tpe + none, step-law first", "tpe", "none", "finals", 0),
    OptunaRow("optuna tpe + none, +2 octaves first", "tpe", "none", "finals", 2),
    OptunaRow("optuna tpe + none, -2 octaves first", "tpe", "none", "finals", -2),
    OptunaRow("optuna gp + none, step-law first", "gp", "none", "finals", 0, seeds=5),
    OptunaRow("optuna gp + none, +2 octaves first", "gp", "none", "finals", 2, seeds=5),
    OptunaRow("optuna gp + none, -2 octaves first", "gp", "none", "finals", -2, seeds=5),
    OptunaRow("optuna tpe + hyperband, step-law first", "tpe", "hyperband", "law", 0),
    OptunaRow("optuna gp + median, step-law first", "gp", "median", "law", 0),
    OptunaRow("optuna tpe + hyperband, usual values first", "tpe", "hyperband", "usual",
              usual=True),
    OptunaRow("optuna gp + hyperband, usual values first", "gp", "hyperband", "usual",
              usual=True, seeds=5),
]


def runs_on(row, table):
    if row.tables == "law":
        return table.has_curves and has_law(table)
    if row.tables == "usual":
        return table.has_curves and has_usual(table)
    if getattr(row, "center", None) is not None and not has_law(table):
        return False
    return row.tables == "both" or (row.tables == "curves") == table.has_curves


def has_law(table):
    """Step Law needs the model's size, a learning rate and a batch size."""
    known = {"parameters", "context"} <= set(table.model)
    return known and {"learning_rate", "batch_size"} <= set(table.parameters)


def has_usual(table):
    """Whether bayes begins with default values: many dimensions, and no scaling law."""
    many = len(table.parameters) >= 5 and not has_law(table)
    return many and not {"learning_rate", "lr"}.isdisjoint(table.parameters)
