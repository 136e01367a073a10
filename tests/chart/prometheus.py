"""Debian's Prometheus, scraping one address, with rules."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import time
import urllib.parse
import urllib.request

import yaml
from git_server import free_port

START_DEADLINE_S = 60
SCRAPE_INTERVAL = "500ms"


def missing_program() -> str | None:
    return next((name for name in ("prometheus", "promtool") if shutil.which(name) is None), None)


class Prometheus:
    def __init__(self, folder: pathlib.Path, job: str, target: str, rules: pathlib.Path) -> None:
        self._folder = folder
        self._address = f"127.0.0.1:{free_port()}"
        self._config = {
            "global": {"scrape_interval": SCRAPE_INTERVAL, "evaluation_interval": SCRAPE_INTERVAL},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": job, "scrape_timeout": SCRAPE_INTERVAL,
                                "static_configs": [{"targets": [target]}]}]}
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> Prometheus:
        self._folder.mkdir()
        config = self._folder / "prometheus.yaml"
        config.write_text(yaml.safe_dump(self._config))
        with open(self._folder / "log", "w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={self._folder}/data",
                 f"--web.listen-address={self._address}", "--log.level=warn"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.wait_until("it is ready", lambda: self._get("/-/ready") is not None, START_DEADLINE_S)
        return self

    def __exit__(self, *_) -> None:
        self._process.kill()
        self._process.wait(timeout=10)

    def query(self, expression: str) -> list[dict]:
        """The series of an instant query. Errors: AssertionError with what Prometheus says."""
        return self._api("query", query=expression)["result"]

    def rules(self) -> list[dict]:
        return [rule for group in self._api("rules")["groups"] for rule in group["rules"]]

    def wait_until(self, what: str, holds, deadline_s: float = 60):
        end = time.monotonic() + deadline_s
        while not (value := holds()):
            if time.monotonic() > end or self._process.poll() is not None:
                raise AssertionError(f"not within {deadline_s} s: {what}\n{(self._folder / 'log').read_text()}")
            time.sleep(0.05)
        return value

    def _api(self, what: str, **parameters: str) -> dict:
        body = self._get(f"/api/v1/{what}?{urllib.parse.urlencode(parameters)}")
        assert body is not None, f"no answer to {what} {parameters}"
        answer = json.loads(body)
        assert answer["status"] == "success", answer
        return answer["data"]

    def _get(self, path: str) -> str | None:
        try:
            with urllib.request.urlopen(f"http://{self._address}{path}", timeout=10) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.read().decode() if path.startswith("/api/") else None
        except OSError:
            return None
