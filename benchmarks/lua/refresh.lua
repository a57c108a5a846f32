-- POST refresh tokens, each of them once: the answer holds the next one of its session.
-- There is one session more than connections (wrk asks for one request that it never sends),
-- so a token is always at hand; were it not, the run would show errors.
dofile(os.getenv("BENCH_LUA") .. "/report.lua")
local tokens = lines_of(os.getenv("BENCH_LINES"))
local first, last = 1, #tokens
local headers = { ["Content-Type"] = "application/json" }

function request()
  local token = tokens[first]
  if token then
    tokens[first] = nil
    first = first + 1
  end
  return wrk.format("POST", nil, headers, '{"refresh_token":"' .. (token or "none") .. '"}')
end

function response(status, _, body)
  local token = body:match('"refresh_token": ?"([^"]+)"')
  if token then
    last = last + 1
    tokens[last] = token
  end
end
