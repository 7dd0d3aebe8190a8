-- SPDX-License-Identifier: MIT
--
-- Cursors: rows that stream in beside other statements, and what closes them.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local column = eloquent.column
local failure = engines.failure

local ROWS <const> = 5000

engines.suite("streams", function(engine)
    local it = engine.it
    local Row = engine.model "Row" {
        tableName = "stream_rows",
        connectionName = engine.name,
        schema = { id = column("increments"), n = column("integer"), text = column("string", 200) },
    }
    local Log = engine.model "Log" {
        tableName = "stream_logs",
        connectionName = engine.name,
        schema = { id = column("increments"), n = column("integer") },
    }
    local Gone = engine.model "Gone" {
        tableName = "stream_gone",
        connectionName = engine.name,
        schema = { id = column("increments") },
    }
    local db = engine:db()
    local all_rows = engine:text("select n from stream_rows order by n",
        '{"find":"stream_rows","sort":{"n":1},"$fields":["n"]}')
    local wrong = engine:text("selec n from stream_rows", '{"selec":"stream_rows"}')

    local function fill(count)
        for from = 1, count, ROWS do
            local rows = {}
            for i = from, math.min(from + ROWS - 1, count) do
                rows[#rows + 1] = { n = i, text = ("x"):rep(i % 100) }
            end
            Row:insert(rows)
        end
    end

    setup(function()
        engine:tables(Row)
        fill(ROWS)
    end)

    before_each(function()
        engine:tables(Log)
    end)

    local function cursor()
        return Row:orderBy("id"):cursor()
    end

    -- Another connection can write, so no lock and no open statement is left.
    local function is_free()
        local other = engine:connect(nil, not engine.has_server and { busy_timeout = "0" } or nil)
        other:execute(engine:text("insert into stream_logs (n) values (?)",
            '{"insert":"stream_logs","documents":[{"n":?}]}'), { -1 })
        other:close()
        engine:tables(Gone)
        engine:drop(Gone)
    end

    it("gives all rows in order, once", function()
        local n, sum = 0, 0
        for row in cursor() do
            n = n + 1
            assert.equal(n, row.n)
            sum = sum + row.n
            assert.equal(n % 100, #row.text)
        end
        assert.equal(ROWS, n)
        assert.equal(ROWS * (ROWS + 1) // 2, sum)
        is_free()
    end)

    it("raw, with values, and of no rows", function()
        local n = 0
        for row in db:cursor(engine:text("select n from stream_rows where n > ? order by n",
            '{"find":"stream_rows","filter":{"n":{"$gt":?}},"sort":{"n":1},"$fields":["n"]}'), { ROWS - 3 }) do
            n = n + row.n
        end
        assert.equal(3 * ROWS - 3, n)
        for _ in Row:where("n", -1):cursor() do
            error("no row expected")
        end
        is_free()
    end)

    it("records of a cursor live on, and can be saved", function()
        local kept = {}
        for row in Row:orderBy("id"):limit(300):cursor() do
            kept[#kept + 1] = row
        end
        assert.equal(1, kept[1].n)
        assert.equal(300, kept[300].n)
        kept[7].n = -7
        kept[7]:save()
        assert.equal(-7, Row:find(kept[7].id).n)
        kept[7]:update({ n = 7 })
    end)

    it("other statements of the connection work beside it", function()
        local n = 0
        for row in cursor() do
            n = n + 1
            if n % 500 == 0 then
                assert.equal(row.n, Row:find(row.id).n)
                Log:create({ n = row.n })
                assert.equal(n // 500, Log:count())
                assert.equal(row.n, db:scalar(engine:text("select max(n) from stream_logs",
                    '{"find":"stream_logs","sort":{"n":-1},"limit":1,"$fields":["n"]}')))
            end
        end
        assert.equal(ROWS, n)
        assert.equal(ROWS // 500, Log:count())
    end)

    it("a failed statement beside it does no harm", function()
        local n = 0
        for _ in cursor() do
            n = n + 1
            if n == 10 then
                assert.equal("syntax", failure(db.select, db, wrong).kind)
            end
        end
        assert.equal(ROWS, n)
    end)

    it("in a transaction, with writes and a savepoint beside it", function()
        db:transaction(function()
            Log:create({ n = 1 })
            local n = 0
            for row in cursor() do
                n = n + 1
                if n % 1000 == 0 then
                    Log:create({ n = row.n })
                    pcall(db.transaction, db, function()
                        Log:create({ n = 0 })
                        error("undo")
                    end)
                end
            end
            assert.equal(ROWS, n)
        end)
        assert.equal(1 + ROWS // 1000, Log:count())
        is_free()
    end)

    it("a transaction inside its loop", function()
        local n = 0
        for row in cursor() do
            n = n + 1
            if n % 1000 == 0 then
                db:transaction(function()
                    Log:create({ n = row.n })
                end)
            end
        end
        assert.equal(ROWS, n)
        assert.equal(ROWS // 1000, Log:count())
        is_free()
    end)

    it("break closes it", function()
        for row in cursor() do
            if row.n == 3 then
                break
            end
        end
        is_free()
        Log:create({ n = 1 })
        db:transaction(function()
            for _ in cursor() do -- luacheck: ignore 512 (leaving it is what is tried)
                break
            end
            Log:create({ n = 2 })
        end)
        is_free()
        assert.equal(ROWS, Row:count())
    end)

    it("return, goto and an error out of its loop close it", function()
        local function find(n)
            for row in cursor() do
                if row.n == n then
                    return row
                end
            end
        end
        assert.equal(50, find(50).n)
        is_free()
        local ok, err = pcall(function()
            for _ in cursor() do
                error("out", 0)
            end
        end)
        assert.is_false(ok)
        assert.equal("out", err)
        is_free()
        for _ in cursor() do -- luacheck: ignore 512 (as above)
            goto done
        end
        ::done::
        is_free()
    end)

    it("an error out of its loop rolls the transaction back", function()
        pcall(db.transaction, db, function()
            for row in cursor() do
                Log:create({ n = row.n })
                if row.n == 5 then
                    error("undo")
                end
            end
        end)
        assert.equal(0, Log:count())
        is_free()
    end)

    it("nested", function()
        local pairs_seen = 0
        for outer in Row:where("n", "<=", 20):orderBy("n"):cursor() do
            for inner in Row:where("n", "<=", outer.n):orderBy("n"):cursor() do
                pairs_seen = pairs_seen + 1
                if inner.n == 15 then
                    break
                end
            end
        end
        assert.equal(15 * 16 // 2 + 5 * 15, pairs_seen)
        is_free()
    end)

    it("two of the same text, in turns", function()
        local a, b = cursor(), cursor()
        for i = 1, 200 do
            assert.equal(i, a().n)
            if i % 2 == 0 then
                assert.equal(i // 2, b().n)
            end
        end
        a:close()
        assert.equal(101, b().n)
        b:close()
        is_free()
    end)

    it("by hand: closing twice, and reading on", function()
        local rows = cursor()
        assert.equal(1, rows().n)
        rows:close()
        rows:close()
        assert.is_nil(rows())
        local last = Row:where("n", 1):cursor()
        assert.equal(1, last().n)
        assert.is_nil(last())
        assert.is_nil(last())
        is_free()
    end)

    it("one that is forgotten is closed by the collector", function()
        do
            local rows = cursor()
            assert.equal(1, rows().n)
        end
        collectgarbage()
        collectgarbage()
        is_free()
    end)

    it("closing the connection under it", function()
        local other = engine:connect()
        local rows = other:cursor(all_rows)
        assert.equal(1, rows().n)
        other:close()
        local ok, value = pcall(rows)
        assert.is_true(not ok and eloquent.is(value) or ok and value == nil)
        rows:close()
        assert.equal(ROWS, other:scalar(engine:text("select count(*) from stream_rows",
            '{"count":"stream_rows","$fields":["n"]}')))
        other:close()
    end)

    it("one that is left open beside a write to its own table", function()
        local seen = 0
        for row in cursor() do
            seen = seen + 1
            if row.n <= 10 then
                Row:where("id", row.id):update({ text = "seen" })
            end
        end
        assert.equal(ROWS, seen)
        assert.equal(10, Row:where("text", "seen"):count())
    end)

    it("a change of the table that it reads is made, or refused at once", function()
        for _, sql in ipairs({ "drop table stream_read", "alter table stream_read add column more integer" }) do
            db:script("drop table if exists stream_read")
            db:script("create table stream_read (n integer)")
            for i = 1, 30 do
                db:execute("insert into stream_read (n) values (?)", { i })
            end
            local rows = db:cursor("select a.n from stream_read a, stream_read b, stream_read c order by a.n")
            assert.equal(1, rows().n)
            local started = eloquent.clock()
            local ok, err = pcall(db.script, db, sql)
            assert.is_true(eloquent.clock() - started < 5)
            if not ok then
                assert.equal("busy", err.kind)
                assert.matches("cursor", err.message)
            end
            assert.equal(1, rows().n)
            rows:close()
            if not ok then
                db:script(sql)
            end
        end
        is_free()
    end)

    it("its text may be wrong", function()
        assert.equal("syntax", failure(db.cursor, db, wrong).kind)
        is_free()
    end)

    it("its table may be missing", function()
        local err = failure(function()
            for _ in db:cursor(engine:text("select n from stream_nothing", '{"find":"stream_nothing"}')) do
                error("no row expected")
            end
        end)
        assert.equal("syntax", err.kind)
        is_free()
    end)

    it("an error in the middle of its rows is raised, and closes it", function()
        local sql = {
            pg = "select 10 / (4000 - n) as x from stream_rows order by n",
            mysql = "select (select n from stream_rows r where r.n >= 3999 and s.n >= 4000) as x from stream_rows s",
            sqlite = "select abs(case when n = 4000 then -9223372036854775808 else n end) as x "
                .. "from stream_rows order by n",
            mongo = '{"aggregate":"stream_rows","pipeline":[{"$sort":{"n":1}},'
                .. '{"$project":{"x":{"$divide":[10,{"$subtract":[4000,"$n"]}]}}}],"cursor":{},"$fields":["x"]}',
        }
        local n = 0
        local err = failure(function()
            for _ in db:cursor(sql[engine.name]) do
                n = n + 1
            end
        end)
        assert.is_string(err.kind)
        assert.is_true(n < ROWS)
        is_free()
        assert.equal(ROWS, Row:count())
    end)

    it("many rows need no more memory than a few", function()
        local many = engine.name == "mongo" and 20000 or 100000 -- which its test server writes in some seconds
        fill(many - ROWS)
        collectgarbage()
        local before, most, n = collectgarbage("count"), 0, 0
        for row in Row:query():cursor() do
            n = n + #{ row.text } -- a value of each is read
            if n % 10000 == 0 then
                collectgarbage()
                most = math.max(most, collectgarbage("count") - before)
            end
        end
        assert.equal(many, n)
        assert.is_true(most < 1024, ("%.0f KB more"):format(most))
    end)
end, "documents")
