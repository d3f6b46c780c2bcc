"""Generated spaces whose rewards and costs follow a formula, and the results that a search of them must find."""

import csv
import itertools
import random

from layernas.v1 import spec_pb2


class Space:
    """Reward and cost of an architecture are sums over its layers. Costs are whole numbers of milliseconds.

    An architecture is written as its id: one digit per layer. More expensive options tend to be better, and no two
    architectures have the same reward.
    """

    def __init__(self, layers, options, seed):
        draw = random.Random(seed)
        self.layers, self.options = layers, options
        self.costs = [sorted(draw.sample(range(1, 4 * options), options)) for _ in range(layers)]
        self.rewards = [
            [0.5 * cost / (4 * options * layers) + 0.1 * draw.random() / layers for cost in costs] for costs in self.costs
        ]

    def all(self):
        digits = "0123456789"[: self.options]
        return ("".join(choice) for choice in itertools.product(digits, repeat=self.layers))

    def reward(self, architecture):
        return sum(self.rewards[layer][int(digit)] for layer, digit in enumerate(architecture))

    def cost(self, architecture):
        return float(sum(self.costs[layer][int(digit)] for layer, digit in enumerate(architecture)))

    def cheapest(self):
        return self.cost("0" * self.layers)

    def dearest(self):
        return self.cost(str(self.options - 1) * self.layers)

    def metrics(self, architecture):
        return {"accuracy": self.reward(architecture), "latency_ms": self.cost(architecture)}

    def write_table(self, path):
        """Writes every architecture's metrics as CSV, with full precision. Returns the path."""
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["arch", "accuracy", "latency_ms"])
            for architecture in self.all():
                writer.writerow([architecture, repr(self.reward(architecture)), repr(self.cost(architecture))])
        return path

    def spec(self, name, cost_per_layer=False, **strategy):
        """Returns a SearchSpec. Keyword arguments are fields of LayerNas. The cost is measured unless `cost_per_layer`
        is set."""
        spec = spec_pb2.SearchSpec(name=name)
        spec.space.network.input.extend([3, 32, 32])
        spec.space.network.classes = 10
        for layer in range(self.layers):
            added = spec.space.layers.add(name=f"layer{layer}", channels=8, stride=1)
            for option in range(self.options):
                costs = {"latency_ms": self.costs[layer][option]} if cost_per_layer else {}
                added.options.add(name=f"option{option}", costs=costs)
        spec.objective.reward = "accuracy"
        spec.objective.cost = "latency_ms"
        spec.strategy.layernas.CopyFrom(spec_pb2.LayerNas(**strategy))
        spec.evaluation.attempts = 3
        return spec

    def random_spec(self, name, trainings):
        """Returns the same spec with random search, which ends after that number of trainings."""
        spec = self.spec(name)
        spec.strategy.random.SetInParent()
        spec.budget.trainings = trainings
        return spec

    def edges(self, count):
        """Returns the inner edges of `count` buckets over the space's costs. No edge equals a cost."""
        low, high = self.cheapest(), self.dearest()
        return [int(low + (high - low) * index / count) + 0.5 for index in range(1, count)]

    def exact_edges(self):
        """Returns inner edges that give every cost a separate bucket."""
        return [cost + 0.5 for cost in range(int(self.cheapest()), int(self.dearest()))]


def reference_layernas(space, edges, replicas=1):
    """A second, simple implementation of one forward pass with measured costs. Returns (trained architectures, final
    table).

    The table is {bucket: [(architecture, reward, cost), …]}, best first, as Client.buckets returns it.
    """

    def bucket(cost):
        return sum(edge <= cost for edge in edges)

    def rank(architecture):
        return (-space.reward(architecture), space.cost(architecture), architecture)

    members = [str(space.options - 1) * space.layers]
    trained = set(members)
    table = {}
    for layer in range(space.layers):
        candidates = {
            member[:layer] + str(option) + member[layer + 1 :] for member in members for option in range(space.options)
        }
        trained |= candidates
        table = {}
        for candidate in sorted(candidates, key=rank):
            entries = table.setdefault(bucket(space.cost(candidate)), [])
            if len(entries) < replicas:
                entries.append((candidate, space.reward(candidate), space.cost(candidate)))
        members = [entry[0] for entries in table.values() for entry in entries]
    return trained, table


def pareto(points):
    """Returns the non-dominated (cost, reward) pairs, cheapest first."""
    front = []
    for cost, reward in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or reward > front[-1][1]:
            front.append((cost, reward))
    return front
