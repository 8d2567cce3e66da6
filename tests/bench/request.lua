-- wrk script: one HTTP request, repeated. For JSON-RPC every request gets an id of its own, because servers refuse an
-- id that is in flight. Settings come from the environment of tests/bench/run.
local body = os.getenv("BENCH_BODY") or ""
local headers = {}
for line in (os.getenv("BENCH_HEADERS") or ""):gmatch("[^\n]+") do
  local name, value = line:match("^([^:]+):%s*(.*)$")
  headers[name] = value
end
local path = os.getenv("BENCH_PATH") or "/"
local expect = os.getenv("BENCH_EXPECT") or ""
local before, after = body:match("^(.*)@ID@(.*)$")

local threads = 0
function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init()
  next_id = number * 100000000
  wrong = 0
  checked = 0
end

function request()
  if not before then
    return wrk.format("GET", path, headers)
  end
  next_id = next_id + 1
  return wrk.format("POST", path, headers, before .. next_id .. after)
end

-- One answer in a hundred is read: enough to notice that errors are being counted as speed.
function response(status, _, answer)
  checked = checked + 1
  if status ~= 200 or (checked % 100 == 1 and not answer:find(expect, 1, true)) then
    wrong = wrong + 1
  end
end

function done(summary, latency)
  io.write(string.format("BENCH requests=%d seconds=%.3f p50_us=%.1f p99_us=%.1f errors=%d\n", summary.requests,
    summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout))
end
