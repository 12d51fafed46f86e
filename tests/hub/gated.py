"""What the stock client says of a gated model, and does once it was granted. Arguments: safetensors file, other's token."""

import json
import os
import sys
import tempfile
import urllib.request

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import GatedRepoError

weights, other = sys.argv[1:]
endpoint = os.environ["HF_ENDPOINT"]
lab = HfApi(endpoint=endpoint)
reader = HfApi(endpoint=endpoint, token=other)
repo = lab.create_repo("gated").repo_id
lab.upload_file(path_or_fileobj=weights, path_in_repo="model.safetensors", repo_id=repo)


def download(token):
    # A folder of its own, so that nothing comes out of a cache.
    folder = tempfile.mkdtemp(dir=os.environ["HF_HOME"])
    return hf_hub_download(repo, "model.safetensors", token=token, endpoint=endpoint, cache_dir=folder)


assert reader.model_info(repo).gated is False
download(other)
for gated in ("manual", "auto"):
    lab.update_repo_settings(repo, gated=gated)
    info = reader.model_info(repo)
    assert info.gated == gated and info.private is False, info
    assert [file.path for file in reader.list_repo_tree(repo)], "the tree stays visible"
    for token in (other, False):
        try:
            download(token)
        except GatedRepoError as error:
            assert error.response.headers["X-Error-Code"] == "GatedRepo"
        else:
            raise SystemExit("a gated file was downloaded")
    download(None)

try:
    reader.update_repo_settings(repo, gated=False)
except Exception as error:
    assert error.response.status_code == 403, error
else:
    raise SystemExit("a stranger opened the gate")

query = "mutation { accessRequest(input: { model: \"%s\", message: \"x\", idempotencyKey: \"x\" }) { request { state } } }" % repo
request = urllib.request.Request(
    endpoint.removesuffix("/hf") + "/graphql",
    json.dumps({"query": query}).encode(),
    {"content-type": "application/json", "authorization": f"Bearer {other}"},
)
answer = json.load(urllib.request.urlopen(request))
assert answer["data"]["accessRequest"]["request"]["state"] == "GRANTED", answer
with open(download(other), "rb") as got, open(weights, "rb") as sent:
    assert got.read() == sent.read()
lab.update_repo_settings(repo, gated=False)
download(False)
print(json.dumps({"repo": repo}))
