"""What a user of the stock Hugging Face client does with a checkpoint in shards, against a running server.

    HF_ENDPOINT=http://127.0.0.1:PORT/hf HF_TOKEN=mf_... python shards.py FOLDER

FOLDER holds shards, their index and a graph. Ends with an exception at the first step that differs.
"""

import hashlib
import json
import sys
import tempfile
import warnings
from pathlib import Path

import huggingface_hub as hub
from huggingface_hub import HfApi

VERSION = hub.__version__
INDEX = "model.safetensors.index.json"
api = HfApi()


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def main():
    warnings.simplefilter("ignore")
    source = Path(sys.argv[1])
    index = json.loads((source / INDEX).read_text())
    repo = f"{api.whoami()['name']}/shards-{VERSION.replace('.', '-')}"
    api.create_repo(repo)
    api.upload_folder(folder_path=str(source), repo_id=repo, commit_message="shards and their graph")
    info = api.model_info(repo, files_metadata=True)
    assert {file.rfilename for file in info.siblings} == {path.name for path in source.iterdir()}
    metadata = api.get_safetensors_metadata(repo)
    assert metadata.sharded and metadata.weight_map == index["weight_map"], metadata
    assert metadata.metadata == index["metadata"], metadata.metadata
    assert sum(metadata.parameter_count.values()) == info.safetensors.total > 0
    if hasattr(api, "get_sharded_safetensors_metadata"):
        whole = api.get_sharded_safetensors_metadata(repo)
        assert whole.weight_map == metadata.weight_map and whole.files_metadata == metadata.files_metadata, whole
        print(f"{VERSION}: get_sharded_safetensors_metadata")
    with tempfile.TemporaryDirectory() as place:
        local = Path(hub.snapshot_download(repo, local_dir=place))
        for path in source.iterdir():
            assert digest(local / path.name) == digest(path), path
    print(f"{VERSION}: upload_folder, info, get_safetensors_metadata, snapshot_download of shards")
    print(json.dumps({"repo": repo, "version": info.sha[:12]}))


main()
