-- SPDX-License-Identifier: MIT

local helper = require("spec.helper")

local interrupt = helper.interrupt

local ready = 'io.write("ready\\n") io.stdout:flush()\n'

describe("Ctrl-C", function()
    it("stops a loop of pure Lua with status 130", function()
        local r = interrupt(ready .. "while true do end")
        assert.same({ status = 130, stdout = "ready\n", stderr = "interrupted at script.lua:2\n" }, r)
    end)

    it("stops a loop inside a coroutine", function()
        for _, call in ipairs({ "coroutine.wrap(f)()", "assert(coroutine.resume(coroutine.create(f)))" }) do
            local r = interrupt(ready .. "local function f() while true do end end\n" .. call)
            assert.equal(130, r.status)
            assert.matches("^interrupted", r.stderr)
        end
    end)

    it("runs what is to be closed", function()
        local r = interrupt([[
            local c <close> = setmetatable({}, { __close = function() print("closed") end })
        ]] .. ready .. "while true do end")
        assert.equal(130, r.status)
        assert.equal("ready\nclosed\n", r.stdout)
    end)

    it("is an error object that a script may catch", function()
        local r = interrupt(ready .. [[
            local ok, err = pcall(function() while true do end end)
            print(ok, err.kind)
        ]])
        assert.same({ status = 0, stdout = "ready\nfalse\tcanceled\n", stderr = "" }, r)
    end)

    it("is of no row where rows were written", function()
        local r = interrupt([[
            local eloquent = require("eloquent")
            local User = eloquent.SqlModel "User" { schema = { id = eloquent.column("increments") } }
            eloquent.schema():create(User)
            local rows = {}
            for i = 1, 2000000 do rows[i] = {} end
            ]] .. ready .. [[
            local ok, err = pcall(User.createMany, User, rows)
            print(ok, err.kind, err.row, err.message)
        ]], { env = { SQLITE_PATH = ":memory:" }, pause = 0.3 })
        assert.matches("^ready\nfalse\tcanceled\tnil\t[%a ]+\n$", r.stdout)
        assert.not_matches("row", r.stdout)
        assert.equal(0, r.status)
    end)

    -- SQLite stops in the signal handler; a script that catches the error goes on.
    local database = [[
        local eloquent = require("eloquent")
        local db = eloquent.connection()
        db:execute("create table marks (n integer)")
        local function forever()
            db:select("with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c")
        end
    ]]

    it("cancels a statement, whose error names its own line and comes once", function()
        local r = interrupt(database .. [[
            io.write("ready\n") io.stdout:flush()
            local ok, err = pcall(forever)
            for _ = 1, 1000 do end
            print(ok, err.kind, err.line, db:scalar("select 1"))
        ]])
        assert.same({ status = 0, stdout = "ready\nfalse\tcanceled\t5\t1\n", stderr = "" }, r)
    end)

    it("cancels a statement in a transaction, which is rolled back", function()
        local r = interrupt(database .. [[
            io.write("ready\n") io.stdout:flush()
            local ok, err = pcall(db.transaction, db, function()
                db:execute("insert into marks values (1)")
                db:transaction(forever)
            end)
            print(ok, err.kind, err.line, db:scalar("select count(*) from marks"))
            db:transaction(function() db:execute("insert into marks values (2)") end)
            print(db:scalar("select count(*) from marks"))
        ]])
        assert.same({ status = 0, stdout = "ready\nfalse\tcanceled\t5\t0\n1\n", stderr = "" }, r)
    end)

    it("names the script's line in a transaction", function()
        local r = interrupt(database .. ready .. "db:transaction(function()\n    forever()\nend)")
        assert.same({ status = 130, stdout = "ready\n", stderr = "interrupted at script.lua:5\n" }, r)
    end)

    it("leaves no transaction open, wherever it comes", function()
        local r = interrupt(database .. [[
            local function mark() db:execute("insert into marks values (1)") end
            io.write("ready\n") io.stdout:flush()
            local ok, err = pcall(function()
                while true do
                    local _, why = pcall(db.transaction, db, function() mark() error("undo") end)
                    if eloquent.is(why) then error(why) end
                    db:transaction(mark)
                    db:execute("delete from marks")
                end
            end)
            print(ok, err.kind)
            db:execute("begin")
            db:execute("delete from marks")
            db:execute("commit")
        ]])
        assert.same({ status = 0, stdout = "ready\nfalse\tcanceled\n", stderr = "" }, r)
    end)

    -- The function of such a transaction is the library's own.
    it("stops what writes many rows by itself, and leaves none", function()
        for _, write in ipairs({
            "Mark:createMany(rows)",
            "db:table('marks'):insert(rows)",
        }) do
            local r, took = interrupt([[
                local eloquent = require("eloquent")
                local db, column = eloquent.connection(), eloquent.column
                local Mark = eloquent.SqlModel "Mark" {
                    schema = {
                        id = column("increments", nil, { primary = true }),
                        n = column("integer"), m = column("integer"),
                    },
                }
                eloquent.schema():create(Mark)
                local rows = {}
                for i = 1, 1000000, 2 do
                    rows[i], rows[i + 1] = { n = i }, { m = i }
                end
                io.write("ready\n") io.stdout:flush()
                local ok, err = pcall(function() ]] .. write .. [[ end)
                print(ok, err.kind, db:scalar("select count(*) from marks"))
                db:transaction(function() db:execute("insert into marks (n) values (2)") end)
                print(db:scalar("select count(*) from marks"))
            ]], { pause = 0.5 })
            assert.same({ status = 0, stdout = "ready\nfalse\tcanceled\t0\n1\n", stderr = "" }, r)
            assert.is_true(took < 2500, took)
        end
    end)

    it("ends a program that os.exit is closing", function()
        local dir = helper.tmpdir()
        -- more than a pipe takes when nobody reads: the flush at the end has to wait
        helper.write(dir, "script.lua", [[
            io.write(("x"):rep(65536))
            io.write(("y"):rep(1000))
            io.open("ready", "w"):close()
            os.exit(0)
        ]])
        local r = helper.shell(([[
            mkfifo pipe
            sleep 30 <pipe &
            reader=$!
            env --default-signal=INT %s run script.lua >pipe &
            pid=$!
            tries=0
            while [ ! -e ready ] && [ $tries -lt 200 ]; do
                sleep 0.05
                tries=$((tries + 1))
            done
            sleep 0.3
            kill -INT $pid
            wait $pid
            status=$?
            kill $reader
            exit $status
        ]]):format(helper.quote(helper.binary())), { dir = dir })
        assert.same({ status = 130, stdout = "", stderr = "" }, r)
    end)

    it("twice ends a script that catches everything", function()
        local r = interrupt(ready .. "while true do pcall(function() while true do end end) end", { signals = 2 })
        assert.equal(130, r.status)
    end)
end)
