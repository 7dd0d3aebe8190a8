-- SPDX-License-Identifier: MIT
--
-- The table "By engine" in docs/values.md, cell by cell: how a column is stored, and each
-- thing that a cell says or leaves unsaid, is what the engine does.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")
local helper = require("spec.helper")
local values = require("spec.conformance.values")

local column, decimal = eloquent.column, eloquent.decimal

-- {====== The table ======

local page <const> = assert(helper.read("docs/values.md"))

local function cells_of(line)
    local cells = {}
    for cell in line:gmatch("|%s*([^|]-)%s*%f[|]") do
        cells[#cells + 1] = cell
    end
    return cells
end

-- The rows of the table below a heading, and its head.
local function read_table(heading)
    local section = assert(page:match("\n## " .. heading .. "\n(.-)\n## "), heading)
    local rows = {}
    for line in section:gmatch("[^\n]+") do
        if line:find("^|") then
            rows[#rows + 1] = not line:find("^|%-") and cells_of(line) or nil
        elseif #rows > 0 then
            break
        end
    end
    return table.remove(rows, 1), rows
end

local head, rows = read_table("By engine")

-- }======

-- {====== What is stored ======

-- By their names in the table: the column, a value, one that models refuse. Of keys only the type is looked at.
local columns <const> = {
    ["`increments`"] = { column("increments") },
    ["`integer`"] = { column("integer"), 5, 2147483648 },
    ["unsigned `integer`"] = { column("integer", nil, { unsigned = true }), 5, -1 },
    ["`smallInteger`"] = { column("smallInteger"), 5, 32768 },
    ["unsigned `smallInteger`"] = { column("smallInteger", nil, { unsigned = true }), 5, -1 },
    ["`bigIncrements`"] = { column("bigIncrements") },
    ["`bigInteger`"] = { column("bigInteger"), 5 },
    ["unsigned `bigInteger`"] = { column("bigInteger", nil, { unsigned = true }), 5, -1 },
    ["`float`"] = { column("float"), 0.5 },
    ["`double`"] = { column("double"), 0.5 },
    ["`decimal`"] = { column("decimal", nil, { precision = 40, scale = 2 }), "1.5" },
    ["`boolean`"] = { column("boolean"), true, 2 },
    ["`string`"] = { column("string", 10), "x", "eleven chars" },
    ["`text`"] = { column("text"), "x" },
    ["`binary`"] = { column("binary"), "x\xff" },
    ["`enum`"] = { column("enum", nil, { values = { "small", "large" } }), "small", "medium" },
    ["`uuid`"] = { column("uuid"), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "x" },
    ["`ulid`"] = { column("ulid"), "01ARZ3NDEKTSV4RRFFQ69G5FAV", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ" },
    ["`date`"] = { column("date"), "2024-02-29", "x" },
    ["`time`"] = { column("time"), "18:30:00", "x" },
    ["`timestamp`"] = { column("timestamp"), "2024-02-29T18:30:00Z", "x" },
    ["`timestamp` with `useTz`"] = {
        column("timestamp", nil, { useTz = true }), "2024-02-29T18:30:00Z", "x",
    },
    ["`json`"] = { column("json"), { a = 1 } },
}

-- The type of a column, as the server tells it.
local told <const> = {
    sqlite = "select type from pragma_table_info('%s') where name = '%s'",
    pg = "select format_type(atttypid, atttypmod) from pg_attribute where attrelid = '%s'::regclass and attname = '%s'",
    mysql = "select column_type from information_schema.columns "
        .. "where table_schema = database() and table_name = '%s' and column_name = '%s'",
}

-- That of a column that is declared with the words of the table.
local function declared(engine, words, spec)
    words = words:gsub("%(n%)", "(10)"):gsub("%(p,s%)", "(40,2)"):gsub("%(%.%.%.%)", function()
        return "('" .. table.concat(spec.values, "', '") .. "')"
    end)
    local db = engine:db()
    engine:drop("table_words")
    db:script(("create table table_words (v %s)"):format(words))
    return db:scalar(told[engine.name]:format("table_words", "v"))
end

local function type_of_last(engine, Model)
    local name = Model._column.v and "v" or "id"
    if engine.name ~= "mongo" then
        return engine:db():scalar(told[engine.name]:format("table_values", name))
    end
    return Model:aggregate({
        { ["$sort"] = { _id = -1 } }, { ["$limit"] = 1 }, { ["$project"] = { stored = { ["$type"] = "$" .. name } } },
    })[1].stored
end

-- }======

-- {====== What cells say ======

local function is_refused(Model, value)
    local ok, err = pcall(Model.create, Model, { v = value })
    assert(ok or err.kind == "value", tostring(err))
    return not ok
end

-- What comes of a value that is written past the model: "kept", or the kind of the error.
local function past_the_model(engine, value)
    local ok, err = pcall(function()
        engine:db():execute(engine:text("insert into table_values (v) values (?)",
            '{"insert":"table_values","documents":[{"v":?}]}'), { value })
    end)
    return ok and "kept" or err.kind
end

local function reads(Model, value)
    return Model:find(Model:create({ v = value }).id).v
end

-- Each sentence, the columns that it may be said of (nil: all with a wrong value), and whether it is so.
local claims <const> = {
    ["the model alone checks"] = function(engine, _, case)
        return case[3] ~= nil and past_the_model(engine, case[3]) == "kept"
    end,
    ["a `CHECK`"] = function(engine, _, case)
        local wrong = case[3]
        if case[1].spec.type == "json" and engine.name ~= "mysql" then -- MariaDB has a CHECK there, MySQL a type
            wrong = "{"
        end
        return wrong ~= nil and past_the_model(engine, wrong) == "check"
    end,
    ["`long` beyond 32 bits"] = function(engine, Model, case)
        local is_wide = case[1].spec.type == "bigInteger" or case[1].spec.type == "bigIncrements"
            or case[1].spec.type == "integer" and case[1].spec.unsigned
        if engine.name ~= "mongo" or not is_wide then
            return false
        end
        Model:create(case[1].spec.type == "bigIncrements" and { id = 4294967295 } or { v = 4294967295 })
        return type_of_last(engine, Model) == "long"
    end,
    ["above 2^63 - 1 refused"] = function(_, Model, case)
        return case[1].spec.unsigned and case[1].spec.type == "bigInteger"
            and is_refused(Model, decimal("9223372036854775808"))
    end,
    ["raw access reads decimals"] = function(engine, Model, case)
        if not case[1].spec.unsigned or case[1].spec.type ~= "bigInteger" then
            return false
        end
        Model:create({ v = 5 })
        return decimal.is(engine:db():scalar(engine:text("select v from table_values where v = 5",
            '{"find":"table_values","filter":{"v":5},"$fields":["v"]}')))
    end,
    ["NaN refused"] = function(_, Model, case)
        return case[2] == 0.5 and is_refused(Model, 0 / 0)
    end,
    ["infinity refused"] = function(_, Model, case)
        return case[2] == 0.5 and is_refused(Model, math.huge)
    end,
    ["`-0.0` is read as `0.0`"] = function(_, Model, case)
        return case[2] == 0.5 and 1 / reads(Model, -0.0) > 0
    end,
    ["more than 34 digits refused"] = function(_, Model, case)
        return case[1].spec.type == "decimal" and is_refused(Model, decimal(("9"):rep(38) .. ".99"))
    end,
    ["a zero byte refused"] = function(_, Model, case)
        local text = ({ string = "a\0b", text = "a\0b", json = { "a\0b" } })[case[1].spec.type]
        return text ~= nil and is_refused(Model, text)
    end,
    ["sorts by the order of its values"] = function(_, Model, case)
        if case[1].spec.type ~= "enum" then
            return false
        end
        Model:insert({ { v = "large" }, { v = "small" } })
        return Model:orderBy("v"):value("v") == "small"
    end,
    ["microseconds refused"] = function(_, Model, case)
        return case[1].spec.type == "timestamp" and is_refused(Model, "2024-02-29T18:30:00.000001Z")
    end,
    ["floats with an exponent are read as other numbers"] = function(_, Model, case)
        return case[1].spec.type == "json" and math.type(reads(Model, { 1e300 })[1]) ~= "float"
    end,
}

local function said_in(cell)
    local said, stored = {}, nil
    for part in (cell .. "; "):gmatch("(.-); ") do
        if not stored then
            stored = assert(part:match("^`([^`]+)`$"), cell .. " does not begin with how it is stored")
        else
            said[part] = true
            assert(claims[part], "no case knows what this means: " .. part)
        end
    end
    return stored, said
end

-- }======

engines.suite("table", function(engine)
    local place
    for i, title in ipairs(head) do
        place = title:find(engine.title, 1, true) and i or place
    end

    local function define(case)
        local is_key = case[1].spec.type:find("ncrements")
        return engine.model "TableValue" {
            tableName = "table_values",
            connectionName = engine.name,
            schema = is_key and { id = case[1] } or { id = column("increments"), v = case[1] },
        }
    end

    local function check(name, cell)
        local case = assert(columns[name], "the table has a column of an unknown type: " .. name)
        local stored, said = said_in(cell)
        local Model = define(case)
        engine:tables(Model)
        Model:create({ v = case[2] })
        local expected = engine.name == "mongo" and stored or declared(engine, stored, case[1].spec)
        assert.equal(expected, (type_of_last(engine, Model)))
        for claim, holds in pairs(claims) do
            engine:tables(Model)
            local is_so = holds(engine, Model, case) and true or false
            assert(is_so == (said[claim] or false), ("%s: '%s' is %s and the table says %s"):format(name, claim,
                tostring(is_so), tostring(said[claim] or false)))
        end
    end

    for _, row in ipairs(rows) do
        local prefix = row[1]:match("^unsigned ") or ""
        local suffix = row[1]:match(" with `useTz`$") or ""
        for name in row[1]:gsub(" with `useTz`$", ""):gmatch("`%w+`") do
            engine.it(prefix .. name .. suffix, function()
                check(prefix .. name .. suffix, row[assert(place)])
            end)
        end
    end
end, "documents")

describe("The tables of docs/values.md", function()
    local function names_in(list)
        local names = {}
        for _, row in ipairs(list) do
            for name in row[1]:gmatch("`(%w+)`") do
                names[name] = name ~= "useTz" or nil
            end
        end
        return names
    end

    it("have all types of columns that values.lua has cases for, and no others", function()
        local cases = { increments = true, bigIncrements = true } -- keys of every table there is
        for _, case in ipairs(values) do
            cases[case.column.spec.type] = true
        end
        local _, general = read_table("The table")
        assert.same(cases, names_in(rows))
        assert.same(cases, names_in(general))
    end)

    it("have all columns that the spec knows", function()
        local seen = {}
        for _, row in ipairs(rows) do
            seen[#seen + 1] = row[1]
        end
        seen = table.concat(seen, ", ")
        for name in pairs(columns) do
            assert(seen:find(name, 1, true), name)
        end
    end)
end)
