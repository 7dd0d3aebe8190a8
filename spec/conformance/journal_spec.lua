-- SPDX-License-Identifier: MIT
--
-- Records through levels of transactions that are kept or rolled back, in every order: what
-- a record says of its row is what the row is. Models without JSON columns go a shorter way
-- than others once their statements are known, so each case runs cold and warm.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local column, null = eloquent.column, eloquent.null

engines.suite("journal", function(engine)
    local it = engine.it
    local db = engine:db()
    local deepest = engine.name == "mongo" and 1 or 3 -- of the levels of a walk; MongoDB has no savepoints

    local function coin(name, table_name, more)
        local schema = {
            id = column("increments"),
            owner = column("string", 40, { unique = true }),
            coins = column("integer", nil, { default = 7 }),
            score = column("double"),
            label = column("string", 20),
        }
        for key, value in pairs(more or {}) do
            schema[key] = value
        end
        return engine.model(name)({
            tableName = table_name,
            connectionName = engine.name,
            schema = schema,
            timestamps = true,
        })
    end
    local Coin = coin("Coin", "journal_coins")
    local Note = coin("Note", "journal_notes", { data = column("json") })

    local function rolled_back(fn)
        local ok, why = pcall(db.transaction, db, function()
            fn()
            error("undo", 0)
        end)
        assert.is_false(ok)
        assert.equal("undo", why)
    end

    --- Saves a record that the database refuses. PostgreSQL goes on from a savepoint only.
    local function refused(record)
        local function save()
            record:save()
        end
        if engine.name == "pg" then
            assert.is_false(pcall(db.transaction, db, save))
        else
            assert.is_false(pcall(save))
        end
    end

    --- Fails unless an existing record knows its row, and a new one has none.
    local function agrees(Model, record, what)
        local key = record:getOriginal("id")
        local row = key and Model:find(key)
        if not record:exists() then
            return
        end
        assert(row, what .. ": the record exists, its row does not")
        for _, name in ipairs({ "id", "owner", "coins", "score", "label", "created_at", "updated_at" }) do
            local said, is = record:getOriginal(name), row[name]
            if said ~= is then
                error(("%s: %s is %s in the row, %s in the record"):format(what, name, tostring(is),
                    tostring(said)), 0)
            end
            if not record:isDirty(name) then
                assert.equal(is, record[name], what)
            end
        end
    end

    --- Makes every statement that the cases need known.
    local function warm(Model)
        local record = Model:create({ owner = "warm", coins = 1, score = 0.5, label = "w" })
        record.coins = 2
        record:save()
        record.label = "x"
        record:save()
        record.coins, record.label = 3, "y"
        record:save()
        record:delete()
        Model:create({ owner = "warm" }):delete()
    end

    local cases = {}

    function cases.created(Model)
        local ada
        rolled_back(function()
            ada = Model:create({ owner = "Ada", coins = 1, score = 1.5, label = "a" })
        end)
        assert.is_false(ada:exists())
        assert.is_nil(ada.id)
        assert.is_nil(ada.created_at)
        assert.equal("Ada", ada.owner)
        ada:save()
        agrees(Model, ada, "saved again")
        assert.is_not_nil(ada.created_at)
    end

    function cases.updated(Model)
        local id = Model:create({ owner = "Ada", coins = 1 }).id
        local ada = Model:find(id)
        local stamp = ada.updated_at
        rolled_back(function()
            ada.coins = 2
            ada:save()
            ada.label = "x"
            ada:save()
        end)
        agrees(Model, ada, "rolled back")
        assert.equal(stamp, ada.updated_at)
        assert.same({ coins = 2, label = "x" }, ada:getDirty())
        ada:save()
        assert.equal(2, Model:find(id).coins)
        agrees(Model, ada, "saved again")
    end

    function cases.restored_by_hand(Model)
        local ada = Model:find(Model:create({ owner = "Ada", coins = 1 }).id)
        rolled_back(function()
            ada.coins = 2
            ada:save()
            ada.coins = 1
        end)
        assert.is_false(ada:isDirty("coins"))
        agrees(Model, ada, "rolled back")
    end

    function cases.stamped_by_hand(Model)
        local ada = Model:find(Model:create({ owner = "Ada" }).id)
        local moment = eloquent.datetime("2001-02-03T04:05:06Z")
        rolled_back(function()
            ada.updated_at = moment
            ada:save()
        end)
        assert.equal(moment, ada.updated_at)
        ada:save()
        assert.equal(moment, Model:find(ada.id).updated_at)
    end

    function cases.created_then_changed(Model)
        local ada
        rolled_back(function()
            ada = Model:create({ owner = "Ada" })
            ada.label = "x"
            ada:save()
        end)
        assert.is_false(ada:exists())
        assert.equal("x", ada.label)
        assert.is_nil(ada.coins)
        ada:save()
        assert.equal(7, Model:find(ada.id).coins)
        agrees(Model, ada, "saved again")
    end

    function cases.deleted(Model)
        local ada = Model:find(Model:create({ owner = "Ada", coins = 5 }).id)
        ada.label = "x"
        rolled_back(function()
            assert.is_true(ada:delete())
        end)
        assert.is_true(ada:exists())
        assert.same({ label = "x" }, ada:getDirty())
        agrees(Model, ada, "rolled back")
        ada:save()
        assert.is_true(ada:delete())
        assert.equal(0, Model:count())
    end

    function cases.deleted_and_saved_again(Model)
        local ada = Model:find(Model:create({ owner = "Ada", coins = 5 }).id)
        rolled_back(function()
            ada:delete()
            ada:save()
            ada.coins = 6
            ada:save()
        end)
        assert.equal(5, ada:getOriginal("coins"))
        agrees(Model, ada, "rolled back")
    end

    function cases.inner_level_undone(Model)
        local ada, eve = Model:create({ owner = "Ada", coins = 1 }), nil
        ada = Model:find(ada.id)
        local bob = Model:find(Model:create({ owner = "Bob", coins = 1 }).id)
        db:transaction(function()
            ada.coins = 2
            ada:save()
            rolled_back(function()
                ada.coins = 3
                ada:save()
                bob:delete()
                eve = Model:create({ owner = "Eve" })
            end)
            agrees(Model, ada, "inside")
            agrees(Model, bob, "inside")
            assert.equal(2, ada:getOriginal("coins"))
        end)
        assert.is_false(eve:exists())
        agrees(Model, ada, "after")
        agrees(Model, bob, "after")
    end

    function cases.inner_level_kept(Model)
        local ada = Model:find(Model:create({ owner = "Ada", coins = 1 }).id)
        local bob = Model:find(Model:create({ owner = "Bob", coins = 1 }).id)
        local eve
        rolled_back(function()
            ada.coins = 2
            ada:save()
            db:transaction(function()
                ada.coins = 3
                ada:save()
                bob:delete()
                eve = Model:create({ owner = "Eve" })
            end)
            eve.label = "x"
            eve:save()
        end)
        assert.equal(1, ada:getOriginal("coins"))
        assert.is_false(eve:exists())
        for _, record in ipairs({ ada, bob }) do
            agrees(Model, record, "rolled back")
        end
        eve:save()
        agrees(Model, eve, "saved again")
    end

    function cases.refused(Model)
        Model:create({ owner = "Ada" })
        local bob = Model:find(Model:create({ owner = "Bob" }).id)
        local eve
        db:transaction(function()
            rolled_back(function()
                eve = Model:new({ owner = "Ada" })
                assert.is_false(pcall(eve.save, eve))
                error("undo", 0)
            end)
            rolled_back(function()
                bob.owner = "Ada"
                assert.is_false(pcall(bob.save, bob))
                error("undo", 0)
            end)
        end)
        assert.is_false(eve:exists())
        assert.equal("Ada", eve.owner)
        agrees(Model, bob, "refused")
        bob.owner = "Bo"
        bob:save()
        agrees(Model, bob, "saved")
    end

    function cases.created_then_dirty(Model)
        local ada, bob
        rolled_back(function()
            ada = Model:create({ owner = "Ada" })
            ada.label = "x"
            bob = Model:new({ coins = 2 })
            bob.owner = "Ada"
            refused(bob)
            bob.owner, bob.label = "Bob", "b"
            bob:save()
            bob.score = 1.5
        end)
        assert.equal("x", ada.label)
        assert.same({ owner = "Bob", coins = 2, label = "b", score = 1.5 }, bob:getDirty())
        ada:save()
        assert.equal("x", Model:find(ada.id).label)
    end

    function cases.refused_then_dirty(Model)
        Model:create({ owner = "Ada" })
        local ada = Model:new({ owner = "Ada" })
        rolled_back(function()
            refused(ada)
            ada.label = "x"
        end)
        assert.same({ owner = "Ada", label = "x" }, ada:getDirty())
    end

    function cases.created_then_deleted(Model)
        local ada, bob
        rolled_back(function()
            ada = Model:create({ owner = "Ada" })
            ada:delete()
            bob = Model:create({ owner = "Bob" })
            db:transaction(function()
                bob:delete()
            end)
        end)
        assert.same({ owner = "Ada" }, ada:getDirty())
        assert.same({ owner = "Bob" }, bob:getDirty())
    end

    function cases.not_selected(Model)
        local id = Model:create({ owner = "Ada", coins = 1 }).id
        local ada = Model:select("id", "owner"):where("id", id):first()
        rolled_back(function()
            ada.coins = 5
            ada:save()
        end)
        assert.is_true(ada:isDirty("coins"))
        ada:save()
        assert.equal(5, Model:find(id).coins)
    end

    function cases.read_again(Model)
        local ada = Model:find(Model:create({ owner = "Ada", coins = 1 }).id)
        rolled_back(function()
            ada.coins = 2
            ada:save()
            Model:where("id", ada.id):update({ label = "x" })
            ada:refresh()
            ada.score = 0.5
            ada:save()
        end)
        assert.same({ coins = 2, score = 0.5 }, ada:getDirty())
    end

    function cases.told_by_a_listener(Model)
        local ada = Model:new({ owner = "Ada" })
        local function listening(verb, fn, tell)
            db:listen(function(statement)
                if statement.sql:find(verb, 1, true) then
                    tell()
                end
            end)
            local ok, why = pcall(fn)
            db:listen(nil)
            return ok or why
        end
        local function raise()
            error("told", 0)
        end
        local function save()
            ada:save()
        end
        assert.equal("told", listening("insert", save, raise))
        assert.is_true(ada:exists())
        save()
        assert.equal(1, Model:count())
        ada.coins = 2
        assert.is_true(listening("update", save, function()
            ada.coins, ada.label = 3, "x"
        end))
        assert.same({ coins = 3, label = "x" }, ada:getDirty())
        agrees(Model, ada, "saved")
        assert.equal("told", listening("delete", function()
            ada:delete()
        end, raise))
        assert.is_false(ada:exists())
    end

    function cases.negative_zero(Model)
        local ada = Model:create({ owner = "Ada", coins = 1, score = 0.0 })
        ada.score = -0.0
        assert.is_true(ada:isDirty("score"))
    end

    --- Levels of transactions opened, kept and undone at random, with records that are
    --- created, changed, saved, deleted and read in each.
    local function wander(Model, seed)
        math.randomseed(seed)
        local records, made = {}, 0
        local function act(depth)
            local record = records[math.random(#records + 1)]
            local dice = math.random(8)
            if not record or dice == 1 then
                made = made + 1
                records[#records + 1] = Model:create({
                    owner = seed .. "/" .. made,
                    score = math.random() < 0.5 and made + 0.5 or null,
                })
            elseif dice == 2 then
                if record:exists() then
                    record:delete()
                end
            elseif dice == 3 then
                local key = record:getOriginal("id")
                local found = key and Model:find(key)
                -- Not inside a transaction: what is read there is not known to be undone.
                if found and depth == 0 and record:exists() and not record:isDirty() then
                    for i = 1, #records do
                        if records[i] == record then
                            records[i] = found
                        end
                    end
                end
            else
                if math.random() < 0.7 then
                    record.coins = math.random(5)
                end
                if math.random() < 0.4 then
                    record.label = ({ "a", "b", null })[math.random(3)]
                end
                -- The key of a deleted row may be another's by now, where keys are rolled back.
                if dice > 5 and (record:exists() or not (record.id and Model:find(record.id))) then
                    record:save()
                end
            end
        end
        local function level(depth)
            for _ = 1, math.random(6) do
                if depth < deepest and math.random() < 0.25 then
                    local keep = math.random() < 0.5
                    local ok, why = pcall(db.transaction, db, function()
                        level(depth + 1)
                        if not keep then
                            error("undo", 0)
                        end
                    end)
                    if not ok and why ~= "undo" then
                        error(why, 0)
                    end
                else
                    act(depth)
                end
            end
            for i, record in ipairs(records) do
                agrees(Model, record, ("seed %d, record %d"):format(seed, i))
            end
        end
        level(0)
    end

    for _, Model in ipairs({ Coin, Note }) do
        describe(Model == Coin and "of plain columns" or "with a JSON column", function()
            before_each(function()
                engine:tables(Model)
            end)
            for name, case in pairs(cases) do
                local what = name:gsub("_", " ")
                it(what .. ", cold", function()
                    case(Model)
                end)
                it(what .. ", warm", function()
                    warm(Model)
                    case(Model)
                end)
            end
            it("lets a finaliser write to the record that is being written", function()
                warm(Model)
                local record = Model:find(Model:create({ owner = "Ada", coins = 0 }).id)
                --- Calls `fn`, and `meanwhile` from a finaliser in the middle of it.
                local function interrupted(fn, meanwhile)
                    local met = false
                    collectgarbage("generational")
                    setmetatable({}, {
                        __gc = function()
                            meanwhile()
                            met = true
                        end,
                    })
                    collectgarbage("restart") -- the next block that is taken makes it collect
                    fn()
                    local at_once = met
                    collectgarbage("incremental")
                    assert.is_true(at_once)
                end
                interrupted(function()
                    record.coins = 1
                end, function()
                    record.label, record.score = "gc", 9.5
                end)
                assert.same({ coins = 1, label = "gc", score = 9.5 }, record:getDirty())
                record:save()
                agrees(Model, record, "saved")
                record = Model:find(record.id)
                record.coins = 2
                interrupted(function()
                    record:save()
                end, function()
                    record.label = "late"
                end)
                agrees(Model, record, "saved meanwhile")
                assert.equal("late", record.label)
            end)

            it("agrees with the rows after any walk through levels", function()
                for seed = 1, engine.has_server and 60 or 400 do
                    wander(Model, seed)
                end
            end)
        end)
    end
end, "documents")
