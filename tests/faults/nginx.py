"""nginx before a registry, as people put it there."""

from __future__ import annotations

import os
import pathlib
import shutil

from server_process import Server

CONFIG = """\
daemon off; master_process off; pid {folder}/run/nginx.pid; error_log {folder}/logs/nginx-error.log;
{user}
events {{ worker_connections 64; }}
http {{
  access_log {folder}/logs/nginx-access.log;
  {temporary}
  server {{
    listen {address}{tls};
    client_max_body_size {body_limit};
    {certificate}
    location / {{
      proxy_pass http://{behind};
      proxy_set_header Host $http_host;
      {forwarded}
      {more}
    }}
  }}
}}
"""
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class Nginx(Server):
    """Passes everything on to `behind`, HOST:PORT. With `tls`, certificates are in `pki`."""

    def __init__(self, folder: pathlib.Path, behind: str, *, body_limit: str = "1m",
                 tls: bool = False, says_https: bool = True, more: str = "") -> None:
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        if not pathlib.Path(program).exists():
            raise RuntimeError("there is no nginx: run tools/setup.sh test")
        super().__init__("nginx", pathlib.Path(program), folder)
        self._behind = behind
        self._body_limit = body_limit
        self._tls = tls
        self._says_https = says_https
        self._more = more

    def argv(self) -> list[str]:
        pki = self.folder / "pki"
        text = CONFIG.format(
            folder=self.folder, address=self.address, tls=" ssl" if self._tls else "",
            user="user root;" if os.geteuid() == 0 else "",  # Its folders are ours alone.
            temporary=" ".join(f"{name}_temp_path {self.folder}/nginx-{name};" for name in _TEMPORARY),
            body_limit=self._body_limit, behind=self._behind, more=self._more,
            forwarded="proxy_set_header X-Forwarded-Proto $scheme;" if self._says_https else "",
            certificate=(f"ssl_certificate {pki}/registry.crt; ssl_certificate_key {pki}/registry.key;"
                         if self._tls else ""))
        config = self.folder / "nginx.conf"
        config.write_text(text)
        return ["-c", str(config), "-e", str(self.folder / "logs" / "nginx-error.log")]

    def probe(self) -> str:
        return ""  # It listens, that is all.

    def requests(self) -> str:
        return (self.folder / "logs" / "nginx-access.log").read_text()
