-- SPDX-License-Identifier: MIT
--
-- What messages name and propose where a beginner goes wrong: tables that nobody made,
-- values of an enum, lists in objects, amounts as text, verbs of something else.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local column = eloquent.column
local failure = engines.failure

engines.suite("messages", function(engine)
    local it = engine.it
    local Item = engine.model "Item" {
        tableName = "message_items",
        connectionName = engine.name,
        schema = {
            id = column("increments"),
            name = column("string", 20),
            price = column("decimal", nil, { precision = 10, scale = 2 }),
            n = column("integer"),
            kind = column("enum", nil, { values = { "new", "used" } }),
            letter = column("enum", nil, { values = { "l", "k", "j", "i", "h", "g", "f", "e", "d", "c", "b", "a" } }),
            tags = column("json"),
            at = column("timestamp"),
        },
    }
    local Missing = engine.model "Missing" {
        tableName = "message_missing",
        connectionName = engine.name,
        schema = { id = column("increments"), name = column("string", 20) },
    }
    local db = engine:db()

    before_each(function()
        engine:tables(Item)
    end)

    local function says(kind, text, fn)
        local err = failure(fn)
        assert.equal(kind, err.kind)
        assert.matches(text, err.message, 1, true)
        return err
    end

    if engine.name ~= "mongo" then
        it("a table that is not there: which database, and what to do", function()
            for _, fn in ipairs({
                function() Missing:create({ name = "a" }) end,
                function() Missing:find(1) end,
                function() Missing:where("name", "a"):get() end,
                function() Missing:where("name", "a"):update({ name = "b" }) end,
                function() Missing:insert({ { name = "a" }, { name = "b" } }) end,
                function() Missing:deleteById(1) end,
                function() db:table("message_missing"):count() end,
            }) do
                local err = says("syntax", "message_missing", fn)
                assert.equal("message_missing", err.table)
                local target = ("; the connection '%s' leads to %s, where eloquent.schema():create(Model) makes")
                    :format(engine.name, db.target)
                assert.matches(target, err.message, 1, true)
            end
        end)
    end

    it("an enum's values, ten at the most", function()
        local item = Item:create({ kind = "new" })
        for _, fn in ipairs({
            function() Item:create({ kind = "old" }) end,
            function() item.kind = "old" end,
            function() Item:insert({ { kind = "old" } }) end,
            function() Item:where("kind", "old"):get() end,
        }) do
            says("value", "Item.kind: the string is none of the values of this enum: 'new', 'used'", fn)
        end
        says("value", "enum: 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j' and 2 more", function()
            Item:create({ letter = "z" })
        end)
    end)

    it("increment takes text for decimals, and says so", function()
        local id = Item:create({ price = "1.50", n = 1 }).id
        local one = Item:where("id", id)
        assert.equal(1, one:increment("price", "0.50"))
        assert.equal(1, one:increment("price", eloquent.decimal("0.25")))
        assert.equal(1, one:decrement("price", "1.00", { n = 5 }))
        local found = Item:find(id)
        assert.equal(eloquent.decimal("1.25"), found.price)
        assert.equal(5, found.n)
        says("value", "Item.price: the string is no decimal number", function() one:increment("price", "x") end)
        says("misuse", "increment('price') expects a number, a decimal or its text, got a boolean", function()
            one:increment("price", true)
        end)
        says("misuse", "increment('n') expects a number, got a string", function() one:increment("n", "1") end)
    end)

    it("a list where an object was", function()
        local item = Item:find(Item:create({ tags = {} }).id)
        local err = says("value", "eloquent.json.array{ ... }", function()
            item.tags[1] = "new"
            item:save()
        end)
        if engine.name ~= "mongo" then -- where the document refuses the key at once
            assert.matches("^Item%.tags: ", err.message)
        end
        item = Item:find(item.id)
        item.tags = eloquent.json.array({})
        item:save()
        item = Item:find(item.id)
        item.tags[1] = "new"
        item:save()
        assert.same("new", item:fresh().tags[1])
        item.tags.name = print
        says("value", "Item.tags: ", function() item:save() end)
    end)

    if engine.name == "mongo" then
        it("moments with microseconds: the column, and how to cut them", function()
            local at = eloquent.datetime("2024-05-06T07:08:09.123456Z")
            local text = "message_items.at: the value is a moment with microseconds, MongoDB keeps milliseconds; "
                .. 'cut it by :startOf("millisecond")'
            for _, fn in ipairs({
                function() Item:create({ at = at }) end,
                function() Item:insert({ { at = at } }) end,
                function() Item:where("at", at):get() end,
            }) do
                says("value", text, fn)
            end
            local item = Item:create({ at = at:startOf("millisecond") })
            assert.equal("2024-05-06T07:08:09.123000Z", tostring(item:fresh().at))
        end)
    end

    it("verbs: the nearest one, and who has those of queries and records", function()
        local item = Item:create({ name = "a" })
        says("misuse", "Item has no column or verb 'sav'; did you mean 'save'?", function() item:sav() end)
        says("misuse", "'toJSON'; did you mean 'toJson'?", function() item:toJSON() end)
        says("misuse", "Item has no column 'nmae'; did you mean 'name'?", function() return item.nmae end)
        says("misuse", "Item has no column 'sav'", function() item.sav = 1 end)
        says("misuse", "updateById(key, data) for one", function() Item:update({ name = "x" }) end)
        says("misuse", "query():delete(...) is for all rows", function() Item:delete() end)
        says("misuse", "query():increment(...)", function() Item:increment("n") end)
        says("misuse", "a model has no verb 'save', its records have", function() Item:save() end)
        says("misuse", "a model has no verb 'fnd'; did you mean 'find'?", function() Item:fnd(1) end)
        assert.equal("a", item:fresh().name)
    end)

    it("a definition beside the name", function()
        local model = engine.model
        local err = says("misuse", 'Model takes the name alone', function()
            model("Beside", { schema = { id = column("increments") } })
        end)
        assert.matches('Model "Beside" { ... }', err.message, 1, true)
        assert.matches("messages_spec%.lua$", err.file)
    end)
end, "documents")
