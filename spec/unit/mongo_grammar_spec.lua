-- SPDX-License-Identifier: MIT
-- The command texts of queries on MongoDB, and the values that go with them. Nothing runs here: see spec/conformance.
-- luacheck: no max line length (each text stands on one line, as it goes to the server)
local world = dofile((debug.getinfo(1, "S").source:match("^@(.*/)") or "spec/unit/") .. "query_world.lua")
local json = require("eloquent.core.json")
local null = require("eloquent.core.null")

local columns = {
    { name = "id", type = "increments" },
    { name = "name", type = "string", length = 255 },
    { name = "age", type = "integer" },
    { name = "born", type = "timestamp" },
    { name = "day", type = "date" },
    { name = "data", type = "document" },
    { name = "_id", type = "document" },
}

local function model(name, more)
    more._documents = function(self, field)
        return self._open or self._column[field:match("^[^.]*")] ~= nil
    end
    return world.model(name, "users", more._open and {} or columns, more)
end

local models = {
    id = model("User", { _id_mode = true, _key = "id" }),
    _id = model("Keyed", { _key = "_id" }),
    open = model("Free", { _open = true, _key = "_id" }),
}

local HEX <const> = "64b7f0c2a9d3e45f67890123"

local function shown(values)
    local list = {}
    for i, value in ipairs(values) do
        local text = type(value) == "table" and json.encode(value) or tostring(value)
        list[i] = #text > 160 and text:sub(1, 9) .. "..." or text
    end
    return table.concat(list, ", ")
end

