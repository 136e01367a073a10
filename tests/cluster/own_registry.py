"""A registry that belongs to no cluster, for tests that need nothing else."""

from __future__ import annotations

import pathlib

import certificates
import go_tools
from servers import Registry


def start_registry(folder: pathlib.Path, *, users: dict[str, str] | None = None, tls: bool = False) -> Registry:
    """Empty, with all it has in `folder`; with `tls` its authority is in `folder`/pki. Who starts it kills it."""
    for name in ("logs", "run"):
        (folder / name).mkdir(parents=True)
    if tls:
        authority = certificates.Authority(folder / "pki")
        authority.create()
        authority.issue_server("registry", ("DNS:localhost", "IP:127.0.0.1"))
    registry = Registry("registry", go_tools.ensure("registry")["registry"], folder)
    registry.configure(users=users, tls=tls, storage=None, settings=None)
    registry.start()
    return registry
