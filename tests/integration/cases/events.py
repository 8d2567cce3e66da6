"""events_list: what is selected, how equal events become one row, and in which order."""
import json
import re
import time

from harness import case, check, equal

EVENTS = "/api/v1/events"


def last_of(event):
    return ((event.get("series") or {}).get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
            or event.get("firstTimestamp") or event["metadata"]["creationTimestamp"])


def times(event):
    return (event.get("series") or event).get("count") or 1


def rows_of(door, **arguments):
    return [json.loads(line) for line in door.call("events_list", output="json", limit=2000, **arguments).ok().lines()]


def steady(world, ask):
    """What ASK finds between two equal readings of the cluster's events."""
    for _ in range(10):
        before = world.objects(EVENTS)
        found = ask(before)
        if world.objects(EVENTS) == before:
            break
        time.sleep(1)
    return found


@case(doors=True, short=True)
def events_are_newest_first(world, door):
    text = door.call("events_list").ok().text
    newest = max(world.objects(EVENTS), key=last_of)
    lines = text.splitlines()
    equal(lines[0].split()[:3], ["NAMESPACE", "LAST", "SEEN"], "heading")
    rows = rows_of(door)
    stamps = [r["last"] for r in rows]
    equal(stamps, sorted(stamps, reverse=True), "order")
    check(newest["reason"] in {r["reason"] for r in rows[:20]}, "the newest is shown", newest, rows[:3])


@case()
def counts_are_those_of_the_cluster(world):
    def ask(events):
        door = world.cli(["--set", "server.max_result_bytes=1MiB"])
        return events, rows_of(door), door.call("events_list", output="count").ok().lines()
    events, rows, count = steady(world, ask)
    equal(count, [str(len(events))], "count")
    equal(sum(r["events"] for r in rows), len(events), "events behind the rows")
    equal(sum(r["count"] for r in rows), sum(map(times, events)), "times")
    keys = lambda items: {(i["namespace"], i["object"], i["type"], i["reason"]) for i in items}
    want = [{"namespace": e["metadata"]["namespace"], "type": e["type"], "reason": e["reason"],
             "object": e["involvedObject"]["kind"].lower() + "/" + e["involvedObject"]["name"]} for e in events]
    equal(keys(rows), keys(want), "what happened to which object")


@case(doors=True)
def events_are_selected(world, door):
    events = world.objects(EVENTS)
    pod = next(e["involvedObject"] for e in events if e["involvedObject"]["kind"] == "Pod")
    chosen = [
        ({"type": "Warning"}, lambda e: e["type"] == "Warning"),
        ({"reason": "Scheduled"}, lambda e: e["reason"] == "Scheduled"),
        ({"namespace": "shop"}, lambda e: e["metadata"]["namespace"] == "shop"),
        ({"for": f"po/{pod['name']}"}, lambda e: e["involvedObject"]["kind"] == "Pod" and e["involvedObject"]["name"] == pod["name"]),
        ({"for": pod["name"], "namespace": pod["namespace"]}, lambda e: e["involvedObject"]["name"] == pod["name"]),
        ({"for": "Deployment/web", "reason": "ScalingReplicaSet"},
         lambda e: e["involvedObject"]["kind"] == "Deployment" and e["involvedObject"]["name"] == "web"),
    ]
    for arguments, wanted in chosen:
        mine, count = steady(world, lambda events: (
            sum(wanted(e) for e in events), door.call("events_list", output="count", **arguments).ok().lines()))
        check(mine, f"no event matches {arguments}")
        equal(count, [str(mine)], str(arguments))
    check("NAMESPACE" not in door.call("events_list", namespace="shop").ok().text, "no namespace column")
    check("nothing found" in door.call("events_list", **{"for": "pod/none-such"}).ok().text, "an empty answer says so")


@case()
def since_narrows(world):
    old = [r["last"] for r in rows_of(world, since="30d")]
    some = [r["last"] for r in rows_of(world, since=sorted(old)[len(old) // 2])]
    equal(some, [s for s in old if s >= sorted(old)[len(old) // 2]][:len(some)], "since a time")
    check(rows_of(world, since="1ms") == [], "since a moment ago")
    world.call("events_list", since="yesterday").fails("ValidationError", "since", "30m")


@case(doors=True)
def mistakes_are_named(world, door):
    door.call("events_list", **{"for": "deploymnt/web"}).fails("NotFound", "'for'", "did you mean Deployment")
    door.call("events_list", **{"for": "pod/"}).fails("ValidationError", "'for'", "pod/web-0")
    door.call("events_list", type="Error").fails("ValidationError", "type")
    door.call("events_list", context="prod-nobody").fails("Forbidden", "events")


@case()
def who_may_not_list_all_gets_the_own_namespace(world):
    answer = world.call("events_list", context="prod-checkout-dev").ok()
    check("the context's namespace 'checkout'" in answer.text, "the remark", answer.text)


@case()
def long_answers_say_what_is_missing(world):
    answer = world.cli(["--set", "server.max_result_bytes=4KiB"]).call("events_list").ok()
    check(len(answer.text) <= 4096, f"{len(answer.text)} bytes")
    check(re.search(r"the newest \d+ shown, \d+ events left out \(by reason: \w+ \d+.*by namespace: \w+", answer.text),
          "what is missing", answer.text)
    check("there is no cursor: narrow with since" in answer.text, "what to do", answer.text)
