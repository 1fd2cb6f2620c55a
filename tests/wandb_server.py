"""A stand-in for a W&B server on loopback: takes a run's config, rows and summary, keeps them.

It answers the calls that an online `init`, `log` and `finish` of wandb 0.31 and its `wandb sync`
make (GraphQL, file_stream, uploads), those by which `wandb.Api` reads runs, their rows and files,
and those that save a workspace, and nothing else. As the real one does, it knows a row by its
`_step`, a later row of the same step taking the place of the earlier, and tells a resumed run how
far it got. `die()` cuts every connection, `hang()` takes requests and never
answers: two ways in which a real server disappears from under a run.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "local-" + "k" * 40  # the form wandb asks of a key for a server of one's own
SERVER_INFO = {"cliVersionInfo": {"max_cli_version": "9"}, "features": []}
ACCOUNT = {"id": "a", "entity": "tester", "username": "tester", "teams": {"edges": []}}


@dataclass
class ServedRun:
    """What the server knows of one run."""

    name: str
    project: str = ""
    fields: dict[str, Any] = field(default_factory=dict)  # groupName, displayName, tags ...
    config: dict[str, Any] = field(default_factory=dict)
    by_step: dict[int, dict[str, Any]] = field(default_factory=dict)
    sent: list[int] = field(default_factory=list)  # the steps of all rows that ever came
    summary: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None  # None while it runs
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows as W&B shows them."""
        return [self.by_step[step] for step in sorted(self.by_step)]

    @property
    def state(self) -> str:
        return {None: "running", 0: "finished"}.get(self.exit_code, "failed")

    def setting(self, key: str) -> Any:
        """One root value of the run's config."""
        return self.config[key]["value"]


