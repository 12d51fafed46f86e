"""Writes metrics.json: metrics of seeded answers by scikit-learn and SciPy, which `tests/metrics.rs` holds ours against.

    python3 metrics.py > metrics.json        (numpy, scipy, scikit-learn)
"""

import json

import numpy as np
from scipy import stats
from sklearn import metrics as sk

random = np.random.default_rng(20261127)
cases = []


def case(metric, value, **answers):
    cases.append({"metric": metric, "value": float(value), **answers})


for n, ties in [(40, False), (200, True)]:
    x = random.normal(size=n)
    y = 0.6 * x + random.normal(size=n)
    if ties:
        x, y = np.round(x, 1), np.round(y, 1)
    numbers = {"scores": x.tolist(), "targets": y.tolist(), "width": 1}
    case("pearson", stats.pearsonr(x, y).statistic, **numbers)
    case("spearman", stats.spearmanr(x, y).statistic, **numbers)
    case("mse", sk.mean_squared_error(y, x), **numbers)
    case("mae", sk.mean_absolute_error(y, x), **numbers)
    case("r2", sk.r2_score(y, x), **numbers)
    yes = (y > 0.3).astype(float)
    case("auc", sk.roc_auc_score(yes, x), scores=x.tolist(), targets=yes.tolist(), width=1)

wide = random.normal(size=(30, 3))
target = wide + random.normal(size=(30, 3))
numbers = {"scores": wide.ravel().tolist(), "targets": target.ravel().tolist(), "width": 3}
case("mse", sk.mean_squared_error(target, wide), **numbers)
case("mae", sk.mean_absolute_error(target, wide), **numbers)
case("r2", sk.r2_score(target, wide), **numbers)

for classes, n in [(2, 50), (7, 300)]:
    labels = random.integers(0, classes, n)
    chosen = np.where(random.random(n) < 0.7, labels, random.integers(0, classes + 1, n))
    case("f1_macro", sk.f1_score(labels, chosen, average="macro", zero_division=0),
         classes=chosen.tolist(), labels=labels.tolist())

documents = [
    {"id": d, "nats": float(random.uniform(20, 400)), "bytes": int(random.integers(30, 600)),
     "tokens": int(random.integers(10, 150)), "right": int(random.integers(0, 10))}
    for d in range(25)
]
nats = sum(d["nats"] for d in documents)
case("bits_per_byte", nats / np.log(2) / sum(d["bytes"] for d in documents), documents=documents)
case("perplexity", np.exp(nats / sum(d["tokens"] for d in documents)), documents=documents)
case("accuracy", sum(d["right"] for d in documents) / sum(d["tokens"] for d in documents), documents=documents)

base = target[:, 0]
bases = [
    {"absolute": False, "width": 3, "targets": target.ravel().tolist(), "value": float(np.mean(np.var(target, axis=0)))},
    {"absolute": True, "width": 1, "targets": base.tolist(), "value": float(np.mean(np.abs(base - np.median(base))))},
]
print(json.dumps({"cases": cases, "bases": bases}, indent=0))
