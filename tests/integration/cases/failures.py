"""What goes wrong between here and the API server: each failure has its type, its words and its deadline."""
import socket
import threading
import time

from harness import case, check, equal


def fails_within(seconds, door, kind, *words, tool="namespaces_list", **arguments):
    began = time.monotonic()
    answer = door.call(tool, **arguments).fails(kind, *words)
    took = time.monotonic() - began
    check(took < seconds or door.world.wrapper, f"it took {took:.1f} s")
    return answer


@case(short=True)
def a_server_that_is_down(world):
    fails_within(2, world.cli(), "Unreachable", "refused", context="dead")


@case()
def a_name_that_does_not_resolve(world):
    door = world.with_kubeconfig(world.make_kubeconfig({"server": "https://no-such-host.invalid:6443"}))
    fails_within(6, door, "Unreachable", "no-such-host.invalid")


@case()
def a_server_that_accepts_and_says_nothing(world):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        door = world.with_kubeconfig(world.make_kubeconfig({"server": f"https://127.0.0.1:{listener.getsockname()[1]}"}))
        began = time.monotonic()
        answer = door.call("namespaces_list")
        check(answer.is_error and answer.error["type"] in ("Timeout", "Unreachable"), "type", answer.text)
        check(time.monotonic() - began < 6, "it took too long")


@case()
def a_server_that_is_something_else(world):
    def hang_up(listener):
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            peer.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")
            peer.close()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        threading.Thread(target=hang_up, args=[listener], daemon=True).start()
        door = world.with_kubeconfig(world.make_kubeconfig({"server": f"https://127.0.0.1:{listener.getsockname()[1]}"}))
        fails_within(6, door, "Unreachable")
        listener.shutdown(socket.SHUT_RDWR)


@case(short=True)
def the_wrong_ca(world):
    door = world.with_kubeconfig(world.make_kubeconfig({"certificate-authority": world.vars["OTHER_CA"]}))
    fails_within(4, door, "Unreachable", "certificate")


@case()
def no_ca_at_all(world):
    door = world.with_kubeconfig(world.make_kubeconfig({"certificate-authority": None}))
    fails_within(4, door, "Unreachable", "certificate")


@case()
def the_wrong_server_name(world):
    door = world.with_kubeconfig(world.make_kubeconfig({"tls-server-name": "elsewhere.example"}))
    fails_within(4, door, "Unreachable", "elsewhere.example")


@case()
def an_expired_client_certificate(world):
    user = {"client-certificate": world.vars["EXPIRED_CRT"], "client-key": world.vars["EXPIRED_KEY"]}
    fails_within(4, world.with_kubeconfig(world.make_kubeconfig(user=user)), "Unauthenticated", "expired")


@case()
def a_wrong_token(world):
    answer = fails_within(4, world.with_kubeconfig(world.make_kubeconfig(user={"token": "s3cret-but-wrong"})), "Unauthenticated")
    equal(answer.error.get("http_status"), 401, "status")
    check("s3cret" not in answer.text, "the token is quoted", answer.text)


@case()
def no_credentials(world):
    answer = world.with_kubeconfig(world.make_kubeconfig(user={})).call("pods_list")
    check(answer.error.get("type") in ("Unauthenticated", "Forbidden"), "type", answer.text)


@case()
def files_that_are_missing(world):
    user = {"client-certificate": "/nowhere/c.crt", "client-key": "/nowhere/c.key"}
    answer = world.with_kubeconfig(world.make_kubeconfig(user=user)).call("pods_list")
    check(answer.is_error and "/nowhere/c.crt" in answer.text, "which file", answer.text)


def failed_start(world, kubeconfig, *words):
    """Whether the program refuses at its start or at the call, its words name the trouble."""
    done = world.run(["call", "pods_list", "--kubeconfig", kubeconfig])
    check(done.returncode in range(1, 12), f"status {done.returncode}", done.stderr)
    for word in words:
        check(word in done.stderr, f"the message does not mention {word!r}", done.stderr)


