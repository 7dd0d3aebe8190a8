-- SPDX-License-Identifier: MIT
--
-- Results and rows that would be wrong without anybody being told: columns of the same name
-- in joins, rows that name different columns, sums beyond 64 bits, records saved after
-- their row is gone.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local column, raw = eloquent.column, eloquent.raw
local failure = engines.failure

engines.suite("exactness", function(engine)
    local it = engine.it
    local Note = engine.model "Note" {
        tableName = "exact_notes",
        connectionName = engine.name,
        schema = {
            id = column("increments"),
            slug = column("string", 40, { unique = true }),
            views = column("integer", nil, { default = 5 }),
            was = column("integer"),
            big = column("bigInteger"),
            price = column("decimal", nil, { precision = 8, scale = 2 }),
        },
    }
    local Reader = engine.model "Reader" {
        tableName = "exact_readers",
        connectionName = engine.name,
        schema = {
            id = column("increments"),
            note_id = column("integer"),
            views = column("integer"),
        },
    }
    local Draft = engine.model "Draft" {
        tableName = "exact_drafts",
        connectionName = engine.name,
        softDeletes = true,
        schema = { id = column("increments"), body = column("string", 40, { default = "none" }) },
    }

    before_each(function()
        engine:tables(Note, Reader, Draft)
    end)

    describe("aggregates", function()
        before_each(function()
            Note:insert({ { slug = "a", views = 1 }, { slug = "b", views = 1 } })
            Reader:insert({
                { note_id = 1, views = 100 },
                { note_id = 1, views = 200 },
                { note_id = 2, views = 200 },
            })
        end)

        local function joined()
            return Note:join("exact_readers", "exact_readers.note_id", "exact_notes.id")
        end

        it("of a joined column take that table's, with a limit too", function()
            assert.equal(500, joined():sum("exact_readers.views"))
            assert.equal(500, joined():limit(10):sum("exact_readers.views"))
            assert.equal(3, joined():limit(10):sum("exact_notes.views"))
            assert.equal(3, joined():limit(10):count("exact_readers.id"))
        end)

        it("with distinct are about the different values", function()
            assert.equal(3, joined():distinct():count("exact_readers.id"))
            assert.equal(2, joined():distinct():count("exact_notes.id"))
            assert.equal(2, Reader:distinct():count("note_id"))
            assert.equal(300, Reader:distinct():sum("views"))
            assert.equal(3, Reader:distinct():count())
        end)

        it("refuse a joined column that is not among those chosen", function()
            local query = joined():select("exact_notes.views"):limit(10)
            assert.equal("misuse", failure(query.sum, query, "exact_readers.views").kind)
            assert.equal(500, joined():select("exact_readers.views"):limit(10):sum("exact_readers.views"))
        end)
    end)

    it("pluck and value of a union keep the columns of its members", function()
        Note:insert({ { slug = "a", views = 1 }, { slug = "b", views = 2 } })
        local query = Note:select("id", "views"):where("slug", "a")
            :unionAll(Note:select("id", "views"):where("slug", "b")):orderBy("id")
        assert.same({ 1, 2 }, query:pluck("views"):toTable())
        assert.equal(1, query:value("views"))
    end)

    describe("upsert", function()
        it("refuses rows that would lose a column they don't name", function()
            Note:insert({ { slug = "a", views = 1, big = 10 }, { slug = "b", views = 2, big = 20 } })
            local err = failure(Note.upsert, Note, { { slug = "a", views = 3 }, { slug = "b", big = 30 } }, "slug")
            assert.equal("misuse", err.kind)
            assert.same({ 10, 20 }, Note:orderBy("id"):pluck("big"):toTable())
        end)

        it("takes them when the columns that all have are written", function()
            Note:insert({ { slug = "a", views = 1, big = 10 }, { slug = "b", views = 2, big = 20 } })
            Note:upsert({ { slug = "a", views = 3 }, { slug = "b", views = 4, big = 30 }, { slug = "c", views = 5 } },
                "slug", { "views" })
            assert.same({ 3, 4, 5 }, Note:orderBy("id"):pluck("views"):toTable())
            assert.same({ 10, 20 }, Note:orderBy("id"):limit(2):pluck("big"):toTable())
        end)
    end)

    it("an update reads the values from before it", function()
        Note:insert({ slug = "a", views = 1 })
        Note:query():update({ views = 9, was = raw("views") })
        assert.equal(1, Note:value("was"))
        Note:query():increment("views", 1, { was = raw("views") })
        assert.equal(9, Note:value("was"))
        assert.equal(10, Note:value("views"))
    end)

    it("increment does not go beyond 64 bits", function()
        Note:insert({ slug = "a", big = math.maxinteger })
        assert.equal("value", failure(Note:query().increment, Note:query(), "big").kind)
        assert.equal(math.maxinteger, Note:value("big"))
        Note:query():decrement("big", 2)
        assert.equal(math.maxinteger - 2, Note:value("big"))
    end)

    it("a table without a model reckons by what its columns hold", function()
        Note:insert({ { slug = "a", price = "0.10", big = math.maxinteger }, { slug = "b", price = "0.20" } })
        local function notes()
            return engine:db():table("exact_notes")
        end
        assert.equal("0.30", tostring(notes():sum("price")))
        assert.equal(math.maxinteger, notes():sum("big"))
        notes():where("slug", "a"):increment("price", eloquent.decimal("123456.01"))
        notes():where("slug", "a"):decrement("price", 1)
        assert.equal("123455.11", tostring(Note:where("slug", "a"):value("price")))
        assert.equal("value", failure(function()
            notes():increment("big")
        end).kind)
        notes():decrement("big", 1)
        assert.equal(math.maxinteger - 1, Note:where("slug", "a"):value("big"))
        assert.equal(1, engine:db():table("exact_notes as n"):where("n.slug", "a"):delete())
        assert.same({ "b" }, Note:pluck("slug"):toTable())
    end)

    it("lists add up beyond 64 bits, and group equal decimals", function()
        Note:insert({
            { slug = "a", big = math.maxinteger, price = "1.50" },
            { slug = "b", big = math.maxinteger, price = "1.5" },
            { slug = "c", price = "2" },
        })
        local notes = Note:orderBy("id"):get()
        assert.equal("18446744073709551614", tostring(notes:sum("big")))
        assert.equal(2.0 ^ 63, notes:avg("big"))
        local sizes = {}
        for price, group in pairs(notes:groupBy("price")) do
            sizes[tostring(price)] = #group
        end
        assert.same({ ["1.50"] = 2, ["2.00"] = 1 }, sizes)
        local slugs = {}
        for _, note in pairs(notes:keyBy("price")) do
            slugs[note.slug] = true
        end
        assert.same({ b = true, c = true }, slugs)
    end)

    describe("a record whose row is deleted", function()
        it("is saved with all that it has", function()
            Note:create({ slug = "a", views = 9, big = 10 })
            local note = Note:first()
            assert.is_true(note:delete())
            note.views = 10
            note:save()
            local found = Note:find(note.id)
            assert.equal("a", found.slug)
            assert.equal(10, found.views)
            assert.equal(10, found.big)
        end)

        it("can't be restored", function()
            local draft = Draft:create({ body = "text" })
            local stale = Draft:find(draft.id)
            draft:forceDelete()
            assert.equal("misuse", failure(draft.restore, draft).kind)
            assert.is_false(stale:delete())
            assert.equal(0, Draft:withTrashed():count())
        end)
    end)

    it("verbs that go by key say so where there is none", function()
        local Keyless = engine.model "Keyless" {
            tableName = "exact_readers",
            connectionName = engine.name,
            schema = { note_id = column("integer") },
        }
        for _, verb in ipairs({ "updateById", "deleteById" }) do
            local err = failure(Keyless[verb], Keyless, 1, { note_id = 2 })
            assert.equal("misuse", err.kind)
            assert.truthy(err.message:find("primary key", 1, true))
        end
    end)

    it("a table of a schema has all verbs", function()
        local db, name = engine:db(), "exact_place.things"
        if engine.name == "sqlite" then
            db:execute("attach ':memory:' as exact_place")
        elseif engine.name == "mongo" then
            engine:drop(name)
        elseif engine.name == "pg" then
            db:script("drop schema if exists exact_place cascade; create schema exact_place")
        else
            name = engine.options.name .. ".exact_things"
        end
        if engine.name ~= "mongo" then
            db:script("drop table if exists " .. name)
            db:script(("create table %s (id %s, n integer)"):format(name, ({
                sqlite = "integer primary key",
                pg = "serial primary key",
                mysql = "integer auto_increment primary key",
            })[engine.name]))
        end
        local Thing = engine.model "Thing" {
            tableName = name,
            connectionName = engine.name,
            schema = { id = column("increments"), n = column("integer") },
        }
        local thing = Thing:create({ n = 1 })
        thing:update({ n = 2 })
        assert.equal(2, Thing:find(thing.id).n)
        assert.equal(2, Thing:where("n", 2):first():refresh().n)
        assert.is_true(thing:delete())
        engine:drop(Thing)
    end)
end, "documents")
