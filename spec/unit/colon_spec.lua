-- SPDX-License-Identifier: MIT
--
-- Verbs called with a dot: the error says what is wrong, and is the script's.

local eloquent = require("eloquent")
local registry = require("eloquent.model.registry")

local column = eloquent.column

local function failure(fn, ...)
    local ok, err = pcall(fn, ...)
    assert(not ok, "it did not raise")
    assert(eloquent.is(err, "misuse"), "no error object was raised, but: " .. tostring(err))
    return err
end

describe("a dot in place of a colon", function()
    registry.forget("Dotted")
    local Dotted = eloquent.SqlModel "Dotted" {
        connectionName = "sqlite",
        schema = { id = column("increments"), name = column("string") },
    }
    local record = Dotted:new({ name = "x" })
    local query = Dotted:where("name", "x")
    local db = eloquent.connection("sqlite")
    local collection = setmetatable({ name = "x" }, getmetatable(
        require("eloquent.mongo.native").collection({ kind = "mongo", name = "mongo" }, "x")))
    local list = require("eloquent.collection").from({ 1, 2 })

    local cases = {
        { "record:save", function() record.save() end },
        { "record:update", function() record.update({ name = "y" }) end },
        { "record:isDirty", function() record.isDirty() end },
        { "record:delete", function() record.delete() end },
        { "query:all", function() query.all() end },
        { "query:first", function() query.first() end },
        { "query:limit", function() query.limit(5) end },
        { "query:count", function() query.count() end },
        { "query:each", function() query.each(10) end },
        { "query:find", function() query.find(1) end },
        { "query:update", function() query.update({ name = "y" }) end },
        { "query:where", function() query.where("name", "x") end },
        { "query:where", function() query.where(record) end },
        { "query:whereIn", function() query.whereIn("name", { "x" }) end },
        { "collection:find", function() collection.find({}) end },
        { "collection:find", function() collection.find(eloquent.doc({})) end },
        { "collection:insertOne", function() collection.insertOne({ a = 1 }) end },
        { "connection:execute", function() db.execute("delete from x") end },
        { "connection:table", function() db.table("x") end },
        { "connection:transaction", function() db.transaction(function() end) end },
        { "connection:command", function() db.command({ ping = 1 }) end },
        { "connection:listen", function() db.listen(print) end },
        { "list:first", function() list.first() end },
        { "model:create", function() Dotted.create() end },
        { "model:create", function() Dotted.create(record) end },
    }
    for i, case in ipairs(cases) do
        it(("%s (%d)"):format(case[1], i), function()
            local err = failure(case[2])
            assert.matches("with a colon, as in " .. case[1] .. "(", err.message, 1, true)
            assert.matches("colon_spec%.lua$", err.file)
            assert.equal(debug.getinfo(case[2], "S").linedefined, err.line)
        end)
    end

    it("is told where the call has no name", function()
        assert.matches("the verbs of a record with a colon", failure(record.save).message)
        local err = failure(function()
            return query.get()
        end)
        assert.matches("the verbs of a query with a colon", err.message)
    end)

    it("is not taken for what is wrong where it isn't", function()
        local err = failure(function()
            query.where(query, "nothing", 1)
        end)
        assert.matches("no column 'nothing'", err.message)
        err = failure(function()
            return eloquent.raw(5)
        end)
        assert.matches("raw expects SQL text", err.message)
        err = failure(function()
            return eloquent.transaction("nowhere", print)
        end)
        assert.matches('no connection "nowhere"', err.message)
    end)
end)

describe("pcall", function()
    it("is as Lua's: results, errors of any kind, yields", function()
        assert.same({ true, n = 1 }, table.pack(pcall(function() end)))
        assert.same({ true, nil, 2, nil, n = 4 }, table.pack(pcall(function()
            return nil, 2, nil
        end)))
        assert.same({ false, nil, n = 2 }, table.pack(pcall(error)))
        local ok, why = pcall(function()
            local empty = {}
            return empty.nothing.field
        end)
        assert.is_false(ok)
        assert.matches("attempt to index a nil value", why)
        assert.is_false((pcall(pcall)))
        local step = coroutine.wrap(function(...)
            local got = table.pack(pcall(coroutine.yield, ...))
            return coroutine.yield(table.unpack(got, 1, got.n)), pcall(function()
                error({ coroutine.yield("last") }, 0)
            end)
        end)
        assert.same({ 1, 2 }, { step(1, 2) })
        assert.same({ true, "a", "b" }, { step("a", "b") })
        assert.equal("last", step("c"))
        assert.same({ "c", false, { "d" } }, { step("d") })
    end)
end)
