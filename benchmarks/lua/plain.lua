-- GET one path.
dofile(os.getenv("BENCH_LUA") .. "/report.lua")
