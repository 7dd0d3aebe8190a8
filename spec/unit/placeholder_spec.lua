-- SPDX-License-Identifier: MIT
--
-- placeholder_spec.lua - the scanner as Lua sees it; its grammar has a C spec.

local errors = require("eloquent.core.errors")
local placeholder = require("eloquent.core.placeholder")

describe("placeholder.scan", function()
    local cases = {
        { "?", "sqlite", "?", { 1 }, false },
        { "a = ? and b = ?", "pg", "a = $1 and b = $2", { 1, 2 }, false },
        { ":a, :b, :a", "pg", "$1, $2, $1", { "a", "b" }, true },
        { ":a, :b, :a", "mysql", "?, ?, ?", { "a", "b", "a" }, true },
        { "$2, $1", "pg", "$2, $1", { 1, 2 }, false },
        { "'?' -- :a", "sqlite", "'?' -- :a", {}, false },
        { "d ?? :k::text", "pg", "d ? $1::text", { "k" }, true },
        { "", "pg", "", {}, false },
    }
    for _, case in ipairs(cases) do
        it(("%s on %s"):format(case[1], case[2]), function()
            local native, order, named = placeholder.scan(case[1], case[2])
            assert.equal(case[3], native)
            assert.same(case[4], order)
            assert.equal(case[5], named)
        end)
    end

    it("raises error objects", function()
        local ok, err = pcall(placeholder.scan, "select 'x", "pg")
        assert.is_false(ok)
        assert.is_true(errors.is(err, "syntax"))
        assert.matches("line 1, column 8", err.message, 1, true)
        ok, err = pcall(placeholder.scan, "? and :a", "pg")
        assert.is_false(ok)
        assert.is_true(errors.is(err, "misuse"))
        ok, err = pcall(placeholder.scan, "a\0b", "sqlite")
        assert.is_false(ok)
        assert.is_true(errors.is(err, "misuse"))
    end)

    it("refuses an unknown dialect and a value that is no text", function()
        assert.has_error(function()
            placeholder.scan("?", "oracle")
        end)
        assert.has_error(function()
            placeholder.scan(nil, "pg")
        end)
    end)

    it("takes more placeholders than a table is made for at once", function()
        local native, order = placeholder.scan(("?,"):rep(3000) .. "?", "pg")
        assert.equal(3001, #order)
        assert.matches(",%$3001$", native)
    end)
end)
