"""The problems that peers are tried on: the tables and generated spaces of layernas-bench-search, read in Python.

An architecture is a tuple of option numbers, one per layer. A reward is fixed per architecture and seed. The choice among
several rewards, and the noise, use other random numbers than in layernas-bench-search.
"""

import bisect
import csv
import functools
import json
import math
import os
import random


class InputError(Exception):
    """An invalid file or flag; the message is for the user."""


class Problem:
    """Subclasses set name, option_counts (per layer) and cost_is_known (before training), and define costs(architecture)."""

    def frontier(self):
        """Returns (cost, judged value) of the non-dominated architectures, by cost."""
        raise NotImplementedError

    def best_judged(self, target):
        """Returns the best of all architectures with cost <= target; -infinity if there is none."""
        frontier = self.frontier()
        at = bisect.bisect_right(frontier, (target, math.inf))
        return frontier[at - 1][1] if at else -math.inf

    def targets_of(self, shares):
        """Returns targets from shares of the range between the minimum and the maximum cost."""
        low, high = self.cost_range()
        return [low + share * (high - low) for share in shares]


class Table(Problem):
    """A CSV file with one row for each architecture of a space: layernas-bench-search --table."""

    def __init__(self, file, architecture_column, reward_columns, judge_column, cost_column):
        self.name = os.path.basename(file)
        try:
            with open(file, newline="", encoding="utf-8") as lines:
                rows = list(csv.DictReader(lines))
        except OSError as error:
            raise InputError(f"{file}: {error.strerror}") from error
        if not rows:
            raise InputError(f"{file}: has no rows")
        for column in [architecture_column, *reward_columns, judge_column, cost_column]:
            if column not in rows[0]:
                raise InputError(f"{file}: has no column {column}; the columns are {','.join(rows[0])}")
        if not reward_columns:
            raise InputError("--reward-columns: at least one is required")

        names = [row[architecture_column] for row in rows]
        if len({len(name) for name in names}) != 1:
            raise InputError(f"{file}: architectures have different lengths")
        options = [sorted(set(place)) for place in zip(*names)]
        self.option_counts = [len(layer) for layer in options]
        self._rows = {}
        for number, (name, row) in enumerate(zip(names, rows), 2):
            architecture = tuple(layer.index(option) for layer, option in zip(options, name))
            if architecture in self._rows:
                raise InputError(f"{file}:{number}: {name} occurs twice")
            try:
                rewards = [float(row[column]) for column in reward_columns]
                self._rows[architecture] = (rewards, float(row[judge_column]), float(row[cost_column]))
            except ValueError as error:
                raise InputError(f"{file}:{number}: {error}") from error
        size = math.prod(self.option_counts)
        if len(self._rows) != size:
            raise InputError(f"{file}: holds {len(self._rows)} architectures, not all {size} of the space")
        self.cost_is_known = self._cost_is_sum_over_layers()

    def _cost_is_sum_over_layers(self):
        """As in layernas-bench-search: a cost that is a sum over layers is known before training."""
        first = (0,) * len(self.option_counts)
        base = self.cost(first)
        parts = [
            [self.cost(first[:layer] + (option,) + first[layer + 1 :]) - base for option in range(count)]
            for layer, count in enumerate(self.option_counts)
        ]
        return all(
            abs(base + sum(part[option] for part, option in zip(parts, architecture)) - row[2]) <= 1e-9 * abs(row[2])
            for architecture, row in self._rows.items()
        )

    def reward(self, architecture, seed):
        return random.Random(f"{seed} {architecture}").choice(self._rows[architecture][0])

    def expected_reward(self, architecture):
        rewards = self._rows[architecture][0]
        return sum(rewards) / len(rewards)

    def judged(self, architecture):
        return self._rows[architecture][1]

    def cost(self, architecture):
        return self._rows[architecture][2]

    def cost_range(self):
        costs = [row[2] for row in self._rows.values()]
        return min(costs), max(costs)

    @functools.lru_cache(maxsize=None)
    def best_expected_reward(self, target):
        return max((self.expected_reward(one) for one, row in self._rows.items() if row[2] <= target), default=-math.inf)

    @functools.lru_cache(maxsize=None)
    def frontier(self):
        return non_dominated((row[2], row[1]) for row in self._rows.values())


class Generated(Problem):
    """One space from layernas-bench-search --generated … --dump-spaces FILE."""

    cost_is_known = True

    def __init__(self, space):
        self.name = space["problem"]
        self.option_counts = [len(costs) for costs in space["costs"]]
        self._space = space
        self._frontier = [tuple(point) for point in space["frontier"]]

    def reward(self, architecture, seed):
        return self.judged(architecture) + random.Random(f"{seed} {architecture}").gauss(0, self._space["noise"])

    def judged(self, architecture):
        space = self._space
        score = sum(effects[option] for effects, option in zip(space["effects"], architecture))
        for layer in range(1, len(architecture)):
            score += space["pairs"][layer][architecture[layer - 1]][architecture[layer]]
        return space["floor"] + space["gain"] * (1 - math.exp(-score / space["scale"]))

    def expected_reward(self, architecture):
        return self.judged(architecture)

    def cost(self, architecture):
        return self._space["base_cost"] + sum(costs[option] for costs, option in zip(self._space["costs"], architecture))

    def cost_range(self):
        costs = self._space["costs"]
        return self._space["base_cost"] + sum(map(min, costs)), self._space["base_cost"] + sum(map(max, costs))

    def best_expected_reward(self, target):
        return self.best_judged(target)

    def frontier(self):
        return self._frontier


def read_spaces(file):
    try:
        with open(file, encoding="utf-8") as text:
            return [Generated(space) for space in json.load(text)]
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file}: is not what layernas-bench-search --dump-spaces writes: {error}") from error


def non_dominated(points):
    """Returns the (cost, value) pairs that no pair of the same or a lower cost matches in value, by cost."""
    kept = []
    for cost, value in sorted(points, key=lambda point: (point[0], -point[1])):
        if not kept or value > kept[-1][1]:
            kept.append((cost, value))
    return kept


def area(points, largest, floor):
    """Returns the area under the steps of (cost, best value so far), from the first cost to `largest`, above `floor`."""
    total, best, last = 0.0, floor, None
    for cost, value in points:
        if cost > largest:
            break
        if last is not None:
            total += (cost - last) * (best - floor)
        last, best = cost, max(best, value)
    return total if last is None else total + (largest - last) * (best - floor)
