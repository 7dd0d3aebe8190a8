-- SPDX-License-Identifier: MIT
--
-- Free-form models of MongoDB: what their records say of fields, those of which only some
-- fields were selected, and what the model hides. How documents are written and found is
-- documents_spec.lua; transactions that are rolled back are rollback_spec.lua.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local doc, null = eloquent.doc, eloquent.null
local failure, statements = engines.failure, engines.statements

engines.only("free_form", "mongo", function(engine)
    local it = engine.it
    local db = engine:db()
    local Note = engine.model "Note" { tableName = "free_notes", connectionName = "mongo", schema = "open" }
    local Leaf = engine.model "Leaf" {
        tableName = "free_leaves",
        connectionName = "mongo",
        schema = "open",
        softDeletes = true,
    }

    before_each(function()
        engine:tables(Note, Leaf)
    end)

    -- {{{ some fields

    it("a record with some fields can't be written, and says so", function()
        local id = Note:create({ title = "a", body = { n = 1 } })._id
        for what, write in pairs({
            ["a field that was selected"] = function(note)
                note.title = "z"
            end,
            ["another field"] = function(note)
                note.other = 1
            end,
            update = function(note)
                note:update({ title = "z" })
            end,
            fill = function(note)
                note:fill({ title = "z" })
            end,
            ["a change inside a field"] = function(note)
                note.body.n = 2
                note:save()
            end,
        }) do
            local note = Note:select("_id", "title", "body"):first()
            local err = failure(write, note)
            assert.equal("misuse", err.kind, what)
            assert.matches("only some fields of this Note were selected", err.message, 1, true)
            assert.equal("a", note.title)
            assert.is_false(note:isDirty())
            assert.is_false(note:isDirty("title"))
        end
        assert.equal('{"_id":"' .. tostring(id) .. '","body":{"n":1},"title":"a"}', Note:find(id):toJson())
    end)

    it("a record with some fields reads those, as other models do", function()
        local id = Note:create({ title = "a", flag = false })._id
        local note = Note:select("_id", "flag"):first()
        assert.is_false(note.flag)
        assert.is_false(note:isNull("flag"))
        assert.is_false(note:getOriginal("flag"))
        assert.is_nil(note:getOriginal("title"))
        assert.equal(id, note:getOriginal()._id)
        assert.equal(id, note:getKey())
        assert.same({ _id = id, flag = false }, note:toTable())
        assert.same({}, note:getDirty())
        for _, read in ipairs({
            function()
                return note.title
            end,
            function()
                return note:isNull("title")
            end,
        }) do
            assert.matches("Note.title was not selected", failure(read).message, 1, true)
        end
        assert.equal("a", note:fresh().title)
    end)

    it("a record with some fields is deleted by its key, if that is one of them", function()
        Note:create({ title = "a" })
        local err = failure(function()
            Note:select("title"):first():delete()
        end)
        assert.equal("misuse", err.kind)
        assert.matches("Note._id was not selected", err.message, 1, true)
        assert.equal(1, Note:count())
        local note = Note:select("_id", "title"):first()
        assert.is_true(note:delete())
        assert.equal(0, Note:count())
        assert.matches("only some fields", failure(note.save, note).message, 1, true)
        assert.equal(0, Note:count())

        Leaf:create({ title = "a" })
        local leaf = Leaf:select("_id"):first()
        assert.matches("only some fields", failure(leaf.delete, leaf).message, 1, true)
        assert.equal(1, Leaf:count())
        assert.is_true(leaf:forceDelete())
        assert.equal(0, Leaf:withTrashed():count())
    end)

    it("a record that is read again has all of it", function()
        Note:create({ title = "a", n = 1 })
        local note = Note:select("_id", "title"):first()
        Note:query():update({ title = "b" })
        note:refresh()
        assert.same({ "b", 1 }, { note.title, note.n })
        note.title = "c"
        assert.equal("c", note.title)
        note:save()
        assert.equal("c", Note:first().title)
        note:delete()
        note:save()
        assert.same({ "c", 1 }, { Note:first().title, Note:first().n })
    end)

    it("select of everything gives whole documents", function()
        Note:create({ title = "a" })
        local note = Note:select("*"):first()
        note.title = "b"
        note:save()
        assert.equal("b", Note:first().title)
        assert.equal("unsupported", failure(function()
            Note:select("*", "title as t"):get()
        end).kind)
    end)

    it("a field may be called document", function()
        local id = Note:create({ document = { q = 1 }, title = "a" })._id
        assert.equal(1, Note:find(id).document.q)
        assert.equal(1, Note:value("document").q)
        assert.equal(1, Note:pluck("document")[1].q)
        assert.equal(1, Note:select("document"):first().document.q)
        assert.equal(1, Note:select("title", "document"):first().document.q)
        assert.equal(1, Note:where("document.q", 1):count())
        local note = Note:find(id)
        note.document = "text"
        assert.same({ document = "text" }, note:getDirty())
        note:save()
        assert.equal("text", Note:value("document"))
        assert.equal("text", db:selectOne('{"find":"free_notes","$fields":["document"]}').document)
        assert.equal("a", db:selectOne('{"find":"free_notes"}').document.title)
    end)

    -- }}}
    -- {{{ what changed

    it("false is no null", function()
        local note = Note:create({ flag = false, gone = null })
        for _, record in ipairs({ note, Note:find(note._id) }) do
            assert.is_false(record:isNull("flag"))
            assert.is_true(record:isNull("gone"))
            assert.is_true(record:isNull("other"))
            assert.is_false(record:getOriginal("flag"))
            assert.is_nil(record:getOriginal("gone"))
            record.x = false
            assert.is_true(record:isDirty("x"))
            record.flag = true
            assert.is_true(record:isDirty("flag"))
            record:refresh()
        end
        note.address = { c = true }
        note:save()
        note.address.c = false
        assert.is_true(note:isDirty("address.c"))
        note:save()
        assert.is_false(note:isDirty("address.c"))
        note.address.c = nil
        assert.is_true(note:isDirty("address.c"))
    end)

    it("a field that is null is not one that is missing", function()
        local note = Note:create({ address = { a = 1 } })
        note.address.b = null
        assert.is_true(note:isDirty())
        assert.is_true(note:isDirty("address.b"))
        assert.is_false(note:isDirty("address.a"))
        assert.is_false(note:isDirty("address.c"))
        note.other = null
        assert.is_true(note:isDirty("other"))
        note:save()
        assert.is_false(note:isDirty("address.b"))
        local raw = Note:collection():findOne()
        assert.same({ null, null }, { raw.address.b, raw.other })
    end)

    it("getDirty, getChanges and wasChanged speak of fields", function()
        local note = Note:create({ title = "a", body = { n = 1, m = 1 }, gone = 1 })
        assert.is_true(note:wasChanged("title"))
        assert.is_true(note:wasChanged("body.n"))
        assert.is_false(note:wasChanged("other"))
        assert.same({ "_id", "body", "gone", "title" }, doc.keys(note:getChanges()))

        note = Note:find(note._id)
        assert.is_false(note:wasChanged())
        assert.same({}, note:getChanges())
        note.title, note.gone, note.body.n = "b", nil, 2
        assert.same({ title = "b", body = note.body }, note:getDirty())
        note:save()
        assert.same({}, note:getDirty())
        assert.same({ title = "b", body = note.body }, note:getChanges())
        for name, was in pairs({
            title = true, gone = true, body = true, ["body.n"] = true, ["body.m"] = false, ["body.n.x"] = true,
            other = false, _id = false, [""] = false,
        }) do
            assert.equal(was, note:wasChanged(name), name)
        end
        assert.is_true(note:wasChanged())
        note:save()
        assert.is_true(note:wasChanged("title"))

        Note:collection():insertOne({ _id = "dotted", title = "a", ["a.b"] = { n = 1 } })
        note = Note:find("dotted")
        note["a.b"].n = 2 -- no path: all of the document is written
        note:save()
        assert.same({ ["a.b"] = { n = 2 } }, note:getChanges())
        assert.is_false(note:wasChanged("title"))
        note:delete()
        note:save()
        assert.is_true(note:wasChanged("title"))
    end)

    it("wasChanged takes paths into columns", function()
        local Place = engine.model "Place" {
            tableName = "free_places",
            connectionName = "mongo",
            schema = { name = eloquent.column("string", 20), address = eloquent.column("json") },
        }
        engine:tables(Place)
        local place = Place:find(Place:create({ name = "a", address = { city = "a", zip = "1" } })._id)
        place.address.city = "b"
        place:save()
        assert.same({ true, true, false, false }, {
            place:wasChanged("address"), place:wasChanged("address.city"), place:wasChanged("address.zip"),
            place:wasChanged("name"),
        })
        place.name = "b"
        place:save()
        assert.same({ false, true }, { place:wasChanged("address.city"), place:wasChanged("name") })
        place.address = null
        place:save()
        assert.is_true(place:wasChanged("address.zip"))
    end)

    -- }}}
    -- {{{ what a model hides and takes

    it("hidden and visible name fields of the documents", function()
        local Hiding = engine.model "Hiding" {
            tableName = "free_notes",
            connectionName = "mongo",
            schema = "open",
            hidden = { "_id", "secret" },
        }
        local Showing = engine.model "Showing" {
            tableName = "free_notes",
            connectionName = "mongo",
            schema = "open",
            visible = { "title", "z" },
        }
        Hiding:create(doc({ { "z", 1 }, { "title", "a" }, { "secret", "b" } }))
        assert.equal('{"title":"a","z":1}', Hiding:first():toJson())
        assert.same({ "z", "title" }, doc.keys(Hiding:first():toTable()))
        assert.same({ title = "a", z = 1 }, Hiding:first():toTable())
        assert.equal('{"title":"a","z":1}', Showing:first():toJson())
        assert.same({ "z", "title" }, doc.keys(Showing:first():toTable()))
        assert.equal('{"title":"a"}', Hiding:select("title", "secret"):first():toJson())
        assert.equal("b", Hiding:first().secret)
        local shown = Showing:create({ secret = "c" })
        assert.equal("{}", shown:toJson())
        assert.equal("c", shown.secret)
        for _, name in ipairs({ "a.b", "$a", "" }) do
            local err = failure(eloquent.MongoModel "Wrong", {
                connectionName = "mongo", schema = "open", hidden = { name },
            })
            assert.equal("misuse", err.kind)
            assert.matches("hidden", err.message, 1, true)
        end
    end)

    it("fillable names the fields that tables may set", function()
        local Filled = engine.model "Filled" {
            tableName = "free_notes",
            connectionName = "mongo",
            schema = "open",
            fillable = { "title" },
        }
        local note = Filled:create({ title = "a" })
        note.admin = true
        note:save()
        assert.matches("fillable", failure(note.fill, note, { admin = false }).message, 1, true)
        assert.matches("fillable", failure(Filled.create, Filled, { admin = false }).message, 1, true)
        assert.is_true(Filled:first().admin)
    end)

    it("a save of fields that did not change sends nothing", function()
        local note = Note:find(Note:create({ title = "a", list = { { n = 0.5 } } })._id)
        assert.same({}, statements(db, function()
            note.title, note.list = "a", { { n = 0.5 } }
            note:save()
        end))
    end)

    -- }}}
end)
