-- SPDX-License-Identifier: MIT
--
-- Statements of the C core, on SQLite in memory, where a script does its worst: finalisers
-- that close and move what is being read, names that two columns have, a C stack that ends.
local connection = require("eloquent.core.connection")
local plan = require("eloquent.core.plan")
local shape = require("eloquent.core.shape")

local numbers = "with recursive c(x) as (select 1 union all select x + 1 from c where x < %d) "
local long_rows = numbers:format(2000)
    .. "select x, replace(hex(zeroblob(50000)), '0', char(64 + x % 26)) as t from c"

-- Calls fn with the arguments while `finalise` runs at its first allocation.
local function during(finalise, fn, ...)
    collectgarbage("generational")
    collectgarbage()
    collectgarbage("stop")
    setmetatable({}, { __gc = finalise })
    collectgarbage("restart")
    return pcall(fn, ...)
end

describe("a statement", function()
    local conn

    before_each(function()
        conn = connection.open("main", "sqlite", { path = ":memory:" })
    end)

    after_each(function()
        collectgarbage("incremental")
        conn:close()
    end)

    local function close()
        conn:close()
    end

    it("is read to its end when a finaliser closes the connection", function()
        local rows = plan.new(numbers:format(5000) .. "select x, 'text ' || x as t from c")
        local ok, list = during(close, conn.select, conn, rows)
        assert.is_true(ok, list)
        assert.is_false(conn:isOpen())
        assert.equal(5000, #list)
        assert.equal("text 5000", list[5000].t)
    end)

    it("is refused when a finaliser closes the connection while values are bound", function()
        conn:script("create table t (doc text)")
        local docs = shape.new({ model = "T", columns = { { name = "doc", type = "json" } } })
        local insert = plan.new("insert into t values (?)", docs, { "doc" })
        local ok, err = during(close, conn.execute, conn, insert, { { ("text"):rep(2000) } })
        assert.is_false(ok)
        assert.equal("misuse", err.kind)
        assert.matches("'main' is closed", err.message)
    end)

    it("keeps its rows when a finaliser runs the same one", function()
        local rows = plan.new(numbers:format(3000) .. "select x, 'text ' || x as t from c")
        local inner
        local ok, list = during(function()
            inner = conn:select(rows)
        end, conn.select, conn, rows)
        assert.is_true(ok, list)
        assert.equal(3000, #inner)
        assert.equal("text 3000", inner[3000].t)
        assert.equal("text 3000", list[3000].t)
    end)

    it("is given back when the C stack ends in the middle", function()
        conn:script("create table t (id integer, name text); insert into t values (1, 'a')")
        local columns = { { name = "id", type = "integer" }, { name = "name", type = "string" } }
        local known = shape.new({ model = "T", columns = columns })
        local function deep(n)
            if n == 0 then
                return conn:select(plan.new("select id, name, id + 1 as more from t", known))
            end
            return (string.gsub("x", "x", function()
                deep(n - 1)
            end))
        end
        for n = 150, 200 do
            pcall(deep, n)
        end
        conn:script("drop table t")
    end)

    it("gives records and lists whose metatable refuses other values", function()
        local list = conn:select(plan.new("select 1 as x"), {})
        for _, value in ipairs({ list, list[1] }) do
            local meta = debug.getmetatable(value)
            for _, name in ipairs({ "__index", "__newindex", "__len", "__pairs", "__tostring" }) do
                for _, wrong in ipairs({ 1, "text", {}, io.stdout, conn }) do
                    assert.is_false(pcall(meta[name], wrong, "x", 1))
                end
            end
        end
    end)

    it("whose columns have one name shows the first", function()
        local long = ("n"):rep(60)
        for _, name in ipairs({ "n", long }) do
            local text = ("select 1 as %s, 2 as %s, 3 as other"):format(name, name)
            local twice = plan.new(text)
            local row = conn:select(twice)[1]
            collectgarbage()
            local names = {}
            for key, value in pairs(row) do
                names[#names + 1] = key .. value
                assert.is_true(#names < 3)
            end
            assert.same({ name .. 1, "other3" }, names)
            assert.equal(1, row[name])
            assert.equal(("row { %s = 1, %s = 2, other = 3 }"):format(name, name), tostring(row))
            assert.same({ [name] = 1, other = 3 }, row:toTable())
            assert.equal(2, #conn:select(plan.new(text .. " union all " .. text)))
        end
    end)
end)

describe("rows in bulk", function()
    it("end when the connection is closed meanwhile", function()
        local conn = connection.open("main", "sqlite", { path = ":memory:" })
        conn:script("create table t (a integer, b text)")
        local columns = { { name = "a", type = "integer" }, { name = "b", type = "string" } }
        local known = shape.new({ model = "T", columns = columns })
        local rows, made = {}, 0
        for i = 1, 100 do
            rows[i] = { a = i }
        end
        local function b()
            made = made + 1
            if made == 5 then
                conn:close()
            end
            return "text"
        end
        local ok, err = pcall(conn.bulk, conn, known, "t (a, b)", { "a", "b" }, { nil, b }, {}, rows, 1, 10)
        assert.is_false(ok)
        assert.equal("misuse", err.kind)
        assert.matches("'main' is closed", err.message)
    end)
end)

describe("a cursor", function()
    local conn, cursor

    before_each(function()
        conn = connection.open("main", "sqlite", { path = ":memory:" })
        cursor = conn:cursor(plan.new(long_rows))
        cursor()
    end)

    after_each(function()
        collectgarbage("incremental")
        conn:close()
    end)

    local function refused(finalise)
        local ok, err = during(finalise, cursor.next, cursor)
        assert.is_false(ok)
        assert.equal("misuse", err.kind)
        assert.matches("finaliser", err.message)
    end

    it("refuses the row when a finaliser closes it meanwhile", function()
        refused(function()
            cursor:close()
        end)
        assert.is_nil(cursor())
    end)

    it("refuses the row when a finaliser closes the connection meanwhile", function()
        refused(function()
            conn:close()
        end)
    end)

    it("refuses the row when a finaliser takes the next one meanwhile", function()
        local inner
        refused(function()
            inner = cursor()
        end)
        assert.equal(3, inner.x)
        assert.equal(("C"):rep(10), inner.t:sub(1, 10))
        assert.equal(4, cursor().x)
    end)

    it("of many columns is closed by a finaliser before it reads", function()
        local words = {}
        for i = 1, 40 do
            words[i] = ("%d as c%d"):format(i, i)
        end
        cursor = conn:cursor(plan.new("select " .. table.concat(words, ", ")))
        local ok, err = during(function()
            cursor:close()
        end, cursor.next, cursor)
        assert.is_false(ok)
        assert.matches("cursor is closed", err.message)
    end)
end)
