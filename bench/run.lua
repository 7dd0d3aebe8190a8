-- SPDX-License-Identifier: MIT
--
-- Measures workloads beside their floor in C: the same work on the same rows, one after
-- the other, and the median of the ratios. From the project's root:
--
--     build/release/eloquent run bench/run.lua [--engine sqlite|pg|mysql|mongo] [--pairs N]
--                                              [--rows N] [--times N] [WORKLOAD...]
--
-- SQLite's files stand in a folder of their own under $TMPDIR, which is removed at the
-- end. The servers are those of script/servers, told by the EL_SPEC_* variables; the table
-- `users` in their spec database is made anew. On MongoDB the ratio that counts is that of
-- the processor time: the server of the specs is slow enough to hide any client.
local host = require("eloquent.core.host")

-- What each is asked to reach: the ratio at most, and the peak memory in MiB at most; for
-- the servers these are `served` and `served_mib` (their client libraries alone take 8 to
-- 12 MiB). An engine may ask for something else. `writes`: changes the rows, so each run
-- has its own.
local WORKLOADS <const> = {
    { name = "create", rows = 10000, empty = true, writes = true, ratio = 2.0, served = 1.15 },
    { name = "bulk", rows = 100000, empty = true, writes = true, ratio = 1.15, served = 1.3 },
    { name = "hydrate", rows = 100000, ratio = 2.0, served = 1.5, mib = 45 },
    { name = "find", rows = 100000, ratio = 1.5, served = 1.15 },
    { name = "save", rows = 100000, writes = true, ratio = 1.9, served = 1.15 },
    { name = "query", rows = 100000, ratio = 2.0, served = 1.15 },
    { name = "stream", rows = 1000000, ratio = 2.2, served = 1.5, mib = 8, served_mib = 18 },
    { name = "delete", rows = 100000, writes = true, ratio = 1.3, served = 1.15 },
    { name = "start", rows = 1000, ratio = 1.8, served = 1.8 },
}

local ROW <const> = "%-8s %8s %10s %10s %6s%s %5s  %8s %8s  %7s %7s %5s  %s"

local SETTINGS <const> = { pairs = 7, engine = "sqlite" }
local wanted = {}
do
    local i = 1
    while arg[i] do
        local option = arg[i]:match("^%-%-(%a+)$")
        if option == "pairs" or option == "rows" or option == "times" then
            local n = math.tointeger(tonumber(arg[i + 1]))
            if not n or n < 1 then
                error(arg[i] .. " takes a whole number from 1 on", 0)
            end
            SETTINGS[option] = n
        elseif option == "engine" then
            SETTINGS.engine = arg[i + 1]
        elseif option then
            error("there is no option " .. arg[i], 0)
        else
            wanted[arg[i]] = true
        end
        i = i + (option and 2 or 1)
    end
end

local program = host.realpath("/proc/self/exe")
local build = program:match("^(.*)/[^/]*$")
local floor, spawn = build .. "/bench/floor_" .. SETTINGS.engine, build .. "/bench/spawn"

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