@case()
def a_kubeconfig_that_is_missing(world):
    failed_start(world, "/nowhere/kubeconfig", "/nowhere/kubeconfig")


@case()
def a_kubeconfig_that_is_malformed(world):
    failed_start(world, world.file("apiVersion: v1\nclusters: [\n", name="broken-1"), "broken-1")
    failed_start(world, world.file("clusters: 5\n", name="broken-2"), "broken-2", "clusters")
    failed_start(world, world.file(b"\x00\xff\xfe\x01", name="broken-3"), "broken-3")
    failed_start(world, world.file("a: " + "[" * 5000, name="broken-4"), "broken-4")
    failed_start(world, world.folder)


@case()
def a_kubeconfig_that_is_empty(world):
    failed_start(world, world.file("", name="empty"))


@case()
def a_context_that_points_nowhere(world):
    path = world.file("""{"apiVersion": "v1", "kind": "Config", "current-context": "a", "contexts": [
        {"name": "a", "context": {"cluster": "gone", "user": "gone"}}]}""")
    failed_start(world, path, "gone")


@case()
def the_old_auth_provider(world):
    failed_start(world, world.make_kubeconfig(user={"auth-provider": {"name": "gcp"}}), "auth-provider")


@case(faults=True)
def refusals_of_the_api_server(world):
    for status, kind, words in [(401, "Unauthenticated", ["Unauthorized"]), (403, "Forbidden", []), (404, "NotFound", []),
                                (409, "Conflict", []), (500, "KubernetesError", []), (503, "Unreachable", [])]:
        world.fault(status=status, count=0, path="/api/v1/pods")
        answer = fails_within(35, world.cli(), kind, *words, tool="pods_list")
        equal(answer.error.get("http_status"), status, "status")
        world.no_faults()
        world.call("pods_list").ok()


@case(faults=True)
def one_bad_moment_is_survived(world):
    for rule in ({"status": 503}, {"status": 429, "retry_after": 1}, {"body": "reset"}):
        world.fault(count=1, path="/api/v1/pods", **rule)
        world.call("pods_list").ok()


@case(faults=True)
def a_limit_that_outlasts_the_deadline(world):
    world.fault(status=429, retry_after=3600, count=0, path="/api/v1/pods")
    answer = fails_within(5, world.cli(), "RateLimited", tool="pods_list")
    check(answer.error.get("retry_after_s", 0) > 3000, "when to come back", answer.text)


@case(faults=True)
def answers_that_are_not_answers(world):
    for body in ("garbage", "html", "empty", "truncated"):
        world.fault(body=body, count=0, path="/api/v1/pods")
        answer = world.cli().call("pods_list")
        check(answer.is_error and answer.error["type"] in ("KubernetesError", "Unreachable", "ExternalServiceUnavailable"),
              body, answer.text)
        world.no_faults()
        world.call("pods_list").ok()


@case(faults=True)
def an_answer_that_never_comes(world):
    world.fault(delay_ms=20000, count=0, path="/api/v1/pods")
    fails_within(4, world.cli(["--set", "kubernetes.timeout=1s"]), "Timeout", tool="pods_list")


@case(faults=True)
def an_answer_that_is_too_long(world):
    door = world.cli(["--set", "kubernetes.max_response_bytes=64KiB", "--set", "kubernetes.page_size=10000"])
    door.call("pods_list", output="count").ok()


@case()
def the_rest_keeps_working_beside_a_dead_cluster(world):
    door = world.door("http")
    calls = [threading.Thread(target=door.call, args=["pods_list"], kwargs={"context": "dead"}) for _ in range(8)]
    for thread in calls:
        thread.start()
    began = time.monotonic()
    door.call("namespaces_list").ok()
    check(time.monotonic() - began < 3 or world.wrapper, "a dead cluster slows another down")
    for thread in calls:
        thread.join()
