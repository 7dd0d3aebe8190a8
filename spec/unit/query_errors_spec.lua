-- SPDX-License-Identifier: MIT
-- What the query builder refuses, and what it says about it. Values never stand in a message.
local world = dofile((debug.getinfo(1, "S").source:match("^@(.*/)") or "spec/unit/") .. "query_world.lua")
local builder = require("eloquent.query.builder")
local null = require("eloquent.core.null")

-- { name, what is done, a part of the message }
local cases = {
    { "an unknown column", function(q) q:where("nmae", 1) end, "User has no column 'nmae'; did you mean 'name'?" },
    { "an unknown column of the own table", function(q) q:where("users.nmae", 1) end, "did you mean 'name'?" },
    { "a relation", function(q) q:where("posts", 1) end, "'posts' is a relation of User, not a column" },
    { "an unknown column to select", function(q) q:select("nope") end, "has no column 'nope'" },
    { "an unknown column to sort by", function(q) q:orderBy("nmae"):toSql() end, "did you mean 'name'?" },
    { "an unknown column to group by", function(q) q:groupBy("nmae"):toSql() end, "did you mean 'name'?" },
    { "an unknown column in having", function(q) q:having("n", 1):toSql() end, "has no column 'n'" },
    { "an unknown column of a list", function(q) q:whereIn("nmae", { 1 }) end, "has no column" },
    { "SQL as a column", function(q) q:select("count(*)") end, "selectRaw" },
    { "SQL as an order", function(q) q:orderBy("name; drop table users"):toSql() end, "has no column" },
    { "an empty name", function(q) q:where("", 1) end, "a name" },
    { "a name with NUL", function() return builder.table(world.connection("pg"), "a\0b") end, "NUL byte" },
    { "a name that is no UTF-8", function() builder.table(world.connection("pg"), "a\xff"):toSql() end, "UTF-8" },
    { "a name that the server would cut", function()
        builder.table(world.connection("pg"), ("x"):rep(64)):toSql()
    end, "is cut to 63 bytes" },
    { "a name of four parts", function()
        builder.table(world.connection("pg"), "t"):where("a.b.c.d", 1):toSql()
    end, "has 4 parts" },
    { "all columns as one", function() builder.table(world.connection("pg"), "t"):where("t.*", 1) end, "for select" },
    { "the sum of all columns", function() builder.table(world.connection("pg"), "t"):sum("*") end, "for select" },
    { "half a name", function(q) q:where("users.", 1) end, "empty part" },
    { "nil", function(q) q:where("name", nil) end, "eloquent.null" },
    { "nil after an operator", function(q) q:where("age", ">", nil) end, "eloquent.null" },
    { "no value", function(q) q:where("name") end, "a field and a value" },
    { "a table without a condition", function(q) q:where{} end, "{ name = nil } is such a table" },
    { "no condition in another form", function(q) q:orWhere({}) end, "would mean every row" },
    { "conditions for get", function(q) q:get{ name = "a" } end, "where{ ... }:get()" },
    { "conditions for all", function(q) q:all{ name = "a" } end, "where{ ... }:all()" },
    { "conditions for first", function(q) q:first{ name = "a" } end, "firstWhere takes a condition" },
    { "conditions for exists", function(q) q:doesntExist("name") end, "takes no argument, got a string" },
    { "a key for cursor", function(q) q:cursor(1) end, "takes no argument, got a number" },
    { "a key for delete", function(q) q:delete(1) end, "deleteById takes a key" },
    { "conditions for delete", function(q) q:delete{ name = "a" } end, "where{ ... } conditions" },
    { "conditions for forceDelete", function(q) q:forceDelete{ name = "a" } end, "where{ ... }:forceDelete()" },
    { "conditions before truncate", function(q) q:where("age", 1):truncate() end, "delete() removes the rows" },
    { "conditions for truncate", function(q) q:truncate{ age = 1 } end, "empties the whole table" },
    { "rows one by one", function(q) q:insert({ name = "a" }, { name = "b" }) end, "got two arguments" },
    { "a loop over a query", function(q) return ipairs(q)(q, 0) end, "end it with get()" },
    { "a loop over its pairs", function(q) return pairs(q) end, "end it with get()" },
    { "the length of a query", function(q) return #q end, "end it with get()" },
    { "too much", function(q) q:where("age", ">", 1, 2) end, "got 4 arguments" },
    { "an unknown operator", function(q) q:where("age", "~", 1) end, "Operators are =, !=" },
    { "in", function(q) q:where("age", "in", { 1 }) end, "use whereIn" },
    { "an injected operator", function(q) q:where("age", "= 1 or 1 =", 1) end, "is no operator" },
    { "NULL with an order", function(q) q:where("age", ">", null) end, "eloquent.null goes with = and !=" },
    { "a table as a value", function(q) q:where("name", { 1 }) end, "whereIn takes a list" },
    { "a hole in a list", function(q) q:whereIn("id", { 1, nil, 3 }) end, "eloquent.null" },
    { "a packed list with nil", function(q) q:whereIn("id", table.pack(1, nil)) end, "eloquent.null" },
    { "no list", function(q) q:whereIn("id", 5) end, "expects a list or a query" },
    { "half a range", function(q) q:whereBetween("age", { 1 }) end, "a list of two values" },
    { "a range with NULL", function(q) q:whereBetween("age", { 1, null }) end, "NULL is no end" },
    { "a pattern that ends in a backslash", function(q) q:whereLike("name", "a\\") end, "lone backslash" },
    { "an option of like", function(q) q:whereLike("name", "a", { sensitive = true }) end, "caseSensitive" },
    { "a date that is none", function(q) q:whereDate("born", "29.2.2024") end, "YYYY-MM-DD" },
    { "a year that is none", function(q) q:whereYear("born", "2024") end, "a whole number" },
    { "a direction", function(q) q:orderBy("name", "up") end, "directions are asc and desc" },
    { "a negative limit", function(q) q:limit(-1) end, "from 0 on" },
    { "half a limit", function(q) q:limit(1.5) end, "a number with a fraction" },
    { "no limit", function(q) q:limit(nil) end, "got nil" },
    { "a text as offset", function(q) q:offset("3") end, "a whole number" },
    { "page 0", function(q) q:forPage(0, 10) end, "pages begin with 1" },
    { "raw with too few values", function(q) q:whereRaw("a = ? and b = ?", { 1 }):toSql() end, "more '?'" },
    { "raw with too many values", function(q) q:whereRaw("a = ?", { 1, 2 }):toSql() end, "uses fewer" },
    { "raw with another name", function(q) q:whereRaw("a = :x", { y = 1 }):toSql() end, ":x" },
    { "raw without text", function() builder.raw("") end, "an empty string" },
    { "a join without a condition", function(q) q:join("posts", function() end) end, "crossJoin" },
    { "on outside a join", function(q) q:on("id", "age") end, "whereColumn" },
    { "an order inside a group", function(q) q:where(function(g) g:where("id", 1):orderBy("id") end):toSql() end,
        "only conditions" },
    { "skipLocked alone", function() world.query(world.User, "pg"):skipLocked():toSql() end, "lockForUpdate" },
    { "a query of another connection", function(q)
        q:whereIn("id", builder.new(world.Post, world.connection("pg")):select("user_id"))
    end, "pluck" },
    { "an empty update", function(q) q:update({}) end, "an empty one" },
    { "an unknown column to write", function(q) q:update({ nmae = 1 }) end, "did you mean 'name'?" },
    { "an unknown column of a row", function(q) q:insert({ { name = "a" }, { nmae = "b" } }) end,
        "did you mean 'name'?" },
    { "a row that is none", function(q) q:insert({ { name = "a" }, 5 }) end, "row 2 is a number" },
    { "an update of groups", function(q) q:groupBy("age"):update({ age = 1 }) end, "groupBy" },
    { "a limited delete without keys", function()
        builder.table(world.connection("pg"), "users"):limit(1):delete()
    end, "primary key" },
    { "an upsert without columns", function(q) q:upsert({ name = "a" }, {}) end, "upsert(rows, { 'email' })" },
    { "no number to add", function(q) q:increment("age", "2") end, "expects a number" },
    { "the sum of a text", function(q) q:sum("name") end, "User.name is a string" },
    { "find without a key", function(q) q:find(nil) end, "got nil" },
    { "find with a list", function(q) q:find({ 1, 2 }) end, "findMany" },
    { "from in a query of a model", function(q) q:from("posts") end, "reads its own table" },
    { "pages without an order", function() builder.table(world.connection("pg"), "users"):paginate() end, "orderBy" },
}

describe("the query builder refuses", function()
    for _, case in ipairs(cases) do
        it(case[1], function()
            local q = world.query(world.User, "sqlite")
            local err = world.failure(case[2], q)
            assert.equal("misuse", err.kind)
            assert.truthy(err.message:find(case[3], 1, true), err.message)
        end)
    end

    it("the same mistake each time", function()
        for _ = 1, 2 do
            assert.equal("misuse", world.failure(function()
                world.query(world.User, "sqlite"):where("nmae", 1)
            end).kind)
        end
    end)

    it("more values than a statement holds", function()
        local q = world.query(world.User, "sqlite")
        local list = {}
        for i = 1, 1000 do
            list[i] = i
        end
        for _ = 1, 33 do
            q:whereIn("id", list)
        end
        local err = world.failure(function()
            q:toSql()
        end)
        assert.truthy(err.message:find("33000", 1, true))
    end)
end)
