"""Makes the small models of `tests/models.rs`, each a folder with model.onnx, suite.toml and cases.safetensors.

    python3 make.py        (numpy, ml_dtypes, onnx 1.23, onnxruntime 1.31.1, safetensors, scikit-learn, scipy)

Expected outputs come from ONNX Runtime on the very model.onnx, but for BF16, which it does not run on a processor: there numpy
computes them in F32. Metrics come from scikit-learn, SciPy or plain numpy, and stand in wanted.json.
"""

import json
import os
import shutil
from pathlib import Path

import ml_dtypes
# Before the import: ONNX Runtime writes an identifier of the machine and sends reports otherwise.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh
from safetensors.numpy import save_file
from scipy import stats
from sklearn import metrics as sk

HERE = Path(__file__).parent
random = np.random.default_rng(20261127)
wanted = {}


def floats(*shape):
    return random.normal(size=shape).astype(np.float32)


def value(name, kind, shape):
    return h.make_tensor_value_info(name, kind, shape)


def build(name, nodes, inputs, outputs, weights, opset=17):
    graph = h.make_graph(nodes, name, inputs, outputs, [nh.from_array(a, n) for n, a in weights.items()])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def manifest(name, items, task, metric, labels, rest="", output="y", report=(), head=""):
    text = f'id = "{name}"\nversion = 1\ntask = "{task}"\nmetric = "{metric}"\n'
    if report:
        text += f"report = {json.dumps(list(report))}\n"
    return (f'{text}{head}items = {items}\nlicence = "MIT"\nsource = "made by make.py"\n{rest}\n'
            f'[output]\nname = "{output}"\n{labels}\n')


def write(name, model, suite, cases):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    onnx.save(model, folder / "model.onnx")
    (folder / "suite.toml").write_text(suite)
    save_file({k: np.array(v, order="C") for k, v in cases.items()}, folder / "cases.safetensors")


def run(model, feeds):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds)))


def expected(name, model, items, feeds, rest="", atol=1e-5, rtol=0.0, outputs=None, target="expected.y", cases=None):
    """A suite that compares all outputs; its metric is the error of `y` against what is expected."""
    outputs = run(model, feeds) if outputs is None else outputs
    tensors = {f"input.{k}": v for k, v in feeds.items()} | {f"expected.{k}": v for k, v in outputs.items()}
    tensors |= cases or {}
    labels = f'[labels]\ntarget = "{target}"\n[expected]\natol = {atol}\nrtol = {rtol}\n'
    write(name, model, manifest(name, items, "regression", "mse", labels, rest), tensors)


