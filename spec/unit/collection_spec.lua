-- SPDX-License-Identifier: MIT
-- The verbs of lists. They stand on `#` and [i] only, so a list of plain tables tells how they work.
local world = dofile((debug.getinfo(1, "S").source:match("^@(.*/)") or "spec/unit/") .. "query_world.lua")
local collection = require("eloquent.collection")
local null = require("eloquent.core.null")

local function people()
    return collection.from({
        { id = 1, name = "Ada", team = "a", age = 36 },
        { id = 2, name = "Bob", team = "b", age = 17 },
        { id = 3, name = "Cleo", team = "a" },
        { id = 4, name = "Dan", age = 17 },
    })
end

-- A list as a plain table.
local function plain(list)
    local out = {}
    for i = 1, #list do
        out[i] = list[i]
    end
    return out
end

local function names(list)
    return plain(list:map("name"))
end

describe("a list", function()
    it("maps by a function or a field, without holes", function()
        assert.same({ 2, 4, 6, 8 }, plain(people():map(function(p, i)
            return p.id + i
        end)))
        assert.same({ 36, 17, null, 17 }, plain(people():map("age")))
    end)

    it("filters", function()
        assert.same({ "Ada", "Cleo" }, names(people():filter("team", "a")))
        assert.same({ "Dan" }, names(people():filter("team", null)))
        assert.same({ "Bob", "Dan" }, names(people():filter(function(p)
            return p.age == 17
        end)))
    end)

    it("reduces", function()
        assert.equal(10, people():reduce(function(sum, p)
            return sum + p.id
        end, 0))
    end)

    it("goes through its items until told to stop", function()
        local seen = {}
        local list = people()
        assert.equal(list, list:each(function(p, i)
            seen[i] = p.id
            return i < 2
        end))
        assert.same({ 1, 2 }, seen)
    end)

    it("plucks", function()
        assert.same({ "Ada", "Bob", "Cleo", "Dan" }, plain(people():pluck("name")))
        assert.same({ [1] = 36, [2] = 17, [3] = null, [4] = 17 }, people():pluck("age", "id"))
    end)

    it("is looked up by key and in groups", function()
        local list = people()
        assert.equal(list[3], list:keyBy("id")[3])
        local groups = list:groupBy("team")
        assert.same({ "Ada", "Cleo" }, names(groups.a))
        assert.same({ "Dan" }, names(groups[null]))
    end)

    it("sorts, keeps equal items in order and puts nil first", function()
        assert.same({ "Cleo", "Bob", "Dan", "Ada" }, names(people():sortBy("age")))
        assert.same({ "Ada", "Bob", "Dan", "Cleo" }, names(people():sortBy("age", "desc")))
        assert.same({ "Dan", "Cleo", "Bob", "Ada" }, names(people():sortBy(function(p)
            return -p.id
        end)))
    end)

    it("sorts many equal items alike", function()
        local items = {}
        for i = 1, 200 do
            items[i] = { id = i, k = i % 3 }
        end
        local sorted = collection.from(items):sortBy("k")
        for i = 2, 200 do
            local a, b = sorted[i - 1], sorted[i]
            assert.is_true(a.k < b.k or (a.k == b.k and a.id < b.id))
        end
    end)

    it("drops what is there already", function()
        assert.same({ "Ada", "Bob", "Cleo" }, names(people():unique("age")))
        assert.same({ 3, 1 }, plain(collection.from({ 3, 1, 3 }):unique()))
    end)

    it("knows what it contains", function()
        assert.is_true(people():contains("name", "Bob"))
        assert.is_false(people():contains("name", "Eve"))
        assert.is_true(collection.from({ 1, 2 }):contains(2))
        assert.is_true(people():contains(function(p)
            return p.id == 4
        end))
    end)

    it("finds, first and last", function()
        assert.equal("Bob", people():find(2).name)
        assert.is_nil(people():find(9))
        assert.equal("Ada", people():first().name)
        assert.equal("Dan", people():last().name)
        assert.equal("Cleo", people():last(function(p)
            return p.team == "a"
        end).name)
        assert.is_nil(collection.from({}):first())
    end)

    it("reckons, leaving out what is nil", function()
        assert.equal(70, people():sum("age"))
        assert.equal(70 / 3, people():avg("age"))
        assert.equal(17, people():min("age"))
        assert.equal(36, people():max("age"))
        assert.equal(6, collection.from({ 1, 2, 3 }):sum())
        assert.equal(0, collection.from({}):sum())
        assert.is_nil(collection.from({}):avg())
        assert.is_nil(collection.from({}):max())
    end)

    it("is cut into pieces", function()
        local parts = collection.from({ 1, 2, 3, 4, 5 }):chunk(2)
        assert.equal(3, #parts)
        assert.same({ 5 }, plain(parts[3]))
        assert.same({ 1, 2 }, plain(collection.from({ 1, 2, 3 }):take(2)))
    end)

    it("is parted in two", function()
        local yes, no = people():partition("team", "a")
        assert.same({ "Ada", "Cleo" }, names(yes))
        assert.same({ "Bob", "Dan" }, names(no))
    end)

    it("becomes plain tables", function()
        local out = collection.from({ collection.from({ 1 }), 2 }):toTable()
        assert.is_nil(getmetatable(out))
        assert.same({ { 1 }, 2 }, out)
    end)

    it("says what a verb expects", function()
        assert.equal("misuse", world.failure(function()
            people():map(5)
        end).kind)
        assert.equal("misuse", world.failure(function()
            people():chunk(0)
        end).kind)
        assert.equal("misuse", world.failure(function()
            people():sortBy("id", "down")
        end).kind)
    end)
end)
