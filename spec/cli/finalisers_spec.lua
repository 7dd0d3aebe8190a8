-- SPDX-License-Identifier: MIT
--
-- Finalisers that change rows while these are written: the collector runs one when it likes. A row may then lose a
-- field, as in any loop over a table that changes, or be refused; it never gets what is another row's, or freed. In a
-- process of its own, where the collector runs often.

local helper = require("spec.helper")

local SCRIPT <const> = [[
local eloquent = require("eloquent")
local column = eloquent.column
local Tree = eloquent.SqlModel "Tree" {
    schema = { id = column("integer", nil, { primary = true }), a = column("json"), b = column("json"),
        n = column("integer"), s = column("text") },
}
eloquent.schema():create(Tree)
local rows, finaliser = nil, {}
function finaliser.__gc()
    for _, row in ipairs(rows or {}) do
        local names = {}
        for k = 1, math.random(1, 12) do -- its fields change their order as it grows and shrinks
            local name = "z" .. math.random(1, 1000000000)
            row[name], names[k] = 1, name
        end
        for _, name in ipairs(names) do
            row[name] = nil
        end
    end
    setmetatable({}, finaliser)
end
setmetatable({}, finaliser)
collectgarbage("setpause", 0)
collectgarbage("setstepmul", 1000000)
local function same(i, value, wanted)
    assert(i == nil or value == nil or value == wanted, "another row's value")
end
local written = 0
for _ = 1, 40 do
    Tree:query():delete()
    rows = {}
    for i = 1, 50 do
        rows[i] = { id = i, a = { i, ("x"):rep(800) }, b = { i, ("y"):rep(800) }, n = i * 10, s = "s" .. i }
    end
    local ok, err = pcall(Tree.insert, Tree, rows)
    rows = nil
    assert(ok or err.kind ~= "unique", "another row's key")
    written = written + (ok and 1 or 0)
    for _, row in ipairs(Tree:all()) do
        local i = row.id
        same(i, row.n, i * 10)
        same(i, row.a and row.a[1], i)
        same(i, row.b and row.b[1], i)
        same(i, row.s, "s" .. tostring(i))
    end
end
print(written > 0)
]]

describe("a finaliser that adds keys to rows", function()
    it("gives none of them another one's values", function()
        local r = helper.run_code(SCRIPT, { env = { DB_CONNECTION = "sqlite", SQLITE_PATH = ":memory:" } })
        assert.equal("", r.stderr)
        assert.equal("true\n", r.stdout)
        assert.equal(0, r.status)
    end)
end)
