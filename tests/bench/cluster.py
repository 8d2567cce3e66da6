"""The cluster that is measured against: brought up, asked, filled with pods and emptied again."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]


def fail(message):
    sys.exit(f"tests/bench/run: {message}")


def shell_variables(script):
    """The environment after sourcing SCRIPT in bash."""
    text = subprocess.run(["bash", "-c", f"set -a; . '{script}'; env -0"], capture_output=True, check=True).stdout
    return dict(item.split("=", 1) for item in text.decode().split("\0") if "=" in item)


class Cluster:
    """The context prod of the test cluster, read as the viewer."""

    def __init__(self, folder):
        self.up()
        state = Path(os.environ.get("KUBE_MCP_CLUSTER_DIR") or REPO / "build/cluster")
        self.env = shell_variables(state / "env")
        config = json.loads(self.kubectl("config", "view", "--raw", "--flatten", "--minify", "--context", "prod-viewer",
                                         "-o", "json"))
        self.kubeconfig = folder / "kubeconfig"  # with the one context that everything measured here uses
        self.kubeconfig.write_text(json.dumps(config))
        self.kubeconfig.chmod(0o600)
        self.url = config["clusters"][0]["cluster"]["server"]
        self.token = config["users"][0]["user"]["token"]
        self.ca = self.env["PROD_CA"]

    def up(self, *options):
        subprocess.run([REPO / "tests/cluster/up", *options], check=True, stdout=subprocess.DEVNULL)

    def kubectl(self, *args):
        out = subprocess.run([self.env["KUBECTL"], "--kubeconfig", self.env["KUBECONFIG"], *args], capture_output=True,
                             check=True)
        return out.stdout.decode()

    def version(self):
        return json.loads(self.kubectl("--context", "prod", "version", "-o", "json"))["serverVersion"]["gitVersion"]

    def some_pod(self, namespace):
        pods = json.loads(self.kubectl("--context", "prod", "-n", namespace, "get", "pods", "-o", "json"))["items"]
        return pods[0]["metadata"]["name"]

    @contextlib.contextmanager
    def pods(self, count):
        """COUNT pods beside those of the shop; they are gone afterwards."""
        try:
            self.up("--pods", str(count))
            yield
        finally:
            self.up("--pods", "0")
