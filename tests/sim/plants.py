"""plants.py BUILD: every planted bug of a build with -Dplants=true is caught.

A planted bug is a switch in the shipped code (include/espalier/plant.h) that makes one error. Each one is
switched on in the simulator, and, when the simulator finds nothing, in the unit tests of the ledger. The
last line is a tally.
"""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEEDS = os.environ.get("ESPALIER_PLANT_SEEDS", "3000")


def plants():
    names = set()
    for folder in ("controller", "trial", "proto", "tests/sim"):
        for path in (ROOT / folder).rglob("*.c"):
            names.update(re.findall(r'ESP_PLANT\("([a-z-]+)"\)', path.read_text()))
    return sorted(names)


def catches(command, name):
    result = subprocess.run(command, env={**os.environ, "ESPALIER_PLANT": name}, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    return result.returncode != 0, result.stdout


def caught(build, name):
    sim = [str(build / "tests/sim/sim"), "--stop", "--seeds", SEEDS]
    bitten, output = catches(sim, name)
    if bitten:
        return output.splitlines()[0] if output else "the simulator died"
    for program in sorted((build / "tests/unit/store").glob("test_store_*")):
        if program.is_file() and os.access(program, os.X_OK):
            bitten, output = catches([str(program)], name)
            if bitten:
                lines = re.findall(r"^\[  FAILED  \] (?!\d)(.*)$", output, re.M)
                return "%s: %s" % (program.name, lines[0] if lines else "died")
    return None


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    passed = failed = 0
    for name in plants():
        how = caught(build, name)
        print("%-28s %s" % (name, how or "NOT CAUGHT"), flush=True)
        passed += how is not None
        failed += how is None
    if passed + failed < 15:
        print("only %d bugs are planted" % (passed + failed))
        failed += 1
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed else 0)


main()
