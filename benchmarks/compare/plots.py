"""SVG plots for light and dark pages: each has its own background and follows prefers-color-scheme."""

import html
import math

# Strategy: (displayed name, colour on light, colour on dark, marker), in the order of tables and legends. The markers distinguish
# strategies without colours.
STRATEGIES = {
    "random": ("random", "#6e7781", "#9aa4ae", "plus"),
    "regularized_evolution": ("regularized evolution", "#9a6f00", "#e6b422", "square"),
    "optuna_nsga2": ("Optuna NSGA-II", "#a8457f", "#e08fbd", "triangle"),
    "optuna_tpe": ("Optuna TPE", "#00805e", "#2fc79b", "diamond"),
    "layernas": ("LayerNAS, one pass", "#0066a8", "#58aee8", "cross"),
    "layernas_passes": ("LayerNAS, passes", "#4b4fb5", "#a5a8ff", "ring"),
    "guided_layernas": ("guided LayerNAS", "#cc4b00", "#ff8a3d", "circle"),
}
_SHAPES = {
    "plus": "M-4,0H4M0,-4V4",
    "square": "M-3.5,-3.5H3.5V3.5H-3.5Z",
    "triangle": "M0,-4.5L4.5,3.5H-4.5Z",
    "diamond": "M0,-5L5,0L0,5L-5,0Z",
    "cross": "M-3.5,-3.5L3.5,3.5M3.5,-3.5L-3.5,3.5",
    "ring": "M4,0A4,4 0 1 1 -4,0A4,4 0 1 1 4,0Z",
    "circle": "M4.5,0A4.5,4.5 0 1 1 -4.5,0A4.5,4.5 0 1 1 4.5,0Z",
}
_HOLLOW = {"plus", "cross", "ring"}
LEGEND_HEIGHT = 22


def _style():
    def colours(dark):
        text, grid, ground = ("#e6edf3", "#30363d", "#0d1117") if dark else ("#1f2328", "#d8dee4", "#ffffff")
        of_strategies = "".join(f".{name}{{color:{style[1 + dark]}}}" for name, style in STRATEGIES.items())
        frame = f".ground{{fill:{ground}}}text{{fill:{text}}}.grid{{stroke:{grid}}}.axis{{stroke:{text};fill:none}}"
        return frame + of_strategies

    return (
        "<style>text{font:12px system-ui,'Liberation Sans',sans-serif}.title{font-weight:600}"
        ".line,.hollow{fill:none;stroke:currentColor;stroke-width:1.6}.full{fill:currentColor}"
        ".guided_layernas.line{stroke-width:2.6}"
        f"{colours(False)}@media(prefers-color-scheme:dark){{{colours(True)}}}</style>"
    )


def _text(x, y, words, anchor="start", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{html.escape(words)}</text>'


def _marker(strategy, x, y, hint=""):
    shape = STRATEGIES[strategy][3]
    kind = "hollow" if shape in _HOLLOW else "full"
    title = f"<title>{html.escape(hint)}</title>" if hint else ""
    return f'<path class="{strategy} {kind}" transform="translate({x:.1f},{y:.1f})" d="{_SHAPES[shape]}">{title}</path>'


class _LogAxis:
    """Maps positive values to pixels. Values beyond an end, such as far above random search, are drawn at that end."""

    def __init__(self, values, start, end):
        """`values` are pairs of a strategy and its value."""
        positive = [value for _, value in values if value > 0] or [1.0]
        random = [value for strategy, value in values if strategy == "random" and value > 0]
        self.low = math.log10(min(positive) / 1.3)
        self.high = math.log10(min(max(positive), 3 * max(random, default=math.inf)) * 1.3)
        self._start, self._end = start, end

    def __call__(self, value):
        share = 0.0 if value <= 0 else (math.log10(value) - self.low) / (self.high - self.low)
        return self._start + min(max(share, 0.0), 1.0) * (self._end - self._start)

    def ticks(self):
        """Returns 1, 2 and 5 of each power of ten; only powers of ten if these are too many."""
        steps = (1, 2, 5) if self.high - self.low < 3 else (1,)
        found = []
        for power in range(math.floor(self.low), math.ceil(self.high) + 1):
            found += [step * 10.0**power for step in steps if self.low <= math.log10(step * 10.0**power) <= self.high]
        return found


def _legend(strategies, width):
    """Returns (SVG, height), with as many entries per row as fit."""
    parts, x, y = [], 16.0, 18.0
    for strategy in strategies:
        wide = 30 + 6.7 * len(STRATEGIES[strategy][0])
        if x + wide > width:
            x, y = 16.0, y + LEGEND_HEIGHT
        parts += [_marker(strategy, x, y - 4), _text(x + 10, y, STRATEGIES[strategy][0])]
        x += wide
    return "".join(parts), y + 14


def _document(width, height, body, what):
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img"><title>{html.escape(what)}</title>{_style()}'
        f'<rect class="ground" width="100%" height="100%"/>{body}</svg>\n'
    )


