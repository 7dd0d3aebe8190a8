-- SPDX-License-Identifier: MIT
--
-- Paths into documents and through lists: what reads, sums and conditions make of them,
-- and names of fields that would be paths.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local column, null = eloquent.column, eloquent.null
local failure = engines.failure

engines.only("paths", "mongo", function(engine)
    local it = engine.it

    local Order = engine.model "Order" {
        tableName = "path_orders",
        connectionName = "mongo",
        schema = {
            id = column("increments", nil, { primary = true }),
            name = column("string", 20),
            n = column("integer"),
            at = column("timestamp"),
            lines = column("json"),
            scores = column("json"),
        },
    }
    local Free = engine.model "Free" { tableName = "path_orders", connectionName = "mongo", schema = "open" }

    local function fill()
        engine:tables(Order)
        Order:insert({
            {
                name = "a",
                n = 1,
                lines = { { sku = "A", n = 5, parts = { { w = 1 }, { w = 2 } } }, { sku = "B", n = 1 } },
                scores = { 3, 9 },
            },
            { name = "b", n = 2, lines = { { sku = "A", n = 2, parts = { { w = 4 } } } }, scores = { 5 } },
            { name = "c", n = 3, lines = eloquent.json.array({}), scores = null },
            { name = "d", n = 4 },
        })
    end

    local function json(list)
        return eloquent.json.encode(list)
    end

    for title, model in pairs({ ["with a schema"] = Order, ["free-form"] = Free }) do
        it("sums go over the items of lists, " .. title, function()
            fill()
            assert.equal(8, model:sum("lines.n"))
            assert.equal(8 / 3, model:avg("lines.n"))
            assert.equal(1, model:min("lines.n"))
            assert.equal(5, model:max("lines.n"))
            assert.equal(7, model:sum("lines.parts.w"))
            assert.equal(7 / 3, model:avg("lines.parts.w"))
            assert.equal(3, model:min("scores"))
            assert.equal(9, model:max("scores"))
            assert.equal(7, model:sum("lines.0.n"))
            assert.equal(1, model:sum("lines.1.n"))
            assert.equal(5, model:sum("lines.parts.0.w"))
            assert.equal(9, model:max("scores.1"))
            assert.equal(2, model:count("lines.0.n"))
            assert.equal(6, model:where("name", "a"):sum("lines.n"))
            assert.equal(0, model:where("name", "d"):sum("lines.n"))
            assert.is_nil(model:where("name", "d"):avg("lines.n"))
            assert.is_nil(model:where("name", "d"):max("lines.n"))
            assert.equal(10, model:sum("n"))
            assert.equal(2.5, model:avg("n"))
        end)

        it("reads of a path through a list give its values, " .. title, function()
            fill()
            local q = model:orderBy("name")
            assert.equal('[["A","B"],["A"],[],null]', json(q:pluck("lines.sku"):toTable()))
            assert.equal('[[1,2],[4],[],null]', json(q:pluck("lines.parts.w"):toTable()))
            assert.equal('[3,5,null,null]', json(q:pluck("scores.0"):toTable()))
            assert.equal('["B",null,null,null]', json(q:pluck("lines.1.sku"):toTable()))
            assert.equal('[[1],[4],[],null]', json(q:pluck("lines.parts.0.w"):toTable()))
            assert.equal(5, q:value("lines.0.n"))
            assert.equal('["A","B"]', json(q:value("lines.sku")))
            local row = q:select("name", "lines.sku", "lines.0.n", "lines"):first()
            assert.equal("B", row["lines.sku"][2])
            assert.equal(5, row["lines.0.n"])
            assert.equal(1, row.lines[2].n)
            assert.equal(5, q:select("lines.0.n as first"):first().first)
            assert.same({ 5, 2 }, {
                q:select("lines.0.n as first"):get()[1].first, q:select("lines.0.n as first"):get()[2].first,
            })
            assert.equal(3, #model:query():groupBy("lines.0.n"):get())
        end)
    end

    it("one item of a list meets several conditions", function()
        fill()
        for _, model in ipairs({ Order, Free }) do
            local function names(q)
                return table.concat(q:orderBy("name"):pluck("name"), " ")
            end
            local function line(sku, n)
                return function(q)
                    q:where("sku", sku):where("n", ">=", n)
                end
            end
            assert.equal("a", names(model:where("lines", line("A", 5))))
            assert.equal("a b", names(model:where("lines", line("A", 2))))
            assert.equal("", names(model:where("lines", line("B", 5))))
            assert.equal("b c", names(model:whereNot("lines", line("A", 5))))
            assert.equal("a d", names(model:where("lines", line("A", 5)):orWhere("n", 4)))
            assert.equal("a b", names(model:where("lines", function(q)
                q:whereIn("sku", { "A", "B" }):whereNotIn("n", { 5 })
            end):where("n", "<", 9)))
            local err = failure(function()
                model:where("lines", function(q) q:whereColumn("n", "sku") end):get()
            end)
            assert.equal("unsupported", err.kind)
            assert.matches("$unwind", err.message, 1, true)
            assert.equal("unsupported", failure(function()
                model:where("lines", function(q) q:from("x"):where("a", 1) end):get()
            end).kind)
        end
    end)

    it("conditions on moments may have microseconds", function()
        engine:tables(Order)
        local datetime = eloquent.datetime
        local base = datetime("2026-01-02T03:04:05.123Z")
        local inside, before, behind = base + 0.0005, base - 0.0005, base + 0.001
        Order:create({ name = "x", at = base, lines = { at = base } })
        local function count(field, op, value)
            local typed = Order:where(field, op, value):count()
            assert.equal(typed, Free:where(field, op, value):count())
            assert.equal(1 - typed, Order:whereNot(field, op, value):count())
            return typed
        end
        for _, field in ipairs({ "at", "lines.at" }) do
            assert.equal(1, count(field, "<", inside))
            assert.equal(0, count(field, "<", base))
            assert.equal(0, count(field, "<", before))
            assert.equal(0, count(field, ">", inside))
            assert.equal(1, count(field, ">", before))
            assert.equal(1, count(field, "<=", inside))
            assert.equal(0, count(field, "<=", before))
            assert.equal(0, count(field, ">=", inside))
            assert.equal(1, count(field, ">=", before))
            for _, model in ipairs({ Order, Free }) do
                assert.equal(1, model:whereBetween(field, { before, inside }):count())
                assert.equal(0, model:whereBetween(field, { inside, behind }):count())
                assert.equal(1, model:whereNotBetween(field, { inside, behind }):count())
                assert.equal(0, model:whereNotBetween(field, { before, inside }):count())
                assert.equal(1, model:where(field, "<", datetime.now()):count())
                assert.equal("value", failure(function() model:where(field, inside):count() end).kind)
            end
        end
        assert.equal(1, Order:where("at", "<", "2026-01-02T03:04:05.123456Z"):count())
        assert.equal(0, Order:where("at", ">=", "2026-01-02T03:04:05.123456Z"):delete())
    end)

    it("'_id' is the key by another name", function()
        engine:tables(Order)
        local made = Order:create({ _id = 7, name = "a" })
        assert.same({ 7, 7 }, { made.id, made._id })
        assert.equal(8, Order:create({ name = "b" }).id)
        assert.equal(9, Order:create({ id = 9, _id = 9 })._id)
        local fresh = Order:new({ id = 5 }):fill({ _id = 6 })
        for title, fn in pairs({
            create = function() Order:create({ id = 20, _id = 21 }) end,
            save = function() fresh:save() end,
            insert = function() Order:insert({ _id = 21, name = "c" }) end,
            insertGetId = function() Order:insertGetId({ _id = 21, name = "c" }) end,
            many = function()
                local rows = {}
                for i = 1, 300 do
                    rows[i] = { _id = 100 + i, id = 500 + i }
                end
                Order:insert(rows)
            end,
            upsert = function() Order:upsert({ { _id = 21, id = 22, name = "c" } }, "id") end,
        }) do
            local err = failure(fn)
            assert.is_true(err.kind == "value" or err.kind == "misuse", title)
            assert.matches("'_id' has the same value", err.message, 1, true)
        end
        assert.same({ 7, 8, 9 }, Order:orderBy("id"):pluck("_id"):toTable())
        made:delete()
        made:save()
        assert.same({ 7, 7 }, { made.id, made._id })
    end)

    it("a key is never null", function()
        local Text = engine.model "Text" {
            tableName = "path_text",
            connectionName = "mongo",
            schema = { id = column("string", 20, { primary = true }), n = column("integer") },
        }
        local Object = engine.model "Object" {
            tableName = "path_objects",
            connectionName = "mongo",
            schema = { n = column("integer") },
        }
        engine:tables(Order, Text, Object)
        for key, model in pairs({ id = Order, id2 = Text, _id = Object, _id2 = Free }) do
            key = key:gsub("2", "")
            for _, n in ipairs({ 1, 2, 300 }) do
                local rows = {}
                for i = 1, n do
                    rows[i] = { [key] = "k" .. i, n = i }
                    if model == Order then
                        rows[i][key] = i
                    end
                end
                rows[n][key] = null
                local err = failure(function() model:insert(rows) end)
                assert.equal("notNull", err.kind, tostring(err))
                assert.equal(key, err.column)
                assert.equal(0, model:count())
            end
            assert.equal("notNull", failure(function() model:insertGetId({ [key] = null }) end).kind)
        end
    end)

    it("a unique index over documents that are equal says so", function()
        local Twin = engine.model "Twin" {
            tableName = "path_twins",
            connectionName = "mongo",
            schema = { name = column("string", 20, { unique = true }) },
        }
        local twins = Twin:collection()
        twins:drop()
        twins:insertMany({ { _id = 1, name = "a" }, { _id = 2, name = "a" } })
        for _, fn in ipairs({
            function() Twin:createIndexes() end,
            function() twins:createIndex({ name = 1 }, { unique = true }) end,
        }) do
            local err = failure(fn)
            assert.equal("unique", err.kind)
            assert.matches("can't be made, for documents that are there have the same 'name'", err.message, 1, true)
        end
        twins:drop()
    end)

    it("names with dots and dollars are no fields", function()
        for _, name in ipairs({ "a.b", "$c" }) do
            local err = failure(engine.model("Named" .. #name), { connectionName = "mongo", schema = {
                [name] = column("integer"),
            } })
            assert.matches(name, err.message, 1, true)
        end
        engine:tables(Free)
        local note = Free:create({ addr = {} })
        for _, name in ipairs({ "addr.city", "$x", "." }) do
            for title, fn in pairs({
                assign = function() note[name] = "Basel" end,
                fill = function() note:fill({ [name] = "Basel" }) end,
                new = function() Free:new({ [name] = 1 }) end,
                create = function() Free:create({ [name] = 1 }) end,
                createMany = function() Free:createMany({ { [name] = 1 } }) end,
                insert = function() Free:insert({ [name] = 1 }) end,
            }) do
                local err = failure(fn)
                assert.equal("misuse", err.kind, title)
                assert.matches("'" .. name .. "'", err.message, 1, true)
            end
        end
        note.addr.city = "Basel"
        note:save()
        assert.equal("Basel", Free:find(note._id).addr.city)
        assert.equal(1, Free:count())
        Free:collection():insertOne({ _id = "other", ["a.b"] = 1, n = 1 })
        local other = Free:find("other")
        other.n = 2
        other:save()
        assert.equal(1, Free:find("other")["a.b"])
    end)
end)
