#!/usr/bin/python3
"""Runs Optuna's samplers on the problems, targets, seeds and budgets of layernas-bench-search; prints the same JSON lines.

The budget counts distinct trained architectures, and the script helps the samplers to use it well. Repeated proposals are
answered from memory. If the cost is known before training (a sum over layers), proposals over the target are answered only
with their violation of the constraint. After nine such proposals in a row the next one is drawn at random. A sampler does not
know its budget, so one run gives the results for all --trainings. Requires Debian's python3-optuna: scripts/install-deps
--benchmarks.
"""

import argparse
import json
import math
import random
import statistics
import sys
import time
import warnings

from problems import InputError, Table, area, non_dominated, read_spaces

try:
    import optuna

    class Options(optuna.distributions.CategoricalDistribution):
        """A choice between 0, 1, 2, …"""

        # Optuna looks up every choice of every past trial; here each choice is its own index: same result, three times as fast.
        def to_internal_repr(self, param_value_in_external_repr):
            return param_value_in_external_repr

except ImportError:
    optuna = None

# Maximum proposals in a row without a training before one is drawn at random, and before the run ends below its budget.
PATIENCE = 10
FUTILE_PROPOSALS = 300
# Maximum draws to find a new architecture within the target.
RANDOM_DRAWS = 10_000

# Chosen on other seeds than the published ones. TPE with a separate model per layer (the default) was worse, and so were
# populations of 20 to 50 (the default) for budgets of 50 to 100 trainings.
SAMPLERS = {
    "optuna_tpe": lambda **given: optuna.samplers.TPESampler(multivariate=True, **given),
    "optuna_nsga2": lambda **given: optuna.samplers.NSGAIISampler(population_size=10, **given),
}


class Run:
    """One search. With several targets the cost is a second objective. The largest target is always a constraint."""

    def __init__(self, problem, strategy, targets, seed):
        self._problem = problem
        self._targets = targets
        self._seed = seed
        self._limit = max(targets)
        self._joint = len(targets) > 1
        sampler = SAMPLERS[strategy](seed=seed, constraints_func=lambda trial: [trial.user_attrs["over"]])
        self._study = optuna.create_study(directions=["maximize", "minimize"][: 1 + self._joint], sampler=sampler)
        self._space = {
            f"layer{layer + 1}": Options(range(count))
            for layer, count in enumerate(problem.option_counts)
        }
        self._futile = 0
        # (reward, cost) by architecture.
        self._trained = {}
        self._seconds = 0.0

    def train_until(self, trainings):
        while len(self._trained) < trainings and self._futile < FUTILE_PROPOSALS:
            begin = time.perf_counter()
            if self._futile % PATIENCE == PATIENCE - 1:
                self._draw_at_random()
            trial = self._study.ask(self._space)
            self._answer(trial)
            self._seconds += time.perf_counter() - begin

    def _answer(self, trial):
        architecture = tuple(trial.params[name] for name in self._space)
        cost = self._problem.cost(architecture)
        self._futile += 1
        if architecture not in self._trained and self._may_train(cost):
            self._trained[architecture] = (self._problem.reward(architecture, self._seed), cost)
            self._futile = 0
        # If a constraint is violated, samplers use only the violation, so an untrained architecture needs no reward.
        reward = self._trained.get(architecture, (0.0, cost))[0]
        trial.set_user_attr("over", cost - self._limit)
        self._study.tell(trial, [reward, cost] if self._joint else reward)

    def _may_train(self, cost):
        return cost <= self._limit or not self._problem.cost_is_known

    def _draw_at_random(self):
        """Replaces the next proposal by a trainable one, if one is found."""
        draws = random.Random(f"{self._seed} {len(self._trained)} {self._futile}")
        for _ in range(RANDOM_DRAWS):
            drawn = tuple(draws.randrange(count) for count in self._problem.option_counts)
            if drawn not in self._trained and self._may_train(self._problem.cost(drawn)):
                self._study.enqueue_trial(dict(zip(self._space, drawn)))
                return

    def result(self):
        """Returns per target: (regret in the judged value, regret in the reward, figures of the whole run)."""
        problem = self._problem
        largest = max(self._targets)
        points = non_dominated((cost, reward) for reward, cost in self._trained.values() if cost <= largest)
        by_point = {(cost, reward): one for one, (reward, cost) in sorted(self._trained.items(), reverse=True)}
        truth = problem.frontier()
        floor = truth[0][1]
        whole = area(truth, largest, floor)
        returned = [(cost, problem.judged(by_point[cost, reward])) for cost, reward in points]
        run = {
            # At the cheapest cost the area is 0.
            "hypervolume_ratio": area(returned, largest, floor) / whole if whole else 1.0,
            "trained": len(self._trained),
            "strategy_seconds": self._seconds,
        }
        results = []
        for target in self._targets:
            answer = None
            for cost, reward in points:
                if cost <= target:
                    answer = by_point[cost, reward]
            # Without an answer the whole value above zero counts, as in layernas-bench-search.
            results.append(
                {
                    "answered": answer is not None,
                    "regret_judged": problem.best_judged(target) - (problem.judged(answer) if answer else 0),
                    "regret_reward": problem.best_expected_reward(target) - (problem.expected_reward(answer) if answer else 0),
                    **run,
                }
            )
        return results


