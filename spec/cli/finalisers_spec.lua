-- SPDX-License-Identifier: MIT
--
-- Finalisers that change rows while these are written: the collector runs one when it likes. In a process of its own,
-- where it does so often.

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
        local name = "z" .. math.random(1, 1000000000)
        row[name] = 1
        row[name] = nil
    end
    setmetatable({}, finaliser)
end
setmetatable({}, finaliser)
collectgarbage("setpause", 0)
collectgarbage("setstepmul", 1000000)
local written, refused = 0, 0
for _ = 1, 60 do
    Tree:query():delete()
    rows = {}
    for i = 1, 60 do
        rows[i] = { id = i, a = { i, ("x"):rep(800) }, b = { i, ("y"):rep(800) }, n = i * 10, s = "s" .. i }
    end
    local ok, err = pcall(Tree.insert, Tree, rows)
    rows = nil
    if ok then
        written = written + 1
    else
        refused = refused + (tostring(err):find("no column", 1, true) and 1 or error(err, 0))
    end
    for _, row in ipairs(Tree:all()) do
        local i = row.id
        assert(row.a[1] == i and row.b[1] == i and row.n == i * 10 and row.s == "s" .. i, "another row's value")
    end
end
print(written + refused, written > 0)
]]

describe("a finaliser that adds keys to rows", function()
    it("leaves them as they were, or has them refused", function()
        local r = helper.run_code(SCRIPT, { env = { DB_CONNECTION = "sqlite", SQLITE_PATH = ":memory:" } })
        assert.equal("", r.stderr)
        assert.equal("60\ttrue\n", r.stdout)
        assert.equal(0, r.status)
    end)
end)
