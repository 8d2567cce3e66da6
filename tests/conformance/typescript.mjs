// One session of an official TypeScript client: typescript.mjs v1|v2 MODE fixtures|product URL|COMMAND [ARGUMENT...]
// MODE is legacy, auto, or the revision that the client is pinned to.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_MODULES}/any.js`);
const [line, mode, program, target, ...rest] = process.argv.slice(2);
const isHttp = target.startsWith("http://");
const legacy = "2025-11-25";
const modern = "2026-07-28";

function sdk() {
  if (line === "v1") {
    const schemas = require("@modelcontextprotocol/sdk/types.js");
    return {
      Client: require("@modelcontextprotocol/sdk/client/index.js").Client,
      Stdio: require("@modelcontextprotocol/sdk/client/stdio.js").StdioClientTransport,
      Http: require("@modelcontextprotocol/sdk/client/streamableHttp.js").StreamableHTTPClientTransport,
      requests: {
        elicit: schemas.ElicitRequestSchema,
        sample: schemas.CreateMessageRequestSchema,
        roots: schemas.ListRootsRequestSchema,
      },
      toolsChanged: schemas.ToolListChangedNotificationSchema,
    };
  }
  const client = require("@modelcontextprotocol/client");
  return {
    Client: client.Client,
    Stdio: require("@modelcontextprotocol/client/stdio").StdioClientTransport,
    Http: client.StreamableHTTPClientTransport,
    requests: { elicit: "elicitation/create", sample: "sampling/createMessage", roots: "roots/list" },
    toolsChanged: "notifications/tools/list_changed",
  };
}

const { Client, Stdio, Http, requests, toolsChanged } = sdk();
const text = (result) => result.content.map((block) => block.text ?? "").join("");

async function connect() {
  const options = { capabilities: { elicitation: {}, sampling: {}, roots: {} } };
  if (line === "v2") {
    options.versionNegotiation = { mode: mode === modern ? { pin: modern } : mode };
  }
  const client = new Client({ name: "conformance", version: "1" }, options);
  client.setRequestHandler(requests.elicit, async () => ({
    action: "accept",
    content: { name: "Ann", username: "ann", email: "ann@example.org", ok: true },
  }));
  client.setRequestHandler(requests.sample, async () => ({
    role: "assistant",
    model: "m",
    content: { type: "text", text: "Paris" },
  }));
  client.setRequestHandler(requests.roots, async () => ({ roots: [{ uri: "file:///somewhere" }] }));
  client.onerror = (error) => assert.fail(`the client reports: ${error.message}`);
  const transport = isHttp
    ? new Http(new URL(target))
    : new Stdio({ command: target, args: rest, env: process.env });
  await client.connect(transport);
  if (line === "v2") {
    assert.equal(client.getNegotiatedProtocolVersion(), mode === "legacy" ? legacy : modern);
  } else if (isHttp) {
    assert.equal(transport.protocolVersion, legacy);
  }
  return client;
}

async function fixtures(client) {
  const names = (await client.listTools()).tools.map((tool) => tool.name);
  assert.ok(names.includes("json_schema_2020_12_tool"));
  const seen = [];
  const options = { onprogress: (progress) => seen.push(progress.progress) };
  await (line === "v1"
    ? client.callTool({ name: "test_tool_with_progress", arguments: {} }, undefined, options)
    : client.callTool({ name: "test_tool_with_progress", arguments: {} }, options));
  assert.deepEqual(seen, [0, 50, 100]);
  for (const name of ["test_image_content", "test_audio_content", "test_multiple_content_types"]) {
    assert.ok((await client.callTool({ name, arguments: {} })).content.length > 0, name);
  }
  const weather = await client.callTool({ name: "test_structured_content", arguments: {} });
  assert.deepEqual(weather.structuredContent, { city: "Bern", degrees: 21 });
  assert.equal((await client.callTool({ name: "test_error_handling", arguments: {} })).isError, true);
  const call = async (name, args = {}) => text(await client.callTool({ name, arguments: args }));
  assert.match(await call("test_x_mcp_header", { region: "Zürich", priority: 3, dry_run: true }), /Zürich.*3.*true/);
  assert.match(await call("test_elicitation", { message: "Who?" }), /action=accept/);
  assert.match(await call("test_sampling", { prompt: "capital?" }), /Paris/);
  assert.match(await call("test_input_required_result_multiple_inputs"), /Ann.*Paris.*file:/);
  await assert.rejects(client.callTool({ name: "no_such_tool", arguments: {} }), /-32602|Unknown tool/);
  const { contents } = await client.readResource({ uri: "test://template/123/data" });
  assert.equal(JSON.parse(contents[0].text).id, "123");
  await assert.rejects(client.readResource({ uri: "test://none" }), /not found/i);
  assert.equal((await client.listResources()).resources.length, 3);
  assert.equal((await client.listResourceTemplates()).resourceTemplates.length, 1);
  assert.equal((await client.listPrompts()).prompts.length, 5);
  const prompt = await client.getPrompt({
    name: "test_prompt_with_arguments",
    arguments: { arg1: "one", arg2: "two" },
  });
  assert.match(prompt.messages[0].content.text, /two/);
  const { completion } = await client.complete({
    ref: { type: "ref/prompt", name: "test_prompt_with_arguments" },
    argument: { name: "arg1", value: "par" },
  });
  assert.deepEqual(completion.values, ["paris", "park", "party"]);
  await hearsOfChanges(client);
  await cancels(client);
}

// A legacy client hears through its own stream, a modern one through the subscription it opens.
async function hearsOfChanges(client) {
  const heard = new Promise((resolve) => client.setNotificationHandler(toolsChanged, resolve));
  const subscription = mode === "legacy" ? null : await client.listen({ toolsListChanged: true });
  const deadline = Date.now() + 10_000;
  let done = false;
  heard.then(() => (done = true));
  while (!done) {
    assert.ok(Date.now() < deadline, "the client never heard of the change");
    await client.callTool({ name: "test_trigger_tool_change", arguments: {} });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await subscription?.close();
}

async function cancels(client) {
  const counts = async () =>
    (await client.callTool({ name: "test_wait_counts", arguments: {} })).structuredContent ??
    assert.fail("no counts");
  const before = await counts();
  const controller = new AbortController();
  const options = { signal: controller.signal };
  const call = { name: "test_wait", arguments: {} };
  const waiting = line === "v1" ? client.callTool(call, undefined, options) : client.callTool(call, options);
  waiting.catch(() => {});
  const until = async (condition) => {
    for (const deadline = Date.now() + 10_000; !condition(await counts()); ) {
      assert.ok(Date.now() < deadline, "the server never noticed");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  await until((now) => now.started === before.started + 1);
  controller.abort("enough");
  await assert.rejects(waiting);
  await until((now) => now.cancelled === before.cancelled + 1);
}

async function product(client) {
  const names = (await client.listTools()).tools.map((tool) => tool.name);
  assert.ok(names.includes("config_contexts_list") && names.includes("pods_list"));
  const listing = JSON.parse(text(await client.callTool({ name: "config_contexts_list", arguments: {} })));
  assert.deepEqual(listing.contexts.map((context) => context.name).sort(), ["blue", "red"]);
  assert.equal(listing.current_context, "red");
  const dead = await client.callTool({ name: "namespaces_list", arguments: { context: "blue" } });
  assert.equal(dead.isError, true);
  assert.equal(JSON.parse(text(dead)).error.type, "Unreachable");
}

const client = await connect();
await (program === "product" ? product(client) : fixtures(client));
client.onerror = undefined;
await client.close();