-- { name, model, build, text, values }; <all> stands for the columns of the model.
local cases = {
    {
        "everything", "id",
        function(q)
            return q
        end,
        '{"find":"users",<all>}',
        "",
    },
    {
        "plain comparisons", "id",
        function(q)
            return q:where("name", "Ada"):where("age", ">", 18):orderBy("name"):limit(10)
        end,
        '{"find":"users","filter":{"name":?,"age":{"$gt":?}},"sort":{"name":1},"limit":?,<all>}',
        "Ada, 18, 10",
    },
    {
        "the same field twice", "id",
        function(q)
            return q:where("age", ">", 1):where("age", "<", 9)
        end,
        '{"find":"users","filter":{"$and":[{"age":{"$gt":?}},{"age":{"$lt":?}}]},<all>}',
        "1, 9",
    },
    {
        "or after and", "id",
        function(q)
            return q:where("age", 1):where("name", "x"):orWhere("age", 2)
        end,
        '{"find":"users","filter":{"$or":[{"age":?,"name":?},{"age":?}]},<all>}',
        "1, x, 2",
    },
    {
        "groups", "id",
        function(q)
            return q:where("age", 1):where(function(w) w:where("name", "a"):orWhere("name", "b") end)
        end,
        '{"find":"users","filter":{"age":?,"$or":[{"name":?},{"name":?}]},<all>}',
        "1, a, b",
    },
    {
        "a group that must not be true", "id",
        function(q)
            return q:whereNot(function(w) w:where("age", ">", 1):orWhere("name", "b") end)
        end,
        '{"find":"users","filter":{"age":{"$lte":?},"name":{"$nin":[?,null]}},<all>}',
        "1, b",
    },
    {
        "not equal, which NULL is not", "id",
        function(q)
            return q:where("age", "!=", 3)
        end,
        '{"find":"users","filter":{"age":{"$nin":[?,null]}},<all>}',
        "3",
    },
    {
        "null and not null", "id",
        function(q)
            return q:whereNull("age"):whereNotNull("name"):where("born", null)
        end,
        '{"find":"users","filter":{"age":null,"name":{"$ne":null},"born":null},<all>}',
        "",
    },
    {
        "in a list", "id",
        function(q)
            return q:whereIn("age", { 1, 2, null })
        end,
        '{"find":"users","filter":{"age":{"$in":[?,?,null]}},<all>}',
        "1, 2",
    },
    {
        "not in a list", "id",
        function(q)
            return q:whereNotIn("age", { 1, 2 })
        end,
        '{"find":"users","filter":{"age":{"$nin":[?,?,null]}},<all>}',
        "1, 2",
    },
    {
        "in nothing", "id",
        function(q)
            return q:whereIn("age", {}):orWhereNotIn("name", {})
        end,
        '{"find":"users","filter":{"$or":[{"$expr":false},{}]},<all>}',
        "",
    },
    {
        "between and outside", "id",
        function(q)
            return q:whereBetween("age", { 1, 5 }):whereNotBetween("age", { 7, 9 })
        end,
        '{"find":"users","filter":{"age":{"$gte":?,"$lte":?},"$or":[{"age":{"$lt":?}},{"age":{"$gt":?}}]},<all>}',
        "1, 5, 7, 9",
    },
    {
        "like, escaped", "id",
        function(q)
            return q:where("name", "like", "a.b%_\\%"):whereNotLike("name", "x", { caseSensitive = true })
        end,
        '{"find":"users","filter":{"$and":[{"name":{"$regex":?,"$options":"is"}},{"name":{"$not":{"$regex":?,"$options":"s"},"$ne":null}}]},<all>}',
        [=[^a\.b.*.\%(?![\s\S]), ^x(?![\s\S])]=],
    },
    {
        "two columns", "id",
        function(q)
            return q:whereColumn("born", ">", "day")
        end,
        '{"find":"users","filter":{"born":{"$ne":null},"day":{"$ne":null},"$expr":{"$gt":["$born","$day"]}},<all>}',
        "",
    },
    {
        "dates of moments", "id",
        function(q)
            return q:whereDate("born", "2024-02-29"):whereYear("born", ">=", 2024)
        end,
        '{"find":"users","filter":{"$and":[{"born":{"$gte":?,"$lt":?}},{"born":{"$ne":null}},{"$expr":{"$gte":[{"$year":"$born"},?]}}]},<all>}',
        "2024-02-29T00:00:00Z, 2024-03-01T00:00:00Z, 2024",
    },
    {
        "dates of texts", "id",
        function(q)
            return q:whereDate("day", "!=", "2024-02-29"):whereMonth("day", 2)
        end,
        '{"find":"users","filter":{"$and":[{"day":{"$nin":[?,null]}},{"day":{"$ne":null}},{"$expr":{"$eq":[{"$month":{"$dateFromString":{"dateString":"$day"}}},?]}}]},<all>}',
        "2024-02-29, 2",
    },
    {
        "a key of its own field", "id",
        function(q)
            return q:where("id", 5)
        end,
        '{"find":"users","filter":{"$or":[{"id":?},{"_id":?}]},<all>}',
        "5, 5",
    },
    {
        "a key by object id", "id",
        function(q)
            return q:where("id", HEX)
        end,
        '{"find":"users","filter":{"$or":[{"id":?},{"_id":?}]},<all>}',
        '{"$in":["64b7f0c2a9d3e45f67890123","64b7f0c2a9d3e45f67890123"]}, {"$in":["64b7f0c2a9d3e45f67890123","64b7f0c2a9d3e45f67890123"]}',
    },
    {
        "several keys", "id",
        function(q)
            return q:whereIn("id", { 1, HEX })
        end,
        '{"find":"users","filter":{"$or":[{"id":{"$in":[?,?,?,?]}},{"_id":{"$in":[?,?,?,?]}}]},<all>}',
        "1, 1, 64b7f0c2a9d3e45f67890123, 64b7f0c2a9d3e45f67890123, 1, 1, 64b7f0c2a9d3e45f67890123, 64b7f0c2a9d3e45f67890123",
    },
    {
        "a key that is _id", "_id",
        function(q)
            return q:where("_id", HEX)
        end,
        '{"find":"users","filter":{"_id":?},<all>}',
        '{"$in":["64b7f0c2a9d3e45f67890123","64b7f0c2a9d3e45f67890123"]}',
    },
    {
        "another key", "_id",
        function(q)
            return q:where("_id", "!=", "main")
        end,
        '{"find":"users","filter":{"_id":{"$nin":?}},<all>}',
        '["main"]',
    },
    {
        "a path", "id",
        function(q)
            return q:where("data.city.name", "Bern"):orderBy("data.zip", "desc")
        end,
        '{"find":"users","filter":{"data.city.name":?},"sort":{"data.zip":-1},<all>}',
        "Bern",
    },
    {
        "a free-form field", "open",
        function(q)
            return q:where("city.name", HEX):where("n", "<", 3)
        end,
        '{"find":"users","filter":{"city.name":?,"n":{"$lt":?}}}',
        '{"$in":["64b7f0c2a9d3e45f67890123","64b7f0c2a9d3e45f67890123"]}, 3',
    },
    {
        "a value that is a table", "id",
        function(q)
            return q:where("data", { a = 1 })
        end,
        '{"find":"users","filter":{"data":?},<all>}',
        '{"$eq":{"a":1}}',
    },
    {
        "conditions on one item of a list", "id",
        function(q)
            return q:where("data", function(item)
                item:where("sku", "A"):where("n", ">", 1):where("n", "<", 9)
            end):where("data.lines", function(item)
                item:where("a", 1):orWhere("b", 2)
            end)
        end,
        '{"find":"users","filter":{"data":{"$elemMatch":{"$and":[{"sku":?},{"n":{"$gt":?}},{"n":{"$lt":?}}]}},'
            .. '"data.lines":{"$elemMatch":{"$or":[{"a":?},{"b":?}]}}},<all>}',
        "A, 1, 9, 1, 2",
    },
    {
        "one item of a list, and the list itself", "id",
        function(q)
            return q:select("data.lines.0.sku", "data.lines", "data.lines.1.n")
        end,
        '{"find":"users","projection":{"_id":0,"data.lines":1},"$fields":["data.lines.0.sku","data.lines","data.lines.1.n"]}',
        "",
    },
    {
        "chosen columns", "id",
        function(q)
            return q:select("id", "name", "data.x")
        end,
        '{"find":"users","projection":{"id":1,"_id":1,"name":1,"data.x":1},"$fields":[["id","_id"],"_id","name","data.x"]}',
        "",
    },
    {
        "columns by other names", "id",
        function(q)
            return q:select("name as label")
        end,
        '{"aggregate":"users","pipeline":[{"$project":{"label":"$name","_id":0}}],"cursor":{},"$fields":["label"]}',
        "",
    },
    {
        "a page", "id",
        function(q)
            return q:forPage(3, 20)
        end,
        '{"find":"users","skip":?,"limit":?,<all>}',
        "40, 20",
    },
    {
        "no rows", "id",
        function(q)
            return q:limit(0)
        end,
        '{"find":"users","filter":{"$expr":false},<all>}',
        "",
    },
    {
        "distinct", "id",
        function(q)
            return q:select("name"):distinct():orderBy("name")
        end,
        '{"aggregate":"users","pipeline":[{"$group":{"_id":{"k1":{"$ifNull":["$name",null]}}}},{"$project":{"name":"$_id.k1","_id":0}},{"$sort":{"name":1}}],"cursor":{},"$fields":["name"]}',
        "",
    },
    {
        "groups of rows", "id",
        function(q)
            return q:select("age"):groupBy("age"):having("age", ">", 3)
        end,
        '{"aggregate":"users","pipeline":[{"$group":{"_id":{"k1":{"$ifNull":["$age",null]}}}},{"$project":{"age":"$_id.k1","_id":0}},{"$match":{"age":{"$gt":?}}}],"cursor":{},"$fields":["age"]}',
        "3",
    },
    {
        "in any order", "id",
        function(q)
            return q:inRandomOrder():limit(2)
        end,
        '{"aggregate":"users","pipeline":[{"$sample":{"size":2147483647}},{"$limit":?}],"cursor":{},<all>}',
        "2",
    },
    {
        "behind a key", "_id",
        function(q)
            q:_after("_id", ">", 5) return q
        end,
        '{"find":"users","filter":{"$or":[{"_id":{"$gt":?}},{"_id":{"$type":?}}]},<all>}',
        '5, ["string","object","array","binData","objectId","bool","date","timestamp","regex","maxKey"]',
    },
    {
        "a long list", "id",
        function(q)
            local l = {} for i = 1, 1001 do l[i] = 7 end return q:whereIn("age", l):limit(1)
        end,
        '{"find":"users","filter":{"age":{"$in":?}},"limit":?,<all>}',
        "[7,7,7,7,..., 1",
    },
}

