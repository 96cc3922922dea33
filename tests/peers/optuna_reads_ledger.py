"""The real Optuna opens a ledger that the shipped store wrote.

    optuna_reads_ledger.py WRITE_OPTUNA_LEDGER

Skipped (exit 77) where optuna is not installed and there is no environment that has it.
"""
import math
import pathlib
import shutil
import subprocess
import sys
import tempfile
import warnings

import environment

environment.run_under("peers", "optuna")
import optuna  # noqa: E402
from optuna.distributions import (  # noqa: E402
    CategoricalDistribution, FloatDistribution, IntDistribution)
from optuna.trial import TrialState  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.simplefilter("error")  # one at each load would annoy


def check_trials(study):
    trials = study.trials
    assert [t.number for t in trials] == list(range(8)), trials
    states = [t.state for t in trials]
    assert states == [TrialState.COMPLETE, TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING,
                      TrialState.PRUNED, TrialState.RUNNING, TrialState.FAIL, TrialState.WAITING], states
    assert trials[3].user_attrs == {"espalier:state": "PAUSED"}
    assert trials[5].user_attrs == {"espalier:state": "RUNNING"}
    assert trials[0].value == 2.5 and trials[1].value == 2.25
    assert trials[0].intermediate_values == {1: 4.0, 2: 3.0, 3: 2.0, 4: 2.5}
    assert math.isnan(trials[4].intermediate_values[2])
    assert trials[5].intermediate_values[1] == math.inf
    assert trials[0].datetime_start < trials[0].datetime_complete
    assert trials[7].datetime_start is None and trials[3].datetime_complete is None


def check_params(study):
    first = study.trials[0]
    assert first.params == {"learning_rate": 1e-4, "layers": 1, "dropout": 0.0, "kind": 8, "fixed": 3,
                            "decay": -0.5, "scale": 0.0625}, first.params
    assert [t.params["kind"] for t in study.trials[:4]] == [8, 'big "one"', True, 0.5]
    # Optuna checks values against low + k * step in decimal arithmetic: 0.3, not 0.30000000000000004.
    assert [t.params["dropout"] for t in study.trials] == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    d = first.distributions
    assert d["learning_rate"] == FloatDistribution(1e-5, 0.1, log=True)
    assert d["layers"] == IntDistribution(1, 9)
    grid = study.direction.name == "MAXIMIZE"  # as write_optuna_ledger.c has it; a grid excludes max
    assert d["dropout"] == FloatDistribution(0.0, 0.9 if grid else 1.0, step=0.1)
    assert d["kind"] == CategoricalDistribution((8, 'big "one"', True, 0.5))
    assert d["fixed"] == CategoricalDistribution((3,))
    assert d["scale"].log and abs(d["scale"].low - math.exp(-3)) < 1e-15 and d["scale"].high == 1.0
    assert d["decay"].low < -8 < 8 < d["decay"].high


def check_analysis(study):
    assert len(optuna.importance.get_param_importances(
        study, params=["learning_rate"], evaluator=optuna.importance.PedAnovaImportanceEvaluator())) == 1
    assert optuna.study.StudyDirection.MINIMIZE in study.directions or study.best_value == 2.5


def check_writing(study):
    """Notes can be kept; asking and telling fails and leaves no trace."""
    study.set_user_attr("note", "seen")
    assert study.user_attrs["note"] == "seen"
    before = len(study.trials)
    for attempt in (study.ask, lambda: study.tell(3, 1.0)):
        try:
            attempt()
        except Exception as error:  # whatever the storage raises: a view cannot be modified
            assert "view" in str(error) or "Storage" in type(error).__name__, error
        else:
            raise AssertionError("writing trials should not work")
    assert len(study.trials) == before


def main():
    writer = pathlib.Path(sys.argv[1])
    folder = pathlib.Path(tempfile.mkdtemp(prefix="espalier-optuna-"))
    try:
        for goal, best in (("minimize", 1), ("maximize", 0)):
            subprocess.run([writer, folder / goal, goal], check=True)
            url = f"sqlite:///{folder / goal / 'study.db'}"
            assert optuna.get_all_study_names(url) == ["optuna reads this"]
            study = optuna.load_study(study_name="optuna reads this", storage=url)
            assert study.direction.name == goal.upper()
            assert study.metric_names == ["val_loss"]
            assert study.best_trial.number == best, study.best_trial
            check_trials(study)
            check_params(study)
            check_analysis(study)
            check_writing(study)
    finally:
        shutil.rmtree(folder)
    print(f"optuna {optuna.__version__} reads the ledger")


main()
