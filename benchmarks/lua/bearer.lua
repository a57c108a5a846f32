-- GET one path with the tokens of a file in turn, so that no cache of one token flatters.
dofile(os.getenv("BENCH_LUA") .. "/report.lua")
local tokens = lines_of(os.getenv("BENCH_LINES"))
local requests, turn = {}, 0

function init(args)
  for i, token in ipairs(tokens) do
    requests[i] = wrk.format("GET", nil, { ["Authorization"] = "Bearer " .. token })
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end