# A convolution in int8 by QLinearConv, its bias in int32. Weights of 7 bits: some processors add pairs of products in 16 bits, which
# those of 8 bits overflow, and give other numbers than the rest.
x = floats(6, 3, 8, 8)
scale = {k: np.array(v, np.float32) for k, v in {"xs": 0.03, "ws": 0.01, "ys": 0.05}.items()}
zero = {"xz": np.array(128, np.uint8), "wz": np.array(0, np.int8), "yz": np.array(100, np.uint8)}
nodes = [
    h.make_node("QuantizeLinear", ["x", "xs", "xz"], ["xq"]),
    h.make_node("QLinearConv", ["xq", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"], ["yq"], pads=[1, 1, 1, 1]),
    h.make_node("DequantizeLinear", ["yq", "ys", "yz"], ["y"]),
]
weights = scale | zero | {"w": random.integers(-63, 63, (16, 3, 3, 3)).astype(np.int8),
                          "b": random.integers(-500, 500, 16).astype(np.int32)}
model = build("qlinear", nodes, [value("x", T.FLOAT, ["n", 3, 8, 8])], [value("y", T.FLOAT, ["n", 16, 8, 8])], weights)
expected("qlinear", model, 6, {"x": x}, atol=1e-3)

# A product in int8 whose activations are quantised as they come, one scale for a whole batch: cases run one by one.
nodes = [
    h.make_node("DynamicQuantizeLinear", ["x"], ["xq", "xs", "xz"]),
    h.make_node("MatMulInteger", ["xq", "w", "xz", "wz"], ["yi"]),
    h.make_node("Cast", ["yi"], ["yf"], to=T.FLOAT),
    h.make_node("Mul", ["xs", "ws"], ["s"]),
    h.make_node("Mul", ["yf", "s"], ["y"]),
]
weights = {"w": random.integers(-63, 63, (32, 12)).astype(np.int8), "wz": np.array(0, np.int8), "ws": np.array(0.01, np.float32)}
model = build("dynamic", nodes, [value("x", T.FLOAT, [1, 32])], [value("y", T.FLOAT, [1, 12])], weights)
x = floats(7, 32)
one_by_one = np.concatenate([run(model, {"x": row[None]})["y"] for row in x])
expected("dynamic", model, 7, {"x": x}, atol=1e-3, outputs={"y": one_by_one})

# F16 throughout.
nodes = [h.make_node("MatMul", ["x", "w"], ["m"]), h.make_node("Add", ["m", "b"], ["a"]), h.make_node("Tanh", ["a"], ["y"])]
weights = {"w": floats(24, 10).astype(np.float16), "b": floats(10).astype(np.float16)}
model = build("f16", nodes, [value("x", T.FLOAT16, ["n", 24])], [value("y", T.FLOAT16, ["n", 10])], weights)
expected("f16", model, 9, {"x": floats(9, 24).astype(np.float16)}, atol=1e-3)

# BF16 throughout, a body and a constant included.
bf = ml_dtypes.bfloat16
w, b, c, x = (floats(*s).astype(bf) for s in [(24, 10), (10,), (10,), (9, 24)])
branch = lambda name, op: h.make_graph([h.make_node(op, ["a", "b"], [f"{name}_y"])], name, [], [value(f"{name}_y", T.BFLOAT16, ["n", 10])])
nodes = [
    h.make_node("Constant", [], ["c"], value=h.make_tensor("c", T.BFLOAT16, [10], c.tobytes(), raw=True)),
    h.make_node("MatMul", ["x", "w"], ["m"]),
    h.make_node("Add", ["m", "c"], ["a"]),
    h.make_node("If", ["yes"], ["i"], then_branch=branch("then", "Add"), else_branch=branch("else", "Mul")),
    h.make_node("Relu", ["i"], ["y"]),
]
initializers = [h.make_tensor("w", T.BFLOAT16, [24, 10], w.tobytes(), raw=True),
                h.make_tensor("b", T.BFLOAT16, [10], b.tobytes(), raw=True),
                nh.from_array(np.array(True), "yes")]
graph = h.make_graph(nodes, "bf16", [value("x", T.BFLOAT16, ["n", 24])], [value("y", T.BFLOAT16, ["n", 10])], initializers)
model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
wide = [v.astype(np.float32) for v in (x, w, c, b)]
y = np.maximum(wide[0] @ wide[1] + wide[2] + wide[3], 0)
# What is expected is F32; an output of BF16 lies within its half step of it, 2^-8 of the value.
expected("bf16", model, 9, {"x": x}, rtol=0.004, outputs={"y": y})

# A loop whose body holds a weight: as many steps as the scalar input says, given whole with every call.
body = h.make_graph(
    [h.make_node("Identity", ["go"], ["go_on"]), h.make_node("MatMul", ["state", "wb"], ["s1"]), h.make_node("Tanh", ["s1"], ["s2"])],
    "body", [value("step", T.INT64, []), value("go", T.BOOL, []), value("state", T.FLOAT, None)],
    [value("go_on", T.BOOL, []), value("s2", T.FLOAT, None)], [nh.from_array(floats(6, 6), "wb")])
nodes = [h.make_node("Loop", ["steps", "", "x"], ["y"], body=body)]
model = build("loop", nodes, [value("x", T.FLOAT, ["n", 6]), value("steps", T.INT64, [])], [value("y", T.FLOAT, ["n", 6])], {})
expected("loop", model, 8, {"x": floats(8, 6), "steps": np.array(5, np.int64)}, '[input.steps]\nbatch_axis = "none"\n')

# Weights of one name in both branches of an If, cases on axis 1, two outputs of which one has its cases on axis 1 too.
then, other = (h.make_graph([h.make_node("MatMul", ["x", "wk"], [f"o{k}"])], f"b{k}", [], [value(f"o{k}", T.FLOAT, None)],
                            [nh.from_array(floats(5, 4), "wk")]) for k in (1, 2))
nodes = [
    h.make_node("ReduceSum", ["x"], ["total"], keepdims=0), h.make_node("Greater", ["total", "none"], ["up"]),
    h.make_node("If", ["up"], ["z"], then_branch=then, else_branch=other),
    h.make_node("Transpose", ["z"], ["t"], perm=[1, 0, 2]), h.make_node("ReduceMean", ["t"], ["y"], axes=[1], keepdims=0),
]
model = build("axis", nodes, [value("x", T.FLOAT, [3, "n", 5])], [value("y", T.FLOAT, ["n", 4]), value("z", T.FLOAT, [3, "n", 4])],
              {"none": np.array(0, np.float32)})
x = floats(3, 10, 5)
each = [run(model, {"x": x[:, [k]]}) for k in range(10)]
# The branch hangs on the sum of a call; a fixed batch axis of 1 makes every case a call of its own.
for v in (model.graph.input[0], model.graph.output[1]):
    v.type.tensor_type.shape.dim[1].ClearField("dim_param")
    v.type.tensor_type.shape.dim[1].dim_value = 1
model.graph.output[0].type.tensor_type.shape.dim[0].ClearField("dim_param")
model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1
outputs = {"y": np.concatenate([e["y"] for e in each]), "z": np.concatenate([e["z"] for e in each], axis=1)}
expected("axis", model, 10, {"x": x}, "[input.x]\nbatch_axis = 1\n", outputs=outputs)

# Cases on axis 1 in batches.
nodes = [h.make_node("MatMul", ["x", "w"], ["z"]), h.make_node("ReduceMax", ["z"], ["y"], axes=[0], keepdims=0)]
model = build("batches", nodes, [value("x", T.FLOAT, [3, "n", 5])], [value("y", T.FLOAT, ["n", 4]), value("z", T.FLOAT, [3, "n", 4])],
              {"w": floats(5, 4)})
expected("batches", model, 40, {"x": floats(3, 40, 5)}, "[input.x]\nbatch_axis = 1\n")

# A state that goes from case to case, its cases on axis 1.
nodes = [
    h.make_node("Squeeze", ["state", "first"], ["s"]), h.make_node("MatMul", ["s", "w"], ["m"]), h.make_node("Add", ["m", "x"], ["a"]),
    h.make_node("Tanh", ["a"], ["y"]), h.make_node("Unsqueeze", ["y", "first"], ["next"]),
]
model = build("state", nodes, [value("x", T.FLOAT, ["n", 4]), value("state", T.FLOAT, [1, "n", 4])],
              [value("y", T.FLOAT, ["n", 4]), value("next", T.FLOAT, [1, "n", 4])], {"w": floats(4, 4), "first": np.array([0], np.int64)})
x, state, rows = floats(12, 4), floats(1, 1, 4), []
start = state
for row in x:
    out = run(model, {"x": row[None], "state": state})
    rows.append(out["y"])
    state = out["next"]
tensors = {"input.x": x, "input.state": start, "expected.y": np.concatenate(rows)}
rest = '[input.state]\nbatch_axis = 1\ncarried_from = "next"\n'
write("state", model, manifest("state", 12, "regression", "mse", '[labels]\ntarget = "expected.y"\n[expected]\natol = 1e-5\n', rest), tensors)

# Strings, turned into numbers by a table of the operator set for classical models.
nodes = [h.make_node("LabelEncoder", ["word"], ["n"], domain="ai.onnx.ml", keys_strings=["yes", "no", "è"], values_floats=[2.0, 3.0, 5.0], default_float=-1.0),
         h.make_node("Mul", ["n", "w"], ["y"])]
graph = h.make_graph(nodes, "text", [value("word", T.STRING, ["n", 1])], [value("y", T.FLOAT, ["n", 1])], [nh.from_array(np.array([0.5], np.float32), "w")])
model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17), h.make_opsetid("ai.onnx.ml", 2)], ir_version=8)
words = ["yes", "è", "no", "other"]
padded = np.array([list(word.encode().ljust(6, b"\0")) for word in words], np.uint8)
tensors = {"input.word": padded, "expected.y": np.array([[1.0], [2.5], [1.5], [-0.5]], np.float32)}
write("text", model, manifest("text", 4, "regression", "mse", '[labels]\ntarget = "expected.y"\n[expected]\natol = 1e-6\n'), tensors)


