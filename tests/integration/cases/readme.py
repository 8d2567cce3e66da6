"""Every kube-mcp command that the README shows does what it shows there."""
import os
import re
import shlex
import signal
import subprocess

from harness import case, check, equal

README = os.path.join(os.path.dirname(__file__), "..", "..", "..", "README.md")
TOOLS = os.path.join(os.path.dirname(README), "docs", "tools.md")


def readme():
    with open(README, encoding="utf-8") as file:
        return file.read()


def headings(lines):
    return [line.split() for line in lines if line and re.fullmatch(r"[A-Z0-9() -]+", line)]


@case()
def the_tour_can_be_repeated(world):
    tour = re.search(r"```console\n(.*?)```", readme(), re.S).group(1)
    steps = [step.split("\n", 1) for step in re.split(r"^\$ kube-mcp ", tour, flags=re.M)[1:]]
    check(len(steps) >= 5, "the tour has steps", tour)
    for command, shown in steps:
        done = world.run(shlex.split(command))
        fails = shown.startswith("kube-mcp: ")
        equal(done.returncode != 0, fails, f"whether `{command}` fails ({done.stderr})")
        if fails:
            equal(done.stderr.strip(), shown.strip(), f"what `{command}` says")
            continue
        equal(headings(done.stdout.splitlines()), headings(shown.splitlines()), f"columns of `{command}`")
        if shown.startswith("{"):
            equal(done.stdout.strip(), shown.strip(), f"answer of `{command}`")


@case()
def the_examples_of_the_tools_can_be_repeated(world):
    with open(TOOLS, encoding="utf-8") as file:
        examples = re.findall(r"^<!-- example .*? -->\n```console\n\$ kube-mcp (.*?)\n(.*?)^```", file.read(), re.S | re.M)
    check(len(examples) >= 10, "there are examples", examples)
    for command, shown in examples:
        done = world.run(shlex.split(command))
        equal(done.returncode, 0, f"status of `{command}` ({done.stderr})")
        equal(headings(done.stdout.splitlines())[:1], headings(shown.splitlines())[:1], f"columns of `{command}`")


@case()
def the_other_commands_work(world):
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", readme(), re.S | re.M)
    fenced = re.findall(r"^kube-mcp [^\n#]*", "\n".join(text for kind, text in blocks if kind == ""), re.M)
    inline = re.findall(r"`(kube-mcp [a-z][^`\n]*)`", readme())
    commands = {command.strip() for command in fenced + inline}
    check(len(commands) >= 4, "there are commands", commands)
    for command in sorted(commands):
        arguments = shlex.split(command)[1:]
        if arguments[0] != "serve":
            equal(world.run(arguments).returncode, 0, f"status of `{command}`")
            continue
        arguments = [re.sub(r":8080$", ":0", argument) for argument in arguments]
        process = subprocess.Popen(world.command(arguments), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True, env=world.environment())
        line = process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=world.limit)
        check("listening" in line, f"`{command}` listens", line)
        equal(process.returncode, 0, f"status of `{command}` after SIGTERM")
