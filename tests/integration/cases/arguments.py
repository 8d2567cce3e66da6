"""Arguments: spelling, types, and what is said about wrong ones."""
from harness import RpcError, case, check, equal


@case(doors=True, short=True)
def an_unknown_argument_gets_the_nearest(world, door):
    door.call("pods_list", namspace="shop").fails("ValidationError", "namspace", "did you mean 'namespace'")


@case(doors=True)
def camel_case_is_understood(world, door):
    answer = door.call("pods_list", labelSelector="app=web", fieldSelector="status.phase=Running").ok()
    check(answer.rows() and all(r["NAME"].startswith("web-") for r in answer.rows()), "selected", answer.text)
    door.call("resources_list", kind="Deployment", apiVersion="apps/v1", namespace="shop").ok()


@case(doors=True)
def wrong_types_and_ranges(world, door):
    for arguments, word in [({"limit": "many"}, "integer"), ({"limit": 0}, "limit"), ({"limit": 1.5}, "integer"),
                            ({"output": "xml"}, "table"), ({"namespace": "UPPER"}, "namespace"),
                            ({"namespace": "../../nodes"}, "namespace"), ({"fields": [".spec[?"]}, "fields")]:
        door.call("pods_list", **arguments).fails("ValidationError", word)


@case()
def wrong_json_types(world):
    for arguments in ({"namespace": 5}, {"namespace": ["shop"]}, {"fields": {"a": 1}}, {"fields": [1]}, {"limit": True},
                      {"limit": 10 ** 30}, {"context": {"name": "prod"}}):
        for kind in ("stdio", "http"):
            world.door(kind).call("pods_list", **arguments).fails("ValidationError", next(iter(arguments)))
    equal(world.call("pods_list", namespace=None, output="count").ok().text, world.call("pods_list", output="count").ok().text, "null")


@case()
def a_missing_argument(world):
    world.call("resources_list").fails("ValidationError", "kind")
    world.call("resources_get", kind="deploy").fails("ValidationError", "name")
    world.call("pods_get", namespace="shop").fails("ValidationError", "name")


@case()
def names_cannot_leave_their_place(world):
    for name in ("../secrets/x", "a/b", "..", "%2e%2e"):
        world.call("pods_get", namespace="shop", name=name).fails("ValidationError")
        world.call("resources_get", kind="cm", namespace="shop", name=name).fails("ValidationError")
    world.call("pods_get", namespace="shop", name="x?watch=1").fails("NotFound", '"x?watch=1" not found')
    for kind in ("../secrets", "pods/../secrets", "pods?x=1"):
        answer = world.call("resources_list", kind=kind)
        check(answer.is_error and answer.error["type"] in ("ValidationError", "NotFound"), kind, answer.text)


@case()
def an_unknown_tool_is_a_protocol_error(world):
    for kind in ("stdio", "http"):
        try:
            world.door(kind).call("podz_list")
            check(False, "an unknown tool answered")
        except RpcError as refused:
            equal(refused.error["code"], -32602, "code")
            check("podz_list" in refused.error["message"], "message", refused.error)
    done = world.run(["call", "podz_list"])
    check(done.returncode == 3 and "pods_list" in done.stderr, "the nearest", done.stderr)


@case(doors=True)
def aliases_are_understood(world, door):
    answer = door.call("pods_list", cluster="prod", labelSelector="app=web", output="name").ok()
    equal(answer.text, world.call("pods_list", context="prod", label_selector="app=web", output="name").ok().text, "by other names")
    door.call("pods_list", cluster="prod", context="prod").fails("ValidationError", "argument 'context' is given twice")
