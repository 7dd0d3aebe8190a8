-- SPDX-License-Identifier: MIT
--
-- Measures workloads beside their floor in C: the same work on the same rows, one after
-- the other, and the median of the ratios. From the project's root:
--
--     build/release/eloquent run bench/run.lua [--pairs N] [--rows N] [WORKLOAD...]
--
-- Files stand in a folder of their own under $TMPDIR, which is removed at the end.
local host = require("eloquent.core.host")

-- What each is asked to reach: the ratio at most, and the peak memory in MiB at most.
local WORKLOADS <const> = {
    { name = "create", rows = 10000, empty = true, ratio = 2.0 },
    { name = "bulk", rows = 100000, empty = true, ratio = 1.15 },
    { name = "hydrate", rows = 100000, ratio = 2.0, mib = 45 },
    { name = "find", rows = 100000, ratio = 1.5 },
    { name = "save", rows = 100000, ratio = 1.9 },
    { name = "query", rows = 100000, ratio = 2.0 },
    { name = "stream", rows = 1000000, ratio = 2.2, mib = 8 },
    { name = "delete", rows = 100000, ratio = 1.3 },
    { name = "start", rows = 1000, ratio = 2.0 },
}

local pairs_wanted, rows_wanted, wanted = 7, nil, {}
do
    local i = 1
    while arg[i] do
        if arg[i] == "--pairs" or arg[i] == "--rows" then
            local n = math.tointeger(tonumber(arg[i + 1]))
            if not n or n < 1 then
                error(arg[i] .. " takes a whole number from 1 on", 0)
            end
            if arg[i] == "--pairs" then
                pairs_wanted = n
            else
                rows_wanted = n
            end
            i = i + 2
        else
            wanted[arg[i]] = true
            i = i + 1
        end
    end
end

local program = host.realpath("/proc/self/exe")
local build = program:match("^(.*)/[^/]*$")
local floor, spawn = build .. "/bench/floor_sqlite", build .. "/bench/spawn"
local folder = ("%s/eloquent-bench-%d"):format(
    os.getenv("TMPDIR") or "/tmp",
    math.floor(host.clock() * 1e6)
)

local SCHEMA <const> = [[
create table users (id integer primary key autoincrement, name varchar(255) not null,
email varchar(255) not null unique, age integer, score double, active boolean, bio text,
created_at timestamp)]]

local function shell(command)
    local ok, _, status = os.execute(command)
    if not ok then
        error(("command failed (%s): %s"):format(status, command), 0)
    end
end

--- The first line that a command prints, split at blanks.
local function answer(command)
    local pipe <close> = assert(io.popen(command))
    local line = pipe:read("l")
    if not line then
        error("no answer from: " .. command, 0)
    end
    local words = {}
    for word in line:gmatch("%S+") do
        words[#words + 1] = word
    end
    return words
end

local made = {}

--- A database with that many rows, made once.
local function template(rows)
    if not made[rows] then
        local path = ("%s/%d.sqlite"):format(folder, rows)
        local connection = require("eloquent.core.connection").open("bench", "sqlite", { path = path })
        connection:script(SCHEMA)
        connection:close()
        if rows > 0 then
            answer(("%s bulk %s %d"):format(floor, path, rows))
        end
        made[rows] = path
    end
    return made[rows]
end

--- A copy of it for one run, so that no run sees another's pages.
local function copy(rows)
    local path = folder .. "/run.sqlite"
    shell(("rm -f %s %s-wal %s-shm && cp %s %s"):format(path, path, path, template(rows), path))
    return path
end

local function median(list)
    table.sort(list)
    return list[(#list + 1) // 2]
end

local function measure(workload)
    local rows = rows_wanted or workload.rows
    local before = workload.empty and 0 or rows
    local ratios, floors, ours, peak = {}, {}, {}, 0
    for _ = 1, pairs_wanted do
        local path = copy(before)
        local command = ("%s %s %s %d"):format(floor, workload.name, path, rows)
        local run = ("%s run bench/work.lua %s %d"):format(program, workload.name, rows)
        local theirs, mine
        if workload.name == "start" then
            theirs = answer(("%s 40 %s"):format(spawn, command))
            mine = answer(("SQLITE_PATH=%s %s 40 %s"):format(path, spawn, run))
        else
            theirs = answer(command)
            mine = answer(("SQLITE_PATH=%s %s"):format(copy(before), run))
            if theirs[2] ~= mine[2] then
                error(("%s: the floor got %s, eloquent %s"):format(workload.name, theirs[2], mine[2]), 0)
            end
            peak = math.max(peak, tonumber(mine[3]))
        end
        floors[#floors + 1], ours[#ours + 1] = tonumber(theirs[1]), tonumber(mine[1])
        ratios[#ratios + 1] = ours[#ours] / floors[#floors]
    end
    local ratio = median(ratios)
    local memory = peak > 0 and ("%.1f"):format(peak / 1024) or "-"
    local missed = ratio > workload.ratio or (workload.mib and peak / 1024 > workload.mib)
    print(("%-8s %9d  %10.3f  %10.3f  %6.2f  %8.2f  %8s  %8s  %s"):format(
        workload.name,
        rows,
        median(floors) * 1e3,
        median(ours) * 1e3,
        ratio,
        workload.ratio,
        memory,
        workload.mib or "-",
        missed and "MISSED" or "ok"
    ))
end

shell("mkdir -p " .. folder)
local cleanup <close> = setmetatable({}, {
    __close = function()
        os.execute("rm -rf " .. folder)
    end,
})
print(("sqlite, file, WAL, synchronous=NORMAL; median of %d pairs"):format(pairs_wanted))
print("workload      rows    floor ms     ours ms   ratio   at most       MiB   at most")
for _, workload in ipairs(WORKLOADS) do
    if next(wanted) == nil or wanted[workload.name] then
        measure(workload)
    end
end
