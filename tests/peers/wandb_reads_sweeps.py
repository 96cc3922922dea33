"""Sweep files are accepted by espalier if, and only if, W&B's own reader accepts them.

    wandb_reads_sweeps.py ESPALIER

The rows of TABLE that say why are the differences that docs/guide/search.md lists. Skipped (exit 77)
where the package `sweeps`, which holds W&B's reader, is not installed and no environment has it.
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import warnings

import environment

environment.run_under("sweeps", "sweeps")
warnings.simplefilter("ignore")
import yaml  # noqa: E402
from sweeps.config import SweepConfig  # noqa: E402

ESPALIER = os.path.abspath(sys.argv[1])
HEAD = "program: t.py\nmethod: random\nmetric: {name: loss}\n"
ONE = "parameters: {a: {values: [1, 2]}}\n"

BOTH, NEITHER, WANDB, OURS = (True, True), (False, False), (True, False), (False, True)

# who accepts it, the file
TABLE = [
    (BOTH, HEAD + ONE),
    (BOTH, HEAD + "parameters: {a: {values: [1, 2, 2]}}\n"),
    (BOTH, HEAD + "parameters: {a: {values: [1, 1.0, true, x]}}\n"),
    (BOTH, HEAD + "parameters: {a: {values: [1, 2, 3], probabilities: [0.33333, 0.33333, 0.33333]}}\n"),
    (NEITHER, HEAD + "parameters: {a: {values: [1, 2, 3], probabilities: [0.3333, 0.3333, 0.3333]}}\n"),
    (NEITHER, HEAD + "parameters: {a: {values: [1, 2], probabilities: [1]}}\n"),
    (NEITHER, HEAD + "parameters: {a: {values: 3}}\n"),
    (NEITHER, HEAD + "parameters: {a: {values: []}}\n"),
    (BOTH, HEAD + "parameters: {a: {value: [1, {b: 2}]}}\n"),
    (NEITHER, HEAD + "parameters: {}\n"),
    (NEITHER, HEAD + "parameters: {1a: {value: 1}}\n"),
    (BOTH, HEAD + "parameters: {a: {min: 010, max: 0x1F}}\n"),
    (NEITHER, HEAD + "parameters: {a: {min: 010, max: 8}}\n"),
    (NEITHER, HEAD + "parameters: {a: {min: 08, max: 9}}\n"),
    (NEITHER, HEAD + "parameters: {a: {min: 0o7, max: 9}}\n"),
    (BOTH, HEAD + "parameters: {a: {min: 0b11, max: 1:30}}\n"),
    (BOTH, HEAD + "parameters: {a: {min: 1, max: 2.5}}\n"),
    (NEITHER, HEAD + "parameters: {a: {min: 1}}\n"),
    (NEITHER, HEAD + "parameters: {a: {min: 2, max: 1}}\n"),
    (NEITHER, HEAD + "parameters: {a: {distribution: log_uniform_values, min: 0, max: 1}}\n"),
    (BOTH, HEAD + "parameters: {a: {distribution: q_normal, mu: 3, sigma: 2, q: 0.5}}\n"),
    (NEITHER, HEAD + "parameters: {a: {distribution: uniform, min: 0, max: 1, q: 1}}\n"),
    (BOTH, HEAD + "parameters: {opt.lr: {value: 1}, opt: {parameters: {m: {values: [1, 2]}}}}\n"),
    (WANDB, HEAD + "parameters: {opt.lr: {value: 1}, opt: {parameters: {lr: {value: 1}}}}\n"),
    (BOTH, HEAD + ONE + "early_terminate: {type: hyperband, min_iter: 3, s: 0}\n"),
    (BOTH, HEAD + ONE + "early_terminate: {type: hyperband, min_iter: 3, max_iter: 27}\n"),
    (BOTH, HEAD + ONE + "early_terminate: {type: hyperband, max_iter: 27, s: 2, eta: 3, strict: false}\n"),
    (NEITHER, HEAD + ONE + "early_terminate: {type: hyperband, max_iter: 27}\n"),
    (NEITHER, HEAD + ONE + "early_terminate: {type: hyperband, min_iter: 0}\n"),
    (NEITHER, HEAD + ONE + "early_terminate: {type: hyperband, min_iter: 3, eta: 1}\n"),
    (WANDB, HEAD + ONE + "early_terminate: {type: hyperband, max_iter: 27, s: 0}\n"),
    (WANDB, HEAD + ONE + "early_terminate: {type: hyperband, max_iter: 2, s: 1}\n"),
    (OURS, HEAD + ONE + "early_terminate: {type: asha}\n"),
    (BOTH, HEAD + ONE + "run_cap: 3\nproject: p\nentity: e\n"),
    (NEITHER, HEAD + ONE + "run_cap: 0\n"),
    (NEITHER, HEAD + ONE + "runcap: 3\n"),
    (NEITHER, "program: t.py\nmethod: random\nmetrics: [{name: a}, {name: b}]\n" + ONE),
    (WANDB, "program: t.py\nmethod: custom\nscheduler: {engine: optuna}\nmetric: {name: a}\n" + ONE),
    (OURS, "program: t.py\nmethod: random\nmetrics: [{name: a}]\n" + ONE),
    (OURS, "program: t.py\nmethod: tpe\n" + ONE),
    (WANDB, HEAD + "parameters:\n" + "".join("  p%d: {value: 1}\n" % i for i in range(65))),
    (WANDB, HEAD + "parameters: {a: {values: %s}}\n" % list(range(1025))),
]


def wandb_accepts(text):
    try:
        SweepConfig(yaml.safe_load(text))
    except Exception as error:  # it raises jsonschema's, its own and ValueError
        return False, str(error)
    return True, ""


def espalier_accepts(path):
    done = subprocess.run([ESPALIER, "check", path], capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stderr


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "sweep.yaml"
        for expected, text in TABLE:
            path.write_text(text, encoding="ascii")
            theirs, their_words = wandb_accepts(text)
            ours, our_words = espalier_accepts(path)
            if (theirs, ours) != expected:
                failed += 1
                print("%s\nwanted %s, got %s (W&B, espalier)\n%s\n%s" % (
                    text[:300], expected, (theirs, ours), their_words[:300], our_words[:300]))
    print("%d passed, %d failed" % (len(TABLE) - failed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