class WandbServer:
    """Serve on a free port of 127.0.0.1 from construction until `close()` or `die()`.

    `refuse` is a status to answer every GraphQL call with: 401 or 403 is what a wrong key gets.
    """

    def __init__(self, *, refuse: int | None = None) -> None:
        self.runs: dict[str, ServedRun] = {}
        self.deleted: dict[str, ServedRun] = {}
        self.calls: list[str] = []
        self.views: dict[str, dict[str, Any]] = {}  # saved workspaces, by name
        self.refuse = refuse
        self._alive = True
        self._answering = threading.Event()
        self._answering.set()
        self._http = _Listener(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self) -> WandbServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def hang(self) -> None:
        """From now on take requests and answer none."""
        self._answering.clear()

    def die(self) -> None:
        """Refuse new connections and cut the open ones."""
        self._alive = False
        self._answering.set()
        self._http.shutdown()
        self._http.server_close()
        self._http.cut_connections()

    def close(self) -> None:
        """Stop serving; safe to call again."""
        if self._alive:
            self.die()

    def reply(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and JSON for one request."""
        self._answering.wait()
        if path.endswith("/graphql"):
            call = json.loads(body)
            operation = re.search(r"(?:query|mutation)\s+(\w+)", call["query"])
            self.calls.append(operation.group(1) if operation else "?")
            if self.refuse:
                return self.refuse, {"errors": [{"message": "user is not logged in"}]}
            values = call.get("variables") or {}
            if "upsertBucket" in call["query"] and values["name"] in self.deleted:
                told = f"run {values['name']} was previously created and deleted"
                return 409, {"errors": [{"message": told}]}
            return 200, {"data": self._graphql(call["query"], values)}
        if path.endswith("/file_stream"):
            self.calls.append("file_stream")
            self._stream(path.split("/")[-2], json.loads(body))
        return 200, {}

    def _graphql(self, query: str, values: dict[str, Any]) -> dict[str, Any]:
        if "upsertBucket" in query:
            return {"upsertBucket": self._upsert(values)}
        if "historyTail" in query:  # a resume asks what is there already
            return {"model": self._resume_point(values)}
        if "createRunFiles" in query:
            urls = [f"{self.url}/up/{values['run']}/{name}" for name in values["files"]]
            pairs = zip(values["files"], urls, strict=True)
            files = [{"name": name, "uploadUrl": url} for name, url in pairs]
            return {"createRunFiles": {"runID": "", "uploadHeaders": [], "files": files}}
        if "deleteRun" in query:
            name = next(name for name, run in self.runs.items() if _id(run) == values["id"])
            self.deleted[name] = self.runs.pop(name)
            return {"deleteRun": {"clientMutationId": None}}
        if "upsertView" in query:
            new = values["name"] not in self.views
            self.views[values["name"]] = values
            return {"upsertView": {"view": {"id": "v", "name": values["name"]}, "inserted": new}}
        if "project(" in query:
            return {"project": self._project(query, values)}
        return {"serverInfo": SERVER_INFO, "viewer": ACCOUNT}

    def _project(self, query: str, values: dict[str, Any]) -> dict[str, Any] | None:
        """What the public API asks of a project: its runs, a page at a time, or one of them."""
        name = values.get("project") or values.get("name")
        if "allViews" in query:
            found = [view for key, view in self.views.items() if key == values["viewName"]]
            return {"allViews": {"edges": [{"node": view | {"id": "v"}} for view in found]}}
        runs = [run for run in self.runs.values() if run.project == name]
        if not runs:
            return None
        if "runs(" in query:
            first = int(values.get("cursor") or 0)
            page = list(enumerate(runs))[first : first + values["perPage"]]
            end = {
                "endCursor": str(first + len(page)),
                "hasNextPage": first + len(page) < len(runs),
            }
            edges = [{"node": self._node(run), "cursor": str(i + 1)} for i, run in page]
            return {
                "internalId": "1",
                "runCount": len(runs),
                "readOnly": False,
                "runs": {"edges": edges, "pageInfo": end},
            }
        key = values.get("run") or values.get("runName") or values["name"]
        if key not in self.runs:
            return {"run": None}
        run = self.runs[key]
        found = self._node(run)
        if "history(" in query:
            low, high = values["minStep"], values["maxStep"]
            found["history"] = [json.dumps(r) for r in run.rows if low <= r["_step"] < high]
        if "files(" in query:
            edges = [
                {"node": {"id": n, "name": n, "sizeBytes": str(len(b))}, "cursor": n}
                for n, b in run.files.items()
            ]
            page_info = {"endCursor": None, "hasNextPage": False}
            found |= {"fileCount": len(edges), "files": {"edges": edges, "pageInfo": page_info}}
        return {"internalId": "1", "run": found}

    def _node(self, run: ServedRun) -> dict[str, Any]:
        keys = {key: {"typeCounts": []} for row in run.rows for key in row}
        last = run.rows[-1]["_step"] if run.rows else -1
        return self._bucket(run) | {
            "state": run.state,
            "group": run.fields.get("groupName"),
            "jobType": run.fields.get("jobType"),
            "tags": run.fields.get("tags", []),
            "summaryMetrics": json.dumps(run.summary),
            "systemMetrics": "{}",
            "historyKeys": {"lastStep": last, "sets": [], "keys": keys},
            "projectId": "1",
            "user": {"name": "tester", "username": "tester"},
            "createdAt": "2026-01-01T00:00:00Z",
            "heartbeatAt": "2026-01-01T00:00:00Z",
            "parquetHistory": {"parquetUrls": [], "liveData": []},
        }

    def _upsert(self, values: dict[str, Any]) -> dict[str, Any]:
        inserted = values["name"] not in self.runs
        run = self.runs.setdefault(values["name"], ServedRun(values["name"]))
        run.fields |= {key: value for key, value in values.items() if value}
        run.project = values.get("project") or run.project
        run.exit_code = None
        run.config = json.loads(values.get("config") or "null") or run.config
        return {"inserted": inserted, "bucket": self._bucket(run)}

    def _resume_point(self, values: dict[str, Any]) -> dict[str, Any] | None:
        run = self.runs.get(values["name"])
        if run is None:
            return None
        tail = json.dumps([json.dumps(row) for row in run.rows[-1:]])
        counts = {"historyLineCount": len(run.rows), "eventsLineCount": 0, "logLineCount": 0}
        rest = {"historyTail": tail, "eventsTail": "[]", "summaryMetrics": json.dumps(run.summary)}
        times = {"wandbConfig": json.dumps({"t": 1}), "tags": run.fields.get("tags")}
        return {"bucket": self._bucket(run) | counts | rest | times}

    def _bucket(self, run: ServedRun) -> dict[str, Any]:
        project = {"id": "p", "name": run.project, "entity": {"id": "e", "name": "tester"}}
        return {
            "id": _id(run),
            "name": run.name,
            "displayName": run.fields.get("displayName", run.name),
            "config": json.dumps(run.config),
            "historyLineCount": len(run.rows),
            "project": project,
        }

    def _stream(self, name: str, sent: dict[str, Any]) -> None:
        run = self.runs.setdefault(name, ServedRun(name))
        for file, part in (sent.get("files") or {}).items():
            lines = [json.loads(line) for line in part["content"] if file.endswith((".json", "l"))]
            if file == "wandb-history.jsonl":
                run.sent += [line["_step"] for line in lines]
                run.by_step |= {line["_step"]: line for line in lines}
            elif file == "wandb-summary.json":
                run.summary = lines[-1]
        if sent.get("complete"):
            run.exit_code = sent["exitcode"]


def _id(run: ServedRun) -> str:
    return base64.b64encode(f"Run:{run.name}".encode()).decode()


class _Listener(ThreadingHTTPServer):
    """An HTTP server that remembers its connections, so that a death can cut them."""

    daemon_threads = True

    def __init__(self, *args: Any) -> None:
        self._connections: list[socket.socket] = []
        super().__init__(*args)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.append(connection)
        return connection, address

    def cut_connections(self) -> None:
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client had closed it

    def handle_error(self, *_: Any) -> None:
        """Say nothing: broken connections are what some tests are about."""


def _handler(server: WandbServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.reply("/", b"")  # or wait, where the server hangs
            self._answer(404, {})

        def do_PUT(self) -> None:
            _, _, run, name = self.path.split("/", 3)
            server.runs[run].files[name] = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(200, {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            self._answer(*server.reply(self.path, body))

        def _answer(self, status: int, reply: dict[str, Any]) -> None:
            content = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
