-- SPDX-License-Identifier: MIT
--
-- Writes of whole queries: increment and decrement, upsert, update of keys, and the lists
-- and ranges that say which rows they go to.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local column, decimal, null, objectid = eloquent.column, eloquent.decimal, eloquent.null, eloquent.objectid
local failure = engines.failure

engines.suite("writes", function(engine)
    local it = engine.it
    local Row = engine.model "Row" {
        tableName = "write_rows",
        connectionName = engine.name,
        schema = {
            id = column("increments", nil, { primary = true }),
            email = column("string", 60, { unique = true, nullable = true }),
            n = column("integer", nil, { default = 7, nullable = true }),
            s = column("string", 20, { nullable = true }),
            price = column("decimal", nil, { precision = 6, scale = 2, nullable = true }),
            big = column("bigInteger", nil, { nullable = true }),
            at = column("time", nil, { nullable = true }),
        },
    }
    local Listed = engine.model "Listed" {
        tableName = "write_listed",
        connectionName = engine.name,
        schema = {
            id = column("increments", nil, { primary = true }),
            name = column("string", 20),
            t = column("time", nil, { nullable = true }),
            u = column("ulid", nil, { nullable = true }),
            d = column("decimal", nil, { precision = 8, scale = 2, nullable = true }),
            day = column("date", nil, { nullable = true }),
            ts = column("timestamp", nil, { nullable = true }),
            uu = column("uuid", nil, { nullable = true }),
            e = column("enum", nil, { values = { "red", "blue" }, nullable = true }),
            b = column("boolean", nil, { nullable = true }),
            i = column("integer", nil, { nullable = true }),
        },
    }
    local Stamped = engine.model "Stamped" {
        tableName = "write_stamped",
        connectionName = engine.name,
        timestamps = true,
        schema = {
            id = column("increments", nil, { primary = true }),
            n = column("integer", nil, { nullable = true }),
        },
    }

    before_each(function()
        engine:tables(Row)
    end)

    local function values(name)
        local list = {}
        for i, row in ipairs(Row:orderBy("id"):get()) do
            list[i] = tostring(row[name])
        end
        return table.concat(list, " ")
    end

    -- {{{ sums

    describe("a sum", function()
        it("takes no amount that its column can't hold", function()
            Row:insert({ { n = 1, price = "1.00", big = -5 }, { n = 2, price = "2.00", big = 5 } })
            for _, verb in ipairs({ "increment", "decrement" }) do
                for name, wrong in pairs({ n = { 0.5, decimal("1.5") }, price = { 0.1 }, big = { 2.0 ^ 63 } }) do
                    for _, amount in ipairs(wrong) do
                        local query = Row:query()
                        assert.equal("value", failure(query[verb], query, name, amount).kind,
                            ("%s of %s by %s"):format(verb, name, amount))
                    end
                end
            end
            assert.equal("1 2", values("n"))
            assert.equal("1.00 2.00", values("price"))
            assert.equal("-5 5", values("big"))
        end)

        it("takes exact ones of every form", function()
            Row:insert({ n = 1, price = "1.00", big = 5 })
            assert.equal(1, Row:where("id", 1):decrement("n", 2.0))
            assert.equal(1, Row:where("id", 1):decrement("price", decimal("0.10")))
            assert.equal(1, Row:where("id", 1):increment("price", decimal("0.05")))
            assert.equal(1, Row:where("id", 1):decrement("big", -math.maxinteger + 10))
            assert.equal("-1", values("n"))
            assert.equal("0.95", values("price"))
            assert.equal(tostring(math.maxinteger - 5), values("big"))
        end)

        it("of the least integer is taken away right, or not at all", function()
            Row:insert({ { big = -5 }, { big = -6 } })
            local ok, err = pcall(function()
                return Row:where("id", 1):decrement("big", math.mininteger)
            end)
            assert(ok or err.kind == "value", tostring(err))
            assert.equal(ok and tostring(math.maxinteger - 4) .. " -6" or "-5 -6", values("big"))
        end)

        it("leaves NULL, and counts its row", function()
            Row:insert({ { n = 1 }, { n = null }, { n = 3 } })
            assert.equal(3, Row:query():increment("n"))
            assert.equal("2 nil 4", values("n"))
            assert.equal(3, Row:query():decrement("n", 2, { s = "x" }))
            assert.equal("0 nil 2", values("n"))
            assert.equal("x x x", values("s"))
            assert.equal(1, Row:where("id", 2):increment("n"))
            assert.equal(0, Row:where("id", 4):increment("n"))
            assert.equal(1, Row:whereNull("n"):increment("n", 5, { s = "none" }))
            assert.equal(2, Row:where("n", ">=", 0):increment("n", 5))
            assert.equal("5 nil 7", values("n"))
            assert.equal("x none x", values("s"))
        end)

        it("may change what its condition is about", function()
            Row:insert({ { n = 1, s = "a" }, { n = null, s = "a" }, { n = 5, s = "b" } })
            assert.equal(2, Row:where("s", "a"):increment("n", 10, { s = "b" }))
            assert.equal("11 nil 5", values("n"))
            assert.equal("b b b", values("s"))
        end)

        it("sets updated_at where it leaves NULL, too", function()
            engine:tables(Stamped)
            local old = eloquent.datetime("2001-01-01T00:00:00Z")
            Stamped:insert({ { n = 1, updated_at = old }, { updated_at = old } })
            assert.equal(2, Stamped:query():increment("n"))
            assert.equal(2, Stamped:where("updated_at", ">", old):count())
        end)

        it("that fails for one row changes none", function()
            Row:insert({ { big = 1 }, { big = math.maxinteger }, { big = 3 } })
            assert.equal("value", failure(Row:query().increment, Row:query(), "big").kind)
            assert.equal(("1 %d 3"):format(math.maxinteger), values("big"))
            assert.equal("value", failure(function()
                engine:db():transaction(function()
                    Row:query():increment("big")
                end)
            end).kind)
            assert.equal(("1 %d 3"):format(math.maxinteger), values("big"))
        end)
    end)

    it("an update that meets a unique column changes no row", function()
        Row:insert({ { email = "a" }, { email = "b" }, { email = "c" } })
        local query = Row:where("id", ">", 1)
        assert.equal("unique", failure(query.update, query, { email = "x" }).kind)
        assert.equal("a b c", values("email"))
        assert.equal(2, Row:where("id", ">", 1):update({ email = null }))
        assert.equal("a nil nil", values("email"))
    end)

    -- }}}
    -- {{{ upsert

    describe("upsert", function()
        it("finds no row by NULL", function()
            Row:insert({ { email = "x", n = 1 }, { email = null, n = 2 }, { email = null, n = 3 } })
            assert.equal(1, Row:upsert({ { email = null, n = 99 } }, "email", { "n" }))
            assert.equal("1 2 3 99", values("n"))
            Row:upsert({ { email = "x", n = 4 }, { email = null, n = 5 }, { email = null, n = 6 } }, "email", { "n" })
            assert.equal("4 2 3 99 5 6", values("n"))
            assert.equal("x nil nil nil nil nil", values("email"))
        end)

        it("gives a fixed value to rows that are there only", function()
            Row:insert({ s = "old", n = 1 })
            Row:upsert({ { id = 73, s = "q" } }, "id", { s = "V" })
            assert.equal("old q", values("s"))
            Row:upsert({ { id = 1, s = "q" } }, "id", { s = "V" })
            assert.equal("V q", values("s"))
            Row:upsert({ { id = 1, s = "w" }, { id = 74, s = "w" } }, "id", { "s", n = 55 })
            assert.equal("w q w", values("s"))
            assert.equal("55 7 7", values("n"))
            local both = { { id = 80, email = "e", s = "1" }, { id = 81, email = "f", s = "2" } }
            assert.equal(2, Row:upsert(both, "email", { s = "F" }))
            Row:upsert({ { id = 82, email = "e", s = "1" }, { id = 83, email = null, s = "2" } }, "email",
                { s = "G" })
            assert.equal("w q w G 2 2", values("s"))
        end)

        it("without columns to update counts the new rows", function()
            Row:insert({ s = "old" })
            assert.equal(1, Row:upsert({ { id = 1, s = "a" }, { id = 71, s = "b" } }, "id", {}))
            assert.equal(0, Row:upsert({ { id = 1, s = "a" } }, "id", {}))
            assert.equal(0, Row:upsert({ id = 1 }, "id", {}))
            assert.equal(1, Row:upsert({ id = 75, s = "c" }, "id", {}))
            assert.equal("old b c", values("s"))
            assert.equal(2, Row:upsert({ { id = 76, email = null }, { id = 77, email = null } }, "email", {}))
        end)

        it("of rows with many columns", function()
            local schema, rows = { id = column("increments", nil, { primary = true }) }, {}
            for i = 1, 250 do
                schema["c" .. i] = column("integer", nil, { nullable = true })
            end
            local Wide = engine.model "Wide" { tableName = "write_wide", connectionName = engine.name, schema = schema }
            engine:tables(Wide)
            for i = 1, 270 do
                rows[i] = { id = i }
                for k = 1, 250 do
                    rows[i]["c" .. k] = k
                end
            end
            assert.equal(270, Wide:upsert(rows, "id", { "c1", c2 = 5 }))
            assert.equal(270, Wide:where("c250", 250):where("c2", 2):count())
        end)
    end)

    -- }}}
    -- {{{ lists

    -- { column, as it is stored, as it is asked for, another that fills a list }
    local spellings <const> = {
        { "t", "10:00:00", "10:00", "11:00" },
        { "t", "10:00:00", "10:00:00.000", "11:00:01.5" },
        { "u", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01arz3ndektsv4rrffq69g5fav", "01arz3ndektsv4rrffq69g5faw" },
        { "d", "1.50", "1.5", "2.5" },
        { "d", "2.00", 2, 3 },
        { "day", "2024-02-29", eloquent.datetime("2024-02-29T00:00:00Z"), "2024-03-01" },
        { "ts", "2024-02-29T10:00:00Z", "2024-02-29T12:00:00+02:00", "2024-02-29 10:00:01" },
        { "uu", "0190d8c5-8f3a-7000-8000-00000000000a", "0190D8C5-8F3A-7000-8000-00000000000A",
            "0190D8C5-8F3A-7000-8000-00000000000B" },
        { "e", "red", "red", "blue" },
        { "b", true, true, true },
        { "i", 12, 12.0, 13 },
        { "name", "12", "12", "13" },
    }

    for _, case in ipairs(spellings) do
        local name, stored, asked, other = table.unpack(case)
        it(("whereIn of %s as %s finds the same, however long the list"):format(name, tostring(asked)), function()
            engine:tables(Listed)
            Listed:insert({ { name = "12", [name] = stored }, { name = "else" } })
            for _, n in ipairs({ 1, 1001 }) do
                local list = {}
                for i = 1, n do
                    list[i] = i == n and asked or other
                end
                assert.equal(1, Listed:whereIn(name, list):count(), n)
                assert.equal(0, Listed:whereNotIn(name, list):where("id", 1):count(), n)
                list[#list + 1] = null
                assert.equal(name == "name" and 1 or 2, Listed:whereIn(name, list):count(), n)
            end
        end)
    end

    it("a subquery about another model compares as its columns say", function()
        engine:tables(Row, Listed)
        Row:insert({ { at = "10:00" }, { at = "11:00" } })
        Listed:insert({ { name = "a", t = "10:00", d = "1.5" }, { name = "b", t = "11:00", d = "2.5" } })
        for _, query in ipairs({
            Listed:where("t", "10:00"), Listed:where("t", "<", "10:00:00.5"), Listed:whereIn("t", { "10:00", "09:00" }),
            Listed:whereBetween("t", { "09:00", "10:00" }), Listed:whereNot("t", "11:00"), Listed:where("d", "1.5"),
        }) do
            assert.same({ 1 }, Row:whereIn("id", query:select("id")):pluck("id"):toTable())
        end
    end)

    it("a value that a column can't hold is refused in lists of any length", function()
        engine:tables(Listed)
        Listed:insert({ name = "12" })
        for name, wrong in pairs({ i = 1.5, t = "noon", e = "green", d = "x", b = 1, uu = "x" }) do
            for _, n in ipairs({ 1, 1001 }) do
                local list = {}
                for i = 1, n do
                    list[i] = wrong
                end
                local query = Listed:whereNotIn(name, list)
                assert.equal("value", failure(query.delete, query).kind, name)
            end
        end
        assert.equal(1, Listed:count())
    end)

    -- }}}

    it("a key that is a ULID is found in small letters", function()
        local Coded = engine.model "Coded" {
            tableName = "write_coded",
            connectionName = engine.name,
            schema = { id = column("ulid", nil, { primary = true }), n = column("integer") },
        }
        engine:tables(Coded)
        local key, other = "01arz3ndektsv4rrffq69g5fav", "01arz3ndektsv4rrffq69g5faw"
        Coded:insert({ { id = key, n = 1 }, { id = other, n = 2 } })
        local long = {}
        for i = 1, 1001 do
            long[i] = key
        end
        assert.equal(1, Coded:find(key).n)
        assert.equal(key:upper(), Coded:where("id", key):first().id)
        for _, list in ipairs({ { key }, long }) do
            assert.equal(1, Coded:whereIn("id", list):value("n"))
            assert.equal(2, Coded:whereNotIn("id", list):value("n"))
        end
        Coded:upsert({ { id = key, n = 5 } }, "id")
        assert.equal(2, Coded:count())
        assert.equal(5, Coded:find(key).n)
    end)

    it("groupBy of the key", function()
        Row:insert({ { n = 1 }, { n = 1 } })
        assert.same({ 1, 2 }, Row:select("id"):groupBy("id"):orderBy("id"):pluck("id"):toTable())
        assert.equal(2, #Row:select("id"):groupBy("id"):get())
        assert.equal(2, #Row:select("id", "n"):groupBy("id", "n"):get())
        assert.equal(2, #Row:select("id"):distinct():get())
    end)
end, "documents")

engines.only("writes of documents", "mongo", function(engine)
    local it, db = engine.it, engine:db()
    local Row = engine.model "Row" {
        tableName = "write_documents",
        connectionName = "mongo",
        schema = {
            id = column("increments", nil, { primary = true }),
            n = column("integer"),
            data = column("json"),
            ts = column("timestamp"),
        },
    }
    local Plain = engine.model "Plain" {
        tableName = "write_documents",
        connectionName = "mongo",
        schema = { n = column("integer") },
    }
    local Free = engine.model "Free" { tableName = "write_free", connectionName = "mongo", schema = "open" }

    before_each(function()
        engine:tables(Row, Free)
    end)

    it("the key of a document can't change", function()
        Row:insert({ { n = 1 }, { n = 2 } })
        Free:insert({ { n = 1 } })
        for _, write in ipairs({
            function() Row:where("id", 1):update({ id = 9 }) end,
            function() Row:where("id", 1):update({ _id = 9, n = 3 }) end,
            function() Row:updateById(1, { id = 9 }) end,
            function() Row:where("id", 1):increment("id", 8) end,
            function() Row:where("id", 1):decrement("_id", 8) end,
            function() Row:where("id", 1):increment("n", 1, { id = 9 }) end,
            function() Row:upsert({ { n = 1, id = 9 } }, "n", { "id" }) end,
            function() Row:upsert({ { id = 1, n = 1 } }, "id", { id = 9 }) end,
            function() Plain:where("n", 1):update({ _id = 9 }) end,
            function() Free:where("n", 1):update({ _id = 9 }) end,
            function() Free:where("n", 1):update({ ["_id.x"] = 9 }) end,
        }) do
            local err = failure(write)
            assert.equal("unsupported", err.kind)
            assert.matches("the key '_?id[.x]*' of a document can't change", err.message)
        end
        Row:upsert({ { id = 1, n = 5 } }, "id", { "id", "n" }) -- it is the same
        assert.same({ 1, 2 }, Row:orderBy("id"):pluck("id"):toTable())
        assert.same({ 5, 2 }, Row:orderBy("id"):pluck("n"):toTable())
        assert.equal(2, Row:collection():count({ ["$expr"] = { ["$eq"] = { "$id", "$_id" } } }))
    end)

    it("an update that one document can't take changes none", function()
        Free:insert({ { a = { b = 1 }, i = 1 }, { a = 5, i = 2 }, { a = { b = 3 }, i = 3 } })
        local query = Free:query()
        failure(query.update, query, { ["a.b"] = 2 })
        assert.same({ 1, 3 }, Free:whereNotNull("a.b"):orderBy("i"):pluck("a.b"):toTable())
        Free:where("i", 2):update({ a = { b = "text" } })
        failure(query.increment, query, "a.b")
        assert.same({ 1, "text", 3 }, Free:orderBy("i"):pluck("a.b"):toTable())
    end)

    it("a sum makes a field inside a document, and leaves NULL", function()
        Free:insert({ { i = 1 }, { i = 2, c = null, d = { c = null } }, { i = 3, c = 5, d = { c = 5 } } })
        for _, name in ipairs({ "c", "d.c" }) do
            assert.equal(3, Free:query():increment(name, 2))
            assert.same({ 2, 7 }, Free:whereNotNull(name):orderBy("i"):pluck(name):toTable())
        end
    end)

    it("decrement of a path takes no amount that has no opposite", function()
        Row:insert({ { n = 1, data = { k = -5 } } })
        local err = failure(Row:query().decrement, Row:query(), "data.k", math.mininteger)
        assert.equal("value", err.kind)
        assert.equal(1, Row:query():decrement("data.k", 2))
        assert.equal(-7, Row:value("data.k"))
    end)

    it("an upsert of several rows of free form, of a key that is NULL", function()
        assert.equal(2, Free:upsert({ { k = 1, v = "a" }, { k = 2, v = "b" } }, "k"))
        assert.equal(2, Free:upsert({ { k = 1, v = "c" }, { k = "1", v = "d" } }, "k"))
        assert.same({ "c", "b", "d" }, Free:query():pluck("v"):toTable())
        local err = failure(Free.upsert, Free, { { k = 1, v = "a" }, { k = 1.0, v = "b" } }, "k")
        assert.matches("rows 1 and 2 have the same 'k'", err.message, 1, true)
        assert.equal("notNull", failure(Row.upsert, Row, { { id = null, n = 1 } }, "id").kind)
        assert.equal(0, Row:count())
    end)

    it("an upsert that only counts tells what another index refuses", function()
        Free:collection():createIndex({ { "code", 1 } }, { unique = true })
        for _, rows in ipairs({ { { k = 1, code = "a" }, { k = 2, code = "a" } }, { k = 3, code = "b" } }) do
            if rows.k then
                Free:insert({ k = 9, code = "b" })
            end
            assert.equal("unique", failure(Free.upsert, Free, rows, "k", {}).kind)
        end
        assert.equal(1, Free:count())
        engine:drop(Free)
    end)

    it("sums of programs that meet are all there", function()
        Row:insert({ { n = 0 }, { n = 0 } })
        local other = engine:spawn([[
            local Row = require("eloquent").MongoModel "Row" { tableName = "write_documents", connectionName = "mongo",
                schema = { id = require("eloquent").column("increments", nil, { primary = true }),
                    n = require("eloquent").column("integer") } }
            for _ = 1, 20 do Row:where("n", ">=", 0):increment("n") end
            print("done")
        ]])
        for _ = 1, 20 do
            Row:where("n", ">=", 0):increment("n")
        end
        assert.matches("done", other:read("a"), 1, true)
        other:close()
        assert.same({ 40, 40 }, Row:query():pluck("n"):toTable())
    end)

    it("whereBetween of a list is met by one of its items", function()
        Row:insert({ { data = { 1, 100 } }, { data = { 1, 45 } }, { data = 45 }, { data = 1 }, { data = {} } })
        assert.same({ 2, 3 }, Row:whereBetween("data", { 40, 50 }):orderBy("id"):pluck("id"):toTable())
        assert.same({ 1, 2, 4 }, Row:whereNotBetween("data", { 40, 50 }):orderBy("id"):pluck("id"):toTable())
        Free:insert({ { t = { 1, 100 } }, { t = { 45 } }, { t = 41 } })
        assert.equal(2, Free:whereBetween("t", { 40, 50 }):count())
    end)

    it("whereColumn of the key goes by _id where there is no id", function()
        Row:collection():insertMany({ { _id = 4, n = 4 }, { _id = objectid.new(), id = 5, n = 5 }, { _id = 6, n = 7 } })
        assert.same({ 4, 5 }, Row:whereColumn("id", "n"):orderBy("n"):pluck("n"):toTable())
        assert.same({ 7 }, Row:whereColumn("n", ">", "id"):pluck("n"):toTable())
        assert.same({ 7 }, Row:query():whereNot(function(q) q:whereColumn("n", "id") end):pluck("n"):toTable())
    end)

    it("whereDate of a day that there is not says so", function()
        local err = failure(function()
            Row:whereDate("ts", "2024-02-30"):count()
        end)
        assert.equal("value", err.kind)
        assert.matches("YYYY-MM-DD", err.message, 1, true)
        assert.is_nil(err.message:find("T12:00", 1, true))
        assert.is_nil(err.message:find("02-30", 1, true))
    end)

    it("a sum by key is one command, others are a transaction of one", function()
        Row:insert({ { n = 1 }, { n = 2 } })
        local function count(query)
            local seen = engines.statements(db, function()
                query:increment("n")
            end)
            return #seen
        end
        assert.equal(1, count(Row:where("id", 1)))
        assert.is_true(count(Row:where("n", ">", 0)) > 1)
        assert.equal(1, #engines.statements(db, function()
            Row:where("n", ">", 0):update({ n = 5 })
        end))
    end)
end)
