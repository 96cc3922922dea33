"""Reads a table of recorded trainings as `espalier replay` does: NAME.yaml, its trials, its curves.

The description is read without a YAML library, so that the benchmark needs nothing but Python: keys
at the margin, one level of indented keys, and one-line {…} and […]. Anything else is an error
that names file and line."""

import csv
import hashlib
import math
import os


class Fault(Exception):
    """A table that cannot be read; the text names file, line and value."""


def scalar(text):
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    try:
        return float(text)
    except ValueError:
        return text


def split_top(text):
    """The parts between commas that are not in brackets."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += (c in "[{") - (c in "]}")
        if c == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [p for p in parts + [text[start:]] if p.strip()]


def flow(text):
    """The value of one line in YAML's flow style."""
    text = text.strip()
    if text.startswith("{") and text.endswith("}"):
        pairs = [part.partition(":") for part in split_top(text[1:-1])]
        return {key.strip(): flow(value) for key, _, value in pairs}
    if text.startswith("[") and text.endswith("]"):
        return [flow(part) for part in split_top(text[1:-1])]
    return scalar(text)


def uncommented(line):
    """The line without its comment: a # at the start or after a blank, not in quotes."""
    quote = ""
    for i, c in enumerate(line):
        if quote:
            quote = "" if c == quote else quote
        elif c in "\"'":
            quote = c
        elif c == "#" and (i == 0 or line[i - 1] in " \t"):
            return line[:i]
    return line


def read_description(path):
    top, inside = {}, None
    with open(path) as file:
        for number, line in enumerate(file, 1):
            text = uncommented(line).rstrip()
            if not text or text == "---":
                continue
            key, colon, rest = text.strip().partition(":")
            if not colon or text.lstrip().startswith("- "):
                raise Fault(f"{path}:{number}: \"{text.strip()}\" is not `key: value`")
            if text[0] not in " \t":
                inside = {} if not rest.strip() else None
                top[key] = flow(rest) if inside is None else inside
            elif inside is None:
                raise Fault(f"{path}:{number}: \"{key}\" is indented under a key with a value")
            else:
                inside[scalar(key)] = flow(rest) if rest.strip() else {}
    return top


class Table:
    """rows: the trials' parameters as text; curves: [(tokens, loss)], lower is better."""

    def __init__(self, path):
        top = read_description(path)
        stem = path[: -len(".yaml")]
        folder = os.path.dirname(path)
        files = [path]
        for kind in ["trials", "curves"]:
            named = top.get(kind)
            files.append(os.path.join(folder, named) if named else f"{stem}.{kind}.csv")
        if "horizon" not in top or not top.get("parameters"):
            raise Fault(f"{path}: needs horizon and parameters")
        self.name = str(top.get("name", os.path.basename(stem)))
        self.path = path
        self.horizon = float(top["horizon"])
        self.parameters = {name: dict(entry or {}) for name, entry in top["parameters"].items()}
        self.model = top.get("model") or {}
        metric = top.get("metric")
        self.sign = -1 if isinstance(metric, dict) and metric.get("goal") == "maximize" else 1
        self.hash = content_hash(files)
        with open(files[1]) as file:
            self.rows = list(csv.DictReader(file))
        self.curves = [[] for _ in self.rows]
        with open(files[2]) as file:
            for row in csv.DictReader(file):
                point = (int(float(row["tokens"])), self.sign * float(row["loss"]))
                self.curves[int(row["trial"])].append(point)
        finals = sorted(self.final(row) for row in range(len(self.rows)))
        finite = [loss for loss in finals if math.isfinite(loss)]
        if not finite:
            raise Fault(f"{path}: no trial ends with a finite loss, so there is nothing to find")
        self.best, self.worst = finite[0], finite[-1]
        self.middle = finals[len(finals) // 2]
        self.ranked20 = finals[min(19, len(finals) - 1)]
        self.best_row = min(range(len(self.rows)), key=self.final)
        self.has_curves = any(len(curve) > 1 for curve in self.curves)

    def final(self, row):
        loss = self.curves[row][-1][1]
        return loss if math.isfinite(loss) else math.inf


def content_hash(files):
    total = hashlib.sha256()
    for name in files:
        with open(name, "rb") as file:
            total.update(hashlib.sha256(file.read()).digest())
    return total.hexdigest()
