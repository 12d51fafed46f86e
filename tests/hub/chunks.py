"""One step of a user of the stock client whose large files go as it likes best, against a running server.

    HF_ENDPOINT=http://127.0.0.1:PORT/hf HF_TOKEN=mf_... HF_HOME=FOLDER python chunks.py STEP FOLDER

Steps share FOLDER and HF_HOME. Each ends with an exception where something differs.
"""

import hashlib
import sys
from pathlib import Path

import huggingface_hub as hub
from huggingface_hub import HfApi

api = HfApi()
step, folder = sys.argv[1], Path(sys.argv[2])
path = folder / "large.dat"
repo = api.whoami()["name"] + "/chunks"


def noise(megabytes, seed):
    """Bytes that compress nowhere and repeat nowhere."""
    state = hashlib.sha256(seed.encode()).digest()
    return hashlib.shake_256(state).digest(megabytes << 20)


def upload(name):
    return api.upload_file(path_or_fileobj=str(path), path_in_repo=name, repo_id=repo)


def check(name):
    got = hub.hf_hub_download(repo, name, local_dir=folder / step)
    assert Path(got).read_bytes() == path.read_bytes(), name


if step == "first":
    api.create_repo(repo)
    path.write_bytes(noise(150, "one"))  # chunks of several xorbs
    upload("large.dat")
    check("large.dat")
elif step == "again":
    head = api.model_info(repo).sha
    upload("large.dat")
    assert api.model_info(repo).sha == head, "the same bytes made a commit"
    upload("copy.dat")
    check("copy.dat")
elif step == "edited":
    data = bytearray(path.read_bytes())
    data[70_000_000:70_004_096] = noise(1, "edit")[:4096]
    path.write_bytes(data)
    upload("large.dat")
    check("large.dat")
elif step == "folder":
    place = folder / "several"
    place.mkdir()
    for number in range(2):
        (place / f"{number}.dat").write_bytes(noise(36, f"file {number}"))
    (place / "note.txt").write_text("small")
    api.upload_folder(folder_path=str(place), repo_id=repo)
    for number in range(2):
        got = hub.hf_hub_download(repo, f"{number}.dat", local_dir=folder / step)
        assert Path(got).read_bytes() == (place / f"{number}.dat").read_bytes()
elif step == "parts":
    path.write_bytes(noise(130, hub.__version__))  # two whole parts and a rest
    api.create_repo(repo, exist_ok=True)
    upload(f"parts-{hub.__version__}.dat")
    check(f"parts-{hub.__version__}.dat")
else:
    raise SystemExit(f"no step {step}")
print("done")
