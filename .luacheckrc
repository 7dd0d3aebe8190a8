-- luacheck reads this; nothing is ignored everywhere.
std = "lua54"
max_line_length = 120
codes = true
cache = false
self = false -- a method has its self by contract, used or not

-- busted's functions
files["spec"] = { std = "+busted" }
