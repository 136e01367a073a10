"""A web server's image for pods: Debian's nginx and what it loads, put together by `kiln append`.

It is laid out as the official image of nginx is: pages in /usr/share/nginx/html, servers in
/etc/nginx/conf.d, workers of user and group 101, started by `nginx -g 'daemon off;'`. So the examples
work on it as they stand.
"""

from __future__ import annotations

import pathlib
import re
import shutil

from world import binary, run

PROGRAM = "/usr/sbin/nginx"
_CONFIG = """\
user nginx;
worker_processes 1;
error_log stderr;
pid /run/nginx.pid;
events { worker_connections 64; }
http {
  include mime.types;
  access_log off;
  include /etc/nginx/conf.d/*.conf;
}
"""
_SERVER = "server { listen 80; root /usr/share/nginx/html; }\n"
_FILES = {
    "etc/nginx/nginx.conf": _CONFIG,
    "etc/nginx/conf.d/default.conf": _SERVER,
    "etc/passwd": "root:x:0:0:root:/root:/bin/false\nnginx:x:101:101:nginx:/nonexistent:/bin/false\n",
    "etc/group": "root:x:0:\nnginx:x:101:\n",
    "usr/share/nginx/html/index.html": "<h1>Welcome to nginx</h1>\n",
}
_FOLDERS = ("run", "tmp", "var/lib/nginx", "var/log/nginx")


def push(folder: pathlib.Path, reference: str) -> None:
    """Puts it together in `folder`, which must not exist."""
    for path in (PROGRAM, "/etc/nginx/mime.types", *_libraries()):
        place = folder / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)  # What a link leads to, under the link's name.
    for path, text in _FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    for path in _FOLDERS:
        (folder / path).mkdir(parents=True)
    run(binary("kiln"), "append", "scratch", "--dir", f"{folder}:/", "--entrypoint", "nginx",
        "--args=-g,daemon off;", "--env", "PATH=/usr/sbin:/usr/bin", "--stop-signal",
        "SIGQUIT", "--insecure", "-t", reference)


def _libraries() -> list[str]:
    """As the dynamic linker finds them, and that itself."""
    return re.findall(r"(?:=> |^\s*)(/\S+) \(0x", run("ldd", PROGRAM).stdout, re.M)
