-- SPDX-License-Identifier: MIT
--
-- What is left of a transaction that was rolled back, in the records and on the connection,
-- and transactions that end where nobody asked for it.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local column, null = eloquent.column, eloquent.null
local failure = engines.failure

engines.suite("rollback", function(engine)
    local it = engine.it
    local Account = engine.model "Account" {
        tableName = "rollback_accounts",
        connectionName = engine.name,
        schema = {
            id = column("increments"),
            owner = column("string", 40, { unique = true }),
            coins = column("integer", nil, { default = 7 }),
            notes = column("json"),
        },
        timestamps = true,
    }
    local Page = engine.model "Page" {
        tableName = "rollback_pages",
        connectionName = engine.name,
        softDeletes = true,
        schema = {
            id = column("uuid", nil, { primary = true, auto = true }),
            slug = column("string", 40),
        },
        timestamps = true,
    }
    local pages = { Page }
    if engine.name == "mongo" then
        pages[2] = engine.model "Leaf" {
            tableName = "rollback_leaves",
            connectionName = "mongo",
            softDeletes = true,
            schema = "open",
            timestamps = true,
        }
    end
    local Tag = engine.model "Tag" {
        tableName = "rollback_tags",
        connectionName = engine.name,
        schema = { code = column("string", 20, { primary = true }), label = column("string", 20) },
    }
    local db = engine:db()

    before_each(function()
        engine:tables(Account, Tag, table.unpack(pages))
    end)

    local function rolled_back(fn)
        local ok, why = pcall(db.transaction, db, function()
            fn()
            error("undo", 0)
        end)
        assert.is_false(ok)
        assert.equal("undo", why)
    end

    describe("a record", function()
        it("that was created is new again", function()
            local ada
            rolled_back(function()
                ada = Account:create({ owner = "Ada", coins = 3, notes = { 1 } })
            end)
            assert.is_false(ada:exists())
            assert.is_nil(ada.id)
            assert.is_nil(ada.created_at)
            assert.equal("Ada", ada.owner)
            Account:create({ owner = "Bob" }) -- SQLite gives it the key that Ada had
            ada:save()
            local found = Account:findOneBy("owner", "Ada")
            assert.equal(ada.id, found.id)
            assert.equal(3, found.coins)
            assert.equal(1, found.notes[1])
            assert.is_not_nil(found.created_at)
        end)

        it("that was created gets its defaults anew", function()
            local ada
            rolled_back(function()
                ada = Account:create({ owner = "Ada" })
                ada:update({ notes = { a = 1 } })
            end)
            assert.is_nil(ada.coins)
            ada:save()
            assert.equal(7, ada.coins)
            assert.equal(1, Account:find(ada.id).notes.a)
        end)

        for _, Model in ipairs(pages) do
            local kind = Model == Page and "" or ", free-form"
            it("that was created with a key made by the program gets another one" .. kind, function()
                local key, moment = Model._key, eloquent.datetime("2001-02-03T04:05:06Z")
                local page, other, first
                rolled_back(function()
                    page = Model:create({ slug = "a" })
                    first = page[key]
                    other = Model:create({ slug = "c", created_at = moment })
                    other:update({ slug = "b" })
                end)
                assert.is_nil(page[key])
                assert.is_nil(page.created_at)
                assert.is_nil(page.updated_at)
                assert.is_nil(other.updated_at)
                assert.equal(moment, other.created_at)
                page:save()
                other:save()
                assert.not_equal(first, page[key])
                assert.equal("a", Model:find(page[key]).slug)
                assert.is_not_nil(Model:find(page[key]).created_at)
                assert.equal("b", Model:find(other[key]).slug)
            end)

            it("that was created with a key keeps it" .. kind, function()
                local key, page = "01890a5d-ac96-774b-bcce-b302099a8057", nil
                rolled_back(function()
                    page = Model:create({ [Model._key] = key, slug = "a" })
                end)
                assert.equal(key, page[Model._key])
                page:save()
                assert.equal("a", Model:find(key).slug)
            end)

            it("that was deleted softly is not trashed" .. kind, function()
                local page = Model:create({ slug = "a" })
                local stamp = page.updated_at
                rolled_back(function()
                    page:delete()
                end)
                assert.is_false(page:trashed())
                assert.is_false(page:isDirty())
                assert.equal(stamp, page.updated_at)
                page:update({ slug = "b" })
                assert.equal("b", Model:find(page[Model._key]).slug)
                assert.is_true(page:delete())
                assert.equal(0, Model:count())
                rolled_back(function()
                    page:restore()
                end)
                assert.is_true(page:trashed())
                local new
                rolled_back(function()
                    new = Model:create({ slug = "new" })
                    new:delete()
                end)
                assert.is_false(new:trashed())
                new:save()
                assert.equal("new", Model:sole().slug)
                new:forceDelete()
                page.slug = "c"
                page:save()
                assert.equal(0, Model:count())
            end)

            it("that was updated has the time of its row" .. kind, function()
                local page = Model:find(Model:create({ slug = "a" })[Model._key])
                local stamp = page.updated_at
                rolled_back(function()
                    page:update({ slug = "b" })
                    page:update({ slug = "c" })
                end)
                assert.equal(stamp, page.updated_at)
                assert.same({ slug = "c" }, page:getDirty())
                page:save()
                assert.equal("c", Model:find(page[Model._key]).slug)
            end)
        end

        it("that was updated is dirty again", function()
            local ada = Account:create({ owner = "Ada", coins = 1, notes = { a = 1 } })
            local stamp = ada.updated_at
            rolled_back(function()
                ada:update({ coins = 2, notes = { a = 2 } })
            end)
            assert.equal(2, ada.coins)
            assert.is_true(ada:isDirty("coins"))
            assert.is_true(ada:isDirty("notes"))
            assert.equal(1, ada:getOriginal("coins"))
            assert.equal(stamp, ada.updated_at)
            ada.coins = 2
            ada:save()
            local found = Account:find(ada.id)
            assert.equal(2, found.coins)
            assert.equal(2, found.notes.a)
        end)

        it("that was updated twice goes back to before the transaction", function()
            local id = Account:create({ owner = "Ada", coins = 1 }).id
            local ada = Account:find(id)
            ada:update({ coins = 2 })
            rolled_back(function()
                ada:update({ coins = 3 })
                ada:update({ coins = null })
            end)
            assert.equal(2, ada:getOriginal("coins"))
            ada.coins = 2
            assert.is_false(ada:isDirty())
            ada.coins = 1
            ada:save()
            assert.equal(1, Account:find(id).coins)
        end)

        it("that was deleted exists again", function()
            local ada = Account:create({ owner = "Ada" })
            rolled_back(function()
                ada:delete()
            end)
            assert.is_true(ada:exists())
            assert.is_false(ada:isDirty())
            assert.is_true(ada:delete())
            assert.equal(0, Account:count())
        end)

        it("goes back to values that its model would refuse", function()
            Tag:create({ code = "t1", label = "ten letters" })
            local Short = engine.model "Short" {
                tableName = "rollback_tags",
                connectionName = engine.name,
                schema = { code = column("string", 20, { primary = true }), label = column("string", 5) },
            }
            local tag = Short:find("t1")
            rolled_back(function()
                tag.label = "short"
                tag:save()
            end)
            assert.equal("ten letters", tag:getOriginal("label"))
            assert.same({ label = "short" }, tag:getDirty())
            tag:refresh()
            db:transaction(function()
                if db:core():can("savepoints") then
                    rolled_back(function()
                        tag.label = "short"
                        tag:save()
                    end)
                else
                    tag.label = "short"
                end
            end)
            assert.equal("ten letters", Short:find("t1").label)
            assert.same({ label = "short" }, tag:getDirty())
        end)

        it("keeps its row when its key was changed", function()
            local tag = Tag:create({ code = "a", label = "x" })
            rolled_back(function()
                tag:update({ code = "b" })
            end)
            assert.equal("a", tag:getOriginal("code"))
            tag:save()
            assert.equal("x", Tag:find("b").label)
            assert.is_nil(Tag:find("a"))
        end)

        it("goes back with its savepoint only", function()
            local ada = Account:create({ owner = "Ada", coins = 1 })
            local bob
            db:transaction(function()
                ada:update({ coins = 2 })
                rolled_back(function()
                    ada:update({ coins = 3 })
                    bob = Account:create({ owner = "Bob" })
                end)
                assert.equal(2, ada:getOriginal("coins"))
            end)
            assert.is_false(bob:exists())
            assert.equal(2, Account:find(ada.id).coins)
            ada:save()
            assert.equal(3, Account:find(ada.id).coins)
        end)

        it("goes back with the outer transaction when its savepoint was kept", function()
            local ada = Account:create({ owner = "Ada", coins = 1 })
            local bob
            rolled_back(function()
                ada:update({ coins = 2 })
                db:transaction(function()
                    ada:update({ coins = 3 })
                    bob = Account:create({ owner = "Bob", coins = 1 })
                end)
                bob:update({ coins = 2 })
            end)
            assert.equal(1, ada:getOriginal("coins"))
            assert.is_false(bob:exists())
            bob:save()
            assert.equal(2, Account:find(bob.id).coins)
        end)
    end)

    describe("a transaction that a statement has ended", function()
        it("runs nothing more after a rollback", function()
            local err = failure(db.transaction, db, function()
                Account:create({ owner = "before" })
                db:execute("rollback")
                Account:create({ owner = "after" })
            end)
            assert.equal("misuse", err.kind)
            assert.equal(0, Account:count())
            Account:create({ owner = "later" })
            assert.equal(1, Account:count())
        end)

        it("runs nothing more after a commit, even when that is caught", function()
            local err = failure(db.transaction, db, function()
                Account:create({ owner = "before" })
                db:execute("commit")
                assert.is_false(pcall(Account.create, Account, { owner = "after" }))
                assert.is_false(pcall(db.script, db, "delete from rollback_accounts"))
                assert.is_false(pcall(Account.insert, Account, { { owner = "x" }, { owner = "y" } }))
                assert.is_false(pcall(db.transaction, db, function() end))
            end)
            assert.equal("misuse", err.kind)
            assert.same({ "before" }, Account:pluck("owner"):toTable())
            assert.equal(3, db:transaction(function()
                return 3
            end))
        end)
    end)

    describe("a coroutine", function()
        it("cannot be left inside a transaction", function()
            local co = coroutine.wrap(function()
                return pcall(db.transaction, db, function()
                    Account:create({ owner = "inside" })
                    coroutine.yield()
                end)
            end)
            local ok, err = co()
            assert.is_false(ok)
            assert.equal("misuse", err.kind)
            assert.truthy(err.message:find("yield", 1, true))
            db:transaction(function()
                Account:create({ owner = "later" })
            end)
            assert.same({ "later" }, Account:pluck("owner"):toTable())
        end)

        it("can be used inside one", function()
            db:transaction(function()
                for name in coroutine.wrap(function()
                    coroutine.yield("a")
                    coroutine.yield("b")
                end) do
                    Account:create({ owner = name })
                end
            end)
            assert.equal(2, Account:count())
        end)
    end)

    if engine.has_server then
        it("a deadlock that is caught inside is tried again all the same", function()
            local ada = Account:create({ owner = "Ada", coins = 0 })
            local bob = Account:create({ owner = "Bob", coins = 0 })
            local pipe = engine:spawn(([[
                local db = require("eloquent").connection()
                local host = require("eloquent.core.host")
                db:transaction(function()
                  db:execute("update rollback_accounts set coins = coins + 1 where id = %d")
                  host.sleep(0.6)
                  db:execute("update rollback_accounts set coins = coins + 1 where id = %d")
                end, { attempts = 5 })
            ]]):format(bob.id, ada.id))
            local host = require("eloquent.core.host")
            db:transaction(function()
                db:execute("update rollback_accounts set coins = coins + 10 where id = ?", { ada.id })
                host.sleep(0.6)
                pcall(db.transaction, db, function()
                    db:execute("update rollback_accounts set coins = coins + 10 where id = ?", { bob.id })
                end)
            end, { attempts = 5 })
            assert.equal("", pipe:read("a"))
            pipe:close()
            assert.equal(11, Account:find(ada.id).coins)
            assert.equal(11, Account:find(bob.id).coins)
        end)
    end
end, "documents")
