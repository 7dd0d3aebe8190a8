-- SPDX-License-Identifier: MIT
--
-- An SQLite file that can't be used as it should: no room, no right to write, damaged,
-- locked. What the driver says of each is spec/c/sqlite_files_spec.c.

local helper = require("spec.helper")

-- Keeps one row, then writes more than there is room for.
local fill = [[
local db = require("eloquent").connection()
db:script("create table if not exists t (id integer primary key, s text)")
db:execute("insert into t (s) values ('kept')")
ROOM
local ok, err = pcall(db.transaction, db, function()
    for _ = 1, 3000 do
        db:execute("insert into t (s) values (?)", { ("x"):rep(1000) })
    end
end)
print(ok, err.kind, db:scalar("select count(*) from t"), db:core():txstate())
local rows = {}
for i = 1, 3000 do
    rows[i] = { s = ("y"):rep(1000) }
end
ok, err = pcall(function() return db:table("t"):insert(rows) end)
print(ok, err.kind, db:scalar("select count(*) from t"), db:core():txstate())
print(err.message)
MORE
print(db:table("t"):insert(rows), db:scalar("select count(*) from t"), db:scalar("pragma integrity_check"))
]]

local function binary()
    return helper.quote(helper.binary())
end

-- The script in a folder of its own, behind what the shell says first.
local function run(code, before, dir)
    dir = dir or helper.tmpdir()
    helper.write(dir, "script.lua", code)
    return helper.shell((before or "") .. "exec " .. binary() .. " run script.lua", {
        dir = dir,
        env = { SQLITE_PATH = "app.sqlite" },
    }), dir
end

describe("an SQLite file", function()
    it("without room for more: an error, the rows from before, and work goes on with room", function()
        local code = fill:gsub("ROOM", 'db:scalar("pragma max_page_count = 300")')
            :gsub("MORE", 'db:scalar("pragma max_page_count = 100000")')
        local r = run(code)
        assert.equal("", r.stderr)
        assert.equal("false\tother\t1\tnone\nfalse\tother\t1\tnone\n"
            .. "app.sqlite: the disk is full; free space and try again\n3000\t3001\tok\n", r.stdout)
    end)

    it("at the limit of the process on file sizes: the same, and the process lives", function()
        local r = run((fill:gsub("ROOM", ""):gsub("MORE", 'rows = { { s = "z" } }')), "ulimit -f 600; ")
        assert.equal("", r.stderr)
        assert.equal(0, r.status)
        assert.matches("^false\tother\t1\tnone\nfalse\tother\t1\tnone\ncan't read or write app%.sqlite: [^\n]+"
            .. "room for it[^\n]+\n1\t2\tok\n$", r.stdout)
    end)

    it("that is damaged, or none at all: an error that names it, and it stays as it is", function()
        local _, dir = run((fill:gsub("ROOM.*$", "")))
        local path = dir .. "/app.sqlite"
        local good = helper.read(path)
        local use = [[
            local db = require("eloquent").connection()
            print(db:scalar("select count(*) from t"))
            db:execute("insert into t (s) values ('more')")
        ]]
        for label, content in pairs({
            ["no database"] = ("this is no database\n"):rep(500),
            ["a torn head"] = good:sub(1, 20) .. ("\xff"):rep(80) .. good:sub(101),
            ["a torn page"] = good:sub(1, 4096) .. ("\xee"):rep(#good - 4096),
            ["cut off"] = good:sub(1, 4096),
        }) do
            helper.write(dir, "app.sqlite", content)
            os.remove(path .. "-wal")
            os.remove(path .. "-shm")
            local r = run(use, nil, dir)
            assert.is_true(r.status == 1 or r.status == 4, label .. ": " .. r.status)
            assert.matches("app%.sqlite", r.stderr, label)
            assert.matches("damaged", (r.stderr:gsub("not an SQLite database", "damaged")), label)
            assert.equal(content, helper.read(path), label)
        end
    end)

    it("that may only be read: reading works, writing says why", function()
        local _, dir = run((fill:gsub("ROOM.*$", "")))
        local r = run([[
            local eloquent = require("eloquent")
            local db = eloquent.connection()
            print(db:scalar("select count(*) from t"))
            db:script("pragma query_only = on")
            local ok, err = pcall(db.execute, db, "insert into t (s) values ('s3cr3t')")
            print(ok, err.kind, (tostring(err):find("s3cr3t", 1, true)))
            print(db:scalar("select count(*) from t"))
        ]], nil, dir)
        assert.equal("", r.stderr)
        assert.equal("1\nfalse\tother\tnil\n1\n", r.stdout)
    end)

    it("that another program has locked: kind busy after busy_timeout, then it works", function()
        local _, dir = run((fill:gsub("ROOM.*$", "")))
        helper.write(dir, "holder.lua", [[
            local db = require("eloquent").connection()
            db:transaction(function()
                db:execute("insert into t (s) values ('held')")
                print("held")
                io.stdout:flush()
                io.read("l")
            end)
            print("done")
        ]])
        helper.write(dir, "script.lua", [[
            local db = require("eloquent").connection()
            local pipe = io.popen(arg[1], "w") -- holds the lock until its input ends
            local began = require("eloquent").clock()
            repeat
                local file = io.open("out")
                local said = file and file:read("l")
                if file then file:close() end
                assert(require("eloquent").clock() - began < 20, "the lock was not taken")
            until said == "held"
            local started = require("eloquent").clock()
            local ok, err = pcall(db.execute, db, "insert into t (s) values ('mine')")
            local took = require("eloquent").clock() - started
            print(ok, err.kind, took > 0.1 and took < 3, db:scalar("select count(*) from t"))
            pipe:write("\n")
            pipe:close()
            print(db:execute("insert into t (s) values ('mine')"), db:scalar("select count(*) from t"))
        ]])
        local r = helper.shell(("exec %s run script.lua %s"):format(binary(),
            helper.quote(binary() .. " run holder.lua >out")), {
            dir = dir,
            env = { SQLITE_PATH = "app.sqlite", SQLITE_BUSY_TIMEOUT = "0.2" },
        })
        assert.equal("", r.stderr)
        assert.equal("false\tbusy\ttrue\t1\n1\t3\n", r.stdout)
    end)
end)
