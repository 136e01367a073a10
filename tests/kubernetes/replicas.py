"""Several controllers of one deployment, each with a name of its own for the API server's audit log."""

from __future__ import annotations

import datetime
import json
import signal
import time

from world import Controller, World

SYSTEM = "kiln-system"
LEASE = "kiln-controller"


class Replica(Controller):
    """One of them, with its service account's full name."""

    def __init__(self, user: str, *args) -> None:
        super().__init__(*args)
        self.user = user

    def election(self) -> str:
        """What /readyz says of it: "leading", "standing by; …"."""
        _, text = self.ask("health", "/readyz/leader-election?verbose")
        return text.splitlines()[0].partition(": ")[2]

    def exit_code(self, deadline_s: float) -> int:
        """Waits for its end. Errors: subprocess.TimeoutExpired."""
        return self._process.wait(timeout=deadline_s)


class Replicas:
    """What `World` asks of its controller, for all of them together."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._all: list[Replica] = []
        self._writes_before = len(world.cluster.audit_events())

    def __enter__(self) -> Replicas:
        return self

    def __exit__(self, *_) -> None:
        for replica in self._all:
            if replica.running():
                replica.signal(signal.SIGCONT)
                replica.signal(signal.SIGTERM)
        for replica in self._all:
            replica.__exit__()
        # The next test begins without a leader.
        self._world.cluster.kubectl("-n", SYSTEM, "delete", "lease", LEASE, "--ignore-not-found")

    def start(self, name: str, *, server: str | None = None, lease_s: int = 6, renew_s: int = 4,
              flags: tuple[str, ...] = ()) -> Replica:
        """`server`: where it finds the API server, if not at its own address."""
        cluster = self._world.cluster
        user = _service_account(cluster, name)
        directory = self._world.directory / name
        directory.mkdir()
        kubeconfig = cluster.service_account_kubeconfig(SYSTEM, name, server=server,
                                                        file=f"kubeconfig-{directory.parent.name}-{name}")
        replica = Replica(user, kubeconfig, directory, "--leader-elect",
                          "--leader-election-namespace", SYSTEM,
                          "--leader-election-lease-duration", f"{lease_s}s",
                          "--leader-election-renew-deadline", f"{renew_s}s",
                          "--leader-election-retry-period", "1s", *flags)
        self._all.append(replica)
        replica.start()
        return replica

    def running(self) -> bool:
        return any(replica.running() for replica in self._all)

    def log(self) -> str:
        return "\n".join(f"--- {replica.user}\n{replica.log()[-3000:]}" for replica in self._all)

    def wait_leading(self, replica: Replica, deadline_s: float = 30) -> None:
        self._world.wait_until(f"{replica.user} leads", lambda: replica.election() == "leading",
                               deadline_s)

    def wait_standing_by(self, replica: Replica) -> None:
        self._world.wait_until(f"{replica.user} stands by",
                               lambda: replica.election().endswith(" leads"), 30)

    def writes(self, replica: Replica | None = None, resource: str = "") -> list[Write]:
        """What the API server took since the test began; of one replica, of one resource."""
        return [write for write in writes(self._world.cluster, self._writes_before)
                if (replica is None or write.user == replica.user) and resource in ("", write.resource)]

    def acquired(self, replica: Replica) -> datetime.datetime:
        """When the API server had taken the replica's first write of the lease."""
        return next(write.ended for write in self.writes(replica, "leases") if write.code < 300)

    def lease(self) -> dict:
        """Its spec."""
        return json.loads(self._world.cluster.kubectl("-n", SYSTEM, "get", "lease", LEASE,
                                                      "-o", "json"))["spec"]


class Write:
    """One line of the audit log: a write that the API server took."""

    def __init__(self, event: dict) -> None:
        self.user = event["user"]["username"]
        self.verb = event["verb"]
        self.resource = event["objectRef"]["resource"]
        self.namespace = event["objectRef"].get("namespace", "")
        self.subresource = event["objectRef"].get("subresource", "")
        self.body = event.get("requestObject", {})
        self.name = event["objectRef"].get("name") or self.body.get("metadata", {}).get("name", "")
        self.code = event["responseStatus"]["code"]
        self.began = _time(event["requestReceivedTimestamp"])
        self.ended = _time(event["stageTimestamp"])


def writes(cluster, first: int = 0) -> list[Write]:
    """Those from the `first` event of the audit log on, in the order in which they began."""
    events = [Write(event) for event in cluster.audit_events()[first:] if event["stage"] == "ResponseComplete"]
    return sorted(events, key=lambda write: write.began)


def _time(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def _service_account(cluster, name: str) -> str:
    """Creates it, unless it is there, with the rights of deploy/rbac.yaml; its full name."""
    user = f"system:serviceaccount:{SYSTEM}:{name}"
    if name in cluster.kubectl("-n", SYSTEM, "get", "serviceaccounts", "-o", "name"):
        return user
    cluster.kubectl("-n", SYSTEM, "create", "serviceaccount", name)
    cluster.kubectl("create", "clusterrolebinding", f"kiln-{name}",
                    "--clusterrole=kiln-controller", f"--serviceaccount={SYSTEM}:{name}")
    cluster.kubectl("-n", SYSTEM, "create", "rolebinding", f"kiln-{name}",
                    "--role=kiln-controller-leader-election", f"--serviceaccount={SYSTEM}:{name}")
    return user


def wait_for(what: str, holds, deadline_s: float):
    """For what goes on without any controller. Answers what `holds` did."""
    end = time.monotonic() + deadline_s
    while not (value := holds()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s:g} s: {what}")
        time.sleep(0.05)
    return value
