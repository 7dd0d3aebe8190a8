-- SPDX-License-Identifier: MIT
--
-- Transactions: what is kept and what is undone, savepoints, misuse, afterCommit. What
-- other connections do to them is conflicts_spec.lua.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local column = eloquent.column
local failure = engines.failure

engines.suite("transactions", function(engine)
    local it = engine.it
    local Account = engine.model "Account" {
        tableName = "tx_accounts",
        connectionName = engine.name,
        schema = {
            id = column("increments"),
            owner = column("string", 40, { unique = true }),
            coins = column("integer", nil, { default = 0 }),
        },
    }
    local db = engine:db()

    before_each(function()
        engine:tables(Account)
        Account:create({ owner = "ada", coins = 10 })
    end)

    local function owners()
        return table.concat(Account:orderBy("id"):pluck("owner"), " ")
    end

    -- {{{ commit and rollback

    it("commits on return and passes values through", function()
        local a, b, c, d = db:transaction(function(tx)
            assert.equal(db, tx)
            Account:create({ owner = "bob" })
            return 1, nil, "x", nil
        end)
        assert.same({ 1, nil, "x", nil }, { a, b, c, d })
        assert.equal("ada bob", owners())
        assert.equal(4, select("#", db:transaction(function()
            return 1, nil, "x", nil
        end)))
        assert.equal(0, select("#", db:transaction(function() end)))
    end)

    it("by every name it has", function()
        eloquent.transaction(engine.name, function()
            Account:create({ owner = "a" })
        end)
        Account:transaction(function()
            Account:create({ owner = "b" })
        end)
        eloquent.connection(engine.name):transaction(function(tx)
            tx:execute(engine:text("insert into tx_accounts (owner) values (?)",
                '{"insert":"tx_accounts","documents":[{"_id":30,"id":30,"owner":?}]}'), { "c" })
            tx:table("tx_accounts"):insert({ owner = "d", id = engine.name == "mongo" and 40 or nil })
        end)
        assert.equal("ada a b c d", owners())
    end)

    it("rolls back and raises the same error", function()
        local thrown = setmetatable({}, { __tostring = function() return "mine" end })
        for _, value in ipairs({ thrown, "text", 42, false }) do
            local ok, err = pcall(db.transaction, db, function()
                Account:create({ owner = "bob" })
                Account:query():update({ coins = 0 })
                Account:where("owner", "ada"):delete()
                error(value, 0)
            end)
            assert.is_false(ok)
            assert.is_true(rawequal(value, err))
        end
        assert.equal("ada", owners())
        assert.equal(10, Account:first().coins)
    end)

    it("rolls back on an error of the database, which stays the same object", function()
        local inner
        local ok, err = pcall(db.transaction, db, function()
            Account:create({ owner = "bob" })
            local _, why = pcall(Account.create, Account, { owner = "ada" })
            inner = why
            error(why)
        end)
        assert.is_false(ok)
        assert.is_true(rawequal(inner, err))
        assert.equal("unique", err.kind)
        assert.equal("ada", owners())
    end)

    it("never commits less than was written: an error that was caught inside", function()
        local ok = pcall(db.transaction, db, function()
            Account:create({ owner = "bob" })
            pcall(Account.create, Account, { owner = "ada" })
        end)
        assert.equal(ok and "ada bob" or "ada", owners())
        assert.equal("none", db:core():txstate())
    end)

    it("goes on after an error that was caught inside", function()
        db:transaction(function()
            pcall(Account.create, Account, { owner = "ada" })
            Account:create({ owner = "bob" })
        end)
        assert.equal("ada bob", owners())
    end)

    it("other connections don't see it before the commit", function()
        local count = engine:text("select count(*) from tx_accounts", '{"count":"tx_accounts","$fields":["n"]}')
        local other = engine:connect()
        db:transaction(function()
            Account:create({ owner = "bob" })
            assert.equal(1, other:scalar(count))
        end)
        assert.equal(2, other:scalar(count))
        other:close()
    end)

    -- }}}
    -- {{{ savepoints

    it("nested: the inner one is undone, the outer one commits", function()
        db:transaction(function()
            Account:create({ owner = "outer" })
            local ok = pcall(db.transaction, db, function()
                Account:create({ owner = "inner" })
                error("undo")
            end)
            assert.is_false(ok)
            Account:create({ owner = "after" })
        end)
        assert.equal("ada outer after", owners())
    end)

    it("nested: an error of the database in the inner one", function()
        db:transaction(function()
            Account:create({ owner = "outer" })
            assert.equal("unique", failure(db.transaction, db, function()
                Account:create({ owner = "inner" })
                Account:create({ owner = "ada" })
            end).kind)
            Account:create({ owner = "after" })
        end)
        assert.equal("ada outer after", owners())
    end)

    it("nested: the outer one undoes what the inner one kept", function()
        pcall(db.transaction, db, function()
            db:transaction(function()
                Account:create({ owner = "inner" })
            end)
            error("undo")
        end)
        assert.equal("ada", owners())
    end)

    it("nested: three levels, and siblings", function()
        local value = db:transaction(function()
            Account:create({ owner = "1" })
            pcall(db.transaction, db, function()
                Account:create({ owner = "2" })
                db:transaction(function()
                    Account:create({ owner = "3" })
                end)
                error("undo")
            end)
            return db:transaction(function()
                Account:create({ owner = "4" })
                return "value"
            end)
        end)
        assert.equal("value", value)
        assert.equal("ada 1 4", owners())
    end)

    -- }}}
    -- {{{ afterCommit

    local function after_commit(fn)
        eloquent.afterCommit(fn, engine.name)
    end

    it("afterCommit runs after the commit, in order", function()
        local seen = {}
        db:transaction(function()
            after_commit(function()
                seen[#seen + 1] = "first " .. db:core():txstate()
            end)
            db:transaction(function()
                after_commit(function()
                    seen[#seen + 1] = "inner " .. Account:count()
                end)
            end)
            Account:create({ owner = "bob" })
            assert.same({}, seen)
        end)
        assert.same({ "first none", "inner 2" }, seen)
    end)

    it("afterCommit is dropped with what was rolled back", function()
        local seen = {}
        pcall(db.transaction, db, function()
            after_commit(function()
                seen[#seen + 1] = "outer"
            end)
            error("undo")
        end)
        db:transaction(function()
            pcall(db.transaction, db, function()
                after_commit(function()
                    seen[#seen + 1] = "inner"
                end)
                error("undo")
            end)
            after_commit(function()
                seen[#seen + 1] = "kept"
            end)
        end)
        assert.same({ "kept" }, seen)
    end)

    it("afterCommit runs at once outside, and may use the connection", function()
        local seen = 0
        after_commit(function()
            seen = seen + 1
        end)
        assert.equal(1, seen)
        db:transaction(function()
            after_commit(function()
                db:transaction(function()
                    Account:create({ owner = "later" })
                end)
            end)
        end)
        assert.equal("ada later", owners())
    end)

    it("afterCommit: an error in it is raised, and the commit stands", function()
        local seen = 0
        local ok, err = pcall(db.transaction, db, function()
            Account:create({ owner = "bob" })
            after_commit(function()
                error("late", 0)
            end)
            after_commit(function()
                seen = seen + 1
            end)
        end)
        assert.is_false(ok)
        assert.equal("late", err)
        assert.equal(1, seen)
        assert.equal("ada bob", owners())
    end)

    if engine.name ~= "mysql" then -- which has no deferred keys
        it("a commit that a deferred foreign key forbids undoes it all, and names the key", function()
            db:script("drop table if exists tx_kids; drop table if exists tx_parents")
            db:script("create table tx_parents (id integer primary key)")
            db:script("create table tx_kids (id integer primary key, parent_id integer "
                .. "references tx_parents (id) deferrable initially deferred)")
            local seen = 0
            local err = failure(db.transaction, db, function()
                Account:create({ owner = "bob" })
                db:execute("insert into tx_kids (id, parent_id) values (1, 7)")
                after_commit(function()
                    seen = seen + 1
                end)
            end)
            assert.equal("foreignKey", err.kind)
            assert.equal("tx_kids", err.table)
            assert.matches("tx_kids", err.message)
            assert.not_matches("still open", err.message)
            assert.equal("23503", err.sqlstate)
            assert.equal("ada", owners())
            assert.equal(0, seen)
            assert.equal("none", db:core():txstate())
            db:transaction(function()
                db:execute("insert into tx_kids (id, parent_id) values (1, 7)")
                db:execute("insert into tx_parents (id) values (7)")
            end)
            assert.equal(1, db:scalar("select count(*) from tx_kids"))
            db:script("drop table tx_kids; drop table tx_parents")
        end)
    end

    -- }}}
    -- {{{ options and misuse

    it("isolation", function()
        for _, isolation in ipairs({ "read committed", "repeatable read", "serializable" }) do
            db:transaction(function()
                Account:create({ owner = isolation })
            end, { isolation = isolation })
        end
        assert.equal(4, Account:count())
        if engine.name == "pg" then
            local level = db:transaction(function()
                return db:scalar("show transaction_isolation")
            end, { isolation = "serializable" })
            assert.equal("serializable", level)
            assert.equal("read committed", db:scalar("show transaction_isolation"))
        end
    end)

    it("misuse", function()
        local function none() end
        for _, case in ipairs({
            { nil },
            { "sql" },
            { none, { attempt = 3 } },
            { none, { attempts = 0 } },
            { none, { attempts = 1.5 } },
            { none, { isolation = "snapshot" } },
        }) do
            local err = failure(db.transaction, db, table.unpack(case, 1, 2))
            assert.equal("misuse", err.kind)
        end
        db:transaction(function()
            assert.equal("misuse", failure(db.transaction, db, none, { isolation = "serializable" }).kind)
            assert.equal("misuse", failure(db.close, db).kind)
        end)
        assert.equal("misuse", failure(eloquent.transaction, "nowhere", none).kind)
        assert.equal("misuse", failure(eloquent.afterCommit, "x", engine.name).kind)
        assert.equal(1, Account:count())
    end)

    it("a transaction that the script ended itself is told", function()
        local err = failure(db.transaction, db, function()
            Account:create({ owner = "bob" })
            db:execute("rollback")
        end)
        assert.equal("misuse", err.kind)
        assert.equal("ada", owners())
        db:transaction(function()
            Account:create({ owner = "cy" })
        end)
        assert.equal("ada cy", owners())
    end)

    it("tables that are made in it are undone", function()
        engine:schema():dropIfExists("tx_new")
        pcall(db.transaction, db, function()
            engine:schema():create("tx_new", function(t)
                t:id()
                t:string("name"):index()
            end)
            assert.is_true(engine:schema():hasTable("tx_new"))
            db:table("tx_new"):insert({ name = "x" })
            error("undo")
        end)
        assert.is_false(engine:schema():hasTable("tx_new"))
        db:transaction(function()
            engine:schema():create("tx_new", function(t)
                t:id()
            end)
        end)
        assert.is_true(engine:schema():hasTable("tx_new"))
        engine:schema():drop("tx_new")
    end)

    it("tables are not made in it where that would commit it", function()
        local ok, err = pcall(db.transaction, db, function()
            Account:create({ owner = "bob" })
            engine:schema():dropIfExists("tx_none")
            error("undo", 0)
        end)
        assert.is_false(ok)
        assert.is_true(err == "undo" or err.kind == "unsupported", tostring(err))
        assert.equal("ada", owners())
    end)

    it("many rows and streams in it", function()
        db:transaction(function()
            local rows = {}
            for i = 1, 3000 do
                rows[i] = { owner = "o" .. i }
            end
            Account:insert(rows)
            local n = 0
            for _ in Account:query():cursor() do
                n = n + 1
            end
            assert.equal(3001, n)
        end)
        assert.equal(3001, Account:count())
    end)

    -- }}}
end, "documents")
