-- POST the bodies of a file in turn; each line is one.
dofile(os.getenv("BENCH_LUA") .. "/report.lua")
local bodies = lines_of(os.getenv("BENCH_LINES"))
local headers = { ["Content-Type"] = os.getenv("BENCH_TYPE") or "application/json" }
local turn = 0

function request()
  turn = turn % #bodies + 1
  return wrk.format("POST", nil, headers, bodies[turn])
end
