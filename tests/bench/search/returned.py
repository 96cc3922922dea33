"""The trial that a search would return, by the rule of `espalier best`."""

import math


class Returned:
    """The trial that `best` would name: the one with the lowest loss at the horizon; before any is
    there, the one with the lowest last loss."""

    def __init__(self):
        self.complete, self.last = (math.inf, -1), {}

    def observe(self, row, loss, last):
        self.last.pop(row, None)
        if math.isfinite(loss):
            self.last[row] = loss
            if last and loss < self.complete[0]:
                self.complete = (loss, row)

    def row(self, fallback):
        if self.complete[1] >= 0:
            return self.complete[1]
        return min(self.last, key=self.last.get) if self.last else fallback
