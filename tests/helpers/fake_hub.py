"""A Hugging Face Hub on a loopback socket, in memory, for tests.

It speaks the routes that huggingface_hub and datasets use to create a repository, commit
files (regular and LFS), list, and read them back, with the Hub's own error codes. Point
HF_ENDPOINT at `url`, with HF_HUB_DISABLE_XET=1, before huggingface_hub is imported.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_test_token"
USER = "tester"
LFS_SUFFIXES = (".parquet", ".safetensors")


@dataclass
class Repo:
    private: bool
    commits: list[dict[str, bytes]] = field(default_factory=lambda: [{}])
    messages: list[str] = field(default_factory=lambda: ["initial commit"])
    branches: dict[str, int] = field(default_factory=lambda: {"main": 0})

    def files(self, revision: str = "main") -> dict[str, bytes]:
        return self.commits[self.branches[revision]]

    def oid(self, revision: str) -> str:
        return f"{self.branches[revision]:040x}"

    def resolve(self, revision: str) -> str | None:
        """The branch that a branch name or a commit id means."""
        if revision in self.branches:
            return revision
        return next((name for name in self.branches if self.oid(name) == revision), None)


class FakeHub(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repos: dict[tuple[str, str], Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def repo(self, repo_id: str, kind: str = "datasets") -> Repo:
        return self.repos[kind, repo_id]

    def __enter__(self) -> FakeHub:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


def git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def describe(path: str, content: bytes) -> dict[str, Any]:
    """One file as the tree and paths-info routes list it."""
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": git_oid(content)}
    if path.endswith(LFS_SUFFIXES):
        sha = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": sha, "size": len(content), "pointerSize": 128}
    return entry


class Handler(BaseHTTPRequestHandler):
    server: FakeHub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.route()

    def do_HEAD(self) -> None:
        self.route()

    def do_POST(self) -> None:
        self.route()

    def do_PUT(self) -> None:
        self.route()

    def log_message(self, *_: object) -> None:
        pass

    def route(self) -> None:
        url = urlsplit(self.path)
        self.query = parse_qs(url.query)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            self.body = self.read_chunks()
        with self.server.lock:
            self.server.requests.append(f"{self.command} {url.path}")
            for method, pattern, function in ROUTES:
                match = re.fullmatch(pattern, url.path)
                if match and self.command in method:
                    return function(self, *(unquote(part or "") for part in match.groups()))
        self.fail(404, "EntryNotFound", f"no route {self.command} {url.path}")

    def read_chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def reply(self, value: Any, status: int = 200, **headers: str) -> None:
        self.send(json.dumps(value).encode(), status, **{"Content-Type": "application/json", **headers})

    def send(self, content: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def fail(self, status: int, code: str, message: str) -> None:
        self.reply({"error": message}, status, X_Error_Code=code, X_Error_Message=message)

    def authorised(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def find(self, kind: str, repo_id: str, revision: str = "main") -> tuple[Repo, str] | None:
        """The repository and the branch; answers the request itself when there is none."""
        repo = self.server.repos.get((kind, repo_id))
        if repo is None or (repo.private and not self.authorised()):
            self.fail(404 if self.authorised() else 401, "RepoNotFound", "Repository not found")
            return None
        branch = repo.resolve(revision)
        if branch is None:
            self.fail(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return None
        return repo, branch

    def whoami(self) -> None:
        if not self.authorised():
            return self.fail(401, "", "Invalid username or password.")
        self.reply({"name": USER, "type": "user", "orgs": []})

    def create(self) -> None:
        if not self.authorised():
            return self.fail(401, "", "Invalid username or password.")
        wanted = json.loads(self.body)
        kind = f"{wanted.get('type', 'model')}s"
        owner = wanted.get("organization") or USER
        if owner != USER:
            return self.fail(403, "", f"You don't have the rights to create a {kind[:-1]} under {owner!r}")
        repo_id = f"{owner}/{wanted['name']}"
        url = f"{self.server.url}/{'datasets/' if kind == 'datasets' else ''}{repo_id}"
        if (kind, repo_id) in self.server.repos:
            return self.reply({"error": "You already created this repo", "url": url}, 409)
        self.server.repos[kind, repo_id] = Repo(private=wanted.get("visibility") == "private")
        self.reply({"url": url, "name": repo_id, "id": repo_id})

    def info(self, kind: str, repo_id: str, revision: str) -> None:
        if found := self.find(kind, repo_id, revision or "main"):
            repo, branch = found
            self.reply(
                {
                    "id": repo_id,
                    "private": repo.private,
                    "sha": repo.oid(branch),
                    "tags": [],
                    "downloads": 0,
                    "siblings": [{"rfilename": path} for path in sorted(repo.files(branch))],
                }
            )

    def branch(self, kind: str, repo_id: str, name: str) -> None:
        if found := self.find(kind, repo_id):
            repo, _ = found
            if name in repo.branches:
                return self.fail(409, "", f"Reference already exists: {name}")
            repo.branches[name] = repo.branches["main"]
            self.reply({})

    def preupload(self, kind: str, repo_id: str, revision: str) -> None:
        if found := self.find(kind, repo_id, revision):
            repo, branch = found
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(LFS_SUFFIXES) else "regular",
                    "shouldIgnore": False,
                    "oid": old_oid(repo.files(branch), file["path"]),
                }
                for file in json.loads(self.body)["files"]
            ]
            self.reply({"files": files})

    def lfs_batch(self, kind: str, repo_id: str) -> None:
        objects = [
            {**blob, "actions": {"upload": {"href": f"{self.server.url}/lfs/{blob['oid']}"}}}
            if blob["oid"] not in self.server.blobs
            else blob
            for blob in json.loads(self.body)["objects"]
        ]
        self.reply({"transfer": "basic", "objects": objects})

    def lfs_put(self, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            return self.fail(400, "", "the content does not have this hash")
        self.server.blobs[oid] = self.body
        self.send(b"")

    def commit(self, kind: str, repo_id: str, revision: str) -> None:
        found = self.find(kind, repo_id, revision)
        if not found:
            return
        repo, branch = found
        files = dict(repo.files(branch))
        for line in self.body.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            match operation["key"]:
                case "header":
                    repo.messages.append(value["summary"])
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.server.blobs[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
                case "deletedFolder":
                    files = {path: data for path, data in files.items() if not path.startswith(value["path"])}
        repo.commits.append(files)
        repo.branches[branch] = len(repo.commits) - 1
        oid = repo.oid(branch)
        self.reply(
            {"success": True, "commitOid": oid, "commitUrl": f"{self.server.url}/{repo_id}/commit/{oid}"}
        )

    def tree(self, kind: str, repo_id: str, revision: str, folder: str) -> None:
        if found := self.find(kind, repo_id, revision):
            repo, branch = found
            prefix = f"{folder}/" if folder else ""
            listed = {path: data for path, data in repo.files(branch).items() if path.startswith(prefix)}
            if folder and not listed:
                return self.fail(404, "EntryNotFound", f"{folder} does not exist on {revision!r}")
            entries = [describe(path, data) for path, data in sorted(listed.items())]
            if "true" not in [value.lower() for value in self.query.get("recursive", [])]:
                entries = [entry for entry in entries if "/" not in entry["path"][len(prefix) :]]
                entries += folders(listed, prefix)
            self.reply(entries)

    def paths_info(self, kind: str, repo_id: str, revision: str) -> None:
        if found := self.find(kind, repo_id, revision):
            repo, branch = found
            wanted = json.loads(self.body) if self.body.startswith(b"{") else parse_qs(self.body.decode())
            files = repo.files(branch)
            entries = [describe(path, files[path]) for path in wanted["paths"] if path in files]
            entries += [folder for folder in folders(files, "") if folder["path"] in wanted["paths"]]
            self.reply(entries)

    def refs(self, kind: str, repo_id: str) -> None:
        if found := self.find(kind, repo_id):
            repo, _ = found
            names = [
                {"name": n, "ref": f"refs/heads/{n}", "targetCommit": repo.oid(n)} for n in repo.branches
            ]
            self.reply({"branches": names, "converts": [], "tags": [], "pullRequests": []})

    def validate_card(self) -> None:
        self.reply({"errors": [], "warnings": []})

    def resolve(self, kind: str, repo_id: str, revision: str, path: str) -> None:
        found = self.find(kind or "models", repo_id, revision)
        if not found:
            return
        repo, branch = found
        content = repo.files(branch).get(path)
        if content is None:
            return self.fail(404, "EntryNotFound", f"{path} does not exist")
        about = {"ETag": f'"{git_oid(content)}"', "X_Repo_Commit": repo.oid(branch), "Accept_Ranges": "bytes"}
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(match[1]), min(int(match[2] or len(content)), len(content) - 1)
            about["Content_Range"] = f"bytes {first}-{last}/{len(content)}"
            return self.send(content[first : last + 1], 206, **about)
        self.send(content, 200, **about, Content_Length=str(len(content)))


def old_oid(files: dict[str, bytes], path: str) -> str | None:
    return git_oid(files[path]) if path in files and not path.endswith(LFS_SUFFIXES) else None


def folders(files: dict[str, bytes], prefix: str) -> list[dict[str, Any]]:
    names = {path[len(prefix) :].split("/")[0] for path in files if "/" in path[len(prefix) :]}
    return [
        {"type": "directory", "path": prefix + name, "oid": "0" * 40, "size": 0} for name in sorted(names)
    ]


API = r"/api/(datasets|models)/([^/]+/[^/]+)"
ROUTES = [
    ("GET", r"/api/whoami-v2", Handler.whoami),
    ("POST", r"/api/repos/create", Handler.create),
    ("POST", r"/api/validate-yaml", Handler.validate_card),
    ("POST", API + r"/branch/([^/]+)", Handler.branch),
    ("POST", API + r"/preupload/([^/]+)", Handler.preupload),
    ("POST", API + r"/commit/([^/]+)", Handler.commit),
    ("POST", API + r"/paths-info/([^/]+)", Handler.paths_info),
    ("GET", API + r"/tree/([^/]+)(?:/(.*))?", Handler.tree),
    ("GET", API + r"/refs", Handler.refs),
    ("GET", API + r"(?:/revision/([^/]+))?", Handler.info),
    ("POST", r"/(?:(datasets)/)?([^/]+/[^/]+)\.git/info/lfs/objects/batch", Handler.lfs_batch),
    ("PUT", r"/lfs/([0-9a-f]+)", Handler.lfs_put),
    ("GET HEAD", r"/(?:(datasets)/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", Handler.resolve),
]
