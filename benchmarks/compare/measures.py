"""The measures of the comparison, and their presentation.

Every run prints JSON lines. The text and the plots of a measure are made from all lines of its runs. The text is in
docs/benchmarks.md between the markers with the measure's name. To add a measure, add an entry in full(), for example:

    Measure(
        "fleet",
        [Run("fleet", "layernas-bench-fleet", ("--workers", "16", "--json"))],
        lambda lines: tables.markdown(["workers", "tasks/s"], [[line["workers"], line["tasks_per_second"]] for line in lines]),
    )
"""

import dataclasses
import typing

import plots
import tables
from plots import STRATEGIES

SEARCH = "layernas-bench-search"
GROWTH = "layernas-bench-growth"
PEERS = "benchmarks/peers/optuna_search.py"
# If training results are noisy, guided LayerNAS trains its finalists again, within the same budget. The others spend the whole
# budget on new architectures.
NOISY = {"--finalists": "3"}


@dataclasses.dataclass(frozen=True)
class Run:
    """One command. {tables} and {results} in its arguments are the directories; `needs` are files in {tables}."""

    measure: str
    program: str
    arguments: tuple
    strategy: str = ""
    needs: tuple = ()
    # Runs before the others and prints no results.
    prepare: bool = False

    def __str__(self):
        return " ".join(part for part in (self.measure, self.strategy) if part)


@dataclasses.dataclass(frozen=True)
class Measure:
    name: str
    runs: list
    # Lines -> Markdown.
    text: typing.Callable
    # File in docs/images: lines -> SVG.
    plots: dict = dataclasses.field(default_factory=dict)


def search_runs(measure, flags, needs, peer_flags=None, split=("--targets",), guided_flags=None):
    """Returns one run per strategy and per value of the `split` flags, so that runs can be resumed and run in parallel."""
    runs = []
    for strategy in STRATEGIES:
        is_peer = strategy.startswith("optuna_")
        given = {**flags, "--options-per-layer": None, **(peer_flags or {})} if is_peer else flags
        if strategy == "guided_layernas":
            given = {**given, **(guided_flags or {})}
        given = {flag: value for flag, value in given.items() if value is not None}
        for flag in split:
            if flag in given:
                each = [{**given, flag: value} for value in given[flag].split(",")]
                break
        else:
            each = [given]
        for one in each:
            arguments = words({**one, "--strategies": strategy, "--json": ""})
            runs.append(Run(measure, PEERS if is_peer else SEARCH, arguments, strategy, needs))
    return runs


def words(flags):
    return tuple(word for flag, value in flags.items() for word in (flag, value) if word)


def command(program, flags):
    """Returns the command for the document, with one flag per line if it is long."""
    text = program
    line = len(text)
    for flag, value in flags.items():
        word = f"{flag} {value}".strip().replace("{tables}", "$LAYERNAS_TABLES")
        if line + len(word) > 120:
            text += " \\\n "
            line = 1
        text += f" {word}"
        line += len(word) + 1
    return f"```\n{text}\n```\n\n"


def by_strategy(lines):
    """Returns {strategy: lines}, in the order of STRATEGIES."""
    found = {strategy: [line for line in lines if line["strategy"] == strategy] for strategy in STRATEGIES}
    return {strategy: its for strategy, its in found.items() if its}


def panels(lines, panel, field, error):
    """Returns {panel: {strategy: points}} for plots.over_trainings, without strategies that had no answer."""
    found = {}
    for line in (line for line in lines if line["answered"] > 0):
        points = found.setdefault(panel(line), {}).setdefault(line["strategy"], [])
        points.append((line["trainings"], line[field], line[error]))
    return found


def factor(other, guided):
    return f"{other / guided:.1f}" if guided > 0 else "∞" if other > 0 else "1.0"


