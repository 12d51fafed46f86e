#!/usr/bin/env python3
"""Makes suite/ from the hold-out set that make_demo.py writes. Standard library only.

    python3 make_suite.py EVAL.safetensors

Renames the tensors (image -> input.image), copies their bytes unchanged, and takes mlp/step-0270 as the frozen reference.
"""
import hashlib, json, pathlib, shutil, struct, sys

HERE = pathlib.Path(__file__).resolve().parent
SUITE = HERE / "suite"
RENAMED = {"image": "input.image", "label": "label"}

TOML = """\
id = "fashion-mnist-4k"
version = 1
task = "classification"
metric = "accuracy"
chance = 0.104
items = 4000
licence = "MIT"
source = "Fashion-MNIST test images 0..3999"

[input.image]
batch_axis = 0

[output]
name = "logits"

[labels]
target = "label"

[reference]
digest = "sha256:{digest}"
q_genesis = 5.306370703413202

[cost]
overhead_ms = 1.0
"""


def main():
    data = pathlib.Path(sys.argv[1]).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    head, body = json.loads(data[8:8 + length]), data[8 + length:]
    head.pop("__metadata__", None)
    # Offsets stay as they are, so the order of the bytes does too.
    head = {RENAMED[name]: head[name] for name in sorted(head, key=lambda n: head[n]["data_offsets"])}
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (SUITE / "reference").mkdir(parents=True, exist_ok=True)
    (SUITE / "cases.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + body)
    shutil.copyfile(HERE / "mlp/step-0270.safetensors", SUITE / "reference/model.safetensors")
    shutil.copyfile(HERE / "mlp/graph.onnx", SUITE / "reference/graph.onnx")
    digest = hashlib.sha256((SUITE / "reference/model.safetensors").read_bytes()).hexdigest()
    (SUITE / "suite.toml").write_text(TOML.format(digest=digest))


if __name__ == "__main__":
    main()
