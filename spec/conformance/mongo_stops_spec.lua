-- SPDX-License-Identifier: MIT
--
-- A MongoDB server of this spec's own that is killed or frozen in the middle of the work:
-- idle, in many rows, in a cursor, in a transaction and at its commit. What was
-- acknowledged is there afterwards, and the same connection works on.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")
local env = require("eloquent.core.env")
local helper = require("spec.helper")
local new_server = require("spec.mongo_server").start
local objectid = require("eloquent.core.objectid")
local registry = require("eloquent.model.registry")

local column = eloquent.column
local failure = engines.failure

describe("a MongoDB server that stops", function()
    local server, db, Place, Row
    local resolve = env.connection

    setup(function()
        server = new_server()
        function env.connection(name)
            if name ~= "stopping" then
                return resolve(name)
            end
            return {
                name = name, driver = "mongo", kind = "mongo", target = server.uri, sources = {},
                options = { uri = server.uri .. "/?connectTimeoutMS=700&serverSelectionTimeoutMS=700", db = "stops" },
            }
        end
        registry.forget()
        db = eloquent.connection("stopping")
        Place = eloquent.MongoModel "StopPlace" {
            tableName = "places",
            connectionName = "stopping",
            schema = {
                id = column("increments", nil, { primary = true }),
                name = column("string", 50),
                data = column("json"),
            },
        }
        Row = eloquent.MongoModel "StopRow" {
            tableName = "rows",
            connectionName = "stopping",
            schema = { n = column("integer"), text = column("text") },
        }
        Place:create({ name = "first" })
        Row:create({ n = 0 })
    end)

    teardown(function()
        env.connection = resolve
        db:close()
        server:finish()
    end)

    -- An error of a server that is gone, in time.
    local function gone(fn, ...)
        local begun = eloquent.clock()
        local err = failure(fn, ...)
        assert(err.kind == "lost" or err.kind == "connect", err.kind .. ": " .. err.message)
        assert.equal("stopping", err.connection)
        assert.is_true(eloquent.clock() - begun < 3)
        return err
    end

    it("while nothing runs: an error, the record is as it was, and is saved when it is back", function()
        local place = Place:create({ name = "a", data = { x = 1 } })
        server:kill()
        place.name = "b"
        place.data.x = 2
        local new = Place:new({ name = "new" })
        for _ = 1, 2 do
            gone(place.save, place)
            gone(new.save, new)
            gone(Place.find, Place, 1)
            gone(Place.count, Place)
            gone(db.transaction, db, function() end)
        end
        local err = gone(Place.find, Place, 1)
        assert.equal("connect", err.kind)
        assert.matches("is it running there", err.message, 1, true)
        assert.is_true(place:exists())
        assert.is_false(new:exists())
        assert.same({ "a", true, true }, { place:getOriginal("name"), place:isDirty("name"), place:isDirty("data.x") })
        server:again()
        place:save()
        new:save()
        assert.same({ "first", "b", "new" }, Place:orderBy("id"):pluck("name"):toTable())
        assert.equal(2, Place:find(place.id).data.x)
    end)

    it("in the middle of many rows: an error, none of them is there, and the same rows go afterwards", function()
        local rows = {}
        for i = 1, 3000 do
            rows[i] = { n = i, text = ("x"):rep(1000) }
        end
        local new = objectid.new
        for _, at in ipairs({ 1, 3000 }) do
            local made = 0
            objectid.new = function()
                made = made + 1
                if made == at then
                    server:kill()
                end
                return new()
            end
            local ok, err = pcall(Row.insert, Row, rows)
            objectid.new = new
            assert(not ok and (err.kind == "lost" or err.kind == "connect"), tostring(err))
            assert.is_true(made >= at)
            server:again()
            assert.equal(1, Row:count())
            assert.equal("none", db:core():txstate())
        end
        assert.equal(3000, Row:insert(rows))
        assert.equal(3001, Row:count())
    end)

    it("between the parts of a cursor: the rows before are good, then an error, then nothing", function()
        for way, make in pairs({
            cursor = function() return Row:orderBy("n"):cursor() end,
            each = function() return Row:query():each(200) end,
            native = function() return db:collection("rows"):cursor({}, { sort = { n = 1 } }) end,
        }) do
            local next_row, seen = make(), 0
            local ok, err = pcall(function()
                for row in next_row do
                    assert.equal(way == "each" and row.n or seen, row.n)
                    seen = seen + 1
                    if seen == 50 then
                        server:kill()
                    end
                end
            end)
            assert(not ok and (err.kind == "lost" or err.kind == "connect"), way .. ": " .. tostring(err))
            assert.is_true(seen >= 50 and seen < 3001)
            server:again()
            local again, row = pcall(next_row)
            assert(not again or row == nil or way == "each", way) -- which asks anew for each part
            assert.equal(3001, Row:count())
        end
    end)

    it("inside a transaction: nothing of it is there, its records are new again", function()
        local before, first, second = Place:count(), nil, nil
        local err = gone(db.transaction, db, function()
            first = Place:create({ name = "in it" })
            server:kill()
            local inner = failure(Place.create, Place, { name = "after" })
            assert(inner.kind == "lost" or inner.kind == "connect", inner.kind)
            second = Place:new({ name = "later" })
            inner = failure(second.save, second)
            assert(inner.kind == "lost" or inner.kind == "connect", inner.kind)
            error(inner, 0)
        end)
        assert.is_true(err.kind == "lost" or err.kind == "connect")
        assert.is_false(first:exists())
        assert.is_false(second:exists())
        server:again()
        assert.equal(before, Place:count())
        db:transaction(function()
            first:save()
            second:save()
        end)
        assert.equal(before + 2, Place:count())
    end)

    it("at a commit: nobody knows, and the error says so", function()
        local before, place = Place:count(), nil
        local err = gone(db.transaction, db, function()
            place = Place:create({ name = "perhaps" })
            server:freeze()
            server:kill(0.3)
        end, { attempts = 3 })
        assert.same({ "lost", "08007" }, { err.kind, err.sqlstate })
        assert.matches("may have been committed", err.message, 1, true)
        assert.is_false(place:exists())
        server:again()
        local now = Place:count()
        assert.is_true(now == before or now == before + 1)
        assert.equal(now - before, Place:where("name", "perhaps"):count())
    end)

    it("slow to answer: waited for, unless socketTimeoutMS says how long; a new connection is not", function()
        server:freeze()
        server:thaw(0.5)
        assert.equal("first", Place:find(1).name)
        server:freeze()
        local begun = eloquent.clock()
        db:close()
        assert.equal("connect", gone(Place.find, Place, 1).kind)
        assert.is_true(eloquent.clock() - begun < 2)
        server:thaw()
        assert.equal("first", Place:find(1).name)
        local short = require("eloquent.connection").new({
            name = "stopping", driver = "mongo", kind = "mongo", target = server.uri, sources = {},
            options = { uri = server.uri .. "/?socketTimeoutMS=300", db = "stops" },
        })
        short:ping()
        server:freeze()
        begun = eloquent.clock()
        assert.equal("lost", gone(short.command, short, { ping = 1 }).kind)
        assert.is_true(eloquent.clock() - begun < 1)
        server:thaw()
        short:ping()
        short:close()
    end)

    it("after a pause, when the client library looks for the server anew: an error in time", function()
        db:close()
        local idle = require("eloquent.connection").new({
            name = "stopping", driver = "mongo", kind = "mongo", target = server.uri, sources = {},
            options = { uri = server.uri .. "/?heartbeatFrequencyMS=500", db = "stops" },
        })
        idle:ping()
        server:kill()
        assert(os.execute("sleep 0.7"))
        gone(idle.command, idle, { ping = 1 })
        server:again()
        idle:ping()
        server:kill()
        assert(os.execute("sleep 0.7"))
        idle:close()
        server:again()
    end)

    it("frozen under a script that is interrupted: it ends with 130, in seconds", function()
        local r, took = helper.interrupt(([[
            local eloquent = require("eloquent")
            local db = eloquent.connection()
            db:ping()
            os.execute("kill -STOP %s")
            print("ready")
            io.stdout:flush()
            db:collection("rows"):find({})
        ]]):format(server.pid), {
            env = { DB_CONNECTION = "mongo", MONGO_URI = server.uri .. "/?connectTimeoutMS=700", MONGO_DB = "stops" },
            pause = 0.3,
        })
        server:thaw()
        assert.equal(130, r.status, r.stdout .. r.stderr)
        assert.matches("interrupted at script.lua:7", r.stderr, 1, true)
        assert.is_true(took < 5000)
        assert.equal(3001, Row:count())
    end)
end)
