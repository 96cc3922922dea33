"""What the pages repeat of the program is what the program prints.

docs/reference/study-file.md is what `espalier settings --markdown` prints, and the tables of exit
codes in CODE_PAGES have the codes and meanings of `espalier --help`.

    reference.py ESPALIER          compares; the last line is a tally
    reference.py ESPALIER --fix    writes the reference anew
"""
import difflib
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "study-file.md"
CODE_PAGES = [ROOT / "README.md", ROOT / "docs" / "guide" / "resuming.md"]


def output_of(*arguments):
    return subprocess.run([sys.argv[1], *arguments], capture_output=True, text=True, check=True).stdout


def reference_is_current():
    printed = output_of("settings", "--markdown")
    if sys.argv[2:] == ["--fix"]:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(printed)
    kept = PAGE.read_text() if PAGE.is_file() else ""
    if kept == printed:
        return True
    sys.stdout.writelines(difflib.unified_diff(
        kept.splitlines(True), printed.splitlines(True), str(PAGE), "espalier settings"))
    print("docs/reference/study-file.md is out of date: "
          "run `tests/lint/reference.py build/espalier --fix`")
    return False


def exit_codes_are_current():
    printed = re.findall(r"^ +(\d+)  (.+)$", output_of("--help").partition("Exit codes:\n")[2], re.M)
    current = bool(printed)
    for page in CODE_PAGES:
        table = re.findall(r"^\| (\d+) \| ([^|]+) \|", page.read_text(), re.M)
        if table != printed:
            print("%s: its table of exit codes differs from `espalier --help`, which prints" % page)
            print("\n".join("| %s | %s |" % row for row in printed))
            current = False
    return current


def main():
    results = [reference_is_current(), exit_codes_are_current()]
    print("%d passed, %d failed" % (results.count(True), results.count(False)))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
