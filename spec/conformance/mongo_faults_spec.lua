-- SPDX-License-Identifier: MIT
--
-- What MongoDB can't keep, by each way that values go there; documents as large and as
-- deep as they may be; keys that are there already; transactions that the server gives
-- up. Servers that stop are mongo_stops_spec.lua.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local column, doc, objectid = eloquent.column, eloquent.doc, eloquent.objectid
local failure = engines.failure

engines.only("mongo faults", "mongo", function(engine)
    local it = engine.it
    local db = engine:db()
    local native = db:collection("fault_native")

    local Order = engine.model "Order" {
        tableName = "fault_orders",
        connectionName = "mongo",
        schema = { name = column("string", 50), data = column("json"), n = column("integer") },
    }
    local Free = engine.model "Free" { tableName = "fault_free", connectionName = "mongo", schema = "open" }

    local function clean()
        engine:tables(Order, Free)
        native:drop()
    end

    -- {{{ values

    local function nested(levels, list)
        local value = list and { 1 } or { leaf = 1 }
        for _ = 2, levels do
            value = list and { value } or { n = value }
        end
        return value
    end

    local loop = { inner = {} }
    loop.inner.loop = loop

    -- { what, value, reason, path inside the value }
    local refused = {
        { "a table that contains itself", loop, "contains itself", "inner.loop" },
        { "a list with a hole", { list = { 1, nil, 3 } }, "list with a hole", "list" },
        { "a sparse list", { list = { [1] = 1, [1000] = 2 } }, "list with a hole", "list" },
        { "a list with names", { x = { 1, a = 2 } }, "neither all strings nor 1 to n", "x" },
        { "a key that is true", { x = { [true] = 1 } }, "neither all strings", "x" },
        { "a key with a fraction", { x = { [1.5] = 1 } }, "neither all strings", "x" },
        { "a key with a zero byte", { x = { ["a\0b"] = 1 } }, "zero byte", "x" },
        { "a key that is no UTF-8", { x = { ["a\xff"] = 1 } }, "no UTF-8", "x" },
        { "a function", { f = print }, "is a function", "f" },
        { "a thread", { t = coroutine.create(print) }, "is a thread", "t" },
        { "a file", { f = io.stdout }, "is a userdata", "f" },
        { "documents 101 deep", nested(101), "deeper than 100 levels", "n.n.n" },
        { "lists 101 deep", { nested(100, true) }, "deeper than 100 levels", nil },
        { "a decimal of 37 digits", { d = eloquent.decimal(("7"):rep(37)) }, "34 digits", "d" },
        { "a moment with microseconds", { d = eloquent.datetime("2024-02-29T12:00:00.123456Z") }, "microseconds", "d" },
    }

    local function free_top(value) -- lists are no documents
        return Free:create(value[1] and { list = value } or value)
    end

    -- { what, function, what the message begins with }
    local ways = {
        { "create", function(value) Order:create({ data = value }) end, "Order.data", "fault_orders.data" },
        { "save", function(value)
            local order = Order:new({ name = "a" })
            order.data = value
            order:save()
        end, "Order.data", "fault_orders.data" },
        { "insert", function(value) Order:insert({ { name = "a" }, { name = "b", data = value } }) end, "Order.data",
            "fault_orders.data" },
        { "createMany", function(value) Order:createMany({ { name = "a" }, { data = value } }) end, "Order.data",
            "fault_orders.data" },
        { "open, a field", function(value) Free:create({ data = value }) end, "Free", "fault_free.data" },
        { "open, all of it", free_top, "Free", "fault_free." },
        { "open, insert", function(value) Free:insert({ { a = 1 }, { data = value } }) end, "Free", "fault_free.data" },
        { "insertOne", function(value) native:insertOne({ data = value }) end, "fault_native", "fault_native" },
        { "insertMany", function(value) native:insertMany({ { a = 1 }, { data = value } }) end, "fault_native",
            "fault_native" },
        { "a command", function(value)
            db:command(doc({ { "insert", "fault_native" }, { "documents", { { data = value } } } }))
        end, "fault_native", "fault_native" },
    }

    for _, case in ipairs(refused) do
        it("refused by each way, with model, path and reason: " .. case[1], function()
            clean()
            local what, value, reason, path = table.unpack(case, 1, 4)
            for _, way in ipairs(ways) do
                local err = failure(way[2], value)
                local where = ("%s, %s: %s"):format(what, way[1], err.message)
                assert(err.kind == "value", where)
                assert(err.message:find(reason, 1, true), where)
                assert(err.message:find(way[3], 1, true) == 1 or err.message:find(way[4], 1, true) == 1
                    or err.message:find("row 2: " .. way[3], 1, true) == 1
                    or err.message:find("row 2: " .. way[4], 1, true) == 1, where)
                assert(not path or err.message:find(path, 1, true), where)
            end
            assert.same({ 0, 0, 0 }, { Order:count(), Free:count(), native:count() })
        end)
    end

    local NO_TEXT <const>, NO_NUMBER <const> = "no valid UTF-8", "not a number"

    it("text that is no UTF-8 is refused by models, with its path", function()
        clean()
        for i, value in ipairs({ "\255", { b = "a\255" }, { list = { 1, { b = "\xc3" } } } }) do
            local path = ({ "", "b", "list[2].b" })[i]
            for _, way in ipairs(ways) do
                if way[3] ~= "fault_native" and not (way[1] == "open, all of it" and i == 1) then
                    local err = failure(way[2], value)
                    local where = ("%d, %s: %s"):format(i, way[1], err.message)
                    assert(err.kind == "value" and err.message:find(NO_TEXT, 1, true), where)
                    assert(path == "" or err.message:find(path, 1, true), where)
                    assert(err.message:find("^" .. way[3]) or err.message:find("^row 2: " .. way[3]), where)
                end
            end
        end
        assert.same({ 0, 0 }, { Order:count(), Free:count() })
        local id = native:insertOne({ b = "\255", list = { "\255" } }) -- as it is: bytes
        local found = native:findOne({ _id = id })
        assert.same({ doc.binary("\255"), doc.binary("\255") }, { found.b, found.list[1] })
        assert.equal(doc.binary("\255"), Order:create({ data = { b = doc.binary("\255") } }):fresh().data.b)
    end)

    it("NaN is refused by columns of JSON, and kept by documents of any fields", function()
        clean()
        local nan <const> = 0 / 0
        for _, value in ipairs({ nan, { b = nan }, { list = { 1, nan } } }) do
            for i = 1, 4 do
                local err = failure(ways[i][2], value)
                assert.equal("value", err.kind)
                assert.matches(NO_NUMBER, err.message, 1, true)
                assert.matches("Order.data", err.message, 1, true)
            end
        end
        assert.equal(0, Order:count())
        local note = Free:create({ n = nan, list = { nan } }):fresh()
        assert.is_true(note.n ~= note.n and note.list[1] ~= note.list[1])
        native:insertOne({ n = nan })
        assert.is_true(native:findOne().n ~= native:findOne().n)
        assert.equal(math.huge, Order:create({ data = { math.huge } }):fresh().data[1])
    end)

    it("what a save or an update changes inside a document is looked at in the same way", function()
        clean()
        local order = Order:create({ name = "kept", data = { a = { b = 1 }, x = 1 } })
        local note = Free:create({ name = "kept", data = { a = { b = 1 }, x = 1 } })
        for _, case in ipairs({
            { "\255", NO_TEXT }, { { c = { "\255" } }, NO_TEXT },
            { 0 / 0, NO_NUMBER }, { { c = { 0 / 0 } }, NO_NUMBER },
            { print, "function" }, { { c = { print } }, "function" },
        }) do
            local value, reason = case[1], case[2]
            local path = type(value) == "table" and "a.b.c[1]" or "a.b"
            for record, label in pairs({ [order] = "Order.data", [note] = "Free" }) do
                if label == "Order.data" or reason ~= NO_NUMBER then
                    record.data.a.b = value
                    local err = failure(record.save, record)
                    assert.equal("value", err.kind)
                    assert.equal(1, err.message:find(label .. ": ", 1, true), err.message)
                    assert.matches(reason, err.message, 1, true)
                    assert.matches("'" .. (label == "Free" and "data." or "") .. path .. "'", err.message, 1, true)
                    record:refresh()
                    local model = label == "Free" and Free or Order
                    err = failure(function()
                        model:where("name", "kept"):update({ ["data.a.b"] = value })
                    end)
                    assert.equal("value", err.kind)
                    assert.equal(1, err.message:find(label, 1, true), err.message)
                    assert.matches(reason, err.message, 1, true)
                    assert.equal(1, model:first().data.a.b)
                end
            end
        end
    end)

    it("a key that no document can have is refused by a save as by create", function()
        clean()
        local order = Order:create({ data = { x = { y = 1 } } })
        local note = Free:create({ x = { y = 1 } })
        for _, key in ipairs({ "a\0b", "\0", "a\xffb" }) do
            for _, path in ipairs({ "", "x" }) do
                for record, label in pairs({ [order] = "Order.data", [note] = "Free" }) do
                    local whole = label == "Free" and record or record.data
                    local at = path == "x" and whole.x or whole
                    at[key] = 1
                    local err = failure(record.save, record)
                    assert.equal("value", err.kind)
                    assert.matches(("%s: a document can't hold the value%s: it has a key that is no UTF-8 text"):format(
                        label, path == "x" and " at 'x'" or ""), err.message, 1, true)
                    record:refresh()
                    assert.equal(1, label == "Free" and Free:first().x.y or Order:first().data.x.y)
                end
            end
            for _, call in ipairs({
                function() Order:where("data." .. key, 1):get() end,
                function() Order:where("data.x.y", 1):update({ ["data." .. key] = 1 }) end,
                function() db:command({ [key] = 1 }) end,
                function() db:collection(key):count() end,
            }) do
                assert.equal("misuse", failure(call).kind)
            end
        end
    end)

    it("refused in conditions and updates, too, and nothing is changed", function()
        clean()
        Order:create({ name = "kept", data = { x = 1 } })
        native:insertOne({ x = 1 })
        for _, case in ipairs(refused) do
            local what, value, reason = case[1], case[2], case[3]
            local calls = {
                function() Order:where("data", value):get() end,
                function() Order:where("name", "kept"):update({ data = value }) end,
                function() native:find({ x = value }) end,
                function() native:updateMany({}, { ["$set"] = { x = value } }) end,
                function() native:replaceOne({}, { x = value }) end,
                function() native:aggregate({ { ["$match"] = { x = value } } }) end,
                function() native:cursor({ x = value }) end,
            }
            for i, call in ipairs(calls) do
                if not what:find("deep", 1, true) then -- that much deeper than these are commands
                    local err = failure(call)
                    assert(err.kind == "value" and err.message:find(reason, 1, true), ("%s, %d: %s"):format(what, i,
                        err.message))
                end
            end
        end
        assert.same({ x = 1 }, { x = Order:first().data.x })
        assert.equal(1, native:findOne().x)
        for _, value in ipairs({ nested(104), nested(104, true) }) do
            assert.matches("deeper than 100", failure(native.updateMany, native, {}, { ["$set"] = { x = value } })
                .message, 1, true)
        end
    end)

    it("a record whose save was refused is as it was, and is saved when it is right", function()
        clean()
        local order = Order:create({ name = "a", data = { x = 1, y = 1 } })
        order.name = "b"
        order.data.x = print
        order.data.y = 2
        assert.equal("value", failure(order.save, order).kind)
        assert.is_true(order:exists())
        assert.same({ "a", true, true, true }, {
            order:getOriginal("name"), order:isDirty("name"), order:isDirty("data.x"), order:isDirty("data.y"),
        })
        assert.equal("a", Order:first().name)
        order.data.x = 3
        order:save()
        assert.same({ "b", 3, 2 }, { Order:first().name, Order:first().data.x, Order:first().data.y })
        local note = Free:create({ title = "a" })
        note.body = { f = print }
        assert.equal("value", failure(note.save, note).kind)
        note.body = { f = 1 }
        note:save()
        assert.equal(1, Free:first().body.f)
    end)

    it("values of columns name model, column and type", function()
        clean()
        for message, value in pairs({
            ["Order.data expects a table or a value, got a function"] = { data = print },
            ["Order.data expects a table or a value, got a thread"] = { data = coroutine.create(print) },
            ["Order.name expects a string, got a table"] = { name = {} },
            ["Order.n: the float is out of the column's range"] = { n = 2 ^ 40 },
            ["Order.n: a float with a fraction, or beyond 64 bits, is no integer"] = { n = 2 ^ 70 },
        }) do
            local err = failure(Order.create, Order, value)
            assert.equal("value", err.kind)
            assert.matches(message, err.message, 1, true)
        end
        assert.equal(0, Order:count())
        local big = Free:create({ n = math.maxinteger, m = math.mininteger, f = 2 ^ 70 })
        big = Free:find(big._id)
        assert.same({ math.maxinteger, math.mininteger, 2 ^ 70 }, { big.n, big.m, big.f })
    end)

    it("what is no document is not inserted as one", function()
        clean()
        for _, value in ipairs({ { 1, 2 }, { 1, a = 2 }, { [true] = 1 }, { [1.5] = 1 } }) do
            assert.equal("value", failure(Free.create, Free, value).kind)
            assert.equal("value", failure(native.insertOne, native, value).kind)
            local err = failure(native.insertMany, native, { { a = 1 }, value })
            assert.same({ "value", 2, "fault_native" }, { err.kind, err.row, err.table })
        end
        assert.equal("value", failure(native.insertMany, native, { { a = 1 }, 7 }).kind)
        local note = Free:create({ a = 1 })
        assert.equal("value", failure(note.fill, note, { 1 }).kind)
        assert.same({ 1, 0 }, { Free:count(), native:count() })
        native:insertOne({})
        assert.equal(1, native:count())
    end)

    -- }}}
    -- {{{ keys

    it("keys with dots, dollars and empty names are kept where a document can have them", function()
        clean()
        for _, name in ipairs({ "a.b", "$set", "$where", "", ".", "$", "a.$.b" }) do
            local id = Order:create({ data = { [name] = 1, plain = 1 } })._id
            local order = Order:find(id)
            order.data[name] = 2
            order.data.plain = 2
            order:save()
            assert.same({ 2, 2 }, { Order:find(id).data[name], Order:find(id).data.plain })
            order.data[name] = nil
            order:save()
            assert.is_nil(Order:find(id).data[name])
            assert.equal(2, Order:find(id).data.plain)
            native:insertOne({ data = { [name] = 1 } })
            assert.equal(1, native:findOne({ data = { ["$eq"] = { [name] = 1 } } }).data[name])
        end
        for _, name in ipairs({ "a.b", "" }) do -- of the document itself, from another program
            Free:collection():insertOne({ _id = "of " .. name, [name] = { n = 1 }, b = 1 })
            local note = Free:find("of " .. name)
            note[name].n = 2
            note:save()
            note = Free:find(note._id)
            assert.same({ 2, 1 }, { note[name].n, note.b })
            note.b = 3
            note:save()
            assert.same({ 2, 3 }, { Free:find(note._id)[name].n, Free:find(note._id).b })
        end
        local note = Free:create({ [""] = 1, b = 1 })
        note[""] = 2
        note:save()
        assert.equal(2, Free:find(note._id)[""])
        note[""] = nil
        note:save()
        assert.is_nil(Free:find(note._id)[""])
    end)

    it("a field named by a dollar is never run as an operator", function()
        clean()
        assert.equal("misuse", failure(Free.create, Free, { ["$set"] = { a = 1 }, b = 1 }).kind)
        local note = Free:create({ b = 1 })
        assert.equal("misuse", failure(function() note["$set"] = { b = 5 } end).kind)
        assert.equal("misuse", failure(note.fill, note, { ["$set"] = { b = 5 } }).kind)
        assert.same({ 1, nil }, { Free:first().b, Free:first().a })
    end)

    -- }}}
    -- {{{ large and deep documents

    local MOST <const> = 16 * 1024 * 1024

    it("a document of 16 MB exactly is kept, one byte more is refused, by each way", function()
        clean()
        local id = objectid("64b7f0c2a9d3e45f67890123")
        local largest = ("x"):rep(MOST - 30) -- { _id = id, t = text } has 30 bytes around the text
        local function too_large(fn, ...)
            local err = failure(fn, ...)
            assert.equal("value", err.kind)
            assert.matches("16777217 bytes", err.message, 1, true)
            assert.matches("fault_", err.message, 1, true)
        end
        local data = ("x"):rep(MOST - 44) -- { _id = id, data = { text = text } }
        for _, more in ipairs({ "", "x" }) do
            local check = more == "" and function(fn, ...) fn(...) end or too_large
            check(native.insertOne, native, { _id = id, t = largest .. more })
            check(Free.create, Free, { _id = id, t = largest .. more })
            check(Order.create, Order, { _id = id, data = { text = data .. more } })
            if more == "" then
                assert.equal(#largest, #native:findOne({ _id = id }).t)
                assert.equal(#data, #Order:find(id).data.text)
                local note = Free:find(id)
                note[""] = 1 -- all of it is written
                note.t = ("y"):rep(#largest - 6)
                note:save()
                assert.equal("y", Free:find(id).t:sub(1, 1))
                clean()
            end
            check(Order.insert, Order, { { _id = #more, name = "a" }, { _id = id, data = { text = data .. more } } })
        end
        assert.same({ 2, 0, 0 }, { Order:count(), Free:count(), native:count() })
        clean()
    end)

    it("documents of more than 16 MB together go in parts, those before a wrong one are kept", function()
        clean()
        local part = ("x"):rep(MOST // 3)
        local list = {}
        for i = 1, 5 do
            list[i] = { _id = i, t = part }
        end
        assert.same({ 1, 2, 3, 4, 5 }, native:insertMany(list))
        assert.equal(5, native:count())
        native:drop()
        list[4].t = ("x"):rep(MOST)
        assert.equal("value", failure(native.insertMany, native, list).kind)
        assert.equal(3, native:count())
        native:drop()
    end)

    it("documents of 100 levels are kept, one level more is refused", function()
        clean()
        assert.equal("table", type(Free:find(Free:create(nested(100))._id).n.n.n.n.n.n.n.n))
        native:insertOne(nested(100))
        Order:create({ data = nested(99) })
        Order:insert({ { name = "a" }, { data = nested(99, true) } })
        for _, call in ipairs({
            function() Free:create(nested(101)) end,
            function() native:insertOne(nested(101)) end,
            function() Order:create({ data = nested(100) }) end,
            function() Order:insert({ { name = "a" }, { data = nested(100, true) } }) end,
        }) do
            assert.matches("deeper than 100 levels", failure(call).message, 1, true)
        end
        assert.same({ 3, 1, 1 }, { Order:count(), Free:count(), native:count() })
    end)

    -- }}}
    -- {{{ keys that are there already

    it("a key that is there already names index and column, by each way", function()
        clean()
        Order:collection():createIndex({ name = 1 }, { unique = true })
        Order:insert({ { _id = 1, name = "a" }, { _id = 2, name = "b" } })
        local b = Order:find(2)
        b.name = "a"
        local calls = {
            create = function() Order:create({ name = "a" }) end,
            save = function() b:save() end,
            insert = function() Order:insert({ { name = "c" }, { name = "d" }, { name = "a" } }) end,
            update = function() Order:where("_id", 2):update({ name = "a" }) end,
            updateById = function() Order:updateById(2, { name = "a" }) end,
            upsert = function() Order:upsert({ { _id = 2, name = "a" } }, "_id") end,
            insertOne = function() Order:collection():insertOne({ name = "a" }) end,
            insertMany = function() Order:collection():insertMany({ { name = "a" } }) end,
            updateMany = function() Order:collection():updateMany({ _id = 2 }, { ["$set"] = { name = "a" } }) end,
            replaceOne = function() Order:collection():replaceOne({ _id = 2 }, { name = "a" }) end,
            upsertOne = function()
                Order:collection():updateOne({ _id = 9 }, { ["$set"] = { name = "a" } }, { upsert = true })
            end,
            findOneAndUpdate = function()
                Order:collection():findOneAndUpdate({ _id = 2 }, { ["$set"] = { name = "a" } })
            end,
        }
        for what, call in pairs(calls) do
            local err = failure(call)
            assert.same({ what, "unique", "fault_orders", "name_1", "name" },
                { what, err.kind, err.table, err.constraint, err.column })
            assert.not_matches("\"a\"", err.message, 1, true)
        end
        assert.same({ "a", "b" }, Order:orderBy("name"):pluck("name"):toTable())
        assert.is_true(b:isDirty("name"))
        assert.equal("b", b:getOriginal("name"))
        b.name = "c"
        b:save()
        local err = failure(native.insertMany, native, { { _id = 1 }, { _id = 2 }, { _id = 1 }, { _id = 3 } })
        assert.same({ "unique", 3 }, { err.kind, err.row })
        assert.equal(2, native:count())
        local two = { { _id = 5 }, { _id = 1 } }
        err = failure(db.command, db, doc({ { "insert", "fault_native" }, { "documents", two } }))
        assert.same({ "unique", 2 }, { err.kind, err.number })
        assert.matches("number 2 of its command", err.message, 1, true)
        assert.equal(3, native:count())
        err = failure(Order.insert, Order, { { _id = 10, name = "x" }, { _id = 11, name = "y" },
            { _id = 10, name = "z" } })
        assert.same({ "unique", "_id_" }, { err.kind, err.constraint })
        assert.equal(2, Order:count())
    end)

    -- }}}
    -- {{{ transactions that the server gives up

    local function fail_point(command, times, data)
        local admin = engine:connect("mongo_admin", { db = "admin" })
        data.failCommands = { command }
        admin:command(doc({ { "configureFailPoint", "failCommand" }, { "mode", { times = times } }, { "data", data } }))
        admin:close()
    end

    local passing <const> = { "TransientTransactionError" }

    it("one that is given up runs again with attempts, and is done once", function()
        clean()
        for _, command in ipairs({ "insert", "commitTransaction" }) do
            local runs = 0
            fail_point(command, 2, { errorCode = 251, errorLabels = passing })
            local order = db:transaction(function()
                runs = runs + 1
                return Order:create({ name = command })
            end, { attempts = 5 })
            assert.same({ 3, 1, true }, { runs, Order:where("name", command):count(), order:exists() })
        end
        fail_point("insert", 1, { errorCode = 251, errorLabels = passing })
        assert.equal("conflict", failure(db.transaction, db, function()
            Order:create({ name = "once" })
        end).kind)
        assert.equal(2, Order:count())
    end)

    it("a commit whose result nobody knows is lost, never run again by itself", function()
        local unknown = db:collection("fault_unknown_" .. os.time()) -- the server may keep its locks for minutes
        local runs = 0
        fail_point("commitTransaction", 2, { closeConnection = true })
        local err = failure(db.transaction, db, function()
            runs = runs + 1
            unknown:insertOne({ name = "a" })
        end, { attempts = 5 })
        fail_point("commitTransaction", 0, { closeConnection = true })
        assert.same({ 1, "lost", "08007" }, { runs, err.kind, err.sqlstate })
        assert.matches("may have been committed", err.message, 1, true)
        assert.equal(1.0, db:command({ ping = 1 }).ok) -- the connection is there again
    end)

    it("a write that is done and not confirmed says so", function()
        clean()
        fail_point("insert", 1, { writeConcernError = { code = 64, errmsg = "waiting for replication timed out" } })
        local err = failure(Order.create, Order, { name = "a" })
        assert.same({ "lost", "08007", 64 }, { err.kind, err.sqlstate, err.code })
        assert.matches("has written it", err.message, 1, true)
        assert.equal(1, Order:count())
    end)

    -- }}}
end)
