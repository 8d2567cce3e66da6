-- wrk script: one JSON-RPC method over and over, on a 2025-11-25 session (BENCH_METHOD, BENCH_SESSION). It measures the
-- protocol server by itself, without a cluster: wrk -t1 -c64 -d5s -s tests/bench/protocol.lua http://127.0.0.1:PORT/mcp
local method = os.getenv("BENCH_METHOD") or "ping"
local body = '{"jsonrpc":"2.0","id":1,"method":"' .. method .. '"}'
local headers = {
  ["Content-Type"] = "application/json",
  ["Accept"] = "application/json, text/event-stream",
  ["Mcp-Session-Id"] = os.getenv("BENCH_SESSION") or "",
}
local text

function request()
  text = text or wrk.format("POST", nil, headers, body)
  return text
end
