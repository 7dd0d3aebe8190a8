-- SPDX-License-Identifier: MIT
--
-- What breaks in the middle of the work: a server or a script that is killed, two scripts
-- at the same rows, a database without room, objects that are used after their connection
-- was closed, lists with holes. Locks and deadlocks are in conflicts_spec.lua, a server of
-- MongoDB that stops in mongo_faults_spec.lua.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")
local helper = require("spec.helper")
local uid = require("eloquent.core.uid")

local column, null = eloquent.column, eloquent.null
local failure = engines.failure

-- A process of its own: it ends the connection %d as soon as its statement has begun.
local killer <const> = [[
local eloquent = require("eloquent")
local db = eloquent.connection()
print("ready")
io.stdout:flush()
local busy = db.driver == "pg"
    and "select count(*) from pg_stat_activity where pid = %d and state = 'active' and query like '%%sleep%%'"
    or "select count(*) from information_schema.processlist where id = %d and info like '%%sleep%%'"
while db:scalar(busy) == 0 do end
if db.driver == "pg" then
    db:scalar("select pg_terminate_backend(%d)")
else
    db:execute("kill %d")
end
]]

-- Two rows in each transaction; tells of each commit.
local writer <const> = [[
local eloquent = require("eloquent")
local db = eloquent.connection()
print(io.popen("echo $PPID"):read("l"))
for i = 1, 100000 do
    db:transaction(function()
        db:execute([=[INSERT]=], { i, "a" .. i })
        db:execute([=[INSERT]=], { i, "b" .. i })
    end)
    print(i)
    io.stdout:flush()
end
]]

-- Counts three rows up, in an order of its own, and makes rows that both want.
local rival <const> = [[
local eloquent = require("eloquent")
local column = eloquent.column
local Row = eloquent.MODEL "Row" {
    tableName = "fault_rows",
    connectionName = eloquent.connection().name,
    schema = { id = column("increments"), n = column("integer"), uuid = column("string", 40, { unique = true }) },
}
local db = eloquent.connection()
for i = 1, ROUNDS do
    local order = (i + SIDE) %% 2 == 0 and { 1, 2, 3 } or { 3, 2, 1 }
    local function change()
        for _, id in ipairs(order) do
            local query = Row:where("id", id)
            if db.driver == "pg" or db.driver == "mysql" then
                query = query:lockForUpdate()
            end
            local row = query:first()
            row:update({ n = row.n + 1 })
        end
    end
    if db.driver == "mongo" then -- each by itself; transactions that meet are in conflicts_spec.lua
        for _, id in ipairs(order) do
            Row:where("id", id):increment("n")
        end
    else
        db:transaction(change, { attempts = 50 })
    end
    Row:where("id", 1):increment("n", 10)
    Row:insertOrIgnore({ uuid = "shared " .. i, n = 0 })
    Row:upsert({ uuid = "updated " .. i %% 5, n = i }, "uuid")
end
print("done")
]]

