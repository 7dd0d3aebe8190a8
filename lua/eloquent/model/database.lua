-- SPDX-License-Identifier: MIT
--
-- The `database` part of a model: foreign keys and indexes that its table has beside what
-- the columns say themselves. Reads and checks it; the DDL is the schema builder's.

local keys = require("eloquent.schema.keys")
local names = require("eloquent.schema.names")
local nearest = require("eloquent.support.nearest")
local types = require("eloquent.schema.types")

local database = {}

-- Raises unless `entry` is a table with no other keys than those of the set.
local function check_keys(fail, entry, known)
    if type(entry) ~= "table" then
        fail("it is a table, found a %s", type(entry))
    end
    local unknown
    for key in pairs(entry) do
        if not known[key] and (not unknown or tostring(key) < tostring(unknown)) then
            unknown = key
        end
    end
    if unknown ~= nil then
        fail('unknown key "%s"%s', tostring(unknown), nearest.hint(unknown, known))
    end
end

-- Either `one` or `many`, as in column = "team_id" or columns = { "a", "b" }.
local function one_or_many(fail, entry, one, many)
    if entry[one] ~= nil and entry[many] ~= nil then
        fail("it has %s and %s; write one of them", one, many)
    end
    if entry[one] ~= nil and type(entry[one]) ~= "string" then
        fail("%s is the name of a column, found a %s", one, type(entry[one]))
    end
    return entry[one] or entry[many]
end

local function check_columns(fail, model, columns)
    for _, name in ipairs(columns) do
        if type(name) == "string" and not model._column[name] then
            fail('there is no column "%s"%s', name, nearest.hint(name, model._column))
        end
    end
end

local foreign_keys = {
    column = true,
    columns = true,
    references = true,
    onDelete = true,
    onUpdate = true,
    name = true,
}
local reference_keys = { table = true, column = true, columns = true }

local function read_foreign_key(fail, model, entry)
    check_keys(fail, entry, foreign_keys)
    local references = entry.references
    if type(references) ~= "table" then
        fail('it needs references = { table = "teams", column = "id" }')
    end
    check_keys(function(message, ...)
        fail("references: " .. message, ...)
    end, references, reference_keys)
    local key = keys.foreign(fail, model._table, {
        columns = one_or_many(fail, entry, "column", "columns"),
        table = references.table,
        references = one_or_many(fail, references, "column", "columns"),
        onDelete = entry.onDelete,
        onUpdate = entry.onUpdate,
        name = entry.name,
    })
    check_columns(fail, model, key.columns)
    for _, name in ipairs(key.columns) do
        local nullable = types.nullable(model._column[name])
        if not nullable and (key.onDelete == "SET NULL" or key.onUpdate == "SET NULL") then
            fail('SET NULL needs a column that takes NULL, and "%s" doesn\'t', name)
        end
    end
    return key
end

local index_keys = { type = true, columns = true, name = true, where = true }

local function read_index(fail, model, entry)
    check_keys(fail, entry, index_keys)
    if entry.type ~= nil and entry.type ~= "unique" and entry.type ~= "index" then
        fail('type is "unique" or "index", found %s', tostring(entry.type))
    end
    local index = keys.index(fail, model._table, {
        columns = entry.columns,
        unique = entry.type == "unique",
        name = entry.name,
        where = entry.where,
    })
    check_columns(fail, model, index.columns)
    return index
end

-- Names that the columns' own `unique` and `index` take.
local function taken_names(model)
    local taken = {}
    for _, column in ipairs(model._columns) do
        for _, option in ipairs({ "unique", "index" }) do
            if column[option] then
                taken[names.of(model._table, { column.name }, option)] =
                    ('the column "%s"'):format(column.name)
            end
        end
    end
    return taken
end

local function read_list(fail, model, list, part, read, taken)
    if list == nil then
        return {}
    end
    if type(list) ~= "table" or #list == 0 and next(list) ~= nil then
        fail("database.%s is a list: %s = { { ... }, { ... } }", part, part)
    end
    local result = {}
    for i, entry in ipairs(list) do
        local here = ("database.%s[%d]"):format(part, i)
        local function fail_here(message, ...)
            fail(here .. ": " .. message, ...)
        end
        local item = read(fail_here, model, entry)
        if taken[item.name] then
            fail_here('the name "%s" belongs to %s already', item.name, taken[item.name])
        end
        taken[item.name] = here
        result[i] = item
    end
    return result
end

--- Reads and checks the `database` of a model whose columns and table are known.
---@param fail fun(message: string, ...: any) raises at the model's line
---@param model table
---@param given any
---@return { foreignKeys: eloquent.ForeignKeySpec[], indexes: eloquent.IndexSpec[] }
function database.read(fail, model, given)
    check_keys(function(message, ...)
        fail("database: " .. message, ...)
    end, given, { foreignKeys = true, indexes = true })
    local taken = taken_names(model)
    return {
        indexes = read_list(fail, model, given.indexes, "indexes", read_index, taken),
        foreignKeys = read_list(
            fail,
            model,
            given.foreignKeys,
            "foreignKeys",
            read_foreign_key,
            taken
        ),
    }
end

return database
