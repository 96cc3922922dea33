"""Links and file names in the Markdown pages name files that exist.

Checked are relative links, and code in backticks that is a path into a source folder, such as
`controller/core/step.c`. Prints each fault; the last line is a tally.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("controller", "trial", "proto", "kernels", "include", "tests", "docs", "studies")
SKIPPED_FOLDERS = ("build", "runs", ".")

LINK = re.compile(r"\]\(([^)\s#]+)[^)]*\)")
CODE = re.compile(r"`([\w./*{},-]+)`")


def pages():
    done = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return sorted(ROOT / name for name in done.stdout.splitlines() if (ROOT / name).is_file())
    found = ROOT.rglob("*.md")
    return sorted(p for p in found if not p.relative_to(ROOT).parts[0].startswith(SKIPPED_FOLDERS))


def faults(page):
    here = page.relative_to(ROOT).as_posix()
    text = page.read_text(encoding="utf-8")
    for target in LINK.findall(text):
        if "://" not in target and not (page.parent / target).exists():
            yield "%s: the link to %s leads nowhere" % (here, target)
    for path in CODE.findall(text):
        if path.startswith(tuple(f + "/" for f in FOLDERS)) and not re.search(r"[*{},A-Z]|\.\.\.", path):
            if not (ROOT / path).exists():
                yield "%s: there is no %s" % (here, path)


def main():
    found = [fault for page in pages() for fault in faults(page)]
    for fault in found:
        print(fault)
    good = not found and pages()
    print("%d passed, %d failed" % (1 if good else 0, 0 if good else 1))
    sys.exit(0 if good else 1)


main()
