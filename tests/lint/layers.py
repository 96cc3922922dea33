#!/usr/bin/env python3
"""Every #include in the tree is allowed by the tables of rooms in ARCHITECTURE.md.

    layers.py           checks the tree; prints each breach, and a tally in the last line
    layers.py --found   prints what each room includes, in the form of the tables' last two columns

A room is a folder with C, C++ or CUDA sources, without its subfolders. Its row, in a table headed
"| folder | what it is for | may include | libraries |", lists exactly

  - the rooms that it includes headers of: a sibling by its name, any other by its path, and a single
    header of a room by the path of that header. Headers in include/ are open to all rooms.
  - the libraries that it includes headers of (LIBRARIES below). The C library is open to all rooms,
    except to those marked `pure`: they may use PURE_HEADERS only, and read no clock.

Breaches are: a room without a row, a row without a folder, an include without permission, a
permission without an include, a header that is not found or not known, a cycle between rooms, and
a row that breaks one of the SIDES.
"""
import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
COLUMNS = ["folder", "what it is for", "may include", "libraries"]
SUFFIXES = (".c", ".h", ".cc", ".cu", ".cuh")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
# Where a quoted header is looked for, besides the folder of the file that includes it.
BASES = ("", "controller", "include")

# Which side of the program may use which, whatever the rows say: the two sides meet in proto/ only.
SIDES = {"controller": {"proto"}, "trial": {"proto"}, "proto": set(), "kernels": set(), "include": set()}

LIBRARIES = {
    "sqlite3": r"sqlite3\.h",
    "zmq": r"zmq\.h",
    "libfyaml": r"libfyaml\.h",
    "ncurses": r"(n?curses|term|panel)\.h",
    "microhttpd": r"microhttpd\.h",
    "protobuf-c": r"espalier\.pb-c\.h|protobuf-c/.*",
    "xxhash": r"xxhash\.h",
    "BLAS": r"cblas\.h|lapacke?\.h",
    "NLopt": r"nlopt\.h",
    "Random123": r"Random123/.*",
    "oneDNN": r"dnnl\.h",
    "CUDA": r"(cuda|cublas|curand|cudnn|nv)[\w/]*\.h(pp)?",
    "cmocka": r"cmocka\.h",
    "C++": r"deque|functional|map|tuple|vector",
}
LIBC = re.compile(
    r"(sys/.*|linux/.*|sanitizer/.*|arpa/inet|netinet/.*|assert|cpuid|ctype|dirent|dlfcn|endian|errno|fcntl|"
    r"float|ftw|getopt|glob|immintrin|inttypes|langinfo|libgen|limits|locale|math|netdb|poll|pthread|pwd|"
    r"regex|sched|setjmp|signal|spawn|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|"
    r"strings|termios|time|ucontext|unistd|wchar)\.h")
# What a pure room may use of the C library: no clock, input, output, thread or random number.
PURE_HEADERS = {"assert.h", "errno.h", "float.h", "inttypes.h", "limits.h", "math.h", "stdalign.h", "stdarg.h",
                "stdbool.h", "stddef.h", "stdint.h", "stdlib.h", "string.h"}
PURE_NEVER = {"include/espalier/clock.h"}


class Row:
    def __init__(self, folder, rooms, headers, libraries, pure):
        self.folder, self.rooms, self.headers = folder, rooms, headers
        self.libraries, self.pure = libraries, pure


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def names_of(cell):
    return [name.strip().strip("`").rstrip("/") for name in cell.split(",") if name.strip() not in ("", "–")]


def read_rows(text, faults):
    """The rows of all tables with our columns: folder → Row."""
    raw, table = {}, False
    for line in text.splitlines():
        if not line.startswith("|"):
            table = False
        elif cells(line) == COLUMNS:
            table = True
        elif table and not set(line) <= set("|- :"):
            row = cells(line)
            if len(row) != len(COLUMNS):
                faults.append("ARCHITECTURE.md: a row needs %d columns: %s" % (len(COLUMNS), line))
                continue
            raw[row[0].strip("`").rstrip("/")] = (names_of(row[2]), names_of(row[3]))
    rows = {}
    for folder, (may, libraries) in raw.items():
        rooms, headers = set(), set()
        for name in may:
            sibling = str(pathlib.PurePosixPath(folder).parent / name)
            for path in (name, sibling):
                holder = str(pathlib.PurePosixPath(path).parent) if path.endswith(".h") else path
                if holder in raw:
                    (headers if path.endswith(".h") else rooms).add(path)
                    break
            else:
                faults.append("ARCHITECTURE.md: the row of %s names %s, which has no row" % (folder, name))
        for name in libraries:
            if name not in LIBRARIES and name != "pure":
                faults.append("ARCHITECTURE.md: the row of %s names %s, which is no library in tests/lint/layers.py"
                              % (folder, name))
        rows[folder] = Row(folder, rooms, headers, set(libraries) - {"pure"}, "pure" in libraries)
    return rows


def resolve(root, path, quote, name):
    """The tree's file that `name` means when `path` includes it, or None."""
    bases = [path.parent] if quote == '"' else []
    for base in bases + [root / base for base in BASES]:
        candidate = (base / name).resolve()
        if candidate.is_file() and root in candidate.parents:
            return candidate.relative_to(root).as_posix()
    return None


def library_of(name):
    return next((library for library, pattern in LIBRARIES.items() if re.fullmatch(pattern, name)), None)


