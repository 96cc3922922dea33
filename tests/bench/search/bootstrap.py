"""Intervals by resampling tables, with the percentile bootstrap (Efron 1979); and ranks."""

import math
import random
import statistics

SAMPLES = 2000


def percentile(ordered, share):
    """The smallest number that at least this share of the numbers does not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]


def interval(numbers, statistic=statistics.fmean, level=0.95, samples=SAMPLES, seed=1):
    """The interval of the statistic in `level` of the samples, drawn with replacement. For a single
    number both ends are that number."""
    rng = random.Random(seed)
    drawn = sorted(statistic(rng.choices(numbers, k=len(numbers))) for _ in range(samples))
    tail = (1 - level) / 2
    return percentile(drawn, tail), percentile(drawn, 1 - tail)


def geometric_mean(ratios):
    return math.exp(statistics.fmean(math.log(r) for r in ratios))


def ranks(numbers):
    """1 for the lowest; equal numbers share the mean of their ranks."""
    ordered = sorted(numbers)
    first = {}
    for place, number in enumerate(ordered, 1):
        first.setdefault(number, place)
    return [first[n] + (ordered.count(n) - 1) / 2 for n in numbers]
