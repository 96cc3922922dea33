"""Plots regret against cost as SVG, both axes logarithmic, with the legend next to the panel.

Lines are steps. The first line has its interval as a band, the others as bars at their marks,
since overlapping bands are hard to tell apart."""

import math

WIDTH, HEIGHT = 840, 440
LEFT, RIGHT, TOP, BOTTOM = 74, 310, 40, 52
# Okabe and Ito's colours, for any colour vision; lines also differ by dashes and marks.
STYLES = [
    ("#D55E00", "", "circle"),
    ("#0072B2", "7 3", "square"),
    ("#009E73", "2 3", "triangle"),
    ("#CC79A7", "9 3 2 3", "diamond"),
    ("#000000", "4 4", "circle"),
    ("#E69F00", "1 0", "square"),
    ("#56B4E9", "6 2 1 2", "triangle"),
]
LINES_MAX = len(STYLES)
# A regret may be 0; more than this many decades below the highest value it is drawn at the bottom.
DECADES_MAX = 3.5


class Axes:
    def __init__(self, x_range, y_values):
        positive = [v for v in y_values if v > 0 and math.isfinite(v)] or [1.0]
        high = math.log10(max(positive))
        low = max(math.log10(min(positive)), high - DECADES_MAX)
        pad = 0.04 * max(high - low, 0.1)
        self.low, self.high = low - pad, high + pad
        self.x_low, self.x_high = (math.log10(x) for x in x_range)

    def x(self, cost):
        share = (math.log10(cost) - self.x_low) / (self.x_high - self.x_low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        level = math.log10(value) if value > 0 else -math.inf
        share = (self.high - min(max(level, self.low), self.high)) / (self.high - self.low)
        return TOP + share * (HEIGHT - TOP - BOTTOM)


def ticks(low, high):
    """1, 2 and 5 times the powers of ten in the range; the powers only, if that is too many."""
    found = []
    for decade in range(math.floor(low), math.ceil(high) + 1):
        for digit in [1, 2, 5]:
            level = decade + math.log10(digit)
            if low - 1e-9 <= level <= high + 1e-9:
                found.append((digit * 10.0**decade, digit == 1))
    if len(found) > 9:
        found = [tick for tick in found if tick[1]]
    return [value for value, _ in found]


def text(x, y, words, anchor="start", extra=""):
    words = words.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{words}</text>'


def frame(axes, title, y_label):
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    out = [text(LEFT, 22, title, extra=' font-size="14" font-weight="bold"')]
    for cost in ticks(axes.x_low, axes.x_high):
        x = axes.x(cost)
        out.append(f'<path d="M{x:.1f} {TOP}V{bottom + 4}" stroke="#ddd"/>')
        out.append(text(x, bottom + 18, f"{cost:g}", "middle"))
    for value in ticks(axes.low, axes.high):
        y = axes.y(value)
        out.append(f'<path d="M{LEFT - 4} {y:.1f}H{right}" stroke="#ddd"/>')
        out.append(text(LEFT - 8, y + 4, f"{value:g}", "end"))
    out.append(
        f'<rect x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{bottom - TOP}" '
        'fill="none" stroke="#444"/>'
    )
    out.append(text(LEFT - 8, bottom + 4, "less", "end", ' fill="#666"'))
    middle = (LEFT + right) / 2
    out.append(text(middle, HEIGHT - 12, "cost (full trainings)", "middle"))
    centre = (TOP + bottom) / 2
    turn = f' transform="rotate(-90 16 {centre:.0f})"'
    out.append(text(16, centre, y_label, "middle", turn))
    return out


def mark(kind, x, y, colour):
    if kind == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{colour}"/>'
    if kind == "square":
        return f'<rect x="{x - 3:.1f}" y="{y - 3:.1f}" width="6" height="6" fill="{colour}"/>'
    if kind == "triangle":
        points = f"{x:.1f},{y - 4:.1f} {x - 4:.1f},{y + 3:.1f} {x + 4:.1f},{y + 3:.1f}"
    else:
        points = f"{x:.1f},{y - 4:.1f} {x + 4:.1f},{y:.1f} {x:.1f},{y + 4:.1f} {x - 4:.1f},{y:.1f}"
    return f'<polygon points="{points}" fill="{colour}"/>'


def steps(axes, costs, values):
    """[(x, y)] of a line that is constant up to the next cost."""
    points, y = [], None
    for cost, value in zip(costs, values):
        x = axes.x(cost)
        if y is not None:
            points.append((x, y))
        y = axes.y(value)
        points.append((x, y))
    return points


def joined(points):
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def band(axes, costs, low, high, colour):
    corners = steps(axes, costs, high) + steps(axes, costs, low)[::-1]
    return f'<polygon points="{joined(corners)}" fill="{colour}" fill-opacity="0.15"/>'


def marks(axes, costs, line, place, style):
    """Marks of a line, with bars except for the first; lines have theirs at different costs."""
    colour, _, kind = style
    _, middle, low, high = line
    out, step = [], max(1, len(costs) // 6)
    for at in range(1 + place * step // LINES_MAX, len(costs), step):
        x = axes.x(costs[at])
        if place > 0:
            top, bottom = axes.y(high[at]), axes.y(low[at])
            ends = f"M{x - 3:.1f} {top:.1f}h6M{x - 3:.1f} {bottom:.1f}h6"
            bar = f"M{x:.1f} {top:.1f}V{bottom:.1f}{ends}"
            out.append(f'<path d="{bar}" stroke="{colour}" stroke-opacity="0.6" fill="none"/>')
        out.append(mark(kind, x, axes.y(middle[at]), colour))
    return out


def draw(path, title, y_label, costs, series):
    """series: [(label, middle, low, high)], each a list as long as costs; at most LINES_MAX."""
    assert 0 < len(series) <= LINES_MAX, len(series)
    axes = Axes((costs[0], costs[-1]), [v for _, middle, _, _ in series for v in middle])
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    out += frame(axes, title, y_label)
    out.append(band(axes, costs, series[0][2], series[0][3], STYLES[0][0]))
    for place, (line, style) in reversed(list(enumerate(zip(series, STYLES)))):
        colour, dash, kind = style
        stroke = f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dash or "none"}"'
        points = joined(steps(axes, costs, line[1]))
        out.append(f'<polyline points="{points}" fill="none" {stroke}/>')
        out += marks(axes, costs, line, place, style)
        x, y = WIDTH - RIGHT + 14, TOP + 10 + 20 * place
        out.append(f'<path d="M{x} {y}h28" fill="none" {stroke}/>')
        out.append(mark(kind, x + 14, y, colour))
        out.append(text(x + 36, y + 4, line[0]))
    y = TOP + 24 + 20 * len(series)
    note = "band, bars: 95 % bootstrap interval"
    out.append(text(WIDTH - RIGHT + 14, y, note, extra=' fill="#666"'))
    with open(path, "w") as file:
        file.write("\n".join(out + ["</svg>"]) + "\n")
