"""The peer of two benchmarks: ONNX Runtime driven from Python, one command a line, one JSON object an answer."""

import json
import os
import sys
import time

# Before the import: ONNX Runtime writes an identifier of the machine and sends reports otherwise.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy
import onnxruntime


def open_session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.disable_prepacking", "1")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def bind(session, rows, width):
    binding = session.io_binding()
    values = numpy.zeros((rows, width), numpy.float32)
    binding.bind_ortvalue_input("x", onnxruntime.OrtValue.ortvalue_from_numpy(values))
    binding.bind_ortvalue_output("y", onnxruntime.OrtValue.ortvalue_from_numpy(values.copy()))
    return binding


def peak_bytes():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024


path, rows, width = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
session = open_session(path)
binding = bind(session, rows, width)
session.run_with_iobinding(binding)
print(json.dumps({"version": onnxruntime.__version__, "peak_bytes": peak_bytes()}), flush=True)
for line in sys.stdin:
    samples = int(line)
    start = time.perf_counter_ns()
    for _ in range(samples):
        session.run_with_iobinding(binding)
    print(json.dumps({"ns": time.perf_counter_ns() - start}), flush=True)