def compared(lines, keys, labels, field, best=min):
    """Returns a table with a row for each value of the `keys` (functions of a line, named by `labels`; sorted by the first)
    and a column for each strategy. If smaller is better, the last column is the best other strategy's value divided by
    guided LayerNAS's."""
    columns = by_strategy(lines)
    rows = {}
    for strategy, its in columns.items():
        for line in its:
            rows.setdefault(tuple(key(line) for key in keys), {})[strategy] = line
    header = [*labels, *(STRATEGIES[strategy][0] for strategy in columns)]
    if best is min:
        header.append("best other ÷ guided")
    body = []
    for row, cells in sorted(rows.items(), key=lambda item: item[0][0]):
        values = {strategy: line[field] for strategy, line in cells.items() if line["answered"] > 0}
        shown = tables.emphasized([values.get(strategy) for strategy in columns], best)
        for at, strategy in enumerate(columns):
            answered = cells[strategy]["answered"] if strategy in cells else 1
            if answered < 1:
                shown[at] = "no answer" if answered == 0 else f"{shown[at]} ({100 * (1 - answered):.0f} % no answer)"
        if best is min:
            guided = values.pop("guided_layernas", None)
            shown.append(factor(min(values.values()), guided) if values and guided is not None else "–")
        body.append([*map(str, row), *shown])
    return tables.markdown(header, body)


def trainings(line):
    return line["trainings"]


def megas(line):
    return f"{line['target'] / 1e6:.0f} M"


def nas_bench_macro(quick):
    flags = {
        "--table": "{tables}/nas_bench_macro_cifar10.csv",
        "--options-per-layer": "3,3,3,3,3,3,3,3",
        "--reward-columns": "test_acc_run0,test_acc_run1,test_acc_run2",
        "--judge-column": "test_acc_mean",
        "--cost-column": "multiply_adds",
        "--targets": "40e6" if quick else "40e6,60e6,80e6",
        "--trainings": "10,20" if quick else "25,50,75,100,150,200",
        "--seeds": "2" if quick else "50",
        "--first-seed": "1000",
    }
    name = "nas_bench_macro"

    def text(lines):
        shown = [line for line in lines if quick or line["trainings"] in (50, 100, 200)]
        return command(SEARCH, {**flags, **NOISY}) + compared(shown, [trainings, megas], ["trainings", "target"], "mean_regret_judged")

    def plot(lines):
        series = panels(lines, lambda line: f"multiply-adds ≤ {megas(line)}", "mean_regret_judged", "error_regret_judged")
        return plots.over_trainings(series, "regret, points of accuracy")

    runs = search_runs(name, flags, ("nas_bench_macro_cifar10.csv",), guided_flags=NOISY)
    return Measure(name, runs, text, {"regret-nas-bench-macro.svg": plot})


DEVICES = {
    "edge GPU": ("edgegpu_latency_ms", "4.39899,5.6417"),
    "Raspberry Pi 4": ("raspi4_latency_ms", "19.2844,27.7518"),
    "Pixel 3": ("pixel3_latency_ms", "7.50296,12.0493"),
}


def nas_bench_201(quick):
    name = "nas_bench_201"
    common = {
        "--table": "{tables}/nas_bench_201_cifar10.csv",
        "--options-per-layer": "5,5,5,5,5,5",
        "--reward-columns": "valid_acc_12_epochs",
        "--judge-column": "test_acc_200_epochs",
    }
    rest = {"--trainings": "20" if quick else "50,100", "--seeds": "2" if quick else "50", "--first-seed": "1000"}
    of_device = {
        device: {**common, "--cost-column": column, "--targets": targets, **rest}
        for device, (column, targets) in list(DEVICES.items())[: 1 if quick else None]
    }
    devices = {float(target): device for device, (_, targets) in DEVICES.items() for target in targets.split(",")}

    def device(line):
        return devices[line["target"]]

    def target(line):
        return f"{line['target']:.3g} ms"

    def text(lines):
        return command(SEARCH, of_device[list(of_device)[-1]]) + compared(
            lines,
            [trainings, device, target],
            ["trainings", "device", "target"],
            "mean_regret_reward",
        )

    def plot(lines):
        most = max(line["trainings"] for line in lines)
        cases = {}
        for line in lines:
            if line["trainings"] == most and line["answered"] > 0:
                marks = cases.setdefault(f"{device(line)}, {target(line)}", {})
                marks[line["strategy"]] = (line["mean_regret_reward"], line["error_regret_reward"])
        return plots.by_case(cases, f"regret in the reward after {most} trainings, points of accuracy")

    runs = [run for flags in of_device.values() for run in search_runs(name, flags, ("nas_bench_201_cifar10.csv",))]
    return Measure(name, runs, text, {"regret-nas-bench-201.svg": plot})


