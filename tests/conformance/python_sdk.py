"""One session of the official Python SDK's client per program, transport and mode. The client checks every message
against its own models; listed schemas and structured results are checked with a JSON Schema validator besides."""

import asyncio
import json
import warnings

import jsonschema
import mcp_types as types
from mcp import Client, StdioServerParameters

from harness import LEGACY, MODERN, check, equal

MODES = ("legacy", "auto", MODERN)


async def elicit(context, params):
    return types.ElicitResult(action="accept", content={"name": "Ann", "username": "ann", "email": "a@b.c", "ok": True})


async def sample(context, params):
    return types.CreateMessageResult(role="assistant", model="m", content=types.TextContent(type="text", text="Paris"))


async def roots(context):
    return types.ListRootsResult(roots=[types.Root(uri="file:///somewhere")])


def text(result):
    return "".join(getattr(block, "text", "") for block in result.content)


async def fixtures_session(client, mode):
    tools = (await client.list_tools()).tools
    check_schemas(tools)
    seen = []

    async def progress(done, total, message):
        seen.append(done)
    await client.call_tool("test_tool_with_progress", {}, progress_callback=progress)
    equal(seen, [0.0, 50.0, 100.0], "progress")
    for tool in ("test_image_content", "test_audio_content", "test_embedded_resource", "test_multiple_content_types"):
        check((await client.call_tool(tool, {})).content, f"{tool}: no content")
    structured = (await client.call_tool("test_structured_content", {})).structured_content
    equal(structured, {"city": "Bern", "degrees": 21}, "structured content")
    check((await client.call_tool("test_error_handling", {})).is_error, "no error")
    check("region=eu" in text(await client.call_tool("test_x_mcp_header", {"region": "eu", "priority": 3})), "headers")
    check("action=accept" in text(await client.call_tool("test_elicitation", {"message": "Who?"})), "elicitation")
    equal(text(await client.call_tool("test_sampling", {"prompt": "capital?"})), "LLM response: Paris", "sampling")
    three = text(await client.call_tool("test_input_required_result_multiple_inputs", {}))
    check("Ann" in three and "Paris" in three and "file:///somewhere" in three, three)
    check((await client.read_resource("test://static-text")).contents[0].text, "no text")
    check((await client.read_resource("test://static-binary")).contents[0].blob, "no blob")
    equal(len((await client.list_resources()).resources), 3, "resources")
    equal(len((await client.list_resource_templates()).resource_templates), 1, "templates")
    equal(len((await client.list_prompts()).prompts), 5, "prompts")
    prompt = await client.get_prompt("test_prompt_with_arguments", {"arg1": "one", "arg2": "two"})
    check("two" in prompt.messages[0].content.text, "the prompt lacks its argument")
    reference = types.PromptReference(type="ref/prompt", name="test_prompt_with_arguments")
    equal((await client.complete(reference, {"name": "arg1", "value": "par"})).completion.values,
          ["paris", "park", "party"], "completion")
    if mode != "legacy":
        async with client.listen(tools_list_changed=True) as events:
            await client.call_tool("test_trigger_tool_change", {})
            async for event in events:
                check("Tools" in type(event).__name__, f"unexpected event {event}")
                break


async def product_session(client, mode):
    tools = (await client.list_tools()).tools
    check_schemas(tools)
    check({"config_contexts_list", "pods_list"} <= {tool.name for tool in tools}, "tools are missing")
    check(not any(tool.name.startswith("test_") for tool in tools), "the product lists fixtures")
    result = await client.call_tool("config_contexts_list", {})
    listing = json.loads(text(result))
    equal(sorted(context["name"] for context in listing["contexts"]), ["blue", "red"], "contexts")
    equal(listing["current_context"], "red", "current_context")
    dead = await client.call_tool("namespaces_list", {"context": "blue"})
    check(dead.is_error and json.loads(text(dead))["error"]["type"] == "Unreachable", text(dead))
    wrong = await client.call_tool("pods_list", {"context": "gren"})
    check(wrong.is_error and json.loads(text(wrong))["error"]["type"] == "UnknownContext", text(wrong))


def check_schemas(tools):
    for tool in tools:
        for schema in (tool.input_schema, tool.output_schema):
            if schema is not None:
                jsonschema.Draft202012Validator.check_schema(schema)
                equal(schema["type"], "object", f"{tool.name}: type of the schema")


async def session(target, mode, body):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK's remarks on deprecated features, which are ours to serve
        async with Client(target, mode=mode, elicitation_callback=elicit, sampling_callback=sample,
                          list_roots_callback=roots, read_timeout_seconds=20) as client:
            equal(client.protocol_version, LEGACY if mode == "legacy" else MODERN, "protocol version")
            await body(client, mode)


def run(cases, programs):
    for name, body in (("fixtures", fixtures_session), ("product", product_session)):
        command, *arguments = programs.stdio_commands[name]
        for mode in MODES:
            with cases.case(f"python: {name} over stdio, {mode}"):
                parameters = StdioServerParameters(command=command, args=arguments, env=programs.settings)
                asyncio.run(asyncio.wait_for(session(parameters, mode, body), 60))
        with programs.http_servers[name]() as port:
            for mode in MODES:
                with cases.case(f"python: {name} over http, {mode}"):
                    asyncio.run(asyncio.wait_for(session(f"http://127.0.0.1:{port}/mcp", mode, body), 60))
