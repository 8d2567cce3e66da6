"""Who one is: other users, other providers, other credentials."""
import base64

from harness import case, check, equal


@case(doors=True)
def a_viewer_sees_no_secrets(world, door):
    equal(len(door.call("pods_list", context="prod-viewer").ok().rows()), len(world.objects("/api/v1/pods")), "pods")
    door.call("resources_list", context="prod-viewer", kind="secrets").fails("Forbidden", "secrets", "list")
    door.call("resources_get", context="prod-viewer", kind="secret", namespace="shop", name="x").fails("Forbidden", "secrets", "get")
    door.call("resources_list", context="prod-viewer", kind="nodes").fails("Forbidden", "nodes")


@case(doors=True, short=True)
def a_forbidden_listing_falls_back_to_the_own_namespace(world, door):
    answer = door.call("pods_list", context="prod-checkout-dev").ok()
    check("forbidden here" in answer.text and "'checkout'" in answer.text, "it says so", answer.text)
    equal(len(answer.rows()), len(world.objects("/api/v1/namespaces/checkout/pods")), "rows")
    door.call("pods_list", context="prod-checkout-dev", namespace="shop").fails("Forbidden", "pods", "shop")


@case()
def the_context_namespace_is_the_default_of_objects(world):
    name = world.objects("/api/v1/namespaces/checkout/pods")[0]["metadata"]["name"]
    world.call("pods_get", context="prod-checkout-dev", name=name).ok()
    world.call("pods_get", context="prod", name=name).fails("NotFound", "default")


@case()
def a_fallback_can_be_continued(world):
    first = world.call("pods_list", context="prod-checkout-dev", limit=3).ok()
    second = world.call("pods_list", context="prod-checkout-dev", limit=3, cursor=first.cursor()).ok()
    check(not {r["NAME"] for r in first.rows()} & {r["NAME"] for r in second.rows()}, "rows twice", first.text, second.text)
    equal(len(second.rows()), 3, "rows")


@case(doors=True)
def nobody_is_told_what_is_missing(world, door):
    answer = door.call("pods_list", context="prod-nobody").fails("Forbidden", 'cannot list resource "pods"')
    equal(answer.error.get("http_status"), 403, "status")
    door.call("namespaces_list", context="prod-nobody").fails("Forbidden", "namespaces")
    door.call("resources_list", context="prod-nobody", kind="deploy").fails("Forbidden", "deployments")


def pod_environment(world):
    return {"KUBE_MCP_TEST_SERVICEACCOUNT_DIR": world.vars["SA_DIR"], "KUBECONFIG": None,
            "KUBERNETES_SERVICE_HOST": world.vars["PROD_HOST"], "KUBERNETES_SERVICE_PORT": world.vars["PROD_PORT"]}


@case(short=True)
def in_a_cluster(world):
    door = world.cli(["--provider", "in-cluster"], pod_environment(world))
    equal(door.call("config_contexts_list").ok().structured["contexts"][0]["name"], "in-cluster", "name")
    equal(len(door.call("pods_list").ok().rows()), len(world.objects("/api/v1/pods")), "pods")
    check("# context in-cluster" in door.call("pods_list", context="prod").ok().text, "another context is ignored for reads")
    door.call("resources_list", kind="secrets").fails("Forbidden", "secrets")


@case()
def not_in_a_cluster(world):
    door = world.run(["call", "pods_list", "--provider", "in-cluster"], {"KUBECONFIG": None})
    check(door.returncode != 0 and "KUBERNETES_SERVICE_HOST" in door.stderr, "what is missing", door.stderr)


def single(world, **more):
    settings = {"server": world.vars["PROD_URL"], "certificate_authority": world.vars["PROD_CA"],
                "token_file": world.vars["PROD_VIEWER_TOKEN_FILE"], "name": "only", **more}
    options = ["--provider", "single"]
    for key, value in settings.items():
        options += ["--set", f"kubernetes.single.{key}={value}"]
    return world.cli(options, {"KUBECONFIG": None})


@case()
def one_fixed_cluster(world):
    door = single(world)
    equal([c["name"] for c in door.call("config_contexts_list").ok().structured["contexts"]], ["only"], "contexts")
    door.call("pods_list", context="only").ok()
    check("# context only" in door.call("pods_list").ok().text, "the default")
    door.call("pods_list", context="prod").fails("UnknownContext", "not available in single-cluster mode (configured: only)")


@case()
def one_fixed_cluster_with_a_namespace(world):
    name = world.objects("/api/v1/namespaces/shop/pods")[0]["metadata"]["name"]
    single(world, namespace="shop").call("pods_get", name=name).ok()


@case()
def credentials_as_data_or_file(world):
    read = lambda name: open(world.vars[name], "rb").read()
    encode = lambda data: base64.b64encode(data).decode()
    token = read("PROD_VIEWER_TOKEN_FILE").decode().strip()
    for cluster, user in [
            ({"certificate-authority": None, "certificate-authority-data": encode(read("PROD_CA"))},
             {"client-certificate-data": encode(read("PROD_ADMIN_CRT")), "client-key-data": encode(read("PROD_ADMIN_KEY"))}),
            ({}, {"token": token}), ({}, {"tokenFile": world.vars["PROD_VIEWER_TOKEN_FILE"]}),
            ({"certificate-authority": None, "insecure-skip-tls-verify": True}, {"token": token}),
            ({"tls-server-name": "localhost"}, {"token": token})]:
        world.with_kubeconfig(world.make_kubeconfig(cluster, user)).call("namespaces_list").ok()


@case()
def impersonation(world):
    user = {"client-certificate": world.vars["PROD_ADMIN_CRT"], "client-key": world.vars["PROD_ADMIN_KEY"], "as": "somebody"}
    world.with_kubeconfig(world.make_kubeconfig(user=user)).call("pods_list").fails("Forbidden", '"somebody"')
