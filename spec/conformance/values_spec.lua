-- SPDX-License-Identifier: MIT
--
-- The edges of every column type, written in each way and read back the same. The values
-- are in values.lua.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")
local json = require("eloquent.core.json")
local values = require("spec.conformance.values")

local column, null = eloquent.column, eloquent.null

-- Rows that insert writes by the engine's fastest way.
local BULK <const> = 60

-- For messages: long values are cut.
local function show(value)
    if type(value) == "table" then
        value = json.encode(value)
    end
    return ("%s %s"):format(math.type(value) or type(value), tostring(value):sub(1, 60))
end

local function same(a, b)
    if type(a) == "table" then
        return type(b) == "table" and json.equals(a, b)
    elseif type(a) == "userdata" then
        return type(b) == "userdata" and a == b and tostring(a) == tostring(b)
    end
    return math.type(a) == math.type(b) and a == b and (a ~= 0 or 1 / a == 1 / b)
end

local function expect(expected, got, what)
    if not same(expected, got) then
        error(("%s: wrote %s, read %s"):format(what, show(expected), show(got)), 2)
    end
end

-- Pairs of what is written and what has to be read.
local function pairs_of(case)
    local list = {}
    for _, value in ipairs(case.values) do
        list[#list + 1] = { value, value }
    end
    for _, pair in ipairs(case.given or {}) do
        list[#list + 1] = pair
    end
    return list
end

local function define(engine, case, number)
    return eloquent.SqlModel("Value" .. number) {
        tableName = "value_" .. number,
        connectionName = engine.name,
        schema = { id = column("increments"), v = case.column, w = case.column },
    }
end

engines.suite("values", function(engine)
    local function cases_of(case, Model)
        local it, pairs_given = engine.it, pairs_of(case)
        local last = #pairs_given

        before_each(function()
            engine:tables(Model)
        end)

        local function read_all(what)
            local rows = Model:orderBy("id"):get()
            assert.equal(last, #rows)
            for i, pair in ipairs(pairs_given) do
                expect(pair[2], rows[i].v, what)
                assert.is_nil(rows[i].w)
            end
        end

        it(case.name .. " by create, find and cursor", function()
            for _, pair in ipairs(pairs_given) do
                local record = Model:create({ v = pair[1] })
                expect(pair[2], record.v, "create")
                expect(pair[2], Model:find(record.id).v, "find")
                assert.is_false(record:isDirty())
            end
            read_all("get")
            local n = 0
            for record in Model:orderBy("id"):cursor() do
                n = n + 1
                expect(pairs_given[n][2], record.v, "cursor")
            end
            assert.equal(last, n)
        end)

        it(case.name .. " by insert of many rows", function()
            local rows = {}
            for i, pair in ipairs(pairs_given) do
                rows[i] = { v = pair[1] }
            end
            assert.equal(last, Model:insert(rows))
            read_all("insert")
            local list = Model:orderBy("id"):pluck("v")
            for i, pair in ipairs(pairs_given) do
                expect(pair[2], list[i], "pluck")
            end
            engine:tables(Model)
            for i = last + 1, last + BULK do -- so many take another way
                rows[i] = { v = null }
            end
            assert.equal(last + BULK, Model:insert(rows))
            assert.equal(BULK, Model:whereNull("v"):delete())
            read_all("insert of many")
        end)

        it(case.name .. " by save and update, from and to NULL", function()
            local record = Model:create()
            assert.is_nil(record.v)
            for _, pair in ipairs(pairs_given) do
                record.v = pair[1]
                record:save()
                local found = Model:find(record.id)
                expect(pair[2], found.v, "save")
                found.v = pair[2]
                assert.is_false(found:isDirty("v"), show(pair[2]))
                record.v = nil
                record:save()
                assert.is_nil(Model:find(record.id).v)
                assert.equal(1, Model:where("id", record.id):update({ v = pair[1] }))
                expect(pair[2], Model:find(record.id).v, "update")
                Model:where("id", record.id):update({ v = null })
                assert.equal(1, Model:whereNull("v"):count())
                record:refresh()
            end
        end)

        it(case.name .. " by raw access", function()
            local db = engine:db()
            for i, pair in ipairs(pairs_given) do
                local id = Model:create({ v = pair[1] }).id
                local sql = ("select v, w from value_%d where id = ?"):format(case.number)
                local row = db:selectOne(sql, { id })
                expect(pair[2], row.v, "raw " .. i)
                assert.is_nil(row.w)
                expect(pair[2], db:select(sql, { id })[1].v, "raw select")
                expect(pair[2], db:scalar(sql, { id }), "scalar")
            end
        end)

        if case.compares ~= false then
            it(case.name .. " in conditions", function()
                for i, value in ipairs(case.values) do
                    Model:insert({ v = value, id = i })
                end
                for i, value in ipairs(case.values) do
                    local found = Model:where("v", value):pluck("id")
                    assert.equal(1, #found, show(value))
                    assert.is_true(found:contains(i), show(value))
                    assert.equal(#case.values - #found, Model:where("v", "!=", value):count(), show(value))
                    if not case.wide then
                        assert.equal(#found, Model:whereIn("v", { value }):count(), show(value))
                    end
                end
                if not case.wide then
                    assert.equal(#case.values, Model:whereIn("v", case.values):count())
                end
            end)
        end

        if case.wrong then
            it(case.name .. " refuses what it can't hold, before anything is sent", function()
                local record, statements = Model:create(), 0
                engine:db():listen(function()
                    statements = statements + 1
                end)
                for i, value in ipairs(case.wrong) do
                    for way, write in pairs({
                        create = function()
                            Model:create({ v = value })
                        end,
                        insert = function()
                            Model:insert({ { v = value } })
                        end,
                        update = function()
                            Model:where("id", 1):update({ v = value })
                        end,
                        save = function()
                            record.v = value
                            record:save()
                        end,
                    }) do
                        local ok, err = pcall(write)
                        local what = ("%s of wrong value %d, %s"):format(way, i, type(value))
                        assert(not ok, what .. " did not raise")
                        assert(eloquent.is(err, "value"), ("%s: %s"):format(what, tostring(err)))
                        assert.matches(Model._name .. ".v", err.message, 1, true)
                        assert.matches("values_spec.lua$", err.file)
                    end
                end
                engine:db():listen(nil)
                assert.equal(0, statements)
                assert.equal(1, Model:count())
            end)
        end
    end

    for number, case in ipairs(values) do
        case.number = number
        describe("type", function()
            cases_of(case, define(engine, case, number))
        end)
    end

    -- {{{ what fits no table

    local Number = eloquent.SqlModel "Number" {
        tableName = "value_numbers",
        connectionName = engine.name,
        schema = {
            id = column("increments"),
            v = column("double"),
            big = column("bigInteger", nil, { unsigned = true }),
        },
    }

    engine.it("a NaN is kept or refused, never another value", function()
        engine:tables(Number)
        local ok, record = pcall(Number.create, Number, { v = 0 / 0 })
        if ok then
            local found = Number:find(record.id).v
            assert.is_true(found ~= found)
        else
            assert.equal("value", record.kind)
            assert.equal(0, Number:count())
        end
    end)

    engine.it("an unsigned bigInteger beyond 64 bits with sign", function()
        engine:tables(Number)
        local highest = eloquent.decimal("18446744073709551615")
        local record = Number:create({ big = highest })
        expect(highest, Number:find(record.id).big, "create")
        assert.equal(1, Number:where("big", highest):count())
    end)

    engine.it("an unsigned bigInteger beyond 64 bits is not rounded", function()
        engine:tables(Number)
        local highest = eloquent.decimal("18446744073709551615")
        local ok, record = pcall(Number.create, Number, { big = highest })
        if ok then
            expect(highest, Number:find(record.id).big, "create")
        else
            assert.is_true(record.kind == "value" or record.kind == "check", record.kind)
        end
    end)

    engine.it("an enum sorts as text", function()
        local Size = eloquent.SqlModel "Size" {
            tableName = "value_sizes",
            connectionName = engine.name,
            schema = { id = column("increments"), v = column("enum", nil, { values = { "small", "large" } }) },
        }
        engine:tables(Size)
        Size:insert({ { v = "small" }, { v = "large" } })
        assert.same({ "large", "small" }, { table.unpack(Size:orderBy("v"):pluck("v")) })
    end)

    -- }}}
end)
