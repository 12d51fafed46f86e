"""The peers of the backtest benchmark: bt and vectorbt over the same prices, one command a line, one JSON object an answer.

python backtest_peer.py bt|vectorbt MODELS DAYS PRICES
PRICES holds days by models little-endian 64-bit integers of micro-credits. Both peers get their frame before any time is taken, and
weights by the same few lines of numpy, which are faster than either peer's own; what is timed is from the frame to the path of values.
"""

import json
import platform
import sys
import time
import warnings

warnings.filterwarnings("ignore")

import numpy
import pandas

CAPITAL = 1_000_000_000.0


def capped(prices, cap):
    """Weights in proportion to prices, capped for good round by round."""
    weights = prices / prices.sum()
    is_capped = numpy.zeros(len(weights), bool)
    while True:
        free = ~is_capped
        scale = (1 - cap * is_capped.sum()) / weights[free].sum() if free.any() else 0.0
        placed = numpy.where(is_capped, cap, weights * scale)
        above = free & (placed > cap * (1 + 1e-12))
        if not above.any():
            return placed
        is_capped |= above


def field_of(path, name):
    with open(path) as file:
        for line in file:
            if line.startswith(name):
                return int(line.split()[1]) * 1024


def peak_bytes():
    return field_of("/proc/self/status", "VmHWM:")


def make_bt(frame, cap):
    import bt

    class Weigh(bt.Algo):
        def __call__(self, target):
            prices = target.universe.loc[target.now]
            target.temp["weights"] = dict(zip(prices.index, capped(prices.values, cap)))
            return True

    def prepare():
        algos = [bt.algos.RunMonthly(), bt.algos.SelectAll(), Weigh(), bt.algos.Rebalance()]
        strategy = bt.Strategy("index", algos)
        return bt.Backtest(
            strategy, frame, initial_capital=CAPITAL, integer_positions=False, progress_bar=False
        )

    def run(test):
        test.run()
        # bt prepends a row.
        return test.strategy.prices.values[-len(frame) :]

    return bt.__version__, prepare, run


def make_vectorbt(frame, cap):
    import vectorbt

    months = frame.index.to_period("M")
    changes = [0] + [row for row in range(1, len(frame)) if months[row] != months[row - 1]]

    def prepare():
        return frame

    def run(frame):
        weights = numpy.full(frame.shape, numpy.nan)
        for row in changes:
            weights[row] = capped(frame.values[row], cap)
        portfolio = vectorbt.Portfolio.from_orders(
            frame,
            weights,
            size_type="targetpercent",
            group_by=True,
            cash_sharing=True,
            call_seq="auto",
            init_cash=CAPITAL,
        )
        return portfolio.value().values

    return vectorbt.__version__, prepare, run


peer, models, days, path = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
prices = numpy.fromfile(path, "<i8").reshape(days, models)
frame = pandas.DataFrame(
    prices / 1e6,
    index=pandas.bdate_range("2016-01-04", periods=days),
    columns=[f"M{model:03d}" for model in range(models)],
)
del prices
make = {"bt": make_bt, "vectorbt": make_vectorbt}[peer]
version, prepare, run = make(frame, 2.0 / models)
# Two months, untimed: vectorbt compiles its functions then, for types and not for sizes.
_, prepare_warm, run_warm = make(frame.iloc[:40], 2.0 / models)
run_warm(prepare_warm())
modules = {"python": platform.python_version(), peer: version}
modules |= {"numpy": numpy.__version__, "pandas": pandas.__version__}
if "numba" in sys.modules:
    modules["numba"] = sys.modules["numba"].__version__
ready = {"versions": modules, "ready_bytes": field_of("/proc/self/status", "VmRSS:")}
print(json.dumps(ready), flush=True)
for line in sys.stdin:
    prepared = prepare()
    start = time.perf_counter_ns()
    values = run(prepared)
    spent = time.perf_counter_ns() - start
    answer = {"ns": spent, "peak_bytes": peak_bytes()}
    if line.strip() == "path":
        answer["path"] = [float(value) / float(values[0]) for value in values]
    print(json.dumps(answer), flush=True)
