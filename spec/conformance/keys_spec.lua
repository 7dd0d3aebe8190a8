-- SPDX-License-Identifier: MIT
--
-- Documents of MongoDB by their keys, whoever has written them: object ids and their
-- digits, `id` beside `_id` or without it. Every verb that goes by a key finds its
-- document, and no other. What find, where, save and delete do is in documents_spec.lua.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local column, doc, null, objectid = eloquent.column, eloquent.doc, eloquent.null, eloquent.objectid
local failure = engines.failure

local HEX <const> = "64b7f0c2a9d3e45f67890123"
local OID <const> = objectid(HEX)
local UUID <const> = "0190d8c5-8f3a-7000-8000-00000000000a"

engines.only("keys", "mongo", function(engine)
    local it = engine.it

    local function define(name, key, kind)
        local schema = { name = column("string", 50), hits = column("integer") }
        if key then
            schema[key] = kind
        end
        return engine.model(name) { tableName = "key_" .. name:lower(), connectionName = "mongo", schema = schema }
    end

    local Typed = define("Typed", "_id", column("objectId", nil, { primary = true }))
    local Plain = define("Plain")
    local Counted = define("Counted", "id", column("increments", nil, { primary = true }))
    local Coded = define("Coded", "id", column("string", 40, { primary = true }))
    local Ided = define("Ided", "id", column("objectId", nil, { primary = true }))
    local Uuids = define("Uuids", "id", column("uuid", nil, { primary = true, auto = true }))
    local Free = engine.model "Free" { tableName = "key_free", connectionName = "mongo", schema = "open" }

    -- { what, model, the document as it is stored, a key that finds it, what its record has as the key }
    local cases <const> = {
        { "an object id by its digits", Typed, { _id = OID }, HEX, OID },
        { "digits that are text where an object id is asked for", Typed, { _id = HEX }, OID },
        { "an object id where no type is told, by its digits", Plain, { _id = OID }, HEX, OID },
        { "digits that are text, by an object id", Plain, { _id = HEX }, OID, HEX },
        { "digits that are text, by themselves", Plain, { _id = HEX }, HEX, HEX },
        { "a number", Plain, { _id = 12 }, 12, 12 },
        { "a float", Plain, { _id = 2.5 }, 2.5, 2.5 },
        { "text that is no object id", Plain, { _id = HEX .. "4" }, HEX .. "4", HEX .. "4" },
        { "a moment", Plain, { _id = eloquent.datetime("2024-01-01T00:00:00Z") },
            eloquent.datetime("2024-01-01T00:00:00Z") },
        { "free-form, an object id by its digits", Free, { _id = OID }, HEX, OID },
        { "free-form, digits by an object id", Free, { _id = HEX }, OID, HEX },
        { "counted, id and _id", Counted, { _id = 7, id = 7 }, 7, 7 },
        { "counted, by its digits", Counted, { _id = 7, id = 7 }, "7", 7 },
        { "counted, id beside an object id", Counted, { _id = OID, id = 7 }, 7, 7 },
        { "counted, by the object id beside it", Counted, { _id = OID, id = 7 }, HEX, 7 },
        { "counted, only _id is there, a number", Counted, { _id = 7 }, 7, 7 },
        { "counted, only _id is there, an object id", Counted, { _id = OID }, OID, OID },
        { "counted, only _id is there, by its digits", Counted, { _id = OID }, HEX, OID },
        { "text, id and _id", Coded, { _id = "main", id = "main" }, "main", "main" },
        { "text, only _id is there", Coded, { _id = "main" }, "main", "main" },
        { "text, id is null", Coded, { _id = "main", id = null }, "main", "main" },
        { "text, id is digits, by an object id", Coded, { _id = 1, id = HEX }, OID, HEX },
        { "text, id is an object id, by its digits", Coded, { _id = 1, id = OID }, HEX },
        { "text, only _id is there, an object id", Coded, { _id = OID }, HEX },
        { "an object id as id", Ided, { _id = OID, id = OID }, HEX, OID },
        { "an object id as id, its digits are stored", Ided, { _id = 5, id = HEX }, OID, HEX },
        { "an object id as id, only _id is there", Ided, { _id = OID }, HEX, OID },
        { "a UUID, only _id is there", Uuids, { _id = doc.uuid(UUID) }, UUID },
    }

    local other_keys = { [Counted] = 1000, [Ided] = objectid.new(), [Uuids] = doc.uuid((UUID:gsub("a$", "b"))) }

    -- The collection with this document and another one.
    local function only(case)
        local model, wanted = case[2], doc()
        engine:tables(model)
        for name, value in pairs(case[3]) do
            wanted[name] = value
        end
        wanted.name, wanted.hits = "wanted", 1
        local key = other_keys[model] or "other"
        model:collection():insertMany({ { _id = key, id = model._id_mode and key or nil, name = "other" }, wanted })
        return model, model._key, case[4]
    end

    -- What the documents have as names, the other first.
    local function names(model)
        local list = {}
        for _, each in ipairs(model:collection():find({}, { sort = { name = 1 } })) do
            list[#list + 1] = each.name
        end
        return table.concat(list, " ")
    end

    for _, case in ipairs(cases) do
        it("reads: " .. case[1], function()
            local model, name, key = only(case)
            local record = model:find(key)
            assert.equal("wanted", record.name)
            local own = record:getKey()
            if case[5] ~= nil then
                assert.equal(case[5], own)
                assert.equal(case[5], record[name])
                assert.equal(case[5], model:where("name", "wanted"):value(name))
            end
            -- what a record says that its key is leads to it
            for _, found in ipairs({
                model:find(own), model:findOrFail(own), model:where(name, own):first(), model:findMany({ own })[1],
                model:find(model:where("name", "wanted"):pluck(name)[1]), model:query():firstWhere(name, key),
                record:fresh(), record:refresh(),
            }) do
                assert.equal("wanted", found.name)
            end
            assert.is_nil(model:where(name, key):where("name", "other"):first())
            assert.is_false(model:where(name, key):whereNull(name):exists())
            assert.equal(2, model:whereNotNull(name):count())
            assert.equal(2, model:query():count(name))
        end)

        it("lists: " .. case[1], function()
            local model, name, key = only(case)
            local is_counted = model == Counted
            local long, mixed = {}, { key, is_counted and 99 or objectid.new(), objectid.new() }
            for i = 1, 1200 do
                long[i] = is_counted and 2000 + i or model == Uuids and UUID:gsub("a$", "c") or tostring(objectid.new())
            end
            long[777] = key
            for _, list in ipairs({ { key }, model ~= Uuids and mixed or { key }, long }) do
                assert.equal("wanted", model:whereIn(name, list):value("name"))
                assert.equal("other", model:whereNotIn(name, list):value("name"))
                assert.equal(1, #model:findMany(list))
            end
            local seen = {}
            for record in model:query():each(1) do
                seen[#seen + 1] = record.name
            end
            for record in model:orderByDesc(name):each(1) do
                seen[#seen + 1] = record.name
            end
            model:query():chunkById(1, function(records)
                seen[#seen + 1] = records[1].name
            end)
            table.sort(seen)
            assert.equal("other other other wanted wanted wanted", table.concat(seen, " "))
            assert.equal(1, model:whereIn(name, long):update({ name = "x" }))
            assert.equal(1, model:whereIn(name, { key }):delete())
            assert.equal("other", names(model))
        end)

        it("writes: " .. case[1], function()
            local model, name, key = only(case)
            assert.equal(1, model:where(name, key):increment("hits", 2))
            local record = model:find(key)
            assert.equal(3, record.hits)
            record:update({ hits = 4 })
            assert.equal(4, model:find(key).hits)
            assert.equal(1, model:where(name, key):update({ hits = 5 }))
            assert.equal(1, model:updateById(key, { hits = 6 }))
            assert.equal(6, record:refresh().hits)
            assert.equal("other wanted", names(model))
            if not model._open then
                local ok, err = pcall(model.upsert, model, { { [name] = key, name = "upserted" } }, name, { "name" })
                assert(ok or err.kind == "value", tostring(err)) -- it would be none for a new document
                assert.equal(ok and "other upserted" or "other wanted", names(model))
                record:refresh()
            end
            assert.is_true(record:delete())
            assert.is_nil(model:find(key))
            assert.equal("other", names(model))
            record:save() -- anew, with all that it has
            assert.equal(6, model:find(key).hits)
            assert.equal(1, model:deleteById(key))
            assert.equal(0, model:deleteById(key))
            assert.equal("other", names(model))
        end)
    end

    it("an upsert of a key that is nowhere makes one document, with both keys", function()
        for model, key in pairs({ [Plain] = HEX, [Coded] = HEX, [Counted] = 7, [Ided] = HEX, [Uuids] = UUID }) do
            engine:tables(model)
            for _, name in ipairs({ "a", "b" }) do
                model:upsert({ { [model._key] = key, name = name } }, model._key)
            end
            assert.equal("b", names(model))
            local found = model:collection():findOne()
            assert.equal("b", model:find(key).name)
            assert.is_true(not model._id_mode or found._id == found.id)
        end
    end)

    it("keys that are made, or have to be given", function()
        engine:tables(Ided, Coded, Plain)
        for _, record in ipairs({ Ided:create({ name = "a" }), Plain:create({ name = "a" }) }) do
            assert.is_true(objectid.is(record:getKey()))
            assert.equal(record:getKey(), record._id)
        end
        Ided:insert({ { name = "b" }, { name = "c" } })
        for _, each in ipairs(Ided:collection():find()) do
            assert.is_true(objectid.is(each.id))
            assert.equal(each._id, each.id)
        end
        assert.equal("notNull", failure(Coded.create, Coded, { name = "a" }).kind)
        assert.matches("row 2", failure(Coded.insert, Coded, { { id = "a" }, { name = "b" } }).message, 1, true)
        assert.equal(0, Coded:count())
    end)

    it("a key that is there already is not taken twice, in any form", function()
        engine:tables(Typed, Counted)
        Typed:create({ _id = HEX, name = "a" })
        assert.equal("unique", failure(Typed.create, Typed, { _id = OID, name = "b" }).kind)
        assert.equal(0, Typed:insertOrIgnore({ { _id = HEX:upper(), name = "b" } }))
        assert.equal("a", names(Typed))
        Counted:collection():insertMany({ { _id = OID, id = 7, name = "a" }, { _id = 8, name = "b" } })
        assert.equal("unique", failure(Counted.create, Counted, { id = 7, name = "c" }).kind)
        assert.equal("unique", failure(Counted.create, Counted, { id = 8, name = "c" }).kind)
        assert.equal(9, Counted:create({ name = "c" }).id)
        assert.equal("a b c", names(Counted))
    end)

    it("conditions on keys take the _id of documents without id", function()
        engine:tables(Counted)
        Counted:collection():insertMany({ { _id = 3, name = "a" }, { _id = OID, id = 5, name = "b" },
            { _id = 9, id = 9, name = "c" } })
        local function found(query)
            local list = query:pluck("name"):toTable()
            table.sort(list)
            return table.concat(list, " ")
        end
        assert.equal("a b", found(Counted:where("id", "<", 6)))
        assert.equal("a b", found(Counted:whereBetween("id", { 2, 6 })))
        assert.equal("c", found(Counted:whereNotBetween("id", { 2, 6 })))
        assert.equal("b c", found(Counted:where("id", ">=", 5)))
        assert.equal("a c", found(Counted:whereNot("id", 5)))
        assert.equal("a b c", found(Counted:whereNotNull("id")))
        assert.equal("", found(Counted:whereNull("id")))
        assert.equal(17, Counted:sum("id"))
        assert.equal(3, Counted:min("id"))
        assert.equal(3, Counted:distinct():count("id"))
        local numbers = Counted:select("id as number"):get():pluck("number"):toTable()
        table.sort(numbers)
        assert.same({ 3, 5, 9 }, numbers)
    end)

    it("a key of another form is an error, not a document that is not found", function()
        engine:tables(Typed, Counted)
        for model, wrong in pairs({ [Typed] = { "x", HEX .. "4", 5, true }, [Counted] = { "x", 1.5, true } }) do
            for _, key in ipairs(wrong) do
                assert(not pcall(model.find, model, key), tostring(key))
                assert.equal("value", failure(model.find, model, key).kind)
                local query = model:where(model._key, key)
                assert.equal("value", failure(query.first, query).kind)
                assert.equal("value", failure(model.deleteById, model, key).kind)
            end
        end
    end)

    it("the key of a record can't be changed", function()
        for _, case in ipairs(cases) do
            local model, name, key = only(case)
            local record = model:find(key)
            record[name] = model == Counted and 70 or model == Uuids and UUID:gsub("a$", "d")
                or model == Coded and "another" or objectid.new()
            if case[3].id ~= nil and case[3].id ~= null and case[3].id ~= case[3]._id then
                record:save() -- `id` is a field like others there
                assert.equal("other wanted", names(model))
            else
                local ok, err = pcall(record.save, record)
                assert(not ok and err.kind == "misuse", case[1] .. ": " .. tostring(err))
                assert.equal("wanted", model:find(key).name)
            end
        end
    end)
end)
