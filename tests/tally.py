"""Prints `passed failed skipped` for one meson testlog.json (one JSON object per line).

A cmocka program, or a Python suite that prints a tally, counts as the number of tests that it ran. Any other
program counts as one test.
"""
import json
import re
import sys


def tally(entry):
    text = (entry.get("stdout") or "") + "\n" + (entry.get("stderr") or "")
    result = entry["result"]
    if result == "SKIP":
        return 0, 0, 1
    plain = re.findall(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", text, re.M)
    if plain:
        passed = sum(int(p) for p, _, _ in plain)
        failed = sum(int(f) for _, f, _ in plain)
        skipped = sum(int(s or 0) for _, _, s in plain)
    else:
        passed = sum(int(n) for n in re.findall(r"^\[  PASSED  \] (\d+) test", text, re.M))
        failed = len(re.findall(r"^\[  FAILED  \] (?!\d)", text, re.M)) // 2
        skipped = len(re.findall(r"^\[  SKIPPED \] (?!\d)", text, re.M)) // 2
    if result in ("OK", "EXPECTEDFAIL"):
        return (passed or 1), failed, skipped
    return passed, max(failed, 1), skipped


def main():
    totals = [0, 0, 0]
    with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
        for line in log:
            for index, number in enumerate(tally(json.loads(line))):
                totals[index] += number
    print(*totals)


main()
