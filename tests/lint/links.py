"""Links, file names and identifiers in the Markdown pages name things that exist.

Checked are relative links, code in backticks that is a path into a source folder, such as
`controller/core/step.c`, and identifiers in backticks that begin with esp_ or ESP_, such as
`esp_core_apply`. An identifier with NAME in it stands for a name that the reader chooses. The news
of earlier versions may name what is gone. Prints each fault; the last line is a tally.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("controller", "trial", "proto", "kernels", "include", "tests", "docs", "studies")
SKIPPED_FOLDERS = ("build", "runs", ".")

LINK = re.compile(r"\]\(([^)\s#]+)[^)]*\)")
QUOTED = re.compile(r"`([^`]+)`")
IDENTIFIER = re.compile(r"\b(?:esp|ESP)_\w+")
CODE = re.compile(r"`([\w./*{},-]+)`")


def pages():
    done = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return sorted(ROOT / name for name in done.stdout.splitlines() if (ROOT / name).is_file())
    found = ROOT.rglob("*.md")
    return sorted(p for p in found if not p.relative_to(ROOT).parts[0].startswith(SKIPPED_FOLDERS))


def identifiers():
    """All identifiers of the sources that could be quoted."""
    return {name for folder in FOLDERS for path in (ROOT / folder).rglob("*")
            if path.suffix in (".c", ".h", ".cu", ".cuh") for name in IDENTIFIER.findall(path.read_text(encoding="utf-8", errors="replace"))}


def faults(page, known):
    here = page.relative_to(ROOT).as_posix()
    text = page.read_text(encoding="utf-8")
    for target in LINK.findall(text):
        if "://" not in target and not (page.parent / target).exists():
            yield "%s: the link to %s leads nowhere" % (here, target)
    for path in CODE.findall(text):
        if path.startswith(tuple(f + "/" for f in FOLDERS)) and not re.search(r"[*{},A-Z]|\.\.\.", path):
            if not (ROOT / path).exists():
                yield "%s: there is no %s" % (here, path)
    for quoted in QUOTED.findall(text) if here != "NEWS.md" else ():
        for name in IDENTIFIER.findall(quoted):
            if "NAME" not in name and name not in known:
                yield "%s: there is no %s" % (here, name)


def main():
    known = identifiers()
    found = [fault for page in pages() for fault in faults(page, known)]
    for fault in found:
        print(fault)
    good = not found and pages()
    print("%d passed, %d failed" % (1 if good else 0, 0 if good else 1))
    sys.exit(0 if good else 1)


main()
