-- SPDX-License-Identifier: MIT
--
-- Several engines in one process: models pinned to each, read and written side by side.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local column = eloquent.column

local models, owners = {}, {}

-- A model of its own on each engine; cases of one engine look at the others.
engines.suite("multi", function(engine)
    local Item = engine.model("Item_" .. engine.name) {
        tableName = "multi_items",
        connectionName = engine.name,
        schema = {
            id = column("increments"),
            name = column("string", 40, { unique = true }),
            at = column("timestamp"),
            price = column("decimal", nil, { precision = 10, scale = 2 }),
            data = column("json"),
        },
    }
    models[#models + 1], owners[Item] = Item, engine
    local it = engine.it

    before_each(function()
        for _, model in ipairs(models) do
            owners[model]:tables(model)
        end
    end)

    it("rows go from here to every other, with all their values", function()
        local item = Item:create({
            name = "ä€😀",
            at = "2024-02-29T12:00:00" .. engine.fraction(1) .. "Z",
            price = "12.30",
            data = { list = eloquent.json.array({}), big = math.maxinteger },
        })
        for _, other in ipairs(models) do
            if other ~= Item then
                local values = Item:find(item.id):toTable()
                if owners[other].name == "mongo" then -- keeps milliseconds, and refuses the rest
                    assert.equal("value", engines.failure(other.create, other, values).kind)
                    item:update({ at = "2024-02-29T12:00:00.001Z" })
                    values = Item:find(item.id):toTable()
                end
                local copy = other:create(values)
                local found = other:find(copy.id)
                assert.equal(item.name, found.name)
                assert.equal(item.at, found.at)
                assert.equal(item.price, found.price)
                assert.equal(item:toJson(), found:toJson())
            end
        end
    end)

    it("streaming from one into another", function()
        local rows = {}
        for i = 1, 2000 do
            rows[i] = { name = "n" .. i }
        end
        Item:insert(rows)
        for _, other in ipairs(models) do
            if other ~= Item then
                local batch = {}
                for item in Item:orderBy("id"):cursor() do
                    batch[#batch + 1] = { name = item.name }
                    if #batch == 500 then
                        other:insert(batch)
                        batch = {}
                    end
                end
                assert.equal(2000, other:count())
            end
        end
    end)

    it("two connections are two transactions", function()
        for _, other in ipairs(models) do
            if other ~= Item then
                pcall(Item.transaction, Item, function()
                    Item:create({ name = "gone" })
                    other:transaction(function()
                        other:create({ name = "stays" })
                    end)
                    error("undo")
                end)
                assert.equal(0, Item:count())
                assert.equal(1, other:count())
            end
        end
    end)

    it("an error on one leaves the others as they are", function()
        for _, other in ipairs(models) do
            if other ~= Item then
                other:transaction(function()
                    other:create({ name = "kept" })
                    local ok, err = pcall(function()
                        Item:create({ name = "x" })
                        Item:create({ name = "x" })
                    end)
                    assert.is_false(ok)
                    assert.equal(engine.name, err.connection)
                end)
                assert.equal(1, other:count())
                Item:query():delete()
            end
        end
    end)

    it("nested loops over two engines", function()
        Item:insert({ { name = "a" }, { name = "b" } })
        for _, other in ipairs(models) do
            if other ~= Item then
                other:insert({ { name = "a" }, { name = "c" } })
                local seen = {}
                for mine in Item:orderBy("id"):cursor() do
                    for theirs in other:orderBy("id"):cursor() do
                        seen[#seen + 1] = mine.name .. theirs.name
                    end
                end
                assert.equal("aa ac ba bc", table.concat(seen, " "))
            end
        end
    end)
end, "documents")
