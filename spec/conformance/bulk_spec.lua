-- SPDX-License-Identifier: MIT
--
-- Many rows at once: insert, insertGetId, insertOrIgnore, upsert, each, truncate.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local column, null = eloquent.column, eloquent.null
local failure = engines.failure

engines.suite("bulk", function(engine)
    local it = engine.it
    local Item = eloquent.SqlModel "Item" {
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
    local Stamped = eloquent.SqlModel "Stamped" {
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

    it("any number of rows, in one transaction", function()
        local rows = {}
        for i = 1, 30000 do
            rows[i] = { code = "c" .. i, count = i, label = "l" .. i }
        end
        assert.equal(30000, Item:insert(rows))
        assert.equal(30000, Item:count())
        assert.equal(30000 * 30001 // 2, Item:sum("count"))
        assert.equal("l29999", item("c29999").label)
        local again = {}
        for i = 1, 5000 do
            again[i] = { code = "d" .. i }
        end
        again[4999].code = "c1"
        assert.equal("unique", failure(Item.insert, Item, again).kind)
        assert.equal(30000, Item:count())
    end)

    it("a wrong value is found before anything is sent", function()
        local err = failure(Item.insert, Item, { { code = "a" }, { code = "b", count = "many" } })
        assert.equal("value", err.kind)
        assert.matches("Item.count", err.message, 1, true)
        assert.equal(0, Item:count())
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
        assert.equal(1, db:table("bulk_items"):where("id", db:table("bulk_items"):insertGetId({ code = "z" })):count())
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
        local rows = {}
        for i = 1, 12000 do
            rows[i] = { code = "c" .. i, count = i }
        end
        Item:insert({ code = "c7", count = 0 })
        assert.equal(12000, Item:upsert(rows, "code", { "count" }))
        assert.equal(12000, Item:count())
        assert.equal(7, item("c7").count)
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
end)
