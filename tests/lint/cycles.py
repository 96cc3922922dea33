"""The files of a library call each other without cycles.

usage: cycles.py NM ARCHIVE...

Reads the symbol table of each archive: a file that uses a symbol of another one depends on it. Prints
every group of files that depend on each other; the last line is a tally.
"""
import collections
import subprocess
import sys


def symbols(nm, archive):
    """Of each object file in the archive: the symbols it defines, and those it needs."""
    defined, needed = {}, {}
    text = subprocess.run([nm, "-A", "-P", "-g", archive], check=True, capture_output=True, text=True).stdout
    for line in text.splitlines():
        # archive[object]: symbol type [value size]
        place, symbol, kind = line.rsplit(": ", 1)[0], *line.rsplit(": ", 1)[1].split()[:2]
        name = place.rsplit("[", 1)[1].rstrip("]")
        target = needed if kind in "Uvw" else defined
        target.setdefault(name, set()).add(symbol)
    return defined, needed


def dependencies(defined, needed):
    owner = {symbol: name for name, of in defined.items() for symbol in of}
    return {name: {owner[s] for s in needed.get(name, ()) if s in owner} - {name}
            for name in set(defined) | set(needed)}


def components(graph):
    """Strongly connected components (Tarjan 1972)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            members = []
            while not members or members[-1] != node:
                members.append(stack.pop())
            found.append(sorted(members))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def main():
    nm, archives = sys.argv[1], sys.argv[2:]
    passed = failed = 0
    for archive in archives:
        counts = collections.Counter()
        graph = dependencies(*symbols(nm, archive))
        for group in components(graph):
            counts[len(group) == 1] += 1
            if len(group) > 1:
                print("%s: these files call each other in a cycle:" % archive)
                for name in group:
                    print("    %s calls %s" % (name, ", ".join(sorted(graph[name] & set(group)))))
        if counts[False] or len(graph) < 2:
            failed += 1
        else:
            passed += 1
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed or not passed else 0)


main()