def folders(root):
    """Every folder of the tree, without hidden ones and build folders."""
    todo = [root]
    while todo:
        folder = todo.pop()
        for child in sorted(folder.iterdir()):
            if child.is_dir() and not child.is_symlink() and child.name[0] not in "._" \
                    and not (child / "build.ninja").exists() and any(child.iterdir()):
                yield child
                todo.append(child)


class Found:
    """What the files of one room include: target files of other rooms, libraries, and where."""

    def __init__(self):
        self.files, self.libraries, self.names = {}, {}, {}


def scan(root, room, faults):
    found = Found()
    for path in sorted((root / room).iterdir()):
        if path.suffix not in SUFFIXES or not path.is_file():
            continue
        here = path.relative_to(root).as_posix()
        for quote, name in INCLUDE.findall(path.read_text(errors="replace")):
            target = resolve(root, path, quote, name)
            library = library_of(name)
            if target and quote == '"':
                found.files[target] = here
            elif library:
                found.libraries[library] = here
            elif target:
                found.files[target] = here
            elif quote == "<" and LIBC.fullmatch(name):
                found.names[name] = here
            else:
                faults.append('%s includes %s, which is neither a file of the tree nor a known library'
                              % (here, name))
    return found


def room_of(file):
    return str(pathlib.PurePosixPath(file).parent)


def is_open(file):
    return file.startswith("include/")


def check_room(row, found):
    for target, here in sorted(found.files.items()):
        room = room_of(target)
        if row.pure and target in PURE_NEVER:
            yield "%s includes %s, which a pure room must not" % (here, target)
        if not is_open(target) and room != row.folder and room not in row.rooms and target not in row.headers:
            yield "%s includes %s, which the row of its room does not allow" % (here, target)
    for library, here in sorted(found.libraries.items()):
        if library not in row.libraries:
            yield "%s includes a header of %s, which the row of its room does not allow" % (here, library)
    for name, here in sorted(found.names.items()):
        if row.pure and name not in PURE_HEADERS:
            yield "%s includes %s, which a pure room must not" % (here, name)
    used = {room_of(target) for target in found.files}
    for room in sorted(row.rooms - used):
        yield "the row of %s allows %s, of which it includes nothing" % (row.folder, room)
    for header in sorted(row.headers - set(found.files)):
        yield "the row of %s allows %s, which it does not include" % (row.folder, header)
    for library in sorted(row.libraries - set(found.libraries)):
        yield "the row of %s allows %s, of which it includes nothing" % (row.folder, library)
    sides = SIDES.get(row.folder.split("/")[0])
    for room in sorted(row.rooms | {room_of(header) for header in row.headers}):
        side = room.split("/")[0]
        if sides is not None and side != row.folder.split("/")[0] and side not in sides:
            yield "the row of %s allows %s, which is on another side" % (row.folder, room)


def find_cycle(edges):
    """A list of rooms in which each includes the next and the last the first, or None."""
    done, path = set(), []

    def visit(room):
        if room in path:
            return path[path.index(room):]
        if room in done:
            return None
        path.append(room)
        for target in sorted(edges.get(room, ())):
            cycle = visit(target)
            if cycle:
                return cycle
        path.pop()
        done.add(room)
        return None

    for room in sorted(edges):
        cycle = visit(room)
        if cycle:
            return cycle
    return None


def check(root):
    faults = []
    rows = read_rows((root / "ARCHITECTURE.md").read_text(), faults)
    found, edges = {}, collections.defaultdict(set)
    for folder in folders(root):
        name = folder.relative_to(root).as_posix()
        if any(child.suffix in SUFFIXES for child in folder.iterdir()):
            found[name] = scan(root, name, faults)
            edges[name] = {room_of(target) for target in found[name].files} - {name}
            if name not in rows:
                faults.append("%s has no row in ARCHITECTURE.md" % name)
        elif not any(name == row or name.startswith(row + "/") or row.startswith(name + "/") for row in rows):
            faults.append("%s has no row in ARCHITECTURE.md" % name)
    for name, row in rows.items():
        if not (root / name).is_dir():
            faults.append("the row of %s in ARCHITECTURE.md has no folder" % name)
        faults.extend(check_room(row, found.get(name, Found())))
    cycle = find_cycle(edges)
    if cycle:
        faults.append("these rooms include each other in a cycle: " + " → ".join(cycle + cycle[:1]))
    return faults, found


def print_found(found):
    for room in sorted(found):
        rooms = sorted({room_of(file) for file in found[room].files if not is_open(file)} - {room})
        parent = str(pathlib.PurePosixPath(room).parent)
        short = []
        for name in rooms:
            sibling = name[len(parent) + 1:] if name.startswith(parent + "/") else name
            short.append("`%s`" % (name if sibling in found or "/" in sibling else sibling))
        print("| `%s/` | … | %s | %s |" % (room, ", ".join(short) or "–",
                                          ", ".join(sorted(found[room].libraries)) or "–"))


def main(root=ROOT):
    faults, found = check(root)
    if sys.argv[1:] == ["--found"]:
        print_found(found)
        return
    for fault in faults:
        print(fault)
    if faults:
        print("the tables are in ARCHITECTURE.md; `tests/lint/layers.py --found` prints the rows as they would be now")
    print("%d passed, %d failed" % (0 if faults else 1, 1 if faults else 0))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
