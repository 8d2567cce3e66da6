"""Layers of configuration, through the program."""
import os

from harness import case, check, equal


def shown(world, options=(), env=None):
    done = world.run(["config", "show", *options], env)
    equal(done.returncode, 0, f"status ({done.stderr})")
    return done.stdout


@case(short=True)
def later_layers_win(world):
    file = world.file("[kubernetes]\nqps = 11\nburst = 12\nmax_clients = 13\npage_size = 14\n", name="base.toml")
    folder = os.path.join(world.folder, "drop-ins")
    os.makedirs(folder, exist_ok=True)
    for name, text in (("10.toml", "[kubernetes]\nburst = 22\nmax_clients = 23\npage_size = 24\n"),
                       ("20.toml", "[kubernetes]\nmax_clients = 33\npage_size = 34\n")):
        world.file(text, name=os.path.join("drop-ins", name))
    text = shown(world, ["--config", file, "--config-dir", folder, "--set", "kubernetes.page_size=55"],
                 {"KUBE_MCP_KUBERNETES_MAX_CLIENTS": "44", "KUBE_MCP_KUBERNETES_PAGE_SIZE": "45"})
    for line in ("qps = 11", "burst = 22", "max_clients = 44", "page_size = 55"):
        check(line in text, f"no line {line!r}", text)


@case()
def the_configured_kubeconfig_is_used(world):
    file = world.file(f"[kubernetes]\nkubeconfig_path = \"{world.kubeconfig}\"\ncontext = \"staging\"\n")
    answer = world.cli(["--config", file], {"KUBECONFIG": None}).call("namespaces_list").ok()
    check("# context staging" in answer.text, "which context answered", answer.text)


@case()
def mistakes_are_found_where_they_are(world):
    for text, *words in [("[kubernetes]\nqqs = 5\n", "bad.toml:2:1", "qqs", "qps"), ("[server]\nworkers = \"x\"\n", "bad.toml:2:"),
                         ("[server]\nworkers = 0\n", "bad.toml:2:", "256"), ("[server\n", "bad.toml:1:"),
                         ("[kubernets]\n", "bad.toml:1:", "kubernetes")]:
        file = world.file(text, name="bad.toml")
        for command in (["config", "check"], ["call", "namespaces_list"], ["serve"]):
            done = world.run([*command, "--config", file])
            equal(done.returncode, 2, f"status of {command} with {text!r}")
            for word in words:
                check(word in done.stderr, f"no {word!r}", done.stderr)


@case()
def a_tool_can_be_denied(world):
    options = ["--set", "security.denied_tools=pods_*"]
    world.cli(options).call("namespaces_list").ok()
    done = world.run(["call", "pods_list", *options])
    check(done.returncode != 0 and "pods_list" in done.stderr, "refused", done.stderr)
    check("pods_" not in world.run(["tools", *options]).stdout, "hidden")


@case()
def two_kubeconfigs_are_merged(world):
    other = world.make_kubeconfig(namespace="shop")
    door = world.cli(env={"KUBECONFIG": f"{other}:{world.kubeconfig}"})
    answer = door.call("config_contexts_list").ok().structured
    equal(answer["current_context"], "it", "the first file's current context")
    check({"it", "prod", "staging"} <= {c["name"] for c in answer["contexts"]}, "contexts of both", answer)
    name = world.objects("/api/v1/namespaces/shop/pods")[0]["metadata"]["name"]
    door.call("pods_get", name=name).ok()


@case()
def usage_mistakes(world):
    for arguments, word in [(["serv"], "serve"), (["--kubconfig", "x"], "--kubeconfig"), (["call"], "name of a tool"),
                            (["call", "pods_list", "namespace"], "key=value")]:
        done = world.run(arguments)
        check(done.returncode == 2 and word in done.stderr, str(arguments), done.stderr)
    check("0.1" in world.run(["version"]).stdout, "version")
    check("pods_list" in world.run(["tools"]).stdout, "tools")


@case()
def another_address_needs_a_decision(world):
    done = world.run(["serve", "--transport", "http", "--address", "0.0.0.0:0"])
    check(done.returncode == 2 and "insecure_no_auth" in done.stderr, "refused", done.stderr)


@case()
def check_finds_what_serve_would_refuse(world):
    for text, *words in [('[server]\ntransports = ["http"]\n[server.http]\naddress = "0.0.0.0:8080"\n', "without authentication"),
                         ('[server]\ntransports = ["http"]\n[server.http]\naddress = "no-port"\n', "refused.toml:4:11"),
                         ('[kubernetes]\nprovider = "single"\n', "has no server")]:
        done = world.run(["config", "check", "--config", world.file(text, name="refused.toml")])
        equal(done.returncode, 2, f"status of {text!r}")
        for word in words:
            check(word in done.stderr, f"no {word!r}", done.stderr)


@case()
def urls_with_credentials_are_not_shown(world):
    file = world.file('[kubernetes]\nprovider = "single"\n[kubernetes.single]\nserver = "https://u:CANARY-1@x:1"\n'
                      'proxy_url = "http://u:CANARY-2@p:1"\n', name="canary.toml")
    for command in ("show", "check"):
        done = world.run(["config", command, "--config", file])
        check("CANARY" not in done.stdout + done.stderr, f"config {command} leaks", done.stdout + done.stderr)