# Tasks: the graph scales its input by a weight of ones, so that outputs are the cases' own numbers.
def task(name, shape, x, task_name, metric, labels, tensors, values, inputs=(), **more):
    infos = [value("x", T.FLOAT, ["n", *shape])] + [value(k, T.INT64, ["n", "t"]) for k in inputs]
    nodes = [h.make_node("Mul", ["x", "w"], ["y"])]
    if inputs:
        nodes[0].output[0] = "scaled"
        nodes += [h.make_node("Cast", ["mask"], ["m"], to=T.FLOAT), h.make_node("ReduceMin", ["m"], ["low"], keepdims=0),
                  h.make_node("Sub", ["low", "low"], ["none"]), h.make_node("Add", ["scaled", "none"], ["y"])]
    model = build(name, nodes, infos, [value("y", T.FLOAT, ["n", *shape])], {"w": np.ones(shape[-1], np.float32)})
    output = more.pop("output", "")
    suite = manifest(name, len(x), task_name, metric, output + labels, **more)
    write(name, model, suite, {"input.x": x} | tensors)
    wanted[name] = values


n, classes = 120, 8
label = random.integers(0, classes, n)
x = floats(n, classes)
x[np.arange(n), label] += 1.5
rank = (x > x[np.arange(n), label][:, None]).sum(1)
task("choice", [classes], x, "classification", "top_k", '[labels]\ntarget = "label"', {"label": label.astype(np.int64)},
     {"top_k": float((rank < 5).mean()), "accuracy": float((x.argmax(1) == label).mean()),
      "f1_macro": sk.f1_score(label, x.argmax(1), average="macro")}, report=("accuracy", "f1_macro"), head="chance = 0.6\n")

