#!/usr/bin/env python3
"""layers.py reports every kind of breach. Each test makes a small tree with one breach in it."""
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import layers

HEAD = "| folder | what it is for | may include | libraries |\n|---|---|---|---|\n"
ROWS = {
    "include/espalier": ("–", "–"),
    "proto": ("–", "–"),
    "controller/core": ("`stop`", "pure"),
    "controller/stop": ("–", "–"),
    "controller/store": ("–", "sqlite3"),
    "controller/view": ("`store/reader.h`", "–"),
    "trial": ("`proto`", "–"),
}
FILES = {
    "include/espalier/clock.h": "#include <time.h>\n",
    "proto/codec.h": "",
    "controller/core/core.c": '#include "../stop/rung.h"\n#include <string.h>\n',
    "controller/stop/rung.h": "#include <espalier/clock.h>\n",
    "controller/store/reader.h": "#include <sqlite3.h>\n",
    "controller/store/store.h": "",
    "controller/view/rows.c": '#include "store/reader.h"\n',
    "trial/main.c": '#include "../proto/codec.h"\n#include <unistd.h>\n',
}


def faults_of(rows=None, files=None):
    """What is reported of the sound tree with these rows and files changed (None: removed)."""
    rows, files = {**ROWS, **(rows or {})}, {**FILES, **(files or {})}
    with tempfile.TemporaryDirectory(prefix="espalier-layers-") as name:
        root = pathlib.Path(name).resolve()
        table = HEAD + "".join("| `%s/` | … | %s | %s |\n" % (folder, *row) for folder, row in rows.items() if row)
        (root / "ARCHITECTURE.md").write_text("# Rooms\n\n" + table)
        for path, text in files.items():
            if text is not None:
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text)
        return layers.check(root)[0]


def reports(words, **changes):
    found = faults_of(**changes)
    return len(found) == 1 and all(word in found[0] for word in words) or found


TESTS = {
    "a_sound_tree_has_no_fault": lambda: faults_of() == [],
    "a_room_without_a_row": lambda: reports(
        ["controller/web has no row"], files={"controller/web/web.c": ""}),
    "a_folder_without_a_row": lambda: reports(["notes has no row"], files={"notes/a.md": ""}),
    "a_row_without_a_folder": lambda: reports(["controller/web", "no folder"], rows={"controller/web": ("–", "–")}),
    "an_include_that_is_not_allowed": lambda: reports(
        ["controller/stop/a.c", "controller/store/store.h", "not allow"],
        files={"controller/stop/a.c": '#include "../store/store.h"\n'}),
    "another_header_than_the_one_allowed": lambda: reports(
        ["controller/view/a.c", "store/store.h", "not allow"],
        files={"controller/view/a.c": '#include "../store/store.h"\n'}),
    "a_library_that_is_not_allowed": lambda: reports(
        ["controller/view/a.c", "sqlite3", "not allow"], files={"controller/view/a.c": "#include <sqlite3.h>\n"}),
    "a_room_that_is_allowed_and_not_included": lambda: reports(
        ["controller/stop", "controller/store", "includes nothing"], rows={"controller/stop": ("`store`", "–")}),
    "a_header_that_is_allowed_and_not_included": lambda: reports(
        ["controller/stop", "store/store.h", "does not include"], rows={"controller/stop": ("`store/store.h`", "–")}),
    "a_library_that_is_allowed_and_not_included": lambda: reports(
        ["controller/stop", "zmq", "includes nothing"], rows={"controller/stop": ("–", "zmq")}),
    "a_header_of_the_c_library_in_a_pure_room": lambda: reports(
        ["controller/core/a.c", "unistd.h", "pure"], files={"controller/core/a.c": "#include <unistd.h>\n"}),
    "a_clock_in_a_pure_room": lambda: reports(
        ["controller/core/a.c", "clock.h", "pure"], files={"controller/core/a.c": "#include <espalier/clock.h>\n"}),
    "a_header_that_does_not_exist": lambda: reports(
        ["trial/a.c", "gone.h", "neither"], files={"trial/a.c": '#include "gone.h"\n'}),
    "a_library_that_is_not_known": lambda: reports(
        ["trial/a.c", "curl/curl.h", "neither"], files={"trial/a.c": "#include <curl/curl.h>\n"}),
    "a_row_with_an_unknown_name": lambda: reports(
        ["controller/stop", "shop", "no row"], rows={"controller/stop": ("`shop`", "–")}),
    "a_row_that_joins_the_two_sides": lambda: reports(
        ["trial", "controller/stop", "another side"], rows={"trial": ("`proto`, `controller/stop`", "–")},
        files={"trial/a.c": '#include "controller/stop/rung.h"\n'}),
    "a_cycle": lambda: reports(
        ["cycle", "controller/stop", "controller/core"], rows={"controller/stop": ("`core`", "–")},
        files={"controller/core/core.h": "", "controller/stop/a.c": '#include "../core/core.h"\n'}),
}


def main():
    failed = 0
    for name, test in TESTS.items():
        result = test()
        if result is not True:
            failed += 1
            print("FAILED %s: %s" % (name, result))
    print("%d passed, %d failed" % (len(TESTS) - failed, failed))
    sys.exit(1 if failed else 0)


main()
