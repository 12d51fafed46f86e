"""What a user of the stock Hugging Face client does, against a running server.

    HF_ENDPOINT=http://127.0.0.1:PORT/hf HF_TOKEN=mf_... python conformance.py CHECKPOINT GRAPH

Prints one line a step; ends with an exception at the first step that differs.
"""

import hashlib
import io
import json
import os
import struct
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import huggingface_hub as hub
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi
from huggingface_hub.utils import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

VERSION = hub.__version__
TAG = "v" + VERSION.replace(".", "-") + ("-xet" if not os.environ.get("HF_HUB_DISABLE_XET") else "")
api = HfApi()
owner = None
made = tempfile.TemporaryDirectory()
folder = Path(made.name)


def step(text):
    print(f"{VERSION}: {text}", flush=True)


def safetensors(path, megabytes, seed):
    """A file of four tensors, its bytes told by the seed."""
    each = megabytes * (1 << 20) // 4 // 4 * 4
    header, at = {}, 0
    for index in range(4):
        header[f"layer.{index}.weight"] = {"dtype": "F32", "shape": [each // 4], "data_offsets": [at, at + each]}
        at += each
    text = json.dumps(header).encode()
    block = hashlib.sha256(seed.encode()).digest() * 32768
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        left = at
        while left:
            left -= file.write(block[: min(left, len(block))])
    return path


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def refused(kind, *needles, call):
    try:
        call()
    except kind as error:
        text = f"{getattr(getattr(error, 'response', None), 'status_code', '')} {error}"
        assert all(needle in text for needle in needles), text
        return error
    raise AssertionError(f"was not refused: {needles}")


def identity_and_repository(repo):
    who = api.whoami()
    assert who["name"] == owner and who["orgs"] == [], who
    url = api.create_repo(repo)
    assert str(url).endswith(repo), url
    assert str(api.create_repo(repo, exist_ok=True)) == str(url)
    refused(HfHubHTTPError, "409", call=lambda: api.create_repo(repo))
    refused(HfHubHTTPError, "403", call=lambda: api.create_repo("somebody-else/x"))
    hidden = repo + "-hidden"
    api.create_repo(hidden, private=True)
    api.upload_file(path_or_fileobj=b"secret", path_in_repo="secret.txt", repo_id=hidden)
    assert api.model_info(hidden).private and not api.model_info(repo).private
    assert Path(hub.hf_hub_download(hidden, "secret.txt", cache_dir=folder / "cache")).read_bytes() == b"secret"
    stranger = HfApi(token=False)
    refused(RepositoryNotFoundError, call=lambda: stranger.model_info(hidden))
    assert stranger.model_info(repo).id == repo
    assert hidden not in {model.id for model in stranger.list_models(author=owner, limit=1000)}
    assert hidden in {model.id for model in api.list_models(author=owner, limit=1000)}
    refused(RepositoryNotFoundError, call=lambda: api.model_info(owner + "/nothing"))
    refused(HfHubHTTPError, "yank", call=lambda: api.delete_repo(repo))
    refused(Exception, "nvalid user token", call=lambda: HfApi(token="mf_wrong").whoami())
    step("whoami, create_repo")


def small_files(repo):
    path = safetensors(folder / "small.safetensors", 3, TAG)
    done = api.upload_file(path_or_fileobj=path, path_in_repo="small.safetensors", repo_id=repo)
    commit = getattr(done, "oid", None) or api.model_info(repo).sha
    assert len(commit) == 40
    got = hub.hf_hub_download(repo, "small.safetensors", cache_dir=folder / "cache")
    assert digest(got) == digest(path)
    again = api.upload_file(path_or_fileobj=path, path_in_repo="small.safetensors", repo_id=repo)
    assert getattr(again, "oid", commit) == commit, "an equal file made a commit"
    card = b"---\nlicense: mit\n---\n# A model\n"
    api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id=repo)
    step("upload_file of 3 MB, again without a commit, README.md")
    return commit


def large_file(repo):
    path = safetensors(folder / "large.safetensors", 40, "large" + TAG)
    upload_large(repo, str(path))
    got = hub.hf_hub_download(repo, "weights/large.safetensors", cache_dir=folder / "cache")
    assert digest(got) == digest(path)
    assert digest(path) in os.path.realpath(got), "the cache is not named by the digest"
    before = api.model_info(repo).sha
    upload_large(repo, io.BytesIO(path.read_bytes()), "weights/copy.safetensors")
    upload_large(repo, str(path))  # again: nothing is sent, and nothing is committed
    assert api.model_info(repo).sha != before
    step("upload_file of 40 MB, the same bytes under another name")


def upload_large(repo, source, path="weights/large.safetensors"):
    return api.upload_file(path_or_fileobj=source, path_in_repo=path, repo_id=repo)


def folders(repo, checkpoint, graph):
    place = folder / "folder"
    (place / "sub").mkdir(parents=True)
    for name, source in (("model.safetensors", checkpoint), ("graph.onnx", graph)):
        (place / name).write_bytes(Path(source).read_bytes())
    (place / "config.json").write_text("{}")
    (place / "sub" / "empty.txt").write_bytes(b"")
    api.upload_folder(folder_path=str(place), repo_id=repo, commit_message="a model and its graph")
    files = set(api.list_repo_files(repo))
    assert {"model.safetensors", "graph.onnx", "config.json", "sub/empty.txt", "README.md"} <= files, files
    info = api.model_info(repo, files_metadata=True)
    assert info.id == repo and info.sha and info.author == owner
    model = next(file for file in info.siblings if file.rfilename == "model.safetensors")
    assert model.lfs.sha256 == digest(checkpoint) and model.size == Path(checkpoint).stat().st_size
    assert info.safetensors.total > 0, info.safetensors
    metadata = api.get_safetensors_metadata(repo)
    assert sum(metadata.parameter_count.values()) == info.safetensors.total
    step("upload_folder, list, info, get_safetensors_metadata")
    return info.sha


def trees(repo):
    top = {entry.path for entry in api.list_repo_tree(repo)}
    assert {"sub", "weights", "README.md"} <= top and "sub/empty.txt" not in top, top
    deep = {entry.path for entry in api.list_repo_tree(repo, recursive=True)}
    assert "weights/large.safetensors" in deep
    found = api.get_paths_info(repo, ["README.md", "sub", "nothing"])
    assert {entry.path for entry in found} == {"README.md", "sub"}, found
    assert api.file_exists(repo, "README.md") and not api.file_exists(repo, "nothing")
    assert api.repo_exists(repo) and not api.revision_exists(repo, "nothing")
    meta = hub.get_hf_file_metadata(hub.hf_hub_url(repo, "weights/large.safetensors"))
    assert meta.etag == digest(folder / "large.safetensors") and meta.size == (folder / "large.safetensors").stat().st_size
    refused(EntryNotFoundError, call=lambda: hub.hf_hub_download(repo, "nothing", cache_dir=folder / "cache"))
    refused(RevisionNotFoundError, call=lambda: api.list_repo_commits(repo, revision="nothing"))
    assert repo in {model.id for model in api.list_models(search=repo.split("/")[1][:-1])}
    assert repo in {model.id for model in api.list_models(author=owner, limit=1000)}
    assert not list(api.list_models(search="no such name at all"))
    step("tree, paths, file metadata, search, errors by their classes")


def revisions(repo, first, head):
    api.create_tag(repo, tag="v1", revision=first, tag_message="the first")
    refused(HfHubHTTPError, "409", call=lambda: api.create_tag(repo, tag="v1"))
    api.create_tag(repo, tag="v1", exist_ok=True)
    api.create_branch(repo, branch="dev/x", revision="v1")
    refs = api.list_repo_refs(repo)
    assert {(ref.name, ref.target_commit) for ref in refs.tags} == {("v1", first)}
    assert {ref.name: ref.target_commit for ref in refs.branches} == {"main": head, "dev/x": first}
    api.upload_file(path_or_fileobj=b"dev", path_in_repo="dev.txt", repo_id=repo, revision="dev/x")
    got = hub.hf_hub_download(repo, "dev.txt", revision="dev/x", cache_dir=folder / "cache")
    assert Path(got).read_bytes() == b"dev" and not api.file_exists(repo, "dev.txt")
    by_commit = hub.hf_hub_download(repo, "model.safetensors", revision=head, cache_dir=folder / "cache")
    by_branch = hub.hf_hub_download(repo, "model.safetensors", revision="main", cache_dir=folder / "cache")
    assert by_commit == by_branch
    titles = [commit.title for commit in api.list_repo_commits(repo)]
    assert titles[0] == "a model and its graph" and titles[-1] == "initial commit", titles
    api.delete_tag(repo, tag="v1")
    api.delete_branch(repo, branch="dev/x")
    assert not api.list_repo_refs(repo).tags
    step("tags, branches, commits, download by branch and commit")


def snapshots(repo):
    whole = Path(hub.snapshot_download(repo, cache_dir=folder / "snapshots"))
    files = {str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file()}
    assert files == set(api.list_repo_files(repo)), files
    assert digest(whole / "model.safetensors") == digest(folder / "folder" / "model.safetensors")
    assert (whole / "sub" / "empty.txt").read_bytes() == b""
    local = hub.snapshot_download(repo, local_dir=folder / "local", allow_patterns=["*.json", "*.md"])
    assert (Path(local) / "config.json").read_text() == "{}"
    step("snapshot_download")


def commits(repo):
    head = api.model_info(repo).sha
    done = api.create_commit(
        repo,
        operations=[
            CommitOperationAdd("a/one.txt", b"one"),
            CommitOperationAdd("a/two.txt", b"two"),
            CommitOperationCopy("weights/large.safetensors", "a/large.safetensors"),
            CommitOperationDelete("config.json"),
        ],
        commit_message="several at once",
        parent_commit=head,
    )
    files = set(api.list_repo_files(repo))
    assert {"a/one.txt", "a/large.safetensors"} <= files and "config.json" not in files
    stale = lambda: api.create_commit(
        repo, operations=[CommitOperationAdd("b", b"b")], commit_message="late", parent_commit=head
    )
    refused(HfHubHTTPError, "412", call=stale)
    api.delete_file("README.md", repo)
    api.delete_folder("a", repo)
    files = set(api.list_repo_files(repo))
    assert "README.md" not in files and not any(file.startswith("a/") for file in files), files
    old = hub.hf_hub_download(repo, "README.md", revision=done.oid, cache_dir=folder / "cache")
    assert b"# A model" in Path(old).read_bytes(), "a deleted file is gone from an old commit"
    for _ in range(2):  # the second changes nothing, and is no commit and no version
        api.upload_file(path_or_fileobj=b"same", path_in_repo="same.txt", repo_id=repo)
    assert len([commit for commit in api.list_repo_commits(repo) if "same.txt" in commit.title]) == 1
    step("create_commit with copies and deletions, stale parent, delete_file, delete_folder")


def refusals(repo):
    head = api.model_info(repo).sha
    put = lambda data, name: lambda: api.upload_file(path_or_fileobj=data, path_in_repo=name, repo_id=repo)
    refused(HfHubHTTPError, "400", "save_file", call=put(b"PK", "pytorch_model.bin"))
    refused(HfHubHTTPError, "400", "bad.safetensors", call=put(b"not at all", "bad.safetensors"))
    text = json.dumps({"w": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}).encode()
    hostile = struct.pack("<Q", len(text)) + text + bytes(8)
    refused(HfHubHTTPError, "400", '"w"', "12 bytes", call=put(hostile, "hostile.safetensors"))
    # Too long for the sample: only the whole header shows that it is wrong.
    tensors = {f"t{i:04}": {"dtype": "U8", "shape": [1], "data_offsets": [i, i + 1]} for i in range(100)}
    tensors["t0099"]["data_offsets"] = [100, 101]
    text = json.dumps(tensors).encode()
    hole = struct.pack("<Q", len(text)) + text + bytes(101)
    refused(HfHubHTTPError, "400", '"t0099"', "hole", call=put(hole, "hole.safetensors"))
    assert api.model_info(repo).sha == head, "a refusal left a commit"
    step("refusals: pickle, hostile safetensors")


def command_line(repo):
    name = "hf" if int(VERSION.split(".")[0]) else "huggingface-cli"
    program = str(Path(sys.executable).with_name(name))
    (folder / "note.txt").write_text("by the command line")

    def run(*words):
        done = subprocess.run([program, *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert owner in run("auth", "whoami") if name == "hf" else owner in run("whoami")
    run("upload", repo, str(folder / "note.txt"), "note.txt")
    run("download", repo, "note.txt", "--local-dir", str(folder / "cli"))
    assert (folder / "cli" / "note.txt").read_text() == "by the command line"
    step(f"command line: {name} whoami, upload, download")


def main():
    global owner
    warnings.simplefilter("ignore")
    checkpoint, graph = sys.argv[1:3]
    owner = api.whoami()["name"]
    repo = f"{owner}/net-{TAG}"
    identity_and_repository(repo)
    first = small_files(repo)
    large_file(repo)
    head = folders(repo, checkpoint, graph)
    trees(repo)
    revisions(repo, first, head)
    snapshots(repo)
    commits(repo)
    refusals(repo)
    command_line(repo)
    print(json.dumps({"repo": repo, "version": head[:12], "checkpoint": digest(checkpoint)}))


main()
