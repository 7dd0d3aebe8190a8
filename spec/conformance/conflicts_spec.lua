-- SPDX-License-Identifier: MIT
--
-- What others do to a connection and its transactions: deadlocks, serialization failures,
-- locks, and a server that ends the connection (MongoDB's does so in mongo_faults_spec.lua).

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local column = eloquent.column
local failure = engines.failure

-- Runs in another process: takes row 2, says so, then wants row 1.
local rival <const> = [[
local eloquent = require("eloquent")
local db = eloquent.connection()
local runs = 0
db:transaction(function()
    runs = runs + 1
    db:execute("update conflict_rows set n = n + 1 where id = 2")
    if runs == 1 then
        print("holds row 2")
        io.stdout:flush()
    end
    db:execute("update conflict_rows set n = n + 1 where id = 1")
end, { attempts = 5 })
print("runs " .. runs)
]]

engines.suite("conflicts", function(engine)
    local it = engine.it
    local Row = engine.model "Row" {
        tableName = "conflict_rows",
        connectionName = engine.name,
        schema = { id = column("increments"), n = column("integer", nil, { default = 0 }) },
    }
    local db = engine:db()

    before_each(function()
        engine:tables(Row)
        Row:insert({ { n = 0 }, { n = 0 } })
    end)

    local function total()
        return Row:sum("n")
    end

    -- Adds one to a row by another way than a model's.
    local function add(connection, id)
        return (connection:execute(engine:text("update conflict_rows set n = n + 1 where id = ?",
            '{"update":"conflict_rows","updates":[{"q":{"id":?},"u":{"$inc":{"n":1}}}]}'), { id }))
    end

    local waits = engine.name ~= "mongo" -- for locks, at least for a time
    if engine.has_server and waits then
        it("a deadlock of two processes: the victim runs again, both are done", function()
            local runs, pipe = 0, nil
            db:transaction(function()
                runs = runs + 1
                db:execute("update conflict_rows set n = n + 1 where id = 1")
                if not pipe then
                    pipe = engine:spawn(rival)
                    assert.equal("holds row 2", pipe:read("l"))
                end
                db:execute("update conflict_rows set n = n + 1 where id = 2")
            end, { attempts = 5 })
            local theirs = pipe:read("l")
            assert.is_true(pipe:close(), theirs)
            assert.is_true(runs + tonumber(theirs:match("^runs (%d+)$")) > 2)
            assert.equal(4, total())
        end)

        it("a deadlock without attempts is an error of kind conflict, for one of them", function()
            local script = rival:gsub("attempts = 5", "attempts = 1")
            local pipe
            local ok, err = pcall(db.transaction, db, function()
                db:execute("update conflict_rows set n = n + 1 where id = 1")
                pipe = engine:spawn(script)
                assert.equal("holds row 2", pipe:read("l"))
                db:execute("update conflict_rows set n = n + 1 where id = 2")
            end)
            local theirs = pipe:read("a")
            local they_did = pipe:close()
            if ok then
                assert.is_nil(they_did)
                assert.matches("conflict error", theirs)
            else
                assert.equal("conflict", err.kind)
                assert.is_true(they_did)
            end
            assert.equal(2, total())
        end)
    end

    if engine.name == "pg" or engine.name == "mongo" then
        local isolation = engine.name == "pg" and "repeatable read" or nil
        it("a serialization failure runs the whole function again", function()
            local other, runs = engine:connect(), 0
            local result = db:transaction(function()
                runs = runs + 1
                local n = Row:find(1).n
                if runs < 3 then
                    add(other, 1)
                end
                Row:updateById(1, { n = n + 10 })
                return runs
            end, { attempts = 3, isolation = isolation })
            assert.equal(3, result)
            assert.equal(12, Row:find(1).n)
            other:close()
        end)

        it("after the last attempt the conflict is the error", function()
            local other, runs = engine:connect(), 0
            local err = failure(db.transaction, db, function()
                runs = runs + 1
                local n = Row:find(1).n
                add(other, 1)
                Row:updateById(1, { n = n + 10 })
            end, { attempts = 2, isolation = isolation })
            assert.equal("conflict", err.kind)
            assert.equal("40001", err.sqlstate)
            assert.equal(2, runs)
            assert.equal(2, Row:find(1).n)
            other:close()
        end)

        it("a conflict in a nested transaction runs the outermost again", function()
            local other, outer, inner = engine:connect(), 0, 0
            db:transaction(function()
                outer = outer + 1
                local n = Row:find(1).n
                db:transaction(function()
                    inner = inner + 1
                    if inner == 1 then
                        add(other, 1)
                    end
                    Row:updateById(1, { n = n + 10 })
                end)
            end, { attempts = 2, isolation = isolation })
            assert.same({ 2, 2 }, { outer, inner })
            assert.equal(11, Row:find(1).n)
            other:close()
        end)
    end

    it("an error that is no conflict is not tried again", function()
        local runs = 0
        failure(db.transaction, db, function()
            runs = runs + 1
            db:select(engine:text("selec", '{"selec":1}'))
        end, { attempts = 5 })
        assert.equal(1, runs)
    end)

    if not waits then
        it("a row that another transaction has written is an error of kind conflict, at once", function()
            local other = engine:connect()
            db:transaction(function()
                Row:updateById(1, { n = 5 })
                local runs, started = 0, eloquent.clock()
                assert.equal("conflict", failure(other.transaction, other, function()
                    runs = runs + 1
                    add(other, 1)
                end, { attempts = 2 }).kind)
                assert.equal(2, runs)
                assert.is_true(eloquent.clock() - started < 3)
            end)
            assert.equal(1, add(other, 1))
            assert.equal(6, Row:find(1).n)
            other:close()
        end)

        it("two transactions that write each other's rows: one of them runs again, both are done", function()
            local other, runs, met = engine:connect(), 0, nil
            db:transaction(function()
                runs = runs + 1
                Row:where("id", 1):increment("n")
                if runs == 1 then
                    other:transaction(function()
                        add(other, 2)
                        met = failure(add, db, 2).kind
                    end)
                end
                Row:where("id", 2):increment("n")
            end, { attempts = 5 })
            assert.equal("conflict", met)
            assert.equal(2, runs)
            assert.equal(3, total())
            other:close()
        end)
    end

    it("a lock that is not to be had is an error of kind busy", function()
        local other = engine:connect(nil, not engine.has_server and { busy_timeout = "0" } or nil)
        if engine.name == "pg" then
            other:execute("set lock_timeout = '50ms'")
        elseif engine.name == "mysql" then
            other:execute("set innodb_lock_wait_timeout = 0")
        end
        db:transaction(function()
            Row:updateById(1, { n = 5 })
            local err = failure(other.execute, other, "update conflict_rows set n = 6 where id = 1")
            assert.equal("busy", err.kind)
            assert.equal("busy", failure(other.transaction, other, function()
                other:execute("update conflict_rows set n = 6 where id = 1")
            end).kind)
        end)
        assert.equal(1, (other:execute("update conflict_rows set n = 6 where id = 1")))
        assert.equal(6, Row:find(1).n)
        other:close()
    end)

    -- {{{ a connection that is ended by the server

    -- Ends the connection `db` from outside.
    local function kill()
        local other = engine:connect()
        if engine.name == "pg" then
            local pid = db:scalar("select pg_backend_pid()")
            assert.is_true(other:scalar("select pg_terminate_backend(?)", { pid }))
            repeat
                local alive = other:scalar("select count(*) from pg_stat_activity where pid = ?", { pid })
            until alive == 0
        else
            local id = db:scalar("select connection_id()")
            other:execute("kill " .. id)
            repeat
                local alive = other:scalar(
                    "select count(*) from information_schema.processlist where id = ?", { id })
            until alive == 0
        end
        other:close()
    end

    if engine.has_server and engine.name ~= "mongo" then
        it("a lost connection is an error once, and opened again", function()
            kill()
            local err = failure(Row.count, Row)
            assert.is_true(err.kind == "lost" or err.kind == "connect", err.kind)
            assert.equal(engine.name, err.connection)
            assert.equal(2, Row:count())
            assert.equal(1, Row:find(1).id)
        end)

        it("a connection lost inside a transaction undoes it, and nothing runs outside of it", function()
            local kinds = {}
            local err = failure(db.transaction, db, function()
                Row:create({ n = 1 })
                kill()
                for i = 1, 3 do
                    kinds[i] = failure(Row.create, Row, { n = 1 }).kind
                end
                Row:create({ n = 1 })
            end)
            assert.is_true(kinds[1] == "lost" or kinds[1] == "connect", kinds[1])
            assert.same({ "lost", "lost" }, { kinds[2], kinds[3] })
            assert.equal("lost", err.kind)
            assert.equal(2, Row:count())
            db:transaction(function()
                Row:create({ n = 1 })
            end)
            assert.equal(3, Row:count())
        end)

        it("a connection lost inside a transaction that hides it is an error all the same", function()
            local err = failure(db.transaction, db, function()
                Row:create({ n = 1 })
                kill()
                pcall(Row.create, Row, { n = 1 })
            end)
            assert.equal("lost", err.kind)
            assert.equal(2, Row:count())
        end)

        it("a connection lost before the commit", function()
            local seen = 0
            local err = failure(db.transaction, db, function()
                Row:create({ n = 1 })
                eloquent.afterCommit(function()
                    seen = seen + 1
                end, engine.name)
                kill()
            end)
            assert.is_true(err.kind == "lost" or err.kind == "connect", err.kind)
            assert.equal(0, seen)
            assert.equal(2, Row:count())
        end)

        it("a connection lost inside a nested transaction", function()
            local err = failure(db.transaction, db, function()
                Row:create({ n = 1 })
                pcall(db.transaction, db, function()
                    Row:create({ n = 2 })
                    kill()
                    Row:create({ n = 3 })
                end)
                Row:create({ n = 4 })
            end)
            assert.equal("lost", err.kind)
            assert.equal(2, Row:count())
        end)

        it("a lost connection is not another attempt", function()
            local runs = 0
            failure(db.transaction, db, function()
                runs = runs + 1
                kill()
                Row:create({ n = 1 })
            end, { attempts = 3 })
            assert.equal(1, runs)
            assert.equal(2, Row:count())
        end)

        it("a connection lost under a cursor", function()
            local rows = {}
            for i = 1, 20000 do
                rows[i] = { n = i }
            end
            Row:insert(rows)
            local n = 0
            local ok = pcall(function()
                for _ in Row:query():cursor() do
                    n = n + 1
                    if n == 1 then
                        kill()
                    end
                end
            end)
            assert.is_true(not ok or n == 20002)
            pcall(db.ping, db)
            assert.equal(20002, Row:count())
        end)
    end

    -- }}}
end, "documents")
