"""Intervals by resampling tasks: the percentile bootstrap (Efron 1979), and ranks."""

import math
import random
import statistics

SAMPLES = 2000


def percentile(ordered, share):
    """The smallest number with at least that share of all at or under it."""
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]


def interval(numbers, statistic=statistics.fmean, level=0.95, samples=SAMPLES, seed=1):
    """Where the statistic lies in `level` of the samples, drawn with replacement. One number has
    no interval: both ends are it."""
    rng = random.Random(seed)
    drawn = sorted(statistic(rng.choices(numbers, k=len(numbers))) for _ in range(samples))
    tail = (1 - level) / 2
    return percentile(drawn, tail), percentile(drawn, 1 - tail)


def geometric_mean(ratios):
    return math.exp(statistics.fmean(math.log(r) for r in ratios))


def ranks(numbers):
    """1 for the lowest; equal ones share the mean of their places."""
    ordered = sorted(numbers)
    first = {}
    for place, number in enumerate(ordered, 1):
        first.setdefault(number, place)
    return [first[n] + (ordered.count(n) - 1) / 2 for n in numbers]
