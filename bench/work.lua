-- SPDX-License-Identifier: MIT
--
-- One workload through eloquent: `eloquent run bench/work.lua WORKLOAD ROWS [TIMES]` on
-- the default connection. Prints seconds, a checksum, the seconds of processor time and the
-- peak memory in KiB. The same in C is bench/floor_*.c; what a workload prepares first is
-- outside its time in both.
local eloquent = require("eloquent")
local User = require("user")

local workloads = {}
local cpu_started

--- When the work of a workload begins.
local function clock()
    cpu_started = os.clock()
    return eloquent.clock()
end

function workloads.create(n)
    local rows = require("rows").users(1, n)
    local started, sum = clock(), 0
    eloquent.transaction(function()
        for i = 1, n do
            sum = sum + User:create(rows[i]).id
        end
    end)
    return started, sum
end

function workloads.bulk(n)
    local rows = require("rows").users(1, n)
    local started = clock()
    User:insert(rows)
    return started, n
end

function workloads.hydrate()
    local started, sum = clock(), 0
    for _, user in ipairs(User:all()) do
        sum = sum + user.age + user.score
    end
    return started, sum
end

function workloads.find(n, times)
    local started, sum = clock(), 0
    for i = 0, (times or 20000) - 1 do
        sum = sum + User:find(i * 7919 % n + 1).age
    end
    return started, sum
end

function workloads.save(_, times)
    local users = User:orderBy("id"):limit(times or 10000):get()
    local started = clock()
    eloquent.transaction(function()
        for _, user in ipairs(users) do
            user.age = user.age + 1
            user.score = user.score + 0.25
            user:save()
        end
    end)
    return started, #users
end

function workloads.query(_, times)
    local started, sum = clock(), 0
    for i = 0, (times or 20000) - 1 do
        local users = User:where("id", ">", i % 1000):where("active", true):orderBy("id"):limit(10):get()
        for _, user in ipairs(users) do
            sum = sum + user.age
        end
    end
    return started, sum
end

function workloads.stream()
    local started, sum = clock(), 0
    for user in User:cursor() do
        sum = sum + user.age + user.score
    end
    return started, sum
end

function workloads.delete(_, times)
    local users = User:orderBy("id"):limit(times or 10000):get()
    local started = clock()
    eloquent.transaction(function()
        for _, user in ipairs(users) do
            user:delete()
        end
    end)
    return started, #users
end

function workloads.start()
    local started = clock()
    return started, User:find(1).age
end

if arg[1] ~= "start" then
    eloquent.connection():ping() -- the floor's connection is open before its time, too
end
local started, sum = workloads[arg[1]](math.tointeger(arg[2]), math.tointeger(arg[3]))
local elapsed, cpu = eloquent.clock() - started, os.clock() - cpu_started
local peak = 0
-- The whole process is timed for `start`, so it does no more than it must.
for line in io.lines(arg[1] == "start" and "/dev/null" or "/proc/self/status") do
    peak = tonumber(line:match("^VmHWM:%s*(%d+)")) or peak
end
print(("%.9f %.2f %.6f %d"):format(elapsed, sum, cpu, peak))
