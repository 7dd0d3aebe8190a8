-- SPDX-License-Identifier: MIT
--
-- Many rows at once: insert, insertGetId, insertOrIgnore, upsert, each, truncate.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local column, null = eloquent.column, eloquent.null
local failure = engines.failure

engines.suite("bulk", function(engine)
    local it = engine.it
    local Item = engine.model "Item" {
        tableName = "bulk_items",
        connectionName = engine.name,
        schema = {
            id = column("increments"),
            code = column("string", 40, { unique = true }),
            label = column("string", 50, { default = "none" }),
            count = column("integer", nil, { default = 1 }),
            price = column("decimal", nil, { precision = 10, scale = 2 }),
        },
    }
    local Stamped = engine.model "Stamped" {
        tableName = "bulk_stamped",
        connectionName = engine.name,
        schema = {
            id = column("ulid", nil, { primary = true, auto = true }),
            code = column("string", 40, { unique = true }),
        },
        timestamps = true,
    }
    local db = engine:db()

    before_each(function()
        engine:tables(Item, Stamped)
    end)

    local function item(code)
        return Item:findOneBy("code", code)
    end

    it("insert of one row and of several", function()
        assert.equal(1, Item:insert({ code = "a", count = 5 }))
        assert.equal(2, Item:insert({ { code = "b" }, { code = "c", label = null } }))
        assert.equal(0, Item:insert({}))
        assert.equal(5, item("a").count)
        assert.equal("none", item("a").label)
        assert.equal(1, item("b").count)
        assert.equal("none", item("b").label)
        assert.is_nil(item("c").label)
        assert.equal(3, Item:count())
    end)

    it("rows with different columns get their own defaults, in order", function()
        Item:insert({
            { code = "a", label = "x" },
            { code = "b" },
            { count = 7, code = "c" },
            { code = "d", label = "y", count = 8, price = "1.5" },
        })
        local seen = {}
        for i, row in ipairs(Item:orderBy("id"):get()) do
            seen[i] = ("%s %s %d %s"):format(row.code, row.label, row.count, tostring(row.price))
        end
        assert.same({ "a x 1 nil", "b none 1 nil", "c none 7 nil", "d y 8 1.50" }, seen)
    end)

    -- A server in Python takes minutes for what others do in a second.
    local function size(n)
        return engine.name == "mongo" and n // 50 or n
    end

    it("any number of rows, in one transaction", function()
        local n, more = size(30000), size(5000)
        local rows = {}
        for i = 1, n do
            rows[i] = { code = "c" .. i, count = i, label = "l" .. i }
        end
        assert.equal(n, Item:insert(rows))
        assert.equal(n, Item:count())
        assert.equal(n * (n + 1) // 2, Item:sum("count"))
        assert.equal("l" .. n - 1, item("c" .. n - 1).label)
        local again = {}
        for i = 1, more do
            again[i] = { code = "d" .. i }
        end
        again[more - 1].code = "c1"
        assert.equal("unique", failure(Item.insert, Item, again).kind)
        assert.equal(n, Item:count())
    end)

    it("a wrong value is found before anything is sent", function()
        local err = failure(Item.insert, Item, { { code = "a" }, { code = "b", count = "many" } })
        assert.equal("value", err.kind)
        assert.matches("Item.count", err.message, 1, true)
        assert.equal(0, Item:count())
    end)

    -- n rows, so many that they take the engine's fastest way.
    local function many(n, change)
        local rows = {}
        for i = 1, n do
            rows[i] = { code = "c" .. i, count = i }
            if change then
                change(rows[i], i)
            end
        end
        return rows
    end

    it("many rows take one way, which a listener hears of once", function()
        local seen = engines.statements(db, function()
            assert.equal(777, Item:insert(many(777)))
        end, function(statement) -- not those that begin and end transactions
            local sql = statement.sql
            local writes = sql:lower():find("into ", 1, true) or sql:find("^COPY") or sql:find('^{"insert"')
            return writes and statement or nil
        end)
        assert.equal(1, #seen)
        assert.equal(777, seen[1].rows)
        assert.is_false(seen[1].failed)
        assert.matches(({ pg = "^COPY", mongo = '^{"insert"' })[engine.name] or "^[iI][nN][sS][eE][rR][tT] ",
            seen[1].sql)
        assert.equal(777 * 778 // 2, Item:sum("count"))
        for i, row in ipairs(Item:orderBy("id"):get()) do
            assert.equal("c" .. i, row.code)
            assert.equal("none", row.label)
        end
    end)

    it("many rows whose columns change on the way keep their order and defaults", function()
        local rows = many(400, function(row, i)
            if i > 100 and i <= 250 or i > 320 then
                row.label = "l" .. i
            end
            if i == 300 then
                row.price = "1.25"
            end
        end)
        assert.equal(400, Item:insert(rows))
        for i, row in ipairs(Item:orderBy("id"):get()) do
            assert.equal("c" .. i, row.code)
            assert.equal(rows[i].label or "none", row.label)
            assert.equal(i == 300 and "1.25" or "nil", tostring(row.price))
        end
    end)

    it("a wrong value among many names its row, and nothing is written", function()
        local rows = many(500)
        rows[444].count = "many"
        local err = failure(function()
            Item:insert(rows)
        end)
        assert.equal("value", err.kind)
        assert.equal(444, err.row)
        assert.matches("^row 444: Item.count expects an integer", err.message)
        assert.matches("bulk_spec.lua$", err.file)
        assert.equal(0, Item:count())
        rows[444] = "no row"
        err = failure(Item.insert, Item, rows)
        assert.matches("row 444 is a string", err.message, 1, true)
        rows[444] = { code = "x", cuont = 5 }
        err = failure(Item.insert, Item, rows)
        assert.matches("cuont", err.message, 1, true)
        assert.equal(0, Item:count())
        rows[444] = { code = "x", count = 5 }
        assert.equal(500, Item:insert(rows))
    end)

    it("a wrong value among a few names its row, too", function()
        local function refused(verb, ...)
            local err = failure(Item[verb], Item, { { code = "a", count = 1 }, { code = "b", count = "many" } }, ...)
            assert.equal("value", err.kind)
            assert.equal(2, err.row, verb)
            assert.matches("^row 2: Item.count expects an integer", err.message)
            assert.equal(0, Item:count())
        end
        refused("insert")
        refused("insertOrIgnore")
        refused("upsert", "code")
        refused("createMany")
        local err = failure(Item.createMany, Item, { { code = "a" }, { code = "b" }, { code = "a" } })
        assert.equal("unique", err.kind)
        assert.equal(3, err.row)
        assert.equal(0, Item:count())
        err = failure(Item.insert, Item, { { code = "a", count = "many" } })
        assert.is_nil(err.row)
    end)

    it("a unique violation among many names its row where the engine tells", function()
        local rows = many(500)
        rows[333].code = "c7"
        local err = failure(Item.insert, Item, rows)
        assert.equal("unique", err.kind)
        if engine.name ~= "mysql" then
            assert.equal(333, err.row)
            assert.matches("^row 333: ", err.message)
            assert.is_nil(err.message:find("row 333: row", 1, true))
        end
        assert.equal("bulk_items", err.table)
        assert.is_nil(err.message:find("c7", 1, true))
        assert.equal(0, Item:count())
        assert.equal("unique", failure(Item.insert, Item, rows).kind)
        rows[333].code = "c333"
        assert.equal(500, Item:insert(rows))
    end)

    it("inside a transaction, a failure that is caught undoes only itself", function()
        db:transaction(function()
            Item:create({ code = "before" })
            local rows = many(200)
            rows[200].code = "before"
            assert.equal("unique", failure(Item.insert, Item, rows).kind)
            rows[200].count = 1.5
            assert.equal("value", failure(Item.insert, Item, rows).kind)
            assert.equal(1, Item:count())
            rows[200] = nil
            assert.equal(199, Item:insert(rows))
        end)
        assert.equal(200, Item:count())
    end)

    it("inside a transaction, a mistake among many leaves none of them", function()
        local Severe = engine.model "Severe" {
            tableName = "bulk_severe",
            connectionName = engine.name,
            schema = {
                id = column("increments"),
                code = column("string", 40, { notNull = true }),
                n = column("integer"),
            },
        }
        engine:tables(Severe)
        local mistakes = {
            { kind = "notNull", row = { n = 1 } }, { kind = "notNull", row = { code = null, n = 1 } },
            { kind = "misuse", row = { code = "x", m = 1 } }, { kind = "misuse", row = "no row" },
            { kind = "value", row = { code = "x", n = "many" } },
        }
        for _, mistake in ipairs(mistakes) do
            local rows = {}
            for i = 1, 200 do
                rows[i] = { code = "c" .. i, n = i }
            end
            rows[120] = mistake.row
            pcall(db.transaction, db, function()
                Severe:create{ code = "before" }
                assert.equal(mistake.kind, failure(Severe.insert, Severe, rows).kind)
                assert.equal(1, Severe:count())
            end)
            Severe:query():delete()
        end
        assert.equal(0, Severe:count())
    end)

    it("a key that is too large is refused, and the next ones are counted as before", function()
        for _, id in ipairs({ 3000000000, math.maxinteger }) do
            assert.equal("value", failure(Item.insert, Item, { { id = id, code = "x" } }).kind)
            assert.equal("value", failure(Item.insert, Item, many(100, function(row)
                row.id = id
            end)).kind)
        end
        assert.is_true(Item:create{ code = "y" }.id < 1000)
    end)

    it("many rows with keys and timestamps that the program makes", function()
        local rows = {}
        for i = 1, 300 do
            rows[i] = { code = "s" .. i }
        end
        rows[10].created_at = "2001-01-01T00:00:00Z"
        rows[11].id = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
        assert.equal(300, Stamped:insert(rows))
        local seen = {}
        for _, row in ipairs(Stamped:get()) do
            assert.equal(26, #row.id)
            assert.is_nil(seen[row.id])
            seen[row.id] = true
            assert.is_not_nil(row.updated_at)
        end
        assert.equal("s11", Stamped:find("01ARZ3NDEKTSV4RRFFQ69G5FAV").code)
        assert.equal("2001-01-01T00:00:00Z", tostring(Stamped:findOneBy("code", "s10").created_at))
    end)

    it("many rows of which some bring their key", function()
        local rows = many(300)
        rows[120].id = 5000
        rows[121].id = 4000
        assert.equal(300, Item:insert(rows))
        assert.equal(5000, item("c120").id)
        assert.equal(4000, item("c121").id)
        local seen = {}
        for _, row in ipairs(Item:get()) do
            assert.is_nil(seen[row.id])
            seen[row.id] = true
        end
    end)

    it("many rows that bring their keys: later ones go on from the largest", function()
        local rows = many(300, function(row, i)
            row.id = 10000 + i
        end)
        rows[200].id = nil
        assert.equal(300, Item:insert(rows))
        assert.equal(10300, item("c300").id)
        assert.is_true(Item:create{ code = "after" }.id > 10300)
    end)

    it("many rows of which one has NULL, or nothing, where it must not", function()
        local Strict = engine.model "Strict" {
            tableName = "bulk_strict",
            connectionName = engine.name,
            schema = {
                id = column("increments"),
                code = column("string", 40, { notNull = true }),
                active = column("boolean", nil, { notNull = true, default = false }),
            },
        }
        engine:tables(Strict)
        local rows = {}
        for i = 1, 200 do
            rows[i] = { code = "c" .. i }
        end
        for _, value in ipairs({ null, false }) do
            rows[120].code = value or nil
            local err = failure(Strict.insert, Strict, rows)
            assert.equal("notNull", err.kind)
            assert.equal("code", err.column)
            assert.equal(0, Strict:count())
        end
        rows[120].code, rows[7].active = "c120", true
        assert.equal(200, Strict:insert(rows))
        assert.same({ 199, 1 }, { Strict:where("active", false):count(), Strict:where("active", true):count() })
        assert.equal("c120", Strict:orderBy("id"):offset(119):first().code)
    end)

    it("a default of false in rows with different columns", function()
        local Flagged = engine.model "Flagged" {
            tableName = "bulk_flagged",
            connectionName = engine.name,
            schema = {
                id = column("increments"),
                code = column("string", 40),
                active = column("boolean", nil, { default = false }),
                count = column("integer"),
            },
        }
        engine:tables(Flagged)
        Flagged:insert{ { code = "a" }, { code = "b", count = 1 }, { code = "c", active = true } }
        local seen = {}
        for i, row in ipairs(Flagged:orderBy("id"):get()) do
            seen[i] = ("%s %s %s"):format(row.code, row.active, row.count)
        end
        assert.same({ "a false nil", "b false 1", "c true nil" }, seen)
    end)

    it("many rows of a table without a model, of mixed and awkward values", function()
        engine:schema():dropIfExists("bulk_plain")
        engine:schema():create("bulk_plain", function(t)
            t:id()
            t:text("words")
            t:double("d"):nullable()
            t:bigInteger("n"):nullable()
            t:binary("bytes")
            t:boolean("yes")
        end)
        local awkward = {
            "", "\\N", "\\.", "\\", "a\tb\nc\r\nd", "'; drop table bulk_plain; --", "\u{1F600}\u{7FF}", "t", "NULL",
        }
        local rows = {}
        for i = 1, 300 do
            rows[i] = {
                words = awkward[i % #awkward + 1],
                d = i % 5 == 0 and null or i % 2 == 0 and i / 3 or i,
                n = i % 7 == 0 and null or i % 3 == 0 and eloquent.decimal(i) or i,
                bytes = ("\0\xff\\" .. i):rep(i % 4),
                yes = i % 2 == 0,
            }
        end
        assert.equal(300, db:table("bulk_plain"):insert(rows))
        for i, row in ipairs(db:table("bulk_plain"):orderBy("id"):get()) do
            assert.equal(rows[i].words, row.words)
            assert.equal(rows[i].d ~= null and rows[i].d or nil, row.d)
            assert.equal(rows[i].n ~= null and i or nil, row.n)
            assert.equal(rows[i].bytes, row.bytes)
            assert.equal(rows[i].yes, row.yes)
        end
        rows[200].words = "\xff\xfe"
        db:table("bulk_plain"):truncate()
        if engine.name == "sqlite" then -- any column takes any value
            assert.equal(300, db:table("bulk_plain"):insert(rows))
        else
            assert.equal("value", failure(function() db:table("bulk_plain"):insert(rows) end).kind)
            assert.equal(0, db:table("bulk_plain"):count())
        end
    end)

    it("many rows with long values", function()
        local Long = engine.model "Long" {
            tableName = "bulk_long",
            connectionName = engine.name,
            schema = { id = column("increments"), words = column("text"), bytes = column("binary") },
        }
        engine:tables(Long)
        local rows, mib = {}, 1 << 20
        for i = 1, 60 do
            rows[i] = { words = ("w"):rep(i * 3000), bytes = ("\0"):rep(i * 1000) }
        end
        rows[31].words, rows[32].bytes = ("\u{e9}"):rep(2 * mib), ("\x80"):rep(3 * mib)
        assert.equal(60, Long:insert(rows))
        for i, row in ipairs(Long:orderBy("id"):get()) do
            assert.is_true(rows[i].words == row.words and rows[i].bytes == row.bytes, "row " .. i)
        end
    end)

    it("many rows into what takes statements only", function()
        if engine.name ~= "pg" then
            return
        end
        db:script("create view bulk_view as select code, count from bulk_items")
        local ok, why = pcall(function()
            assert.equal(300, db:table("bulk_view"):insert(many(300)))
            assert.equal(300, Item:count())
        end)
        db:script("drop view bulk_view")
        assert(ok, tostring(why))
    end)

    it("the connection works after many rows that failed on the server", function()
        if not engine.has_server then
            return -- a column of SQLite takes any value
        end
        local err = failure(function()
            db:table("bulk_items"):insert(many(300, function(row, i)
                row.count = i == 250 and "x" or i
            end))
        end)
        assert.equal("value", err.kind)
        assert.equal(0, Item:count())
        assert.equal(300, Item:insert(many(300)))
    end)

    it("insert fills keys and timestamps that the program makes", function()
        Stamped:insert({ { code = "a" }, { code = "b", id = "01ARZ3NDEKTSV4RRFFQ69G5FAV" } })
        local row = Stamped:findOneBy("code", "a")
        assert.equal(26, #row.id)
        assert.is_not_nil(row.created_at)
        assert.equal(row.created_at, row.updated_at)
        assert.equal("b", Stamped:find("01ARZ3NDEKTSV4RRFFQ69G5FAV").code)
    end)

    it("insertGetId", function()
        local first = Item:insertGetId({ code = "a" })
        local second = Item:insertGetId({ code = "b" })
        assert.equal("integer", math.type(first))
        assert.equal(first + 1, second)
        assert.equal("b", Item:find(second).code)
        assert.equal(77, Item:insertGetId({ id = 77, code = "c" }))
        assert.equal(26, #Stamped:insertGetId({ code = "a" }))
        assert.equal("a", Stamped:find(Stamped:first().id).code)
    end)

    it("insertGetId of a table without a model", function()
        assert.equal(1, db:table("bulk_items"):where("id", db:table("bulk_items"):insertGetId({ code = "z" })):count())
    end)

    it("insertGetId of a value that is false, or NULL", function()
        local flags = engine.model "Flag" {
            tableName = "bulk_flags",
            connectionName = engine.name,
            schema = { id = column("increments"), code = column("string", 9), on = column("boolean") },
        }
        engine:tables(flags)
        local value = db:table("bulk_flags"):insertGetId({ code = "a", on = false }, "on")
        if engine.name == "mongo" then -- the key of a document is `_id`
            assert.is_true(eloquent.objectid.is(value))
        else
            assert.is_false(value)
        end
        assert.is_true(pcall(function()
            db:table("bulk_flags"):insertGetId({ code = "b" }, "on")
        end))
        assert.equal(2, db:table("bulk_flags"):count())
    end)

    it("insertOrIgnore leaves out what is there, and nothing else", function()
        Item:insert({ code = "a", count = 1 })
        assert.equal(2, Item:insertOrIgnore({ { code = "a", count = 9 }, { code = "b", count = 2 }, { code = "c" } }))
        assert.equal(1, item("a").count)
        assert.equal(3, Item:count())
        assert.equal(0, Item:insertOrIgnore({ code = "a" }))
        assert.equal(0, Item:insertOrIgnore({ { code = "a" }, { code = "b" } }))
    end)

    it("insertOrIgnore does not ignore other mistakes", function()
        local Strict = "bulk_strict"
        engine:schema():dropIfExists(Strict)
        engine:schema():create(Strict, function(t)
            t:id()
            t:string("code", 10):unique()
            t:integer("n")
        end)
        local err = failure(function()
            db:table(Strict):insertOrIgnore({ { code = "a", n = 1 }, { code = "b", n = null } })
        end)
        assert.equal("notNull", err.kind)
        assert.equal(0, db:table(Strict):count())
    end)

    it("upsert writes new rows and updates the others", function()
        Item:insert({ { code = "a", label = "old", count = 1 }, { code = "b", label = "old", count = 2 } })
        assert.equal(2, Item:upsert({
            { code = "a", label = "new", count = 10 },
            { code = "c", label = "new", count = 30 },
        }, { "code" }, { "label" }))
        assert.equal("new", item("a").label)
        assert.equal(1, item("a").count)
        assert.equal(30, item("c").count)
        assert.equal("old", item("b").label)
        Item:upsert({ { code = "b", label = "all", count = 20 } }, "code")
        assert.equal("all", item("b").label)
        assert.equal(20, item("b").count)
        assert.equal(3, Item:count())
    end)

    it("upsert with values of its own, raw SQL, or nothing to write", function()
        Item:insert({ code = "a", label = "old", count = 1 })
        Item:upsert({ { code = "a", count = 5 } }, "code", { count = eloquent.raw("bulk_items.count + 100") })
        assert.equal(101, item("a").count)
        Item:upsert({ { code = "a", count = 5 } }, "code", { label = "given" })
        assert.equal("given", item("a").label)
        assert.equal(101, item("a").count)
        assert.equal(1, Item:upsert({ { code = "a", count = 5 }, { code = "b" } }, "code", {}))
        assert.equal(101, item("a").count)
        assert.equal(2, Item:count())
    end)

    it("upsert keeps created_at and sets updated_at", function()
        local old = eloquent.datetime("2001-01-01T00:00:00Z")
        Stamped:insert({ code = "a", created_at = old, updated_at = old })
        Stamped:upsert({ { code = "a" } }, "code")
        local row = Stamped:findOneBy("code", "a")
        assert.equal(old, row.created_at)
        assert.is_true(row.updated_at > old)
        assert.equal(1, Stamped:count())
    end)

    it("upsert of many rows", function()
        local n = size(12000)
        local rows = {}
        for i = 1, n do
            rows[i] = { code = "c" .. i, count = i }
        end
        Item:insert({ code = "c7", count = 0 })
        assert.equal(n, Item:upsert(rows, "code", { "count" }))
        assert.equal(n, Item:count())
        assert.equal(7, item("c7").count)
    end)

    it("upsert refuses a list with the same key twice, and writes nothing", function()
        Item:insert({ code = "a", count = 1 })
        local function refused(rows, unique, a, b, model)
            local err = failure(function()
                (model or Item):upsert(rows, unique)
            end)
            assert.equal("misuse", err.kind)
            assert.matches(("upsert: rows %d and %d have the same 'code'"):format(a, b), err.message, 1, true)
            assert.is_nil(err.message:find("a%-1"))
        end
        refused({ { code = "b", count = 2 }, { code = "a", count = 3 }, { code = "a", count = 4 } }, "code", 2, 3)
        local many_rows = many(3000)
        many_rows[2999].code = "c2"
        refused(many_rows, { "code" }, 2, 2999)
        refused({ { code = "a", count = 3 }, { code = "a", count = 4 } }, "code", 1, 2, db:table("bulk_items"))
        assert.equal(1, Item:count())
        assert.equal(1, item("a").count)
        -- what says nothing about an update may come twice
        assert.equal(1, Item:upsert({ { code = "a" }, { code = "b" }, { code = "b" } }, "code", {}))
        assert.equal(2, Item:count())
    end)

    it("upsert sees that keys are the same through all their spellings", function()
        local Keyed = engine.model "Keyed" {
            tableName = "bulk_keyed",
            connectionName = engine.name,
            schema = {
                id = column("increments"),
                price = column("decimal", nil, { precision = 8, scale = 2 }),
                at = column("timestamp"),
                n = column("integer", nil, { nullable = true }),
            },
            database = { indexes = { { type = "unique", columns = { "price", "at", "n" }, name = "bulk_keyed_key" } } },
        }
        engine:tables(Keyed)
        local key = { "price", "at", "n" }
        local err = failure(function()
            Keyed:upsert({
                { price = "1.5", at = "2024-02-29T10:00:00+02:00", n = 1 },
                { price = eloquent.decimal("1.500"), at = eloquent.datetime("2024-02-29T08:00:00Z"), n = 1.0 },
            }, key, { "price" })
        end)
        assert.matches("rows 1 and 2 have the same 'price', 'at', 'n'", err.message, 1, true)
        assert.equal("value", failure(Keyed.upsert, Keyed, { { price = "x", at = "2024-02-29", n = 1 },
            { price = "1", at = "2024-02-29", n = 1 } }, key, { "price" }).kind)
        assert.equal(4, Keyed:upsert({ -- one column differs, or is NULL, which equals nothing
            { price = "1.5", at = "2024-02-29", n = 1 },
            { price = "1.5", at = "2024-02-29", n = 11 },
            { price = "1.5", at = "2024-02-29", n = null },
            { price = "1.5", at = "2024-02-29", n = null },
        }, key, { "price" }))
        assert.equal(4, Keyed:count())
    end)

    it("each pages by key, so rows may be changed and deleted on the way", function()
        local rows = {}
        for i = 1, 250 do
            rows[i] = { code = "c" .. i, count = i % 2 }
        end
        Item:insert(rows)
        local seen = 0
        for row in Item:where("count", 1):each(20) do
            seen = seen + 1
            row:update({ count = 2 })
        end
        assert.equal(125, seen)
        assert.equal(125, Item:where("count", 2):count())
        seen = 0
        for row in Item:query():each(7) do
            seen = seen + 1
            row:delete()
        end
        assert.equal(250, seen)
        assert.equal(0, Item:count())
    end)

    it("each stops with its loop", function()
        Item:insert({ { code = "a" }, { code = "b" }, { code = "c" } })
        for row in Item:query():each(1) do
            if row.code == "b" then
                break
            end
        end
        assert.equal(1, Item:where("code", "a"):delete())
    end)

    it("truncate begins the keys at 1 again", function()
        Item:insert({ { code = "a" }, { code = "b" } })
        Item:truncate()
        assert.equal(0, Item:count())
        assert.equal(1, Item:create({ code = "c" }).id)
    end)
end, "documents")
