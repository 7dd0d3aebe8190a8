-- SPDX-License-Identifier: MIT
--
-- The edges of every column type, written in each way and read back the same. The values
-- are in values.lua.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")
local helper = require("spec.helper")
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

-- What messages call the value's type.
local function noun_of(value)
    if value == null then
        return "null"
    elseif eloquent.decimal.is(value) then
        return "decimal"
    elseif eloquent.datetime.is(value) then
        return "datetime"
    end
    return math.type(value) or type(value)
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
    return engine.model("Value" .. number) {
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
                local sql = engine:text("select v, w from value_%d where id = ?",
                    '{"find":"value_%d","filter":{"id":?},"$fields":["v","w"]}'):format(case.number)
                local row = db:selectOne(sql, { id })
                expect(pair[2], row.v, "raw " .. i)
                assert.is_nil(row.w)
                expect(pair[2], db:select(sql, { id })[1].v, "raw select")
                expect(pair[2], db:scalar(sql, { id }), "scalar")
            end
        end)

        it(case.name .. " by raw access, written", function()
            local db = engine:db()
            for i, value in ipairs(case.values) do
                local sql = engine:text("insert into value_%d (id, v) values (?, ?)",
                    '{"insert":"value_%d","documents":[{"id":?,"v":?}]}'):format(case.number)
                if case.encoded and engine.name ~= "mongo" then
                    value = json.encode(value)
                end
                db:execute(sql, { i, value })
                local found = Model:find(i)
                expect(case.values[i], found.v, "raw insert " .. i)
                sql = engine:text("update value_%d set w = ? where id = ?",
                    '{"update":"value_%d","updates":[{"u":{"$set":{"w":?}},"q":{"id":?}}]}'):format(case.number)
                db:execute(sql, { value, i })
                expect(case.values[i], Model:find(i).w, "raw update " .. i)
                db:table("value_" .. case.number):where("id", i):update({ v = null })
                db:table("value_" .. case.number):where("id", i):update({ v = value })
                expect(case.values[i], Model:find(i).v, "table " .. i)
            end
        end)

        if case.ordered then
            it(case.name .. " in order", function()
                local n = #case.ordered
                for last_of_half = n, n - 1, -1 do -- neither upwards nor downwards
                    for at = last_of_half, 1, -2 do
                        Model:insert({ id = at, v = case.ordered[at] })
                    end
                end
                assert.equal(n, Model:count())
                for i, id in ipairs(Model:orderBy("v"):pluck("id")) do
                    assert.equal(i, id)
                end
                for i, id in ipairs(Model:orderByDesc("v"):pluck("id")) do
                    assert.equal(n + 1 - i, id)
                end
                expect(case.ordered[1], Model:min("v"), "min")
                expect(case.ordered[n], Model:max("v"), "max")
                for i, value in ipairs(case.ordered) do
                    assert.equal(i - 1, Model:where("v", "<", value):count(), show(value))
                    assert.equal(i, Model:where("v", "<=", value):count(), show(value))
                    assert.equal(n - i, Model:where("v", ">", value):count(), show(value))
                    assert.equal(n - i + 1, Model:where("v", ">=", value):count(), show(value))
                    assert.equal(i, Model:whereBetween("v", { case.ordered[1], value }):count(), show(value))
                    assert.equal(n - 1, Model:whereNotIn("v", { value }):count(), show(value))
                end
            end)
        end

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
                engine:db():listen(function(statement)
                    if not statement.sql:find('"counters"', 1, true) then -- a number may be left out
                        statements = statements + 1
                    end
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
                        if case.type_told ~= false then
                            assert.matches("%f[%a]" .. noun_of(value) .. "%f[%A]", err.message)
                        end
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

    local Number = engine.model "Number" {
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
        local record = Number:create({ big = math.maxinteger })
        for label, write in pairs({
            create = function() return Number:create({ big = highest }) end,
            insert = function() return Number:insert({ { big = highest } }) end,
            ["insert of many"] = function()
                local rows = {}
                for i = 1, 100 do
                    rows[i] = { big = highest }
                end
                return Number:insert(rows)
            end,
            update = function() return Number:where("id", record.id):update({ big = highest }) end,
            save = function() return record:update({ big = highest }) end,
        }) do
            local ok, err = pcall(write)
            if ok then
                expect(highest, Number:orderByDesc("id"):first().big, label)
            else
                assert.equal("value", err.kind, label)
                assert.matches("Number.big: the decimal is out of the column's range, 0 to 9223372036854775807",
                    err.message, 1, true)
                assert.equal(1, Number:count())
                record:refresh()
            end
        end
        expect(engine.name == "sqlite" and math.maxinteger or highest, Number:find(record.id).big, "kept")
    end)

    engine.it("decimals add up, group and compare exactly, whatever their length", function()
        local Sum = engine.model "Sum" {
            tableName = "value_sums",
            connectionName = engine.name,
            schema = {
                id = column("increments"),
                kind = column("string", 10),
                v = column("decimal", nil, { precision = 65, scale = 30 }),
            },
        }
        local decimal = eloquent.decimal
        engine:tables(Sum)
        local rows, total = {}, decimal("0." .. ("0"):rep(30))
        for i = 1, 100 do
            local v = decimal(("%d12345678901234567890.%030d"):format(i, i)) * (i % 3 == 0 and -1 or 1)
            rows[i], total = { kind = "k" .. i % 2, v = v }, total + v
        end
        Sum:insert(rows)
        expect(total, Sum:sum("v"), "sum")
        expect(Sum:where("kind", "k0"):sum("v") + Sum:where("kind", "k1"):sum("v"), Sum:sum("v"), "sum of halves")
        local average = Sum:avg("v")
        assert.is_true(decimal.is(average))
        assert.equal(0, average:round(4):compare(total:div(100, 4)), tostring(average))
        local positive = 0
        for _, row in ipairs(rows) do
            positive = positive + (row.v > 0 and 1 or 0)
        end
        assert.equal(positive, Sum:where("v", ">", 0):count())
        assert.equal(100 - positive, Sum:where("v", "<", decimal("0.0")):count())
        local sums = Sum:select("kind"):selectRaw("count(*) as n"):groupBy("kind"):having("kind", "k1"):get()
        assert.equal(50, sums[1].n)
        -- one more digit makes another number, another scale does not
        local one = rows[1].v
        assert.equal(1, Sum:where("v", one):count())
        assert.equal(0, Sum:where("v", one + decimal("0." .. ("0"):rep(29) .. "1")):count())
        Sum:where("id", 1):update({ v = "1.5" })
        assert.equal(1, Sum:where("v", decimal("1.500")):count())
        assert.equal(1, Sum:whereIn("v", { decimal("1.5000000"), 7 }):count())
        Sum:where("id", 1):increment("v", decimal("0." .. ("0"):rep(29) .. "1"))
        expect(decimal("1.5" .. ("0"):rep(28) .. "1"), Sum:find(1).v, "increment")
        Sum:where("id", 1):decrement("v", 2)
        expect(decimal("-0.4" .. ("9"):rep(29)), Sum:find(1).v, "decrement")
    end)

    engine.it("the time zone of the machine changes nothing", function()
        local Moment = engine.model "Moment" {
            tableName = "value_moments",
            connectionName = engine.name,
            schema = {
                id = column("increments"),
                at = column("timestamp"),
                tz = column("timestamp", nil, { useTz = true }),
                day = column("date"),
                clock = column("time"),
            },
        }
        engine:tables(Moment)
        local script = [[
            local eloquent = require("eloquent")
            local column = eloquent.column
            local Moment = eloquent.MODEL "Moment" {
                tableName = "value_moments", connectionName = eloquent.connection().name,
                schema = {
                    id = column("increments"), at = column("timestamp"),
                    tz = column("timestamp", nil, { useTz = true }), day = column("date"), clock = column("time"),
                },
            }
            local at = eloquent.datetime("AT")
            local row = Moment:create({ at = at, tz = at, day = "2024-03-10", clock = "02:30:00" })
            local db = eloquent.connection()
            local raw = db:selectOne([=[SQL]=], { row.id })
            local found = Moment:find(row.id)
            print(found.at, found.tz, found.day, found.clock, raw.at, raw.tz, raw.day, raw.clock,
                Moment:where("at", at):where("tz", tostring(at):gsub("[TZ]", " "):sub(1, -2))
                    :where("day", "2024-03-10"):count(),
                math.abs(eloquent.datetime.now() - eloquent.datetime.fromUnix(os.time())) < 5)
        ]]
        local at <const> = tostring(eloquent.datetime("2024-03-10T02:30:00" .. engine.fraction(1) .. "Z"))
        script = script:gsub("%u%u+", {
            AT = at,
            MODEL = engine:text("SqlModel", "MongoModel"),
            SQL = engine:text("select at, tz, day, clock from value_moments where id = ?",
                '{"find":"value_moments","filter":{"id":?},"$fields":["at","tz","day","clock"]}'),
        })
        for i, zone in ipairs({ "UTC", "EST5EDT4,M3.2.0,M11.1.0", "IST-5:30", "<+14>-14" }) do
            local env = engine:environment()
            env.TZ = zone
            local r = helper.run_code(script, { env = env })
            assert.equal("", r.stderr)
            assert.equal(table.concat({ at, at, "2024-03-10", "02:30:00", at, at, "2024-03-10", "02:30:00", i, "true" },
                "\t") .. "\n", (r.stdout:gsub("02:30:00%.000000", "02:30:00")))
        end
        assert.equal(4, Moment:where("at", at):count())
    end)

    engine.it("an enum sorts as text", function()
        local Size = engine.model "Size" {
            tableName = "value_sizes",
            connectionName = engine.name,
            schema = { id = column("increments"), v = column("enum", nil, { values = { "small", "large" } }) },
        }
        engine:tables(Size)
        Size:insert({ { v = "small" }, { v = "large" } })
        assert.same({ "large", "small" }, { table.unpack(Size:orderBy("v"):pluck("v")) })
    end)

    -- }}}
end, "documents")
