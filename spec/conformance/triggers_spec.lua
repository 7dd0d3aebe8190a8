-- SPDX-License-Identifier: MIT
--
-- Triggers of a table that keep a row out: what a record knows of it.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local column = eloquent.column
local failure = engines.failure

-- Each keeps out a row of the name 'skip'. MySQL's triggers can refuse one, but not skip it.
local KEEPERS <const> = {
    sqlite = { [[create trigger trigger_keeper before insert on trigger_guests when new.name = 'skip'
        begin select raise(ignore); end]] },
    pg = {
        [[create or replace function trigger_keeper() returns trigger language plpgsql as
            'begin if new.name = ''skip'' then return null; end if; return new; end']],
        [[create trigger trigger_keeper before insert on trigger_guests for each row
            execute function trigger_keeper()]],
    },
    mysql = { [[create trigger trigger_keeper before insert on trigger_guests for each row
        if new.name = 'skip' then signal sqlstate '45000' set message_text = 'kept out'; end if]] },
}

engines.suite("triggers", function(engine)
    local it = engine.it
    local db = engine:db()
    local skips = engine.name ~= "mysql"
    local Guest = engine.model "Guest" {
        tableName = "trigger_guests",
        connectionName = engine.name,
        schema = { id = column("increments"), name = column("string", 20) },
    }
    -- More columns than the key are made by the engine, which an insert reads back.
    local Full = engine.model "Full" {
        tableName = "trigger_guests",
        connectionName = engine.name,
        schema = {
            id = column("increments"),
            name = column("string", 20),
            level = column("integer", nil, { default = 3 }),
        },
    }

    before_each(function()
        engine:tables(Full)
        for _, text in ipairs(KEEPERS[engine.name]) do
            db:execute(text)
        end
    end)

    teardown(function()
        engine:drop(Full)
        if engine.name == "pg" then
            db:execute("drop function if exists trigger_keeper()")
        end
    end)

    local function keeps_out(model, data)
        model:create({ name = "first" })
        local err = failure(model.create, model, data)
        assert.equal(skips and "check" or "other", err.kind)
        assert.equal(1, model:count())
        if skips then
            assert.equal("trigger_guests", err.table)
            assert.matches("wrote no row into 'trigger_guests'", err.message, 1, true)
        end
        local record = model:new(data)
        for _ = 1, 2 do
            failure(record.save, record)
            assert.is_false(record:exists())
            assert.is_true(record:isDirty("name"))
            assert.equal(data.id, record.id)
        end
        record.name = "second"
        record:save()
        assert.equal("second", model:find(record.id).name)
        assert.equal(2, model:count())
    end

    it("a row that is kept out is an error, and its record is new", function()
        keeps_out(Guest, { name = "skip" })
    end)

    it("so it is where the engine makes no key", function()
        keeps_out(Guest, { id = 50, name = "skip" })
    end)

    it("so it is where the engine makes more than the key", function()
        keeps_out(Full, { name = "skip" })
    end)

    it("so it is in a list, whose other rows are undone", function()
        local err = failure(Guest.createMany, Guest, { { name = "a" }, { name = "skip" }, { name = "b" } })
        assert.equal(2, err.row)
        assert.equal(0, Guest:count())
    end)

    it("insertGetId has no key to tell, which is an error", function()
        failure(Guest.insertGetId, Guest, { name = "skip" })
        failure(Guest.insertGetId, Guest, { id = 50, name = "skip" })
        assert.equal(0, Guest:count())
    end)

    it("a row that a view's trigger writes is written", function()
        db:execute("create view trigger_view as select id, name from trigger_guests")
        if engine.name == "sqlite" then -- the others write through such a view by themselves
            db:execute("create trigger trigger_view_insert instead of insert on trigger_view begin "
                .. "insert into trigger_guests (id, name) values (new.id, new.name); end")
            db:execute("create trigger trigger_view_update instead of update on trigger_view begin "
                .. "update trigger_guests set name = new.name where id = old.id; end")
        end
        local Shown = engine.model "Shown" {
            tableName = "trigger_view",
            connectionName = engine.name,
            schema = { id = column("integer", nil, { primary = true }), name = column("string", 20) },
        }
        local ok, why = pcall(function()
            for id = 7, 9 do
                local shown = Shown:create({ id = id, name = "x" })
                assert.is_true(shown:exists())
                assert.is_false(shown:isDirty())
                shown.name = "y"
                shown:save()
                assert.is_false(shown:isDirty())
            end
            assert.equal(3, Guest:where("name", "y"):count())
        end)
        db:execute("drop view trigger_view")
        assert(ok, tostring(why))
    end)
end)