def summary(of_runs):
    """Returns the fields of a JSON line that summarise many results."""

    def mean(field):
        return statistics.fmean(result[field] for result in of_runs)

    def error(field):
        values = [result[field] for result in of_runs]
        return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0

    return {
        "seeds": len(of_runs),
        "answered": mean("answered"),
        "mean_regret_judged": mean("regret_judged"),
        "error_regret_judged": error("regret_judged"),
        "worst_regret_judged": max(result["regret_judged"] for result in of_runs),
        "mean_regret_reward": mean("regret_reward"),
        "error_regret_reward": error("regret_reward"),
        "hypervolume_ratio": mean("hypervolume_ratio"),
        "error_hypervolume_ratio": error("hypervolume_ratio"),
        "mean_trained": mean("trained"),
        "strategy_seconds": mean("strategy_seconds"),
    }


def lines_of(strategy, problems, arguments):
    """Returns the JSON lines of one strategy: one per number of trainings and target."""
    budgets = sorted(arguments.trainings)
    named = arguments.targets or arguments.target_shares
    results = {(trainings, target): [] for trainings in budgets for target in named}
    for problem in problems:
        targets = dict(zip(named, arguments.targets or problem.targets_of(arguments.target_shares)))
        for group in [named] if arguments.joint else [[target] for target in named]:
            for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
                run = Run(problem, strategy, [targets[target] for target in group], seed)
                for trainings in budgets:
                    run.train_until(trainings)
                    for target, result in zip(group, run.result()):
                        results[trainings, target].append(result)
    for (trainings, target), of_runs in results.items():
        yield {
            "problem": problems[0].name,
            "strategy": strategy,
            "target": target,
            "trainings": trainings,
            **summary(of_runs),
        }


def comma_separated(of):
    return lambda text: [of(part) for part in text.split(",")]


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", metavar="FILE", help="CSV file with one row per architecture")
    parser.add_argument("--architecture-column", default="arch")
    parser.add_argument("--reward-columns", type=comma_separated(str), default=[], help="reward columns; one is drawn per architecture and seed")
    parser.add_argument("--judge-column")
    parser.add_argument("--cost-column")
    parser.add_argument("--spaces-file", metavar="FILE", help="use the spaces of layernas-bench-search --dump-spaces instead of a table")
    parser.add_argument("--targets", type=comma_separated(float), default=[])
    parser.add_argument("--target-shares", type=comma_separated(float), default=[], help="targets as shares of the cost range")
    parser.add_argument("--trainings", type=comma_separated(int), default=[50, 100])
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--strategies", type=comma_separated(str), default=list(SAMPLERS))
    parser.add_argument("--joint", action="store_true", help="use all targets in one search")
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    arguments = parser.parse_args(argv)
    if bool(arguments.table) == bool(arguments.spaces_file):
        parser.error("one of --table and --spaces-file is needed")
    if bool(arguments.targets) == bool(arguments.target_shares):
        parser.error("one of --targets and --target-shares is needed")
    if arguments.seeds < 1 or min(arguments.trainings) < 1:
        parser.error("--seeds and --trainings are at least 1")
    for strategy in arguments.strategies:
        if strategy not in SAMPLERS:
            parser.error(f"there is no strategy {strategy}; there are {', '.join(SAMPLERS)}")
    return arguments


def main(argv):
    arguments = parse(argv)
    if optuna is None:
        sys.exit("optuna_search: requires Debian's python3-optuna (scripts/install-deps --benchmarks) and /usr/bin/python3")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    try:
        if arguments.table:
            problems = [
                Table(
                    arguments.table,
                    arguments.architecture_column,
                    arguments.reward_columns,
                    arguments.judge_column,
                    arguments.cost_column,
                )
            ]
        else:
            problems = read_spaces(arguments.spaces_file)
        for problem in problems:
            for target in arguments.targets:
                if problem.best_judged(target) == -math.inf:
                    raise InputError(f"--targets: nothing in {problem.name} costs {target:g} or less")
    except InputError as error:
        sys.exit(f"optuna_search: {error}")
    for strategy in arguments.strategies:
        for line in lines_of(strategy, problems, arguments):
            if arguments.json:
                print(json.dumps(line), flush=True)
            else:
                print(
                    f"{strategy:23} target {line['target']:<10g} trainings {line['trainings']:4} ({line['mean_trained']:.0f})  "
                    f"regret {line['mean_regret_judged']:.4f} (worst {line['worst_regret_judged']:.3f}, in reward "
                    f"{line['mean_regret_reward']:.4f})  hv {line['hypervolume_ratio']:.4f}  {line['strategy_seconds']:.4f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main(sys.argv[1:])
