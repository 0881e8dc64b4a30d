"""PassKit's lists in short: one program whose members are made up page by page, as `bench.house.holder` does.

python -m bench.member_list COUNT      prints its address; it ends with its standard input
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

PROGRAM = {"id": "P", "name": "Bench", "status": ["PROJECT_PUBLISHED"]}
TIER = {"id": "gold", "programId": "P", "name": "Gold"}


class Lists(BaseHTTPRequestHandler):
    """Answers what a sync asks for."""

    protocol_version = "HTTP/1.1"
    count = 0

    def do_POST(self) -> None:
        """A list, or a count."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path.startswith("/members/count/"):
            self._answer([{"total": self.count}])
        elif self.path == "/members/programs/list":
            self._answer([{"result": PROGRAM}])
        elif self.path == "/members/tiers/list":
            self._answer([{"result": TIER}])
        elif self.path.startswith("/members/member/list/"):
            filters = asked["filters"]
            end = min(filters["offset"] + filters["limit"], self.count)
            self._answer([{"result": member(number)} for number in range(filters["offset"], end)])
        else:
            self._answer([])

    def do_GET(self) -> None:
        """Anything else."""
        self._answer([{}])

    def _answer(self, lines: list[dict[str, object]]) -> None:
        body = "".join(json.dumps(line) + "\n" for line in lines).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def member(number: int) -> dict[str, object]:
    """A member as PassKit lists it; its points are not those in the store, so that each is written."""
    return {
        "id": f"{number:022}",
        "externalId": f"M{number:07}",
        "programId": "P",
        "tierId": "gold",
        "status": "ACTIVE",
        "points": number + 1,
        "passStatus": "PASS_INSTALLED",
        "person": {"displayName": f"Anna {number} Lind", "emailAddress": f"anna{number}@example.com"},
        "metaData": {"zip": f"{number % 99999:05}", "city": "Wien"},
        "passMetaData": {"status": "PASS_INSTALLED"},
    }


def main() -> None:
    """Serve until the one who started it is gone."""
    Lists.count = int(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Lists)
    Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