engines.suite("faults", function(engine)
    local it = engine.it
    local Row = engine.model "Row" {
        tableName = "fault_rows",
        connectionName = engine.name,
        schema = {
            id = column("increments"),
            n = column("integer", nil, { default = 0 }),
            uuid = column("string", 40, { unique = true }),
        },
    }
    local Keyed = engine.model "Keyed" {
        tableName = "fault_keyed",
        connectionName = engine.name,
        schema = { id = column("uuid", nil, { primary = true, auto = true }), n = column("integer") },
    }
    local db = engine:db()

    before_each(function()
        engine:tables(Row, Keyed)
        Row:insert({ { n = 0 }, { n = 0 }, { n = 0 } })
    end)

    local all_rows = engine:text("select n, uuid from fault_rows order by id",
        '{"find":"fault_rows","sort":{"_id":1},"$fields":["n","uuid"]}')
    local count_all = engine:text("select count(*) from fault_rows", '{"count":"fault_rows","$fields":["n"]}')
    local three = engine:text("select ?, ?, ?", '{"a":[?,?,?]}')

    local function session()
        return db:scalar(engine.name == "pg" and "select pg_backend_pid()" or "select connection_id()")
    end

    local function kill(id)
        local other = engine:connect()
        if engine.name == "pg" then
            other:scalar("select pg_terminate_backend(?)", { id })
            repeat
                local alive = other:scalar("select count(*) from pg_stat_activity where pid = ?", { id })
            until alive == 0
        else
            other:execute("kill " .. id)
        end
        other:close()
    end

    -- {{{ a server that is killed

    -- Inserts many rows, and ends the connection when the row `at` gets its key.
    local function insert_and_kill(rows, at)
        local id, made, uuid7 = session(), 0, uid.uuid7
        uid.uuid7 = function()
            made = made + 1
            if made == at then
                kill(id)
            end
            return uuid7()
        end
        local ok, err = pcall(Keyed.insert, Keyed, rows)
        uid.uuid7 = uuid7
        assert.is_true(made >= at)
        assert(not ok, "the insert went on without its connection")
        return err
    end

    local function rows_of(count)
        local rows = {}
        for i = 1, count do
            rows[i] = { n = i }
        end
        return rows
    end

    if engine.name == "pg" or engine.name == "mysql" then
        it("killed in the middle of a bulk insert: an error, no row of it, and the connection works", function()
            local rows = rows_of(20000)
            for _, at in ipairs({ 1, 9000, 20000 }) do
                local err = insert_and_kill(rows, at)
                assert.is_true(err.kind == "lost" or err.kind == "connect", err.kind)
                assert.equal(engine.name, err.connection)
                assert.equal(0, Keyed:count())
                assert.equal("none", db:core():txstate())
            end
            assert.equal(20000, Keyed:insert(rows))
            assert.equal(20000 * 20001 // 2, Keyed:sum("n"))
        end)

        it("killed in a bulk insert inside a transaction: nothing of that runs on", function()
            local err = failure(db.transaction, db, function()
                Row:create({ n = 100 })
                local inner = insert_and_kill(rows_of(5000), 4000)
                assert.is_true(inner.kind == "lost" or inner.kind == "connect", inner.kind)
                assert.equal("lost", failure(Row.create, Row, { n = 101 }).kind)
                assert.equal("lost", failure(Keyed.insert, Keyed, rows_of(100)).kind)
                Row:count()
            end)
            assert.equal("lost", err.kind)
            assert.equal(0, Keyed:count())
            assert.equal(3, Row:count())
        end)

        it("killed in the middle of a statement: an error, and the connection works", function()
            local sleep = engine.name == "pg" and "select pg_sleep(30)" or "select sleep(30)"
            local id = session()
            local pipe = engine:spawn((killer:gsub("%%d", tostring(id)):gsub("%%%%", "%%")))
            assert.equal("ready", pipe:read("l"))
            local started = eloquent.clock()
            local err = failure(db.scalar, db, sleep)
            assert.equal("lost", err.kind)
            assert.is_true(eloquent.clock() - started < 20)
            pipe:read("a")
            assert.is_true(pipe:close())
            assert.equal(3, Row:count())
            db:transaction(function()
                Row:create({ n = 1 })
            end)
            assert.equal(4, Row:count())
        end)

        it("a port where something else listens", function()
            local other = { pg = "MYSQL", mysql = "PG" }
            local wrong = engine:connect("wrong", {
                port = os.getenv(("EL_SPEC_%s_PORT"):format(other[engine.name])),
                connect_timeout = "2",
            })
            local started = eloquent.clock()
            local err = failure(wrong.ping, wrong)
            assert.equal("connect", err.kind, err.message)
            assert.is_true(eloquent.clock() - started < 6)
            assert.not_matches(engine.options.password, tostring(err), 1, true)
        end)
    end

    -- }}}
    -- {{{ a script that is killed, and two at once

    it("a script that is killed loses no committed row and leaves no half of a transaction", function()
        local pipe = engine:spawn((writer:gsub("INSERT", engine:text("insert into fault_rows (n, uuid) values (?, ?)",
            '{"insert":"fault_rows","documents":[{"n":?,"uuid":?}]}'))))
        local pid, last = pipe:read("n", "l"), 0
        while last < 200 do
            last = assert(pipe:read("n"))
        end
        helper.shell(("kill -KILL %d"):format(pid))
        for line in pipe:lines() do
            last = tonumber(line) or last
        end
        pipe:close()
        if engine.name == "mongo" then -- keeps the transaction of a client that is gone for a minute
            db:command({ killAllSessions = eloquent.json.array({}) })
        end
        local written = Row:whereNotNull("uuid")
        -- the server may notice late that its client is gone
        local count = written:count()
        assert.equal(0, count % 2)
        assert.is_true(count >= 2 * last)
        assert.equal(count // 2, written:distinct():count("n"))
        if engine.name == "sqlite" then
            assert.equal("ok", db:scalar("pragma integrity_check"))
        end
        Row:create({ n = 1 })
    end)

    it("two scripts that write the same rows at once lose nothing", function()
        local pipes, rounds = {}, 60
        for side = 1, 2 do
            pipes[side] = engine:spawn((rival:gsub("SIDE", side):gsub("ROUNDS", rounds):gsub("%%%%", "%%")
                :gsub("MODEL", engine:text("SqlModel", "MongoModel"))))
        end
        for side = 1, 2 do
            local said = pipes[side]:read("a")
            assert.equal("done\n", said)
            assert.is_true(pipes[side]:close())
        end
        local sum = 2 * rounds
        assert.same({ sum + 10 * sum, sum, sum }, Row:orderBy("id"):limit(3):pluck("n"):toTable())
        assert.equal(rounds, Row:where("uuid", "like", "shared %"):count())
        assert.equal(5, Row:where("uuid", "like", "updated %"):count())
    end)

    -- }}}
    -- {{{ objects that outlive their connection

    local function fill_rows()
        local rows = {}
        for i = 1, 3000 do
            rows[i] = { n = i, uuid = "u" .. i }
        end
        Row:insert(rows)
    end

    it("records, lists and raw rows stay readable after it is closed, and open it again", function()
        fill_rows()
        local record = Row:where("n", 5):first()
        local list = Row:orderBy("id"):get()
        local raw = db:select(all_rows)
        db:close()
        assert.equal("u5", record.uuid)
        assert.equal(3003, #list)
        assert.equal("u3000", list[3003].uuid)
        assert.equal("u3000", raw[3003].uuid)
        record.n = -5
        record:save()
        assert.equal(-5, Row:where("uuid", "u5"):first().n)
        db:close()
        record:refresh()
        list[3003]:update({ n = 7 })
        assert.equal(7, Row:where("uuid", "u3000"):value("n"))
        db:close()
        db:close()
        record:delete()
        assert.equal(3002, Row:count())
    end)

    it("a cursor and its connection, closed in either order, and used after that", function()
        fill_rows()
        for _, first in ipairs({ "cursor", "connection" }) do
            local other = engine:connect()
            local rows = other:cursor(all_rows)
            local kept = rows()
            if first == "cursor" then
                rows:close()
                other:close()
            else
                other:close()
                rows:close()
            end
            assert.equal(0, kept.n)
            for _ = 1, 2 do
                local ok, value = pcall(rows)
                assert.is_true(not ok and eloquent.is(value) or ok and value == nil)
            end
            rows:close()
            assert.equal(3003, other:scalar(count_all))
            other:close()
        end
    end)

    it("the collector may take them in any order", function()
        fill_rows()
        local function things()
            local other = engine:connect()
            local rows = other:cursor(all_rows)
            return {
                rows,
                rows(),
                other:table("fault_rows"):where("n", ">", 5):get(),
                other,
            }
        end
        for order = 0, 23, engine.name == "mongo" and 5 or 1 do
            local set, left = things(), { 1, 2, 3, 4 }
            for n = 4, 1, -1 do
                local at = order % n + 1
                order = order // n
                set[table.remove(left, at)] = nil
                collectgarbage()
                collectgarbage()
            end
        end
        assert.equal(3003, Row:count())
        local set = things() -- and all at once, in the middle of another statement
        for row in Row:orderBy("id"):limit(2000):cursor() do
            if row.n == 100 then
                set = nil
                collectgarbage()
            end
        end
        assert.is_nil(set)
        engine:drop("fault_keyed")
    end)

    it("a coroutine that is left in the middle of its rows holds nothing", function()
        fill_rows()
        for _ = 1, 5 do
            local step = coroutine.wrap(function()
                for row in Row:orderBy("id"):cursor() do
                    coroutine.yield(row.n)
                end
            end)
            assert.equal(0, step())
            step = coroutine.create(function()
                for row in Row:query():each(100) do
                    coroutine.yield(row.n)
                end
            end)
            assert.is_true(coroutine.resume(step))
            coroutine.close(step)
        end
        collectgarbage()
        collectgarbage()
        engine:drop("fault_rows")
        engine:tables(Row)
    end)

    -- }}}
    -- {{{ lists with holes

    it("holes in lists of values are told, and nothing is sent", function()
        local seen = 0
        db:listen(function()
            seen = seen + 1
        end)
        for label, fn in pairs({
            whereIn = function() return Row:whereIn("n", { 1, nil, 3 }):get() end,
            ["whereIn, the end"] = function() return Row:whereIn("n", { [1] = 1, [3] = 3, [4] = 4 }):get() end,
            whereNotIn = function() return Row:whereNotIn("n", { nil, 2 }):get() end,
            whereBetween = function() return Row:whereBetween("n", { nil, 2 }):get() end,
            whereBetween2 = function() return Row:whereBetween("n", { 1 }):get() end,
            findMany = function() return Row:findMany({ 1, nil, 3 }) end,
            insert = function() return Row:insert({ { n = 1 }, nil, { n = 3 } }) end,
            insertOrIgnore = function() return Row:insertOrIgnore({ { n = 1 }, nil, { n = 3 } }) end,
            upsert = function() return Row:upsert({ { n = 1, uuid = "a" }, nil, { n = 3, uuid = "c" } }, "uuid") end,
            ["insert, the end"] = function() return Row:insert({ { n = 1 }, [3] = { n = 3 } }) end,
            ["insert, the start"] = function() return Row:insert({ nil, { n = 3 } }) end,
            ["insert, a name"] = function() return Row:insert({ { n = 1 }, n = 3 }) end,
            createMany = function() return Row:createMany({ { n = 1 }, nil, { n = 3 } }) end,
            ["createMany, the end"] = function() return Row:createMany({ { n = 1 }, [3] = { n = 3 } }) end,
            select = function() return Row:select({ "id", nil, "n" }):get() end,
            ["select, the end"] = function() return Row:select({ [1] = "id", [3] = "n" }):get() end,
            raw = function() return db:select(three, { 1, nil, 3 }) end,
            whereRaw = function() return Row:whereRaw("n in (?, ?, ?)", { 1, nil, 3 }):get() end,
        }) do
            local ok, err = pcall(fn)
            assert(not ok, label .. " took a list with a hole")
            assert(eloquent.is(err, "misuse") or eloquent.is(err, "value"), ("%s: %s"):format(label, tostring(err)))
        end
        db:listen(nil)
        assert.equal(0, seen)
        assert.equal(3, Row:count())
        assert.equal(3, Row:whereIn("n", { 0, null }):count())
    end)

    -- }}}
end, "documents")
