"""docs/reference/study-file.md is what `espalier settings --markdown` prints.

    reference.py ESPALIER          compares; the last line is a tally
    reference.py ESPALIER --fix    writes the page anew
"""
import difflib
import pathlib
import subprocess
import sys

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "reference" / "study-file.md"


def main():
    printed = subprocess.run([sys.argv[1], "settings", "--markdown"], capture_output=True,
                             text=True, check=True).stdout
    if sys.argv[2:] == ["--fix"]:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(printed)
        return 0
    kept = PAGE.read_text() if PAGE.is_file() else ""
    if kept == printed:
        print("1 passed, 0 failed")
        return 0
    sys.stdout.writelines(difflib.unified_diff(
        kept.splitlines(True), printed.splitlines(True), str(PAGE), "espalier settings"))
    print("docs/reference/study-file.md is out of date: "
          "run `tests/lint/reference.py build/espalier --fix`")
    print("0 passed, 1 failed")
    return 1


if __name__ == "__main__":
    sys.exit(main())