def generated(quick):
    name = "generated"
    space = {
        "--generated": "8x4" if quick else "22x9",
        "--lut": "{tables}/fbnet_layer_lut.json",
        "--device": "pixel3",
        "--spaces": "1" if quick else "20",
        "--space-seed": "500",
    }
    searches = {
        "--target-shares": "0.3" if quick else "0.3,0.5",
        "--trainings": "20" if quick else "50,100,200",
        "--seeds": "1",
        "--first-seed": "1000",
    }
    needs = ("fbnet_layer_lut.json",)
    spaces_file = "{results}/generated-spaces-" + space["--generated"] + ".json"
    dump = Run(
        name, SEARCH, words({**space, "--target-shares": "0", "--dump-spaces": spaces_file}), needs=needs, prepare=True
    )

    def target(line):
        return f"{100 * line['target']:.0f} %"

    def panel(line):
        return f"latency ≤ {target(line)} of its range"

    def text(lines):
        return command(SEARCH, {**space, **searches, **NOISY}) + compared(
            lines, [trainings, target], ["trainings", "target"], "mean_regret_judged"
        )

    def plot(lines):
        series = panels(lines, panel, "mean_regret_judged", "error_regret_judged")
        return plots.over_trainings(series, "regret, points of accuracy")

    peer_flags = {**dict.fromkeys(space), "--spaces-file": spaces_file}
    runs = search_runs(name, {**space, **searches}, needs, peer_flags, ("--target-shares",), NOISY)
    return Measure(name, [dump, *runs], text, {"regret-generated.svg": plot})


def frontier(quick):
    name = "frontier"
    flags = {
        "--table": "{tables}/nas_bench_macro_cifar10.csv",
        "--reward-columns": "test_acc_run0,test_acc_run1,test_acc_run2",
        "--judge-column": "test_acc_mean",
        "--cost-column": "multiply_adds",
        "--targets": "40e6,60e6,80e6",
        "--trainings": "20" if quick else "100,200",
        "--seeds": "2" if quick else "50",
        "--first-seed": "1000",
        "--joint": "",
    }

    def text(lines):
        once = [{**line, "answered": 1} for line in lines if line["target"] == 40e6]
        return (
            command(SEARCH, flags)
            + "Share of the area under the true frontier:\n\n"
            + compared(once, [trainings], ["trainings"], "hypervolume_ratio", best=max)
            + "\n\nRegret at each target:\n\n"
            + compared(lines, [trainings, megas], ["trainings", "target"], "mean_regret_judged")
        )

    runs = search_runs(name, flags, ("nas_bench_macro_cifar10.csv",), split=())
    return Measure(name, runs, text)


def growth(quick):
    name = "growth"
    sizes = {"--layers": "2,3,4", "--options": "2,3,4", "--buckets": "3,4,5", "--spaces": "1", "--repeats": "1"}
    flags = {**(sizes if quick else {}), "--json": ""}
    keys = (("r_squared", 3), ("exponent", 2))
    quantities = {
        "trainings": lambda line: line["trainings"],
        "strategy's time, ms": lambda line: 1e3 * line["strategy_seconds"],
    }

    def points(lines, varied, value):
        return [(line[varied], value(line)) for line in lines if line.get("varied") == varied]

    def varied(lines):
        return list(dict.fromkeys(line["varied"] for line in lines if "varied" in line))

    def text(lines):
        rows = []
        for what in varied(lines):
            fit = next(line for line in lines if line.get("fit_over") == what)
            row = [f"{what} {', '.join(str(x) for x, _ in points(lines, what, quantities['trainings']))}"]
            for value, fitted in zip(quantities.values(), (fit["trainings"], fit["strategy_seconds"])):
                shown = [f"{y:,.0f}" if y >= 100 else f"{y:.2g}" for _, y in points(lines, what, value)]
                row.append(", ".join(shown))
                # Null if all values are equal.
                row += ["–" if fitted[key] is None else f"{fitted[key]:.{digits}f}" for key, digits in keys]
            rows.append(row)
        header = ["varied"] + [title for value in quantities for title in (value, "R²", "exponent")]
        return command(GROWTH, flags) + tables.markdown(header, rows)

    def plot(lines):
        rows = {
            title: {what: points(lines, what, value) for what in varied(lines)} for title, value in quantities.items()
        }
        return plots.growth(rows, "layernas")

    return Measure(name, [Run(name, GROWTH, words(flags))], text, {"growth.svg": plot})


def full():
    return [nas_bench_macro(False), nas_bench_201(False), generated(False), frontier(False), growth(False)]


def quick():
    return [nas_bench_macro(True), nas_bench_201(True), generated(True), frontier(True), growth(True)]
