-- SPDX-License-Identifier: MIT
--
-- Native collections of MongoDB: what a call that was not meant so must not do. One
-- misspelled variable is nil, and one forgotten $set is a document of its own.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local doc = eloquent.doc
local failure = engines.failure

engines.only("natives", "mongo", function(engine)
    local it = engine.it
    local db = engine:db()
    local places = db:collection("native_places")

    before_each(function()
        places:drop()
        places:insertMany({ { _id = 1, name = "a", b = 1 }, { _id = 2, name = "b", b = 2 } })
    end)

    -- All documents as text.
    local function all()
        return places:find({}, { sort = { _id = 1 } }):toJson()
    end

    local function refused(what, kind, fn, ...)
        local before = all()
        local err = failure(fn, places, ...)
        assert.equal(kind, err.kind, what)
        assert.equal(before, all(), what)
        return err.message
    end

    it("a listener sees the outline of a pipeline, not its values", function()
        local seen = engines.statements(db, function()
            places:aggregate({
                { ["$match"] = { b = { ["$in"] = { 1, 2 } } } },
                { ["$sort"] = doc({ { "b", -1 }, { "_id", 1 } }) },
            })
            places:aggregate({
                { ["$match"] = { ["$or"] = { { name = "a" }, { name = eloquent.null } } } },
                { ["$match"] = {} },
            })
        end)
        local head = '{"aggregate":"native_places","pipeline":['
        assert.equal(head .. '{"$match":{"b":{"$in":?}}},{"$sort":{"b":?,"_id":?}}],"cursor":?}', seen[1])
        assert.equal(head .. '{"$match":{"$or":[{"name":?},{"name":?}]}},{"$match":{}}],"cursor":?}', seen[2])
        local err = failure(places.aggregate, places, { { ["$match"] = { a = print } } })
        assert.matches("at '[1].$match.a'", err.message, 1, true)
        for i = 1, 300 do -- more texts than plans are kept
            assert.equal(1, #places:aggregate({ { ["$match"] = { _id = 1, ["no" .. i] = eloquent.null } } }))
        end
    end)

    -- {{{ changes and replacements

    local update_verbs <const> = { "updateOne", "updateMany", "findOneAndUpdate" }

    it("an update changes fields and replaces nothing", function()
        for _, verb in ipairs(update_verbs) do
            for what, change in pairs({
                ["a document"] = { name = "x" },
                ["a document in order"] = doc({ { "name", "x" } }),
                ["an empty one"] = {},
                ["an empty document"] = doc(),
                ["an empty list"] = eloquent.json.array(),
                ["a document and an operator"] = { name = "x", ["$set"] = { b = 5 } },
                ["a list of no tables"] = { "name" },
                ["a list with a hole"] = { { ["$set"] = { b = 5 } }, nil, { ["$set"] = { b = 6 } } },
            }) do
                local message = refused(verb .. " with " .. what, "misuse", places[verb], { _id = 1 }, change)
                assert.matches(verb, message, 1, true)
                assert.matches("replaceOne", message, 1, true)
                assert.matches("$set", message, 1, true)
            end
        end
    end)

    it("an update takes operators and pipelines", function()
        assert.equal(1, places:updateOne({ _id = 1 }, { ["$set"] = { name = "x" }, ["$inc"] = { b = 5 } }))
        assert.equal(1, places:updateOne({ _id = 2 }, { { ["$set"] = { name = "y" } } }))
        assert.equal('[{"_id":1,"b":6,"name":"x"},{"_id":2,"b":2,"name":"y"}]', all())
        assert.equal(2, places:updateMany({}, { ["$set"] = { b = 0 } }))
        assert.equal("x", places:findOneAndUpdate({ _id = 1 }, { ["$set"] = { name = "z" } }).name)
        assert.equal("z", places:findOne({ _id = 1 }).name)
    end)

    it("a replacement has no operators", function()
        for what, document in pairs({
            ["an operator"] = { ["$set"] = { name = "x" } },
            ["an operator beside a field"] = { name = "x", ["$set"] = { b = 1 } },
            ["a pipeline"] = { { ["$set"] = { name = "x" } } },
        }) do
            local message = refused("replaceOne with " .. what, "misuse", places.replaceOne, { _id = 1 }, document)
            assert.matches("updateOne", message, 1, true)
        end
        assert.equal(1, places:replaceOne({ _id = 1 }, { name = "x" }))
        assert.equal(1, places:replaceOne({ _id = 2 }, {}))
        assert.equal('[{"_id":1,"name":"x"},{"_id":2}]', all())
    end)

    -- }}}
    -- {{{ what is missing

    it("a write without a filter is none of all documents", function()
        local set = { ["$set"] = { b = 9 } }
        for verb, rest in pairs({
            deleteOne = {}, deleteMany = {}, findOneAndDelete = {}, updateOne = { set }, updateMany = { set },
            findOneAndUpdate = { set }, replaceOne = { { b = 9 } },
        }) do
            for _, filter in ipairs({ false, eloquent.null, "a", 1 }) do
                local message = refused(verb, "misuse", places[verb], filter or nil, table.unpack(rest))
                assert.matches(verb .. " expects a filter", message, 1, true)
                assert.matches("{}", message, 1, true)
            end
        end
        assert.equal(2, places:updateMany({}, set))
        assert.equal(2, places:deleteMany({}))
        assert.equal(0, places:count())
    end)

    it("nothing to write is a mistake", function()
        for _, verb in ipairs(update_verbs) do
            for _, change in ipairs({ false, eloquent.null, "x" }) do
                assert.matches(verb .. " expects", refused(verb, "misuse", places[verb], {}, change or nil), 1, true)
            end
        end
        refused("replaceOne", "misuse", places.replaceOne, {}, nil)
        refused("insertOne", "misuse", places.insertOne, nil)
        refused("insertOne", "misuse", places.insertOne, eloquent.null)
        refused("insertMany", "misuse", places.insertMany, nil)
        refused("insertMany", "misuse", places.insertMany, { name = "x" })
        refused("insertMany", "misuse", places.insertMany, { { name = "x" }, nil, { name = "y" } })
        assert.same({}, places:insertMany({}))
        assert.equal(2, places:count())
    end)

    it("other verbs ask for what they need", function()
        places:createIndex({ name = 1 })
        for _, case in ipairs({
            { "aggregate" }, { "aggregate", { ["$match"] = {} } },
            { "distinct" }, { "distinct", 1 }, { "distinct", "" },
            { "createIndex" }, { "createIndex", {} }, { "createIndex", doc() }, { "dropIndex" }, { "dropIndex", 1 },
            { "dropIndex", "" }, { "findOneAndUpdate", {}, { ["$set"] = { b = 1 } }, { retrunNew = true } },
            { "updateOne", {}, { ["$set"] = { b = 1 } }, { upsrt = true } },
        }) do
            local verb = case[1]
            local message = refused(verb, "misuse", places[verb], table.unpack(case, 2))
            assert.matches("^" .. verb, message)
        end
        assert.equal(2, #places:indexes())
        places:dropIndex("name_1")
        assert.equal(1, #places:indexes())
    end)

    it("reads without a filter are of all documents", function()
        assert.same({ 2, 2, 2 }, { #places:find(), places:count(), #places:distinct("name") })
        assert.is_table(places:findOne())
        local n = 0
        for _ in places:cursor() do
            n = n + 1
        end
        assert.equal(2, n)
    end)

    -- }}}
    -- {{{ many documents

    local function many(n, at, change)
        local list = {}
        for i = 1, n do
            list[i] = { _id = 100 + i }
        end
        change(list[at])
        return list
    end

    it("insertMany says which document failed, and where in it", function()
        for reason, value in pairs({
            ["is a function"] = print,
            ["microseconds"] = eloquent.datetime("2024-02-29T12:00:00.123456Z"),
        }) do
            for _, n in ipairs({ 3, 120 }) do
                local err = failure(places.insertMany, places, many(n, n - 1, function(each)
                    each.f = { g = { 1, value } }
                end))
                assert.same({ "value", n - 1, "native_places" }, { err.kind, err.row, err.table })
                assert.matches(reason, err.message, 1, true)
                assert.matches(("^row %d: native_places"):format(n - 1), err.message)
                assert(err.message:find("f.g[2]", 1, true) or err.message:find("f.g.1", 1, true), err.message)
            end
        end
        assert.equal(2, places:count())
        local err = failure(places.insertOne, places, { f = print })
        assert.is_nil(err.row)
        assert.matches("^native_places: .*at 'f': it is a function", err.message)
    end)

    it("a document that is there already is told by its number in the list", function()
        for _, at in ipairs({ 1, 3 }) do
            local err = failure(places.insertMany, places, many(5, at, function(each)
                each._id = 1
            end))
            assert.same({ "unique", at }, { err.kind, err.row })
            assert.matches(("^row %d: "):format(at), err.message)
            assert.is_nil(err.message:find("of its command", 1, true))
            assert.equal(1 + at, places:count())
            places:deleteMany({ _id = { ["$gt"] = 100 } })
        end
        assert.is_nil(failure(places.insertOne, places, { _id = 1 }).row)
    end)

    it("the number is of the whole list also where that takes several commands", function()
        local text = ("x"):rep(1 << 20)
        local list = {}
        for i = 1, 60 do
            list[i] = { _id = 100 + i, text = text }
        end
        list[58]._id = 1
        local err = failure(places.insertMany, places, list)
        assert.same({ "unique", 58 }, { err.kind, err.row })
        assert.matches("^row 58: ", err.message)
        assert.equal(59, places:count())
    end)

    -- }}}
end)
