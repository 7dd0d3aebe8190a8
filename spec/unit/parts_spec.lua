-- SPDX-License-Identifier: MIT
-- Fields that are read when one of them is used first: each has to be known beforehand.
local parts = require("eloquent.support.parts")

-- The module as a script finds it at its start.
local function fresh(name)
    local loaded = package.loaded[name]
    package.loaded[name] = nil
    local module = require(name)
    package.loaded[name] = loaded
    return module
end

describe("parts of a table", function()
    it("are loaded by the first of their fields, once", function()
        local target, loaded = {}, {}
        setmetatable(target, {
            __index = parts(target, { first = " a ab ", second = " b " }, function(part)
                loaded[#loaded + 1] = part
                target.a, target.b = 1, 2
            end, function(_, name)
                return "no " .. tostring(name)
            end),
        })
        assert.equal(2, target.b)
        assert.same({ "second" }, loaded)
        assert.equal(1, target.a)
        assert.is_nil(target.ab)
        assert.same({ "second", "first" }, loaded)
        for _, name in ipairs({ "", " ", "c", "a ab", "a b", 7, true }) do
            assert.equal("no " .. tostring(name), target[name])
        end
        assert.same({ "second", "first" }, loaded)
    end)

    it("of queries: every verb begins its part", function()
        for _, part in ipairs({ "subjects", "aggregates", "iterate", "writes", "trash", "inserts" }) do
            local added = {}
            require("eloquent.query." .. part)(added, require("eloquent.query.builder"))
            for verb in pairs(added) do
                if verb ~= "_page_key" then -- which its part alone asks for
                    local Query = fresh("eloquent.query.builder").Query
                    assert.is_nil(rawget(Query, verb))
                    assert.is_function(Query[verb], verb)
                end
            end
            assert.is_not_nil(next(added))
        end
    end)

    it("of MongoDB's grammar: every write does", function()
        local added = {}
        require("eloquent.query.grammar.mongo_writes")(added)
        for verb in pairs(added) do
            assert.is_function(fresh("eloquent.query.grammar.mongo")[verb], verb)
        end
        assert.is_not_nil(added.insert)
    end)
end)