yes = random.integers(0, 2, n)
x = floats(n, 3)
x[:, 1] += yes * 1.2
task("detection", [3], x, "detection", "auc", '[labels]\ntarget = "yes"\nthreshold = 0.6', {"yes": yes.astype(np.int64)},
     {"auc": sk.roc_auc_score(yes, x[:, 1]), "accuracy": float(((x[:, 1] >= 0.6) == yes).mean()),
      "f1_macro": sk.f1_score(yes, x[:, 1] >= 0.6, average="macro")}, output="column = 1\n", report=("accuracy", "f1_macro"))

target = floats(n)
x = (target + 0.4 * floats(n))[:, None].astype(np.float32)
task("regression", [1], x, "regression", "mae", '[labels]\ntarget = "target"', {"target": target},
     {"mae": sk.mean_absolute_error(target, x[:, 0]), "mse": sk.mean_squared_error(target, x[:, 0]), "r2": sk.r2_score(target, x[:, 0]),
      "pearson": stats.pearsonr(target, x[:, 0]).statistic, "spearman": stats.spearmanr(target, x[:, 0]).statistic},
     report=("mse", "r2", "pearson", "spearman"))

tokens, vocabulary, items = 6, 11, 40
target = random.integers(0, vocabulary, (items, tokens))
target[random.random((items, tokens)) < 0.2] = -100
x = floats(items, tokens, vocabulary) * 2
document, size = np.sort(random.integers(0, 9, items)), random.integers(5, 30, items)
logp = x.astype(np.float64) - np.log(np.exp(x.astype(np.float64)).sum(-1, keepdims=True))
scored = target != -100
nats = -np.take_along_axis(logp, np.where(scored, target, 0)[..., None], -1)[..., 0][scored].sum()
kept = np.isin(document, np.unique(document[scored.any(1)]))
task("language", [tokens, vocabulary], x, "language_model", "bits_per_byte",
     '[labels]\ntarget = "target"\ndocuments = "document"\nutf8_bytes = "bytes"',
     {"target": target.astype(np.int64), "document": document.astype(np.int64), "bytes": size.astype(np.int64)},
     {"bits_per_byte": nats / np.log(2) / size[kept].sum(), "perplexity": float(np.exp(nats / scored.sum())),
      "accuracy": float((x.argmax(-1) == target)[scored].mean())}, report=("perplexity", "accuracy"), head="baseline = 2.5\n")

rows, length, width = 30, 5, 8
x = floats(rows, length, width)
mask = np.arange(length)[None] < random.integers(1, length + 1, rows)[:, None]
pooled = (x * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
unit = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
pairs = random.integers(0, rows, (60, 2))
alike = (unit[pairs[:, 0]] * unit[pairs[:, 1]]).sum(1)
human = (alike + 0.2 * floats(60)).astype(np.float32)
task("similarity", [length, width], x, "similarity", "spearman", '[labels]\npairs = "pairs"\nscore = "human"',
     {"input.mask": mask.astype(np.int64), "pairs": pairs.astype(np.int64), "human": human},
     {"spearman": stats.spearmanr(alike, human).statistic, "pearson": stats.pearsonr(alike, human).statistic}, inputs=["mask"],
     output='pool = "masked_mean"\nmask = "mask"\nnormalize = true\n', report=("pearson",))

gallery, queries = floats(40, width), 25
true = random.integers(0, 40, queries)
x = np.concatenate([gallery, gallery[true] + 0.9 * floats(queries, width)]).astype(np.float32)
cosine = (x[40:] @ x[:40].T) / np.linalg.norm(x[40:], axis=1, keepdims=True) / np.linalg.norm(x[:40], axis=1)
task("retrieval", [width], x, "retrieval", "retrieval_at_1", '[labels]\nnearest = "nearest"\nqueries = [40, 65]',
     {"nearest": true.astype(np.int64)}, {"retrieval_at_1": float((cosine.argmax(1) == true).mean())}, output="normalize = true\n", head="chance = 0.025\n")

(HERE / "wanted.json").write_text(json.dumps(wanted, indent=1, default=float) + "\n")
