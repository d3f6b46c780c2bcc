"""Spaces whose results can all be checked: reward and cost follow from the architecture's own layers.

Each option carries its share of the reward and of the cost as parameters, which reach the evaluator with the task.
Two spaces give the same architecture id other numbers, so that a result of one never passes for a result of the other.
"""

from spaces import Space

# Rewards are whole multiples of 1/2^23 below 1: sums and halves of them are exact, in 32 bits too.
MERITS_PER_ONE = 2**23


class FormulaSpace(Space):
    """A Space with exact rewards. Its specs hold everything that an evaluator needs."""

    def __init__(self, layers, options, seed):
        super().__init__(layers, options, seed)
        self.merits = [[round(reward * MERITS_PER_ONE) for reward in rewards] for rewards in self.rewards]
        self.rewards = [[merit / MERITS_PER_ONE for merit in merits] for merits in self.merits]

    def spec(self, name, cost_per_layer=False, **strategy):
        spec = super().spec(name, cost_per_layer, **strategy)
        for layer, costs, merits in zip(spec.space.layers, self.costs, self.merits):
            for option, cost, merit in zip(layer.options, costs, merits):
                option.parameters.update({"cost": cost, "merit": merit, "merits_per_one": MERITS_PER_ONE})
        return spec

    def curve(self, architecture):
        """Returns the learning curve that fake_evaluator.py reports: [(epoch, reward), …]."""
        return [(1, self.reward(architecture) / 2)]


def formula(architecture):
    """Returns the metrics of a task's architecture: the same numbers that fake_evaluator.py computes."""
    layers = [layer.parameters for layer in architecture.layers]
    return {
        "accuracy": sum(layer["merit"] for layer in layers) / layers[0]["merits_per_one"],
        "latency_ms": float(sum(layer["cost"] for layer in layers)),
    }