def straight_line(points):
    """Returns (slope, intercept) by least squares."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x in xs)
    return slope, mean_y - slope * mean_x


def growth(rows, colour_of):
    """Draws rows of panels with both axes from 0, and the best-fitting line: {row: {name of x: [(x, y), …]}}."""
    left, panel, gap, plot_height, between = 78, 250, 26, 190, 62
    columns = max(len(panels) for panels in rows.values())
    width = left + columns * (panel + gap)
    body = []
    for row, (title, panels) in enumerate(rows.items()):
        top = 20 + row * (plot_height + between)
        highest = 1.08 * max(y for points in panels.values() for _, y in points)
        step = 10.0 ** math.floor(math.log10(highest))
        step *= next(factor for factor in (0.2, 0.5, 1, 2, 5) if highest / (step * factor) <= 6)
        for number, (name, points) in enumerate(panels.items()):
            begin = left + number * (panel + gap)
            most = 1.05 * max(x for x, _ in points)

            def place(x, y, begin=begin, most=most, top=top, highest=highest):
                return f"{begin + panel * x / most:.1f},{top + plot_height * (1 - y / highest):.1f}"

            for tick in range(int(highest / step) + 1):
                y = top + plot_height * (1 - tick * step / highest)
                body.append(f'<path class="grid" d="M{begin},{y:.1f}h{panel}"/>')
                if number == 0:
                    body.append(_text(begin - 6, y + 4, f"{tick * step:,g}", "end"))
            body.append(f'<path class="axis" d="M{begin},{top}v{plot_height}h{panel}"/>')
            slope, intercept = straight_line(points)
            first = max(0.0, -intercept / slope if slope > 0 else 0.0)
            ends = f"M{place(first, intercept + slope * first)}L{place(most, intercept + slope * most)}"
            body.append(f'<path class="axis" stroke-dasharray="4 4" d="{ends}"/>')
            for x, y in points:
                at_x, at_y = place(x, y).split(",")
                body.append(_marker(colour_of, float(at_x), float(at_y), f"{x:g} {name}: {y:,.4g}"))
                body.append(_text(float(at_x), top + plot_height + 16, f"{x:g}", "middle"))
            body.append(_text(begin + panel / 2, top + plot_height + 34, name, "middle"))
        middle = top + plot_height / 2
        body.append(_text(16, middle, title, "middle", f' transform="rotate(-90 16 {middle:.0f})"'))
    height = 20 + len(rows) * (plot_height + between)
    return _document(width, height, "".join(body), f"{' and '.join(rows)}, over {', '.join(next(iter(rows.values())))}")


def over_trainings(series, value_name):
    """Draws one panel per key of `series`: {panel title: {strategy: [(trainings, value, standard error), …]}}."""
    left, panel, gap, plot_height = 62, 270, 18, 290
    width = left + len(series) * (panel + gap)
    strategies = [name for name in STRATEGIES if any(name in lines for lines in series.values())]
    legend, top = _legend(strategies, width)
    top += 22
    values = [(name, value) for lines in series.values() for name, points in lines.items() for _, value, _ in points]
    y_of = _LogAxis(values, top + plot_height, top)
    xs = sorted({x for lines in series.values() for points in lines.values() for x, _, _ in points})
    body = [legend]
    for number, (title, lines) in enumerate(series.items()):
        begin = left + number * (panel + gap)

        def x_of(trainings, begin=begin):
            return begin + 10 + (panel - 20) * (trainings - xs[0]) / max(xs[-1] - xs[0], 1)

        body.append(_text(begin + panel / 2, top - 8, title, "middle", ' class="title"'))
        for tick in y_of.ticks():
            y = y_of(tick)
            body.append(f'<path class="grid" d="M{begin},{y:.1f}h{panel}"/>')
            if number == 0:
                body.append(_text(begin - 6, y + 4, f"{tick:g}", "end"))
        for x in xs:
            body.append(_text(x_of(x), top + plot_height + 17, str(x), "middle"))
        body.append(f'<path class="axis" d="M{begin},{top}v{plot_height}h{panel}"/>')
        body.append(_text(begin + panel / 2, top + plot_height + 36, "trainings", "middle"))
        for strategy in strategies:
            points = sorted(lines.get(strategy, []))
            way = "L".join(f"{x_of(x):.1f},{y_of(value):.1f}" for x, value, _ in points)
            body.append(f'<path class="{strategy} line" d="M{way}"/>')
            for x, value, error in points:
                low, high = y_of(value - error), y_of(value + error)
                body.append(f'<path class="{strategy} line" d="M{x_of(x):.1f},{low:.1f}V{high:.1f}"/>')
                hint = f"{STRATEGIES[strategy][0]}, {x} trainings: {value:.3f} ± {error:.3f}"
                body.append(_marker(strategy, x_of(x), y_of(value), hint))
    middle = top + plot_height / 2
    body.append(_text(16, middle, value_name, "middle", f' transform="rotate(-90 16 {middle:.0f})"'))
    return _document(width, top + plot_height + 50, "".join(body), f"{value_name}, over trainings")


def by_case(cases, value_name):
    """Draws a row per case, a mark per strategy on a logarithmic axis: {case: {strategy: (value, standard error)}}."""
    left, plot_width, row = 190, 600, 34
    width = left + plot_width + 24
    strategies = [name for name in STRATEGIES if any(name in marks for marks in cases.values())]
    legend, top = _legend(strategies, width)
    height = row * len(cases)
    values = [(name, value) for marks in cases.values() for name, (value, _) in marks.items()]
    x_of = _LogAxis(values, left + 10, left + plot_width - 10)
    body = [legend]
    for tick in x_of.ticks():
        x = x_of(tick)
        body.append(f'<path class="grid" d="M{x:.1f},{top}v{height}"/>')
        body.append(_text(x, top + height + 17, f"{tick:g}", "middle"))
    body.append(f'<path class="axis" d="M{left},{top}v{height}h{plot_width}"/>')
    for number, (case, marks) in enumerate(cases.items()):
        y = top + row * (number + 0.5)
        body.append(_text(left - 8, y + 4, case, "end"))
        for strategy in strategies:
            if strategy not in marks:
                continue
            value, error = marks[strategy]
            body.append(f'<path class="{strategy} line" d="M{x_of(value - error):.1f},{y:.1f}H{x_of(value + error):.1f}"/>')
            body.append(_marker(strategy, x_of(value), y, f"{STRATEGIES[strategy][0]}: {value:.3f} ± {error:.3f}"))
    body.append(_text(left + plot_width / 2, top + height + 38, value_name, "middle"))
    return _document(width, top + height + 52, "".join(body), value_name)