-- {{{ engines: where the rows are

local engines = {}

engines.sqlite = { title = "sqlite, file, WAL, synchronous=NORMAL" }

local SQLITE_TABLE <const> = [[
create table users (id integer primary key autoincrement, name varchar(255) not null,
email varchar(255) not null unique, age integer, score double, active boolean, bio text,
created_at timestamp)]]

--- What is in the table after a workload that writes.
local function digest(connection)
    local sql = [[select count(*) + 3 * sum(age) + 5 * sum(score) + 7 * sum(length(name))
        + 11 * sum(length(email)) + 13 * count(bio) + 17 * sum(case when active then 1 else 0 end)
        + 19 * count(created_at) from users]]
    return ("%.2f"):format(connection:scalar(require("eloquent.core.plan").new(sql)))
end

function engines.sqlite:open()
    self.folder = ("%s/eloquent-bench-%d"):format(
        os.getenv("TMPDIR") or "/tmp",
        math.floor(host.clock() * 1e6)
    )
    self.made = {}
    shell("mkdir -p " .. self.folder)
end

function engines.sqlite:close()
    os.execute("rm -rf " .. self.folder)
end

function engines.sqlite:connect(path)
    return require("eloquent.core.connection").open("bench", "sqlite", { path = path })
end

function engines.sqlite:digest()
    local connection = self:connect(self.folder .. "/run.sqlite")
    local sum = digest(connection)
    connection:close()
    return sum
end

--- A database with that many rows, made once.
function engines.sqlite:template(rows)
    if not self.made[rows] then
        local path = ("%s/%d.sqlite"):format(self.folder, rows)
        local connection = self:connect(path)
        connection:script(SQLITE_TABLE)
        connection:close()
        if rows > 0 then
            answer(("%s bulk %s %d"):format(floor, path, rows))
        end
        self.made[rows] = path
    end
    return self.made[rows]
end

--- A copy of it for each run, so that no run sees another's pages. Returns the floor's
--- command and eloquent's environment.
function engines.sqlite:prepare(workload, before, rows)
    local path = self.folder .. "/run.sqlite"
    shell(("rm -f %s %s-wal %s-shm && cp %s %s"):format(path, path, path, self:template(before), path))
    return ("%s %s %s %d"):format(floor, workload.name, path, rows), "SQLITE_PATH=" .. path
end

local function server(title, driver, prefix, ddl, tidy)
    local engine = { title = title, has_server = true }

    function engine:open()
        local options = {}
        self.environment = "DB_CONNECTION=" .. driver
        for _, key in ipairs({ "HOST", "PORT", "USER", "PASSWORD", "NAME" }) do
            local name = ("EL_SPEC_%s_%s"):format(prefix, key)
            local value = os.getenv(name)
            if not value then
                error(name .. ' is not set: script/servers start, then eval "$(script/servers env)"', 0)
            end
            options[key:lower()] = value
            self.environment = ("%s %s_%s='%s'"):format(
                self.environment, prefix == "PG" and "PG" or "DB", key, value:gsub("'", [['\'']]))
        end
        self.core = require("eloquent.core.connection").open("bench", driver, options)
    end

    function engine:close()
        self.core:script("drop table if exists users")
        self.core:close()
    end

    function engine:digest()
        return digest(self.core)
    end

    --- The table with that many rows, made anew unless a run has left it as it was.
    function engine:prepare(workload, before, rows)
        if self.holds ~= before then
            self.core:script("drop table if exists users")
            self.core:script(ddl)
            if before > 0 then
                answer(("%s bulk %d"):format(floor, before))
            end
            self.core:script(tidy)
        end
        self.holds = not workload.writes and before or nil
        return ("%s %s %d"):format(floor, workload.name, rows), self.environment
    end

    return engine
end

engines.pg = server("PostgreSQL over loopback", "pg", "PG", [[
create table users (id integer generated by default as identity primary key,
name varchar(255) not null, email varchar(255) not null unique, age integer,
score double precision, active boolean, bio text, created_at timestamp)]], "vacuum analyze users")

engines.mysql = server("MariaDB over loopback", "mysql", "MYSQL", [[
create table users (id int not null auto_increment primary key, name varchar(255) not null,
email varchar(255) not null unique, age int, score double, active boolean, bio text,
created_at datetime(6))]], "set @n = 0; update users set id = (@n := @n + 1) order by id; analyze table users")

-- What it is asked to reach, by the processor time of the client. The server of the specs
-- reads a whole collection for what is not found by `_id`, 20 us a document, and slows
-- down in a transaction of many statements, so there are few of both.
engines.mongo = {
    title = "MongoDB over loopback",
    has_server = true,
    by_cpu = true,
    asked = {
        create = { rows = 1000 },
        bulk = { ratio = 1.3 },
        hydrate = { ratio = 1.5 },
        find = { ratio = 1.2 },
        save = { rows = 10000, times = 4000 },
        query = { rows = 1100, times = 1000 },
        stream = { mib = 12 },
        delete = { rows = 10000, times = 4000 },
    },
}

local MONGO_DIGEST <const> = [[
{"aggregate": "users", "pipeline": [{"$group": {"_id": null, "n": {"$sum": 1}, "id": {"$sum": "$id"},
"key": {"$sum": "$_id"}, "age": {"$sum": "$age"}, "score": {"$sum": "$score"},
"name": {"$sum": {"$strLenBytes": "$name"}}, "email": {"$sum": {"$strLenBytes": "$email"}},
"bio": {"$sum": {"$cond": [{"$gt": ["$bio", null]}, 1, 0]}}, "active": {"$sum": {"$cond": ["$active", 1, 0]}},
"created": {"$max": "$created_at"}}}], "cursor": {},
"$fields": ["n", "id", "key", "age", "score", "name", "email", "bio", "active", "created"]}]]

function engines.mongo:open()
    self.environment = "DB_CONNECTION=mongo"
    local options = {}
    for _, key in ipairs({ "URI", "DB" }) do
        local value = os.getenv("EL_SPEC_MONGO_" .. key)
        if not value then
            error(("EL_SPEC_MONGO_%s is not set: script/servers start, then "):format(key)
                .. 'eval "$(script/servers env)"', 0)
        end
        options[key:lower()] = value
        self.environment = ("%s MONGO_%s='%s'"):format(self.environment, key, value:gsub("'", [['\'']]))
    end
    self.core = require("eloquent.core.connection").open("bench", "mongo", options)
end

--- Removes the collection; one that isn't there is made first, since not all servers drop that.
function engines.mongo:drop()
    self.core:script('{"insert": "users", "documents": [{}]}')
    self.core:script('{"drop": "users"}')
end

function engines.mongo:close()
    self:drop()
    self.core:script('{"delete": "counters", "deletes": [{"q": {"_id": "users"}, "limit": 1}]}')
    self.core:close()
end

function engines.mongo:digest()
    local row = self.core:first(require("eloquent.core.plan").new(MONGO_DIGEST))
    return ("%d %d %d %d %.2f %d %d %d %d %s"):format(row.n, row.id, row.key, row.age, row.score, row.name, row.email,
        row.bio, row.active, row.created)
end

function engines.mongo:prepare(workload, before, rows)
    if self.holds ~= before then
        self:drop()
        self.core:script('{"update": "counters", "updates": [{"q": {"_id": "users"}, '
            .. '"u": {"$set": {"seq": 0}}, "upsert": true}]}')
        if before > 0 then
            answer(("%s load %d"):format(floor, before))
        end
    end
    self.holds = not workload.writes and before or nil
    return ("%s %s %d"):format(floor, workload.name, rows), self.environment
end

local engine = engines[SETTINGS.engine] or error("the engines are sqlite, pg, mysql and mongo", 0)

-- }}}

