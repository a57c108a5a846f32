-- POST from the addresses of a file in turn; each line is an address, a blank and a body.
-- Whoever was refused waits BENCH_PAUSE milliseconds before the next request.
dofile(os.getenv("BENCH_LUA") .. "/report.lua")
local lines = lines_of(os.getenv("BENCH_LINES"))
local pause = tonumber(os.getenv("BENCH_PAUSE"))
local turn, refused = 0, 0

function request()
  turn = turn % #lines + 1
  local address, body = lines[turn]:match("^(%S+) (.*)$")
  local headers = { ["Content-Type"] = "application/json", ["X-Forwarded-For"] = address }
  return wrk.format("POST", nil, headers, body)
end

function response(status)
  if status == 503 then refused = refused + 1 end
end

function delay()
  if refused == 0 then return 0 end
  refused = refused - 1
  return pause
end
