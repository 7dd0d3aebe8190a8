-- SPDX-License-Identifier: MIT
--
-- Which of many rows an error is about: rows are numbered from the first of the call, by
-- whatever ways they go, and a value says where in the row it is.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local column = eloquent.column
local failure = engines.failure

engines.suite("rows", function(engine)
    local it = engine.it
    local db = engine:db()
    local Item = engine.model "Item" {
        tableName = "rows_items",
        connectionName = engine.name,
        schema = {
            id = column("increments"),
            code = column("string", 40, { unique = true }),
            n = column("integer", nil, { default = 1 }),
            data = column("json"),
        },
    }

    before_each(function()
        engine:tables(Item)
    end)

    -- Rows of which some have other columns, so that the rest of them take other ways; one is wrong.
    local function rows_of(total, others, at, wrong)
        local rows = {}
        for i = 1, total do
            rows[i] = { code = "c" .. i, n = i }
        end
        for _, i in ipairs(others) do
            rows[i].n = nil
        end
        if wrong then
            wrong(rows, at)
        end
        return rows
    end

    local function no_row(rows, i)
        rows[i] = "no row"
    end
    local function wrong_value(rows, i)
        rows[i].n = "many"
    end
    local function wrong_json(rows, i)
        rows[i].data = { list = { 1, print } }
    end
    local function same_code(rows, i)
        rows[i].code = "c1"
    end

    -- { rows, which have other columns, the wrong one }
    local shapes = {
        { 5, {}, 3 }, { 5, { 2 }, 4 }, { 5, { 5 }, 5 }, { 60, {}, 60 }, { 150, { 3 }, 4 }, { 150, { 3 }, 120 },
        { 150, { 60 }, 60 }, { 150, { 60 }, 120 }, { 150, { 100 }, 120 }, { 150, { 100, 110 }, 150 },
        { 150, {}, 120 }, { 150, { 150 }, 150 },
    }

    local function each_shape(fn)
        for _, shape in ipairs(shapes) do
            fn(shape, ("%d rows, %s others, row %d"):format(shape[1], shape[2][1] or "no", shape[3]))
        end
        assert.equal(0, Item:count())
    end

    it("what is no row", function()
        each_shape(function(shape, what)
            local err = failure(Item.insert, Item, rows_of(shape[1], shape[2], shape[3], no_row))
            assert.equal("misuse", err.kind)
            assert.matches(("insert: row %d is a string"):format(shape[3]), err.message, 1, true, what)
        end)
    end)

    it("a wrong value", function()
        each_shape(function(shape, what)
            local expectations = { ["Item.n expects an integer"] = wrong_value, ["Item.data: "] = wrong_json }
            for expected, wrong in pairs(expectations) do
                local err = failure(Item.insert, Item, rows_of(shape[1], shape[2], shape[3], wrong))
                assert.same({ "value", shape[3] }, { err.kind, err.row }, what)
                assert.equal(1, err.message:find(("row %d: %s"):format(shape[3], expected), 1, true), err.message)
            end
        end)
    end)

    it("more rows than a statement takes, and rows that may be there", function()
        local n = engine.name == "mongo" and 1200 or 2500
        for at, wrong in pairs({ [2] = wrong_json, [n // 2] = wrong_value, [n - 1] = wrong_json }) do
            for verb, others in pairs({ insertOrIgnore = { 7 }, upsert = {} }) do
                local rows = rows_of(n, others, at, wrong)
                for _, row in ipairs(rows) do -- as upsert asks for
                    row.data = row.data or verb == "upsert" and { 1 } or nil
                end
                local err = failure(Item[verb], Item, rows, verb == "upsert" and "code" or nil)
                assert.same({ "value", at }, { err.kind, err.row }, verb)
                assert.matches(("^row %d: Item"):format(at), err.message)
                assert.equal(0, Item:count())
            end
        end
    end)

    it("a value of a table without a model", function()
        local unbound = { f = print, t = coroutine.create(print), u = io.stdout }
        each_shape(function(shape, what)
            for _, value in pairs(unbound) do
                local err = failure(function()
                    db:table("rows_items"):insert(rows_of(shape[1], shape[2], shape[3], function(rows, i)
                        rows[i].n = value
                    end))
                end)
                assert.same({ "value", shape[3] }, { err.kind, err.row }, what)
                assert.matches(("^row %d: rows_items"):format(shape[3]), err.message)
                assert.matches("[.']n[':]", err.message)
            end
        end)
        local err = failure(function()
            db:table("rows_items"):insertGetId({ code = "a", n = print })
        end)
        assert.is_nil(err.row)
        assert.matches("^rows_items.*function", err.message)
    end)

    it("a row that the database refuses, where a statement has but one", function()
        local rows = rows_of(5, { 2 }, 4, same_code)
        local err = failure(Item.insert, Item, rows)
        assert.equal("unique", err.kind)
        if engine.name == "sqlite" or engine.name == "mongo" then -- the others have all in one
            assert.equal(4, err.row)
            assert.matches("^row 4: ", err.message)
        end
        assert.is_nil(err.message:find("of its command", 1, true))
        assert.equal(0, Item:count())
    end)
end, "documents")

engines.only("rows of documents", "mongo", function(engine)
    local it = engine.it
    local Free = engine.model "Free" { tableName = "rows_free", connectionName = "mongo", schema = "open" }
    local Item = engine.model "Item" {
        tableName = "rows_strict",
        connectionName = "mongo",
        schema = {
            id = column("increments"), code = column("string", 40, { unique = true }), at = column("timestamp"),
            data = column("json"),
        },
    }
    local moment <const> = eloquent.datetime("2024-02-29T12:00:00.123456Z")

    before_each(function()
        engine:tables(Free, Item)
    end)

    it("of open models have their paths", function()
        for _, n in ipairs({ 1, 2, 5, 120 }) do
            for path, value in pairs({ ["f"] = print, ["f.list[2].g"] = { list = { 1, { g = print } } } }) do
                for _, verb in ipairs({ "insert", "insertOrIgnore" }) do
                    local rows = {}
                    for i = 1, n do
                        rows[i] = { i = i, f = i == n and value or i }
                    end
                    local err = failure(Free[verb], Free, rows)
                    assert.same({ "value", n > 1 and n or nil }, { err.kind, err.row })
                    assert.equal(("%sFree: a document can't hold the value at '%s': it is a function"):format(
                        n > 1 and ("row %d: "):format(n) or "", path), err.message)
                    assert.equal(0, Free:count())
                end
            end
        end
        assert.matches("^Free: .* at 'f'", failure(Free.insertGetId, Free, { f = print }).message)
    end)

    it("of insertOrIgnore are all looked at first", function()
        local err = failure(Item.insertOrIgnore, Item, { { code = "a" }, { code = "b", data = { f = print } } })
        assert.same({ "value", 2 }, { err.kind, err.row })
        assert.equal(0, Item:count())
    end)

    it("that the driver or the server refuses", function()
        local function rows_of(n, at, name, value)
            local rows = {}
            for i = 1, n do
                rows[i] = { code = "c" .. i }
            end
            rows[at][name] = value
            return rows
        end
        for _, case in ipairs({ { 5, 1 }, { 5, 2 }, { 5, 5 }, { 120, 100 } }) do
            local n, at = case[1], case[2]
            for name, value in pairs({ at = moment, data = { x = { moment } } }) do
                local err = failure(Item.insert, Item, rows_of(n, at, name, value))
                assert.same({ "value", at }, { err.kind, err.row })
                assert.matches(("^row %d: rows_strict%%.%s"):format(at, name), err.message)
            end
        end
        Item:insert({ code = "there" })
        for _, at in ipairs({ 1, 4 }) do
            local err = failure(Item.insert, Item, rows_of(5, at, "code", "there"))
            assert.same({ "unique", at }, { err.kind, err.row })
            err = failure(Item.upsert, Item, rows_of(5, at, "at", moment), "code", { "code" })
            assert.same({ "value", at }, { err.kind, err.row })
            err = failure(Item.upsert, Item, rows_of(5, at, "at", moment), "code", { code = "x" })
            assert.same({ "value", at }, { err.kind, err.row })
        end
        assert.equal(1, Item:count())
        assert.is_nil(failure(Item.insert, Item, { code = "there" }).row)
    end)
end)
