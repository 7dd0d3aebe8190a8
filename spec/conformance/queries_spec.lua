-- SPDX-License-Identifier: MIT
--
-- Reading rows by queries: conditions, order, limits, pluck, aggregates, loops. What one
-- record does is crud_spec.lua.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local column, null = eloquent.column, eloquent.null
local decimal, failure = eloquent.decimal, engines.failure

local function names(rows)
    local list = {}
    for i, row in ipairs(rows) do
        list[i] = row.name
    end
    return table.concat(list, " ")
end

engines.suite("queries", function(engine)
    local it = engine.it
    local Pet = engine.model "Pet" {
        tableName = "query_pets",
        connectionName = engine.name,
        schema = {
            id = column("increments"),
            name = column("string", 50, { notNull = true }),
            kind = column("enum", nil, { values = { "cat", "dog", "fish" } }),
            age = column("integer"),
            weight = column("double"),
            price = column("decimal", nil, { precision = 10, scale = 2 }),
            tame = column("boolean", nil, { default = true }),
            born = column("date"),
            seen = column("timestamp"),
            extra = column("json"),
        },
    }
    local Empty = engine.model "Empty" {
        tableName = "query_empty",
        connectionName = engine.name,
        schema = { id = column("increments"), n = column("integer"), d = column("decimal") },
    }

    setup(function()
        engine:tables(Pet, Empty)
        Pet:insert({
            { name = "ada", kind = "cat", age = 3, weight = 4.5, price = "10.10", tame = true,
                born = "2020-01-31", seen = "2024-02-29T12:00:00" .. engine.fraction(1) .. "Z", extra = { a = 1 } },
            { name = "bob", kind = "dog", age = 7, weight = 20.25, price = "99.99", tame = false,
                born = "2016-12-31", seen = "2024-02-29T12:00:00" .. engine.fraction(2) .. "Z" },
            { name = "cy", kind = "fish", age = null, weight = 0.1, price = "9.90", tame = true },
            { name = "dan", kind = "dog", age = 7, weight = null, price = null, tame = true,
                born = "1999-05-05", seen = "1999-05-05T00:00:00Z" },
            { name = "Eve 100%_", kind = "cat", age = 1, weight = -1.5, price = "-0.01", tame = null },
        })
    end)

    local function by_id(query)
        return names(query:orderBy("id"):get())
    end

    -- {{{ conditions

    it("where with two and three arguments", function()
        assert.equal("ada", by_id(Pet:where("name", "ada")))
        assert.equal("bob dan", by_id(Pet:where("age", ">", 3)))
        assert.equal("ada bob dan", by_id(Pet:where("age", ">=", 3)))
        assert.equal("Eve 100%_", by_id(Pet:where("age", "<", 3)))
        assert.equal("ada Eve 100%_", by_id(Pet:where("age", "!=", 7)))
        assert.equal("bob", by_id(Pet:where("tame", false)))
        assert.equal("ada", by_id(Pet:where("born", "2020-01-31")))
        assert.equal("cy", by_id(Pet:where("weight", 0.1)))
        assert.equal("ada", by_id(Pet:where("kind", "cat"):where("age", 3)))
    end)

    it("decimals and moments compare by value, not by text", function()
        assert.equal("ada bob", by_id(Pet:where("price", ">", decimal("9.9"))))
        assert.equal("cy", by_id(Pet:where("price", "9.9")))
        assert.equal("cy", by_id(Pet:where("price", decimal("9.900"))))
        assert.equal("Eve 100%_", by_id(Pet:where("price", "<", 0)))
        local seen = eloquent.datetime("2024-02-29T12:00:00" .. engine.fraction(1) .. "Z")
        assert.equal("bob", by_id(Pet:where("seen", ">", seen)))
        assert.equal("ada", by_id(Pet:where("seen", "2024-02-29T13:00:00" .. engine.fraction(1) .. "+01:00")))
        assert.equal("dan", by_id(Pet:where("seen", eloquent.datetime("1999-05-05T00:00:00Z"))))
    end)

    it("where with a table and nested", function()
        assert.equal("dan", by_id(Pet:where({ kind = "dog", tame = true })))
        assert.equal("bob", by_id(Pet:where({ { "age", ">", 3 }, { "weight", ">", 1 } })))
        assert.equal("ada dan", by_id(Pet:where("tame", true):where(function(query)
            query:where("age", 3):orWhere("age", 7)
        end)))
        assert.equal("ada bob cy dan", by_id(Pet:where("name", "cy"):orWhere(function(query)
            query:where("age", ">", 2):where("name", "!=", "x")
        end)))
    end)

    it("orWhere and whereNot", function()
        assert.equal("ada cy", by_id(Pet:where("name", "ada"):orWhere("name", "cy")))
        assert.equal("bob dan", by_id(Pet:whereNot(function(query)
            query:where("kind", "cat"):orWhere("kind", "fish")
        end)))
    end)

    it("NULL: where, whereNull, whereNotNull", function()
        assert.equal("cy", by_id(Pet:where("age", null)))
        assert.equal("cy", by_id(Pet:whereNull("age")))
        assert.equal("ada bob dan Eve 100%_", by_id(Pet:whereNotNull("age")))
        assert.equal("ada bob dan Eve 100%_", by_id(Pet:where("age", "!=", null)))
        assert.equal("ada bob cy Eve 100%_", by_id(Pet:where("age", "!=", 7):orWhereNull("age"):orWhere("tame", false)))
        assert.equal("misuse", failure(function()
            Pet:where("age", nil)
        end).kind)
    end)

    it("whereIn, also with nothing and with 70,000 values", function()
        assert.equal("ada cy", by_id(Pet:whereIn("name", { "cy", "ada", "nobody" })))
        assert.equal("bob dan Eve 100%_", by_id(Pet:whereNotIn("name", { "cy", "ada" })))
        assert.equal("", by_id(Pet:whereIn("name", {})))
        assert.equal(5, Pet:whereNotIn("id", {}):count())
        local ids, texts = {}, {}
        for i = 1, 70000 do
            ids[i] = i + 2
            texts[i] = "n" .. i
        end
        assert.equal("cy dan Eve 100%_", by_id(Pet:whereIn("id", ids)))
        assert.equal("ada bob", by_id(Pet:whereNotIn("id", ids)))
        texts[70001] = "dan"
        assert.equal("dan", by_id(Pet:whereIn("name", texts)))
        assert.equal("dan", by_id(Pet:where("age", 7):whereIn("name", texts):where("tame", true)))
    end)

    it("whereIn of every kind of value", function()
        assert.equal("ada cy", by_id(Pet:whereIn("price", { "10.1", decimal("9.9000") })))
        assert.equal("cy", by_id(Pet:whereIn("weight", { 0.1, 7 })))
        assert.equal("bob dan", by_id(Pet:whereIn("kind", { "dog" })))
        assert.equal("bob", by_id(Pet:whereIn("born", { "2016-12-31" })))
        assert.equal("dan", by_id(Pet:whereIn("seen", { eloquent.datetime("1999-05-05T00:00:00Z") })))
        assert.equal("ada bob cy dan", by_id(Pet:whereIn("tame", { true, false })))
    end)

    it("whereBetween, whereColumn", function()
        assert.equal("ada bob dan", by_id(Pet:whereBetween("age", { 2, 7 })))
        assert.equal("cy", by_id(Pet:whereBetween("price", { "9.00", "10.00" })))
        assert.equal("Eve 100%_", by_id(Pet:whereNotBetween("age", { 2, 7 })))
        assert.equal("bob", by_id(Pet:whereColumn("weight", ">", "age"):where("kind", "dog")))
    end)

    it("whereLike means the same everywhere", function()
        assert.equal("Eve 100%_", by_id(Pet:whereLike("name", "eve%")))
        assert.equal("ada dan", by_id(Pet:whereLike("name", "%A_"):orWhereLike("name", "%da")))
        assert.equal("bob cy dan Eve 100%_", by_id(Pet:whereNotLike("name", "ADA")))
    end)

    it("text compares as it is written: case and spaces count", function()
        assert.equal("", by_id(Pet:where("name", "ADA")))
        assert.equal("", by_id(Pet:where("name", "ada ")))
        assert.equal("", by_id(Pet:whereIn("name", { "Ada" })))
    end)

    it("whereRaw and a raw value", function()
        assert.equal("bob dan", by_id(Pet:whereRaw("age > ? and name <> '?'", { 5 })))
        assert.equal("ada", by_id(Pet:where("age", eloquent.raw("1 + ?", { 2 }))))
    end)

    it("a subquery as a value", function()
        assert.equal("bob dan", by_id(Pet:where("age", Pet:selectRaw("max(age)"))))
        assert.equal("bob dan", by_id(Pet:whereIn("id", Pet:where("kind", "dog"):select("id"))))
        assert.equal("", by_id(Pet:whereIn("id", Empty:select("id"))))
    end)

    it("wrong operators, directions and values are errors", function()
        for _, case in ipairs({
            function()
                Pet:where("age", "=>", 1)
            end,
            function()
                Pet:where("age", "; drop table x", 1)
            end,
            function()
                Pet:orderBy("age", "up"):get()
            end,
            function()
                Pet:limit("1; drop table x"):get()
            end,
            function()
                Pet:limit(-1):get()
            end,
        }) do
            assert.equal("misuse", failure(case).kind)
        end
        for _, case in ipairs({
            function()
                Pet:where("age", "x"):get()
            end,
            function()
                Pet:where("kind", "cow"):get()
            end,
            function()
                Pet:where("born", "2020-02-30"):get()
            end,
            function()
                Pet:whereIn("age", { 1, "x" }):get()
            end,
            function()
                Pet:where("price", 0.1):get()
            end,
        }) do
            local err = failure(case)
            assert.equal("value", err.kind)
            assert.matches("Pet.", err.message, 1, true)
        end
    end)

    -- }}}
    -- {{{ order, limit, select

    it("orderBy, orderByDesc, limit, offset", function()
        assert.equal("Eve 100%_ ada", names(Pet:whereNotNull("age"):orderBy("age"):limit(2):get()))
        assert.equal("bob dan ada Eve 100%_",
            names(Pet:whereNotNull("age"):orderByDesc("age"):orderBy("name"):get()))
        assert.equal("dan Eve 100%_", names(Pet:orderBy("id"):offset(3):get()))
        assert.equal("bob cy", names(Pet:orderBy("id"):offset(1):limit(2):get()))
        assert.equal(0, #Pet:limit(0):get())
        assert.equal("Eve 100%_ cy ada bob", names(Pet:whereNotNull("price"):orderBy("price"):get()))
        assert.equal("bob ada dan", names(Pet:whereNotNull("seen"):orderBy("seen", "desc"):get()))
    end)

    it("NULL sorts first, and last downwards", function()
        assert.equal("cy", Pet:orderBy("age"):first().name)
        assert.equal("cy", Pet:orderByDesc("age"):get():last().name)
    end)

    it("select, distinct, groupBy, having", function()
        assert.same({ "cat", "dog", "fish" }, { table.unpack(Pet:orderBy("kind"):distinct():pluck("kind")) })
        assert.same({ "dog", "fish" }, { table.unpack(Pet:select("kind"):groupBy("kind"):having("kind", ">", "cat")
            :orderBy("kind"):pluck("kind")) })
        local row = Pet:select("name as label"):orderBy("id"):first()
        assert.equal("ada", row.label)
    end)

    it("groups with a raw value", function()
        local groups = Pet:select("kind"):selectRaw("count(*) as pets"):groupBy("kind"):orderBy("kind"):get()
        local seen = {}
        for _, group in ipairs(groups) do
            seen[group.kind] = group.pets
        end
        assert.same({ cat = 2, dog = 2, fish = 1 }, seen)
        assert.equal(2, #Pet:select("kind"):groupBy("kind"):havingRaw("count(*) > ?", { 1 }):get())
    end)

    it("pluck", function()
        local list = Pet:orderBy("id"):pluck("age")
        assert.equal(5, #list)
        assert.equal(3, list[1])
        assert.equal(null, list[3])
        local map = Pet:pluck("name", "id")
        assert.equal("bob", map[2])
        assert.equal("99.99", tostring(Pet:orderBy("id"):pluck("price")[2]))
    end)

    it("value, sole, firstWhere, findMany", function()
        assert.equal("ada", Pet:orderBy("id"):value("name"))
        assert.is_nil(Empty:value("n"))
        assert.equal("cy", Pet:whereNull("age"):sole().name)
        assert.equal("notFound", failure(function()
            Empty:query():sole()
        end).kind)
        assert.equal("misuse", failure(function()
            Pet:query():sole()
        end).kind)
        assert.equal("dan", Pet:firstWhere("name", "dan").name)
        assert.equal("ada cy", names(Pet:orderBy("id"):findMany({ 3, 1, 99 })))
    end)

    -- }}}
    -- {{{ aggregates

    it("count, exists", function()
        assert.equal(5, Pet:count())
        assert.equal("integer", math.type(Pet:count()))
        assert.equal(4, Pet:count("age"))
        assert.equal(2, Pet:limit(2):count())
        assert.is_true(Pet:where("age", 7):exists())
        assert.is_false(Pet:where("age", 70):exists())
        assert.is_true(Pet:where("age", 70):doesntExist())
        assert.equal(0, Empty:count())
        assert.is_false(Empty:exists())
    end)

    it("sum, avg, min, max have the column's type", function()
        assert.equal(18, Pet:sum("age"))
        assert.equal("integer", math.type(Pet:sum("age")))
        assert.equal(4.5, Pet:avg("age"))
        assert.equal("float", math.type(Pet:avg("age")))
        assert.equal(1, Pet:min("age"))
        assert.equal(7, Pet:max("age"))
        assert.equal(23.35, Pet:sum("weight"))
        assert.equal("119.98", tostring(Pet:sum("price")))
        assert.equal("29.995000", tostring(Pet:avg("price")))
        assert.equal("-0.01", tostring(Pet:min("price")))
        assert.equal("99.99", tostring(Pet:max("price")))
        assert.equal("2020-01-31", Pet:max("born"))
        assert.equal(eloquent.datetime("1999-05-05T00:00:00Z"), Pet:min("seen"))
        assert.equal("Eve 100%_", Pet:where("name", "Eve 100%_"):max("name"))
    end)

    it("aggregates of no rows", function()
        assert.equal(0, Empty:sum("n"))
        assert.equal("0", (tostring(Empty:sum("d")):gsub("%.0+$", "")))
        assert.is_nil(Empty:avg("n"))
        assert.is_nil(Empty:avg("d"))
        assert.is_nil(Empty:min("n"))
        assert.is_nil(Empty:max("d"))
    end)

    -- }}}
    -- {{{ statements

    it("the same query makes the same bytes, with placeholders", function()
        local function build()
            return Pet:where({ tame = true, age = 3, kind = "dog", name = "x" }):orderBy("id"):toSql()
        end
        local sql, values = build()
        for _ = 1, 20 do
            local again = build()
            assert.equal(sql, again)
        end
        assert.equal(4, #values)
        assert.not_matches("dog", sql)
    end)

    it("a builder may be used again, and cloned", function()
        local query = Pet:where("kind", "dog")
        local other = query:clone():where("tame", true)
        assert.equal(2, query:count())
        assert.equal(1, other:count())
        assert.equal("bob dan", by_id(query))
        assert.equal("dan", by_id(other))
    end)

    it("update with a raw value", function()
        local age = Pet:find(1).age
        assert.equal(1, Pet:where("id", 1):update({ age = eloquent.raw("age * ?", { 2 }) }))
        assert.equal(2 * age, Pet:find(1).age)
        Pet:where("id", 1):update({ age = age })
    end)

    it("update and delete by query", function()
        local ok, why = pcall(Pet.transaction, Pet, function()
            assert.equal(2, Pet:where("kind", "dog"):update({ age = 8, extra = { 1 } }))
            assert.equal(2, Pet:where("age", 8):count())
            assert.equal(0, Pet:where("kind", "dog"):where("age", 1):update({ age = 9 }))
            assert.equal(2, Pet:where("kind", "dog"):update({ age = 8 }))
            assert.equal(1, Pet:where("id", 1):increment("age", 2))
            assert.equal(5, Pet:find(1).age)
            assert.equal(1, Pet:where("id", 1):update({ age = null, tame = false }))
            assert.is_nil(Pet:find(1).age)
            assert.equal(2, Pet:where("kind", "dog"):delete())
            assert.equal(3, Pet:count())
            assert.equal(3, Pet:query():delete())
            error("undo", 0)
        end)
        assert.is_false(ok)
        assert.equal("undo", why)
        assert.equal(5, Pet:count())
    end)

    it("a path into a column of type json is for MongoDB", function()
        for name, fn in pairs({
            where = function() return Pet:where("extra.a", 1):count() end,
            whereIn = function() return #Pet:whereIn("extra.a", { 1, 2 }):get() end,
            orWhere = function() return Pet:where("age", 99):orWhere("extra.a", 1):count() end,
            whereNot = function() return Pet:whereNot("extra.a", 2):count() end,
            orderBy = function() return #Pet:where("age", 3):orderBy("extra.a"):get() end,
            pluck = function() return Pet:where("age", 3):pluck("extra.a")[1] end,
            value = function() return Pet:where("age", 3):value("extra.a") end,
            sum = function() return Pet:sum("extra.a") end,
            max = function() return Pet:max("extra.a") end,
            groupBy = function() return #Pet:where("age", 3):groupBy("extra.a"):select("extra.a"):get() end,
            whereColumn = function() return Pet:whereColumn("extra.a", "<", "age"):count() end,
        }) do
            if engine.name == "mongo" then
                assert.equal(1, fn(), name)
            else
                local err = failure(fn)
                assert.equal("unsupported", err.kind, name)
                assert.matches("'extra.a' is a path into the column 'extra'", err.message, 1, true)
            end
        end
        assert.equal(1, Pet:where("extra", { a = 1 }):count())
        if engine.name ~= "mongo" then
            assert.equal(1, Pet:join("query_pets as extra", "extra.id", "query_pets.id"):where("extra.age", 3):count())
        end
    end)

    -- }}}
    -- {{{ pages

    it("paginate, chunk, lazy", function()
        local page = Pet:orderBy("id"):paginate(2, 2)
        assert.equal("cy dan", names(page.data))
        assert.same({ 5, 3, true }, { page.total, page.lastPage, page.hasMore })
        local pieces = {}
        Pet:orderBy("id"):chunk(2, function(rows, number)
            pieces[number] = names(rows)
        end)
        assert.same({ "ada bob", "cy dan", "Eve 100%_" }, pieces)
        local found = {}
        for name in Pet:lazy(2):map("name") do
            found[#found + 1] = name
        end
        assert.equal("ada bob cy dan Eve 100%_", table.concat(found, " "))
    end)

    -- }}}
end, "documents")
