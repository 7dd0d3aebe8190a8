-- SPDX-License-Identifier: MIT
--
-- What SQL has and MongoDB doesn't: every verb that can't be kept there is an error of
-- kind `unsupported` that says what to do instead, and nothing is sent.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local column, raw = eloquent.column, eloquent.raw
local failure = engines.failure

engines.only("unsupported", "mongo", function(engine)
    local db = engine:db()
    local Place = engine.model "Place" {
        tableName = "unsupported_places",
        connectionName = "mongo",
        schema = {
            id = column("increments", nil, { primary = true }),
            name = column("string", 50, { unique = true }),
            n = column("integer"),
        },
    }

    before_each(function()
        engine:tables(Place)
        Place:insert({ { name = "a", n = 1 }, { name = "b", n = 2 } })
    end)

    -- { verb, what runs it, what its message says to do }
    local cases <const> = {
        { "join", function() Place:join("x", "x.id", "unsupported_places.id"):get() end, "$lookup" },
        { "leftJoin", function() Place:query():leftJoin("x", "x.id", "unsupported_places.id"):get() end, "whereIn" },
        { "rightJoin", function() Place:query():rightJoin("x", "x.id", "unsupported_places.id"):get() end, "whereIn" },
        { "crossJoin", function() Place:query():crossJoin("x"):get() end, "whereIn" },
        { "joinSub", function()
            Place:query():joinSub(Place:query(), "x", "x.id", "unsupported_places.id"):get()
        end, "whereIn" },
        { "count of a join", function() Place:join("x", "x.id", "unsupported_places.id"):count() end, "whereIn" },
        { "exists of a join", function() Place:join("x", "x.id", "unsupported_places.id"):exists() end, "whereIn" },
        { "update of a join", function()
            Place:join("x", "x.id", "unsupported_places.id"):update({ n = 5 })
        end, "whereIn" },
        { "union", function() Place:query():union(Place:query()):get() end, "$unionWith" },
        { "unionAll", function() Place:query():unionAll(Place:query()):get() end, "put their rows together" },
        { "count of a union", function() Place:query():union(Place:query()):count() end, "put their rows together" },
        { "lockForUpdate", function() Place:query():lockForUpdate():first() end, "eloquent.transaction" },
        { "sharedLock", function() Place:query():sharedLock():get() end, "eloquent.transaction" },
        { "skipLocked", function() Place:query():lockForUpdate():skipLocked():get() end, "eloquent.transaction" },
        { "noWait", function() Place:query():lockForUpdate():noWait():get() end, "eloquent.transaction" },
        { "whereRaw", function() Place:whereRaw("n = ?", { 1 }):get() end, "where and its kin" },
        { "orWhereRaw", function() Place:where("n", 1):orWhereRaw("n = 2"):get() end, "where and its kin" },
        { "whereRaw of a delete", function() Place:whereRaw("1 = 1"):delete() end, "where and its kin" },
        { "havingRaw", function() Place:groupBy("n"):havingRaw("count(*) > 1"):get() end, "aggregate" },
        { "orHavingRaw", function()
            Place:groupBy("n"):having("n", 1):orHavingRaw("count(*) > 1"):get()
        end, "aggregate" },
        { "orderByRaw", function() Place:query():orderByRaw("n"):get() end, "aggregate" },
        { "selectRaw", function() Place:query():selectRaw("count(*)"):get() end, "aggregate" },
        { "selectRaw of groups", function()
            Place:select("name"):selectRaw("count(*) as n"):groupBy("name"):get()
        end, '"$group"' },
        { "select of a raw value", function() Place:select(raw("n + 1")):get() end, "aggregate" },
        { "where of a raw value", function() Place:where("n", raw("1 + 1")):get() end, "aggregate" },
        { "update with a raw value", function() Place:where("n", 1):update({ n = raw("n + 1") }) end, "aggregate" },
        { "upsert with a raw value", function()
            Place:upsert({ { name = "a", n = 1 } }, "name", { n = raw("n + 1") })
        end, "aggregate" },
        { "whereIn of a query", function() Place:whereIn("id", Place:select("id")):get() end, "pluck" },
        { "whereNotIn of a query", function() Place:whereNotIn("id", Place:select("id")):get() end, "pluck" },
        { "whereExists", function() Place:whereExists(Place:query()):get() end, "pluck" },
        { "whereNotExists", function() Place:query():whereNotExists(Place:query()):get() end, "pluck" },
        { "orWhereExists", function() Place:where("n", 1):orWhereExists(Place:query()):get() end, "pluck" },
        { "where of a query", function() Place:where("n", Place:select("n"):limit(1)):get() end, "pluck" },
        { "select of a query", function()
            Place:query():select({ first = Place:select("n"):limit(1) }):get()
        end, "$lookup" },
        { "orderBy of a query", function() Place:orderBy(Place:select("n"):limit(1)):get() end, "order by a field" },
        { "update with a query", function()
            Place:where("n", 1):update({ n = Place:select("n"):limit(1) })
        end, "read the value first" },
        { "update with a limit", function() Place:query():limit(1):update({ n = 5 }) end, "whereIn" },
        { "delete with a limit", function() Place:orderBy("n"):limit(1):delete() end, "whereIn" },
        { "increment with an offset", function() Place:query():limit(1):offset(1):increment("n") end, "whereIn" },
        { "insertOrIgnore in a transaction", function()
            db:transaction(function()
                Place:insertOrIgnore({ { name = "a" } })
            end)
        end, "call it outside" },
        { "a transaction inside another", function()
            db:transaction(function()
                db:transaction(function() end)
            end)
        end, "join the outer transaction" },
        { "isolation", function() db:transaction(function() end, { isolation = "serializable" }) end, "isolation" },
        { "SQL of a connection", function() db:select("select 1") end, "table(name) or a model" },
        { "SQL that writes", function() db:execute("delete from unsupported_places") end, "collection(name)" },
        { "a cursor of SQL", function() db:cursor("select 1") end, '{"find":"users"' },
        { "the schema builder", function()
            engine:schema():create("x", function(t) t:id() end)
        end, "createIndexes" },
        { "hasTable", function() engine:schema():hasTable("x") end, "collections()" },
        { "drop of the schema builder", function() engine:schema():drop(Place) end, "collection(name)" },
    }

    for _, case in ipairs(cases) do
        engine.it(case[1], function()
            local seen = {}
            db:listen(function(statement)
                if statement.sql:find("^{") and not statement.sql:find('"counters"', 1, true) then
                    seen[#seen + 1] = statement.sql
                end
            end)
            local err = failure(case[2])
            db:listen(nil)
            assert.equal("unsupported", err.kind, tostring(err))
            assert.matches("MongoDB", err.message, 1, true)
            assert.matches(case[3], err.message, 1, true)
            assert.matches("unsupported_spec%.lua$", err.file)
            assert.same({}, seen)
            assert.same({ 1, 2 }, Place:orderBy("n"):pluck("n"):toTable())
        end)
    end

    engine.it("a model that asks for what there isn't says so when it is made", function()
        for what, extra in pairs({
            ["foreign keys"] = { database = { foreignKeys = {
                { column = "n", references = { table = "x", column = "id" } },
            } } },
            ["a condition in SQL"] = { database = { indexes = {
                { type = "index", columns = { "n" }, name = "x", where = "n > 1" },
            } } },
        }) do
            extra.connectionName, extra.schema = "mongo", { n = column("integer") }
            local err = failure(eloquent.MongoModel("Asking" .. #what), extra)
            assert.is_true(err.kind == "misuse" or err.kind == "unsupported")
            assert.matches(what, err.message, 1, true)
        end
        local Default = engine.model "Default" {
            tableName = "unsupported_places",
            connectionName = "mongo",
            schema = { n = column("integer", nil, { default = raw("1 + 1") }) },
        }
        assert.equal("unsupported", failure(Default.create, Default).kind)
    end)

    engine.it("a server that stands alone has no transactions, and many rows go without", function()
        local secured = assert(os.getenv("EL_SPEC_MONGO_SECURE_URI"), "EL_SPEC_MONGO_SECURE_URI is not set")
        local single = engine:connect("single", { uri = secured })
        local err = failure(single.transaction, single, function()
            single:table("unsupported_single"):insert({ n = 1 })
        end)
        assert.equal("unsupported", err.kind)
        assert.matches("replica set", err.message, 1, true)
        single:collection("unsupported_single"):drop()
        assert.equal(2, single:table("unsupported_single"):insert({ { n = 1 }, { n = 2 } }))
        assert.equal(2, single:table("unsupported_single"):count())
        assert.equal(2, single:table("unsupported_single"):increment("n"))
        assert.equal(5, single:table("unsupported_single"):sum("n"))
        single:close()
    end)
end)
