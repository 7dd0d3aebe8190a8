-- SPDX-License-Identifier: MIT
--
-- What only MongoDB has: keys in their forms, documents inside documents, free-form
-- documents, native collections, and what is refused there. What it has in common with
-- the SQL engines is in the other files.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local column, doc, null, objectid = eloquent.column, eloquent.doc, eloquent.null, eloquent.objectid
local failure = engines.failure

engines.only("documents", "mongo", function(engine)
    local it = engine.it
    local db = engine:db()

    local function statements(fn)
        return engines.statements(db, fn)
    end

    -- {{{ keys

    local Free = engine.model "Free" { tableName = "doc_free", connectionName = "mongo", schema = "open" }
    local Typed = engine.model "Typed" {
        tableName = "doc_typed",
        connectionName = "mongo",
        schema = {
            _id = column("objectId", nil, { primary = true }),
            owner_id = column("objectId"),
            name = column("string", 50),
        },
    }
    local Plain = engine.model "Plain" {
        tableName = "doc_plain",
        connectionName = "mongo",
        schema = { name = column("string", 50) },
    }
    local Counted = engine.model "Counted" {
        tableName = "doc_counted",
        connectionName = "mongo",
        schema = { id = column("increments", nil, { primary = true }), name = column("string", 50) },
    }
    local Coded = engine.model "Coded" {
        tableName = "doc_coded",
        connectionName = "mongo",
        schema = { id = column("string", 40, { primary = true }), name = column("string", 50) },
    }
    local Uuids = engine.model "Uuids" {
        tableName = "doc_uuids",
        connectionName = "mongo",
        schema = { id = column("uuid", nil, { primary = true, auto = true }), name = column("string", 50) },
    }

    local HEX <const> = "64b7f0c2a9d3e45f67890123"
    local OID <const> = objectid(HEX)
    local UUID <const> = "0190d8c5-8f3a-7000-8000-00000000000a"

    -- { what, model, the document as it is stored, the key as it is asked for }
    local keys = {
        { "an object id, by itself", Typed, { _id = OID }, OID },
        { "an object id, by its digits", Typed, { _id = OID }, HEX },
        { "an object id, by its digits in capitals", Typed, { _id = OID }, HEX:upper() },
        { "digits that are text, by an object id", Plain, { _id = HEX }, OID },
        { "digits that are text, by themselves", Plain, { _id = HEX }, HEX },
        { "an object id without a type, by its digits", Plain, { _id = OID }, HEX },
        { "a number without a type", Plain, { _id = 12 }, 12 },
        { "text that is no object id", Plain, { _id = "main" }, "main" },
        { "a UUID without a type", Plain, { _id = doc.uuid(UUID) }, doc.uuid(UUID) },
        { "free-form, an object id by its digits", Free, { _id = OID }, HEX },
        { "free-form, digits by an object id", Free, { _id = HEX }, OID },
        { "free-form, a number", Free, { _id = 5 }, 5 },
        { "counted, made by the model", Counted, { _id = 7, id = 7 }, 7 },
        { "counted, by its digits", Counted, { _id = 7, id = 7 }, "7" },
        { "counted, a float without a fraction", Counted, { _id = 7, id = 7 }, 7.0 },
        { "counted, of another program: id beside an object id", Counted, { _id = OID, id = 7 }, 7 },
        { "counted, by the _id of another program", Counted, { _id = OID, id = 7 }, OID },
        { "counted, by the digits of that _id", Counted, { _id = OID, id = 7 }, HEX },
        { "id is an object id", Coded, { _id = 1, id = OID }, HEX },
        { "id is digits, asked by an object id", Coded, { _id = 1, id = HEX }, OID },
        { "id of text, only _id is there", Coded, { _id = "main" }, "main" },
        { "id is a UUID", Uuids, { _id = doc.uuid(UUID), id = doc.uuid(UUID) }, UUID },
    }

    local function only(model, document)
        engine:tables(model)
        local other = { _id = "other", name = "other" }
        if model == Counted then
            other.id = 1000
        end
        document.name = "wanted"
        model:collection():insertMany({ other, document })
    end

    for _, case in ipairs(keys) do
        local model, key = case[2], case[4]
        it("key: " .. case[1], function()
            local name = model._key
            only(model, case[3])
            assert.equal("wanted", model:find(key).name)
            assert.equal("wanted", model:query():find(key).name)
            assert.equal("wanted", model:findOrFail(key).name)
            assert.equal("wanted", model:where(name, key):first().name)
            assert.equal(1, model:whereIn(name, { key }):count())
            assert.equal(1, #model:findMany({ key }))
            assert.equal(1, model:where(name, "!=", key):count())
            assert.equal(1, model:whereNotIn(name, { key }):count())
            assert.is_true(model:where(name, key):exists())

            assert.equal(1, model:updateById(key, { name = "by id" }))
            local record = model:find(key)
            assert.equal("by id", record.name)
            record.name = "saved"
            record:save()
            assert.equal("saved", model:find(key).name)
            assert.equal("saved", record:fresh().name)
            assert.is_true(record:delete())
            assert.is_nil(model:find(key))
            assert.equal(1, model:count())

            only(model, case[3])
            assert.equal(1, model:deleteById(key))
            assert.equal("other", model:collection():findOne().name)
        end)
    end

    it("object ids of other columns are found by their digits", function()
        engine:tables(Typed)
        local made = Typed:create({ owner_id = HEX, name = "a" })
        assert.is_true(objectid.is(made.owner_id))
        assert.is_true(objectid.is(made._id))
        assert.equal(1, Typed:where("owner_id", HEX):count())
        assert.equal(1, Typed:where("owner_id", OID):count())
        assert.equal("value", failure(Typed.where(Typed, "owner_id", "x").get, Typed:where("owner_id", "x")).kind)
    end)

    it("numbers are counted by one document, never twice, explicit ones raise it", function()
        engine:tables(Counted)
        assert.equal(1, Counted:create({ name = "a" }).id)
        assert.equal(2, Counted:insert({ { name = "b" }, { name = "c" } }))
        assert.equal(40, Counted:create({ id = 40, name = "d" }).id)
        assert.equal(41, Counted:create({ name = "e" }).id)
        Counted:insert({ { id = 90, name = "f" }, { name = "g" } })
        assert.same({ 1, 2, 3, 40, 41, 90, 91 }, { table.unpack(Counted:orderBy("id"):pluck("id")) })
        Counted:find(91):delete()
        assert.equal(92, Counted:create({ name = "h" }).id)
        assert.equal(92, db:collection("counters"):findOne({ _id = "doc_counted" }).seq)
        pcall(eloquent.transaction, "mongo", function()
            assert.equal(93, Counted:create({ name = "i" }).id)
            error("undo", 0)
        end)
        assert.equal(94, Counted:create({ name = "j" }).id)
    end)

    it("a counter that is not there begins behind the documents", function()
        engine:tables(Counted)
        Counted:collection():insertMany({ { id = 70, name = "other program" } })
        assert.equal(71, Counted:create({ name = "a" }).id)
    end)

    it("documents of mixed keys are all gone through", function()
        engine:tables(Free)
        for _, id in ipairs({ 1, 2.5, "a", "b", OID, doc.uuid(UUID), eloquent.datetime("2024-01-01T00:00:00Z") }) do
            Free:collection():insertOne({ _id = id, n = 1 })
        end
        local seen = 0
        for _ in Free:where("n", 1):each(1) do
            seen = seen + 1
        end
        assert.equal(7, seen)
    end)

    -- }}}
    -- {{{ nested documents

    local Order = engine.model "Order" {
        tableName = "doc_orders",
        connectionName = "mongo",
        schema = {
            name = column("string", 50),
            data = column("json"),
            at = column("timestamp"),
            price = column("decimal", nil, { precision = 34, scale = 2 }),
        },
    }

    local function sample()
        return doc({
            { "z", 1 }, { "a", { b = { c = "deep" }, list = { 1, { x = 1, y = 2 }, "t" } } }, { "when",
                eloquent.datetime("2024-02-29T12:00:00.123Z") }, { "id", OID }, { "exact", eloquent.decimal("1.50") },
            { "bytes", doc.binary("abc") }, { "uuid", doc.uuid(UUID) }, { "nothing", null },
            { "empty", eloquent.json.array({}) }, { "none", doc() }, { "float", 2.0 }, { "big", math.maxinteger },
        })
    end

    it("values inside documents come back as they were, keys in their order", function()
        engine:tables(Order)
        local data = Order:find(Order:create({ data = sample() })._id).data
        assert.same({ "z", "a", "when", "id", "exact", "bytes", "uuid", "nothing", "empty", "none", "float", "big" },
            doc.keys(data))
        assert.equal("deep", data.a.b.c)
        assert.equal(2, data.a.list[2].y)
        assert.equal(eloquent.datetime("2024-02-29T12:00:00.123Z"), data.when)
        assert.equal(OID, data.id)
        assert.equal("1.50", tostring(data.exact))
        assert.equal(doc.binary("abc"), data.bytes)
        assert.equal("uuid", data.uuid:type())
        assert.equal(null, data.nothing)
        assert.equal("list", doc.kind(data.empty))
        assert.equal("document", doc.kind(data.none))
        assert.equal("float", math.type(data.float))
        assert.equal(math.maxinteger, data.big)
    end)

    it("a save writes the paths that changed and no others", function()
        engine:tables(Order)
        local order = Order:create({ name = "a", data = sample() })
        order = Order:find(order._id)
        assert.equal(0, #statements(function()
            assert.equal("deep", order.data.a.b.c)
            order:save()
        end))
        order.data.a.b.c = "new"
        order.data.a.list[2].y = 3
        order.data.z = nil
        order.data.fresh = { 1, 2 }
        order.data.nothing = 0
        assert.is_true(order:isDirty("data"))
        assert.is_true(order:isDirty("data.a.b.c"))
        assert.is_false(order:isDirty("data.a.b.d"))
        assert.is_false(order:isDirty("data.when"))
        local seen = statements(function()
            order:save()
        end)
        assert.same({
            '{"update":"doc_orders","updates":[{"q":{"_id":?},"u":{"$set":{"data.a.b.c":?,"data.a.list":?,'
                .. '"data.nothing":?,"data.fresh":?},"$unset":{"data.z":1}}}]}',
        }, seen)
        assert.is_false(order:isDirty())
        local found = Order:find(order._id).data
        assert.same({ "new", 3, 0, 2 }, { found.a.b.c, found.a.list[2].y, found.nothing, found.fresh[2] })
        assert.is_nil(found.z)
        assert.equal("uuid", found.uuid:type())
    end)

    it("of two programs one may change the list while the other changes what is beside it", function()
        engine:tables(Order)
        local id = Order:create({ data = { l = { { x = 1 }, { x = 2 } }, n = 1 } })._id
        local one, two = Order:find(id), Order:find(id)
        table.remove(two.data.l, 1)
        two:save()
        one.data.n = 2
        one:save()
        local data = Order:find(id).data
        assert.same({ 1, 2, 2 }, { #data.l, data.l[1].x, data.n })
        one.data.l[2].x = 99 -- a list is one value: there is no other item now at its second place
        assert.is_true(one:isDirty("data.l.1.x"))
        assert.is_false(one:isDirty("data.l.0.x"))
        one:save()
        data = Order:find(id).data
        assert.same({ 2, 1, 99 }, { #data.l, data.l[1].x, data.l[2].x })
    end)

    it("a zero of another sign is another value", function()
        engine:tables(Order)
        local order = Order:create({ data = { x = 0.0, list = { 0.0 } } })
        order.data.x, order.data.list[1] = -0.0, -0.0
        assert.is_true(order:isDirty("data"))
        order:save()
        local data = order:fresh().data
        assert.equal(-math.huge, 1 / data.x)
        assert.equal(-math.huge, 1 / data.list[1])
    end)

    it("a save of nothing but columns keeps its plan", function()
        engine:tables(Order)
        local order = Order:create({ name = "a" })
        order.name = "b"
        assert.same({ '{"update":"doc_orders","updates":[{"q":{"_id":?},"u":{"$set":{"name":?}}}]}' },
            statements(function()
                order:save()
            end))
        Order:find(order._id):delete()
        order.name = "c"
        assert.equal("notFound", failure(order.save, order).kind)
    end)

    it("keys with dots, dollars and empty names are kept, and saved with what holds them", function()
        engine:tables(Order)
        local order = Order:create({ data = { ["a.b"] = 1, plain = { [""] = 1, x = 1 } } })
        order = Order:find(order._id)
        order.data["a.b"] = 2
        order.data.plain[""] = 2
        order:save()
        local found = Order:find(order._id).data
        assert.equal(2, found["a.b"])
        assert.equal(2, found.plain[""])
        assert.equal(1, found.plain.x)
    end)

    it("what no document can hold is an error with its path", function()
        engine:tables(Order)
        local loop = { inner = {} }
        loop.inner.loop = loop
        local deep = {}
        local at = deep
        for _ = 1, 120 do
            at.n = {}
            at = at.n
        end
        for what, value in pairs({
            ["contains itself"] = loop,
            ["list with a hole"] = { list = { 1, nil, 3 } },
            ["neither all strings"] = { x = { 1, a = 2 } },
            ["deeper than 100"] = deep,
            ["is a function"] = { f = print },
            ["zero byte"] = { ["a\0b"] = 1 },
        }) do
            local err = failure(Order.create, Order, { data = value })
            assert.equal("value", err.kind)
            assert.matches(what, err.message, 1, true)
            assert.matches("Order.data", err.message, 1, true)
        end
        assert.equal(0, Order:count())
        assert.matches("'list[2]'", failure(Order.create, Order, { data = { list = { 1, print } } }).message, 1, true)
    end)

    it("a document of 16 MB is refused, one below is kept", function()
        engine:tables(Order)
        local text = ("x"):rep(16 * 1024 * 1024 - 200)
        local id = Order:create({ data = { text = text } })._id
        assert.equal(text, Order:find(id).data.text)
        assert.equal("value", failure(Order.create, Order, { data = { text = text .. ("x"):rep(400) } }).kind)
        assert.equal(1, Order:count())
    end)

    it("moments have milliseconds, decimals 34 digits; what has more is refused", function()
        engine:tables(Order)
        local moment = eloquent.datetime("2024-02-29T12:00:00.123Z")
        local price = eloquent.decimal("12345678901234567890123456789012.34")
        local id = Order:create({ at = moment, price = price })._id
        assert.equal(moment, Order:find(id).at)
        assert.equal(tostring(price), tostring(Order:find(id).price))
        assert.equal(1, Order:where("at", moment):where("price", price):count())
        assert.equal("value", failure(Order.create, Order, { at = "2024-02-29T12:00:00.123456Z" }).kind)
    end)

    -- }}}
    -- {{{ free-form documents, queries into them

    it("a free-form document is a record", function()
        engine:tables(Free)
        local made = Free:create({ name = "Bern", address = { city = "Bern", zip = "3000" }, tags = { "a", "b" } })
        assert.is_true(objectid.is(made._id))
        local free = Free:find(made._id)
        assert.equal("3000", free.address.zip)
        assert.is_nil(free.unknown)
        free.address.zip = nil
        free.tags[3] = "c"
        free.population = 130000
        assert.same({
            '{"update":"doc_free","updates":[{"q":{"_id":?},"u":{"$set":{"tags":?,"population":?},'
                .. '"$unset":{"address.zip":1}}}]}',
        }, statements(function()
            free:save()
        end))
        local again = Free:find(made._id)
        assert.same({ "_id", "address", "name", "tags", "population" }, doc.keys(again:toTable()))
        assert.is_nil(again.address.zip)
        local seen = {}
        for name in pairs(again) do
            seen[#seen + 1] = name
        end
        assert.same({ "_id", "address", "name", "tags", "population" }, seen)
        again.document = "a field of that name"
        again:save()
        assert.equal("a field of that name", Free:find(made._id).document)
    end)

    it("conditions reach into documents and lists", function()
        engine:tables(Free)
        Free:insert({
            { name = "Bern", n = 1, address = { city = "Bern" }, tags = { "a", "b" } },
            { name = "Biel", n = 2, address = { city = "Biel" }, tags = { "b" } },
            { name = "Genf (GE)", n = null, address = { city = "Genf" } },
        })
        local function found(query)
            return table.concat(query:orderBy("name"):pluck("name"), " ")
        end
        assert.equal("Bern", found(Free:where("address.city", "Bern")))
        assert.equal("Bern Biel", found(Free:where("tags", "b")))
        assert.equal("Bern Biel", found(Free:whereIn("address.city", { "Bern", "Biel" })))
        assert.equal("Bern", found(Free:where("name", "like", "BER_")))
        assert.equal("Genf (GE)", found(Free:where("name", "like", "%(ge)")))
        assert.equal("Genf (GE)", found(Free:whereNull("n")))
        assert.equal("Biel", found(Free:where("n", "!=", 1)))
        assert.equal("Bern Biel", found(Free:whereBetween("n", { 1, 2 })))
        assert.equal("Biel Genf (GE)", found(Free:where("n", 2):orWhereNull("n")))
        assert.equal("Bern", found(Free:whereNot(function(q)
            q:where("n", 2):orWhere("address.city", "Genf")
        end)))
        assert.same({ "Bern", "Biel", "Genf" }, { table.unpack(Free:orderBy("name"):pluck("address.city")) })
        assert.equal(1, Free:where("name", "Bern"):update({ ["address.zip"] = "3000" }))
        assert.equal("3000", Free:where("name", "Bern"):value("address.zip"))
        assert.equal(1, Free:where("name", "Bern"):increment("stats.visits", 2))
        assert.equal(2, Free:where("name", "Bern"):value("stats.visits"))
        assert.equal(3, Free:sum("n"))
    end)

    it("values are never operators", function()
        engine:tables(Free)
        Free:insert({ { name = "a" }, { name = { ["$gt"] = "" } } })
        assert.equal("misuse", failure(Free.where, Free, "name", { ["$gt"] = "" }).kind)
        assert.equal(1, Free:whereIn("name", { "$gt", "a" }):count())
    end)

    it("aggregate gives the documents of a pipeline", function()
        engine:tables(Free)
        Free:insert({ { kind = "a", n = 1 }, { kind = "a", n = 2 }, { kind = "b", n = 5 } })
        local rows = Free:aggregate({
            { ["$group"] = { _id = "$kind", total = { ["$sum"] = "$n" } } }, { ["$sort"] = { _id = 1 } },
        })
        assert.equal('[{"_id":"a","total":3},{"_id":"b","total":5}]', rows:toJson())
    end)

    -- }}}
    -- {{{ many rows, cursors, native access

    it("many rows go the fast way, and a failing one is named", function()
        engine:tables(Coded)
        local rows = {}
        for i = 1, 3000 do
            rows[i] = { id = "k" .. i, name = "n" .. i }
        end
        assert.equal(3000, Coded:insert(rows))
        assert.equal("n3000", Coded:find("k3000").name)
        rows = { { id = "new", name = "x" } }
        for i = 1, 100 do
            rows[i + 1] = { id = "l" .. i, name = "y" }
        end
        rows[77].id = "k5"
        local err = failure(Coded.insert, Coded, rows)
        assert.equal("unique", err.kind)
        assert.matches("row 77", err.message, 1, true)
        assert.equal(3000, Coded:count())
    end)

    it("a cursor streams beside other statements and closes at a break", function()
        engine:tables(Free)
        local rows = {}
        for i = 1, 2000 do
            rows[i] = { i = i }
        end
        Free:insert(rows)
        local sum = 0
        for row in Free:orderBy("i"):cursor() do
            sum = sum + row.i
            if row.i % 500 == 0 then
                assert.equal(2000, Free:count())
            end
        end
        assert.equal(2001000, sum)
        for row in Free:cursor() do
            if row.i then
                break
            end
        end
        assert.equal(2000, Free:count())
    end)

    it("native collections take tables", function()
        local places = db:collection("doc_native")
        places:drop()
        local ids = places:insertMany({ { name = "a", n = 1 }, { name = "b", n = 2, tags = { "x" } } })
        assert.is_true(objectid.is(ids[1]))
        assert.equal("b", places:findOne({ n = { ["$gt"] = 1 } }).name)
        assert.equal("b", places:find({}, { sort = { { "n", -1 } }, limit = 1 })[1].name)
        assert.equal(1, places:updateOne({ name = "b" }, { ["$push"] = { tags = "y" } }))
        assert.same({ "x", "y" }, { table.unpack(places:findOne({ name = "b" }).tags) })
        assert.equal(5, places:findOneAndUpdate({ name = "a" }, { ["$set"] = { n = 5 } }, { returnNew = true }).n)
        assert.is_nil(places:findOneAndUpdate({ name = "zz" }, { ["$set"] = { n = 5 } }))
        assert.equal(1, places:replaceOne({ name = "c" }, { name = "c" }, { upsert = true }))
        assert.equal(3, places:count())
        assert.equal("name_1", places:createIndex({ name = 1 }, { unique = true }))
        local err = failure(places.insertOne, places, { name = "a" })
        assert.same({ "unique", "name_1" }, { err.kind, err.constraint })
        places:dropIndex("name_1")
        assert.equal(1, places:deleteOne({ name = "a" }))
        assert.equal(2, places:deleteMany({}))
        assert.is_true(places:drop())
        assert.is_false(places:drop())
        assert.equal(1.0, db:command({ ping = 1 }).ok)
        assert.equal("misuse", failure(db.command, db, { find = "x", filter = {} }).kind)
        assert.equal("unsupported", failure(eloquent.connection("sqlite").collection, eloquent.connection("sqlite"),
            "x").kind)
    end)

    -- }}}
    -- {{{ what is refused

    it("what MongoDB does not have is an error that says what to do", function()
        engine:tables(Counted)
        local refused = {
            joins = function()
                Counted:join("x", "x.id", "doc_counted.id"):get()
            end,
            ["row locks"] = function()
                Counted:lockForUpdate():get()
            end,
            SQL = function()
                Counted:whereRaw("1 = 1"):get()
            end,
            subqueries = function()
                Counted:whereIn("id", Counted:select("id")):get()
            end,
            union = function()
                Counted:union(Counted:query()):get()
            end,
            ["takes no SQL"] = function()
                db:select("select 1")
            end,
            savepoints = function()
                db:transaction(function()
                    db:transaction(function() end)
                end)
            end,
            ["with a limit"] = function()
                Counted:limit(1):delete()
            end,
            ["part of one"] = function()
                db:transaction(function()
                    Counted:insertOrIgnore({ { name = "a" } })
                end)
            end,
        }
        for what, fn in pairs(refused) do
            local err = failure(fn)
            assert.equal("unsupported", err.kind, what)
            assert.matches(what, err.message, 1, true)
        end
    end)

    it("models live on connections of their kind", function()
        assert.equal("misuse", failure(eloquent.MongoModel "Wrong", { connectionName = "pg", schema = {} }).kind)
        assert.equal("misuse", failure(eloquent.SqlModel "Wrong", {
            connectionName = "mongo", schema = { id = column("increments") },
        }).kind)
        assert.equal("misuse", failure(eloquent.SqlModel "Wrong", { schema = { id = column("objectId") } }).kind)
        assert.equal("misuse", failure(Counted.where, Counted, "nme", 1).kind)
        assert.equal("misuse", failure(Counted.create, Counted, { nme = 1 }).kind)
    end)

    -- }}}
end)