local function median(list)
    table.sort(list)
    return list[(#list + 1) // 2]
end

--- What a run printed, with a digest of the rows that it wrote.
local function outcome(workload, words)
    return {
        seconds = tonumber(words[1]),
        checksum = words[2] .. (workload.writes and " and rows " .. engine:digest() or ""),
        cpu = tonumber(words[3]),
        mib = tonumber(words[4]) / 1024,
    }
end

--- Adds a pair of runs to `seen`.
local function run_pair(workload, rows, times, seen)
    local before = workload.empty and 0 or rows
    local run = ("%s run bench/work.lua %s %d%s"):format(program, workload.name, rows, times)
    local timed = workload.name == "start" and spawn .. " 40 " or ""
    local command = engine:prepare(workload, before, rows)
    local theirs = outcome(workload, answer(timed .. command .. times))
    local _, environment = engine:prepare(workload, before, rows)
    local mine = outcome(workload, answer(environment .. " " .. timed .. run))
    if theirs.checksum ~= mine.checksum then
        error(("%s: the floor got %s, eloquent %s"):format(workload.name, theirs.checksum, mine.checksum), 0)
    end
    table.insert(seen.ratios, mine.seconds / theirs.seconds)
    table.insert(seen.cpu_ratios, mine.cpu / theirs.cpu)
    for name, list in pairs(seen.floor) do
        table.insert(list, theirs[name])
        table.insert(seen.ours[name], mine[name])
    end
end

-- Rows, repetitions, and what is to be reached: ratio and MiB at most, where any are.
local function asked_of(workload)
    local asked = engine.asked and (engine.asked[workload.name] or {})
    if asked then
        return asked.rows or workload.rows, asked.times, asked.ratio, asked.mib
    elseif engine.has_server then
        return workload.rows, nil, workload.served, workload.served_mib
    end
    return workload.rows, nil, workload.ratio, workload.mib
end

local function measure(workload)
    local rows, times, most, mib = asked_of(workload)
    rows, times = SETTINGS.rows or rows, SETTINGS.times or times
    local seen = {
        ratios = {},
        cpu_ratios = {},
        floor = { seconds = {}, cpu = {}, mib = {} },
        ours = { seconds = {}, cpu = {}, mib = {} },
    }
    for _ = 1, SETTINGS.pairs do
        run_pair(workload, rows, times and " " .. times or "", seen)
    end
    local ratio, by_cpu = median(seen.ratios), median(seen.cpu_ratios)
    local peak = math.max(table.unpack(seen.ours.mib))
    local missed = most and (engine.by_cpu and by_cpu or ratio) > most or mib and peak > mib
    print(ROW:format(
        workload.name,
        ("%d"):format(rows),
        ("%.1f"):format(median(seen.floor.seconds) * 1e3),
        ("%.1f"):format(median(seen.ours.seconds) * 1e3),
        ("%.2f"):format(ratio),
        engine.by_cpu and (" %6.2f"):format(by_cpu) or "",
        most and ("%.2f"):format(most) or "-",
        ("%.1f"):format(median(seen.floor.cpu) * 1e3),
        ("%.1f"):format(median(seen.ours.cpu) * 1e3),
        ("%.1f"):format(median(seen.floor.mib)),
        ("%.1f"):format(peak),
        mib or "-",
        missed and "MISSED" or "ok"
    ))
end

engine:open()
local _ <close> = setmetatable({}, {
    __close = function()
        engine:close()
    end,
})
print(("%s; median of %d pairs, peak memory of the largest"):format(engine.title, SETTINGS.pairs))
local by_cpu = engine.by_cpu
print(ROW:format("", "", "", "", "", by_cpu and "    CPU" or "", "", "CPU", "CPU", "MiB", "MiB", "", ""))
print(
    ROW:format("workload", "rows", "floor ms", "ours ms", "ratio", by_cpu and "  ratio" or "", "most", "floor", "ours",
        "floor", "ours", "most", "")
)
for _, workload in ipairs(WORKLOADS) do
    if next(wanted) == nil or wanted[workload.name] then
        measure(workload)
    end
end