local ALL <const> = '"$fields":["id","name","age","born","day","data","_id"]'

describe("a query on MongoDB", function()
    for _, case in ipairs(cases) do
        it("is " .. case[1], function()
            local function start()
                return (world.query(models[case[2]], "mongo"))
            end
            local text, values = case[3](start()):toSql()
            local all = case[2] == "id" and ALL:gsub('"id"', '["id","_id"]', 1) or ALL
            assert.equal(case[4], (text:gsub(all:gsub("%p", "%%%0"), "<all>")))
            assert.equal(case[5], shown(values))
            assert.equal(text, (case[3](start()):toSql()))
        end)
    end

    local writes = {
        {
            "an update of all that match", "id",
            function(q)
                q:where("age", 1):update({ name = "x", data = { a = 1 } })
            end,
            '{"update":"users","updates":[{"q":{"age":?},"u":{"$set":{"name":?,"data":?}},"multi":true}]}',
            '1, x, {"a":1}',
        },
        {
            "an update of a path", "id",
            function(q)
                q:where("age", 1):update({ ["data.x"] = 1 })
            end,
            '{"update":"users","updates":[{"q":{"age":?},"u":{"$set":{"data.x":?}},"multi":true}]}',
            "1, 1",
        },
        {
            "sums", "id",
            function(q)
                q:where("age", ">", 1):decrement("age", 2, { name = "x" })
            end,
            '{"update":"users","updates":[{"q":{"$and":[{"age":{"$gt":?}},{"age":{"$ne":null}}]},'
                .. '"u":{"$inc":{"age":?},"$set":{"name":?}},"multi":true},{"q":{"$and":[{"age":{"$gt":?}},{"age":null}]},'
                .. '"u":{"$set":{"name":?}},"multi":true}]}',
            "1, -2, x, 1, x",
        },
        {
            "a delete", "id",
            function(q)
                q:where("name", "x"):delete()
            end,
            '{"delete":"users","deletes":[{"q":{"name":?},"limit":0}]}',
            "x",
        },
        {
            "all of it", "open",
            function(q)
                q:forceDelete()
            end,
            '{"delete":"users","deletes":[{"q":{},"limit":0}]}',
            "",
        },
        {
            "a count", "id",
            function(q)
                q:where("age", 1):count()
            end,
            '{"aggregate":"users","pipeline":[{"$match":{"age":?}},{"$group":{"_id":null,"total":{"$sum":1}}}],"cursor":{},"$fields":["total"]}',
            "1",
        },
        {
            "a count of values", "id",
            function(q)
                q:count("age")
            end,
            '{"aggregate":"users","pipeline":[{"$group":{"_id":null,"total":{"$sum":{"$cond":[{"$gt":["$age",null]},1,0]}}}}],"cursor":{},"$fields":["total"]}',
            "",
        },
        {
            "a sum with a limit", "id",
            function(q)
                q:limit(3):sum("age")
            end,
            '{"aggregate":"users","pipeline":[{"$limit":?},{"$group":{"_id":null,"age":{"$sum":"$age"}}}],"cursor":{},"$fields":["age"]}',
            "3",
        },
        {
            "whether there is one", "id",
            function(q)
                q:where("age", 1):exists()
            end,
            '{"find":"users","filter":{"age":?},"projection":{"_id":1},"limit":1,"singleBatch":true,"$fields":["_id"]}',
            "1",
        },
        {
            "a sum over the items of lists", "id",
            function(q)
                q:sum("data.lines.n")
            end,
            '{"aggregate":"users","pipeline":[{"$unwind":"$data"},{"$unwind":"$data.lines"},{"$unwind":"$data.lines.n"},'
                .. '{"$group":{"_id":null,"sum":{"$sum":"$data.lines.n"}}}],"cursor":{},"$fields":["sum"]}',
            "",
        },
        {
            "a sum of a column", "id",
            function(q)
                q:sum("age")
            end,
            '{"aggregate":"users","pipeline":[{"$group":{"_id":null,"age":{"$sum":"$age"}}}],"cursor":{},"$fields":["age"]}',
            "",
        },
        {
            "the first", "id",
            function(q)
                q:orderBy("name"):first()
            end,
            '{"find":"users","sort":{"name":1},"limit":1,"singleBatch":true,"$fields":[["id","_id"],"name","age","born","day","data","_id"]}',
            "",
        },
    }
    for _, case in ipairs(writes) do
        it("writes: " .. case[1], function()
            local query, connection = world.query(models[case[2]], "mongo", { 1, 1 })
            connection._depth = 0
            case[3](query)
            local last = connection.log[#connection.log]
            assert.equal(case[4], last.sql)
            assert.equal(case[5], shown(last.args))
        end)
    end

    local refused = {
        { "joins", function(q) return q:join("x", "x.id", "users.id") end },
        { "SQL", function(q) return q:whereRaw("1 = 1") end },
        { "SQL", function(q) return q:selectRaw("count(*)") end },
        { "SQL", function(q) return q:orderByRaw("name") end },
        { "row locks", function(q) return q:lockForUpdate() end },
        { "union", function(q) return q:union(world.query(models.id, "mongo")) end },
        { "subqueries", function(q) return q:whereIn("id", world.query(models.id, "mongo")) end },
        { "subqueries", function(q) return q:whereExists(world.query(models.id, "mongo")) end },
    }
    for i, case in ipairs(refused) do
        it(("has no %s (%d), and says what to do"):format(case[1], i), function()
            local err = world.failure(function()
                case[2]((world.query(models.id, "mongo"))):toSql()
            end)
            assert.equal("unsupported", err.kind)
            assert.matches("MongoDB has no " .. case[1], err.message, 1, true)
            assert.matches(": %a", err.message)
        end)
    end

    it("names the nearest column, also of a path", function()
        assert.matches("did you mean 'name'", world.failure(function()
            world.query(models.id, "mongo"):where("nme", 1)
        end).message, 1, true)
        assert.matches("no column 'dta'", world.failure(function()
            world.query(models.id, "mongo"):where("dta.x", 1):toSql()
        end).message, 1, true)
    end)
end)
