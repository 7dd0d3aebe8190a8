-- SPDX-License-Identifier: MIT
--
-- Operations on a schema as plain data: what migrations record and grammars compile. They
-- hold no functions and no values of the program's own types, so they can be written
-- down, compared and replayed.
--
--     { op = "createTable", table = "users", columns = { { name = "id", ... } }, ... }

local default = require("eloquent.schema.default")
local keys = require("eloquent.schema.keys")
local misuse = require("eloquent.support.misuse")
local nearest = require("eloquent.support.nearest")
local types = require("eloquent.schema.types")

local operation = {}

---@class eloquent.ColumnData a column of an operation
---@field name string
---@field type string
---@field nullable boolean
---@field length integer|nil
---@field precision integer|nil
---@field scale integer|nil
---@field values string[]|nil
---@field unsigned boolean|nil
---@field default boolean|number|string|table|nil { null = true } or { raw = sql }
---@field defaultNow boolean|nil
---@field useTz boolean|nil
---@field comment string|nil
---@field foreignKey eloquent.ForeignKeySpec|nil of a column that is added

--- A checked column as plain data.
---@param subject string|eloquent.Subject
---@param spec eloquent.ColumnSpec
---@param nullable boolean
---@return eloquent.ColumnData
function operation.column(subject, spec, nullable)
    local data = {
        name = spec.name,
        type = spec.type,
        nullable = nullable,
        length = spec.length,
        precision = spec.precision,
        scale = spec.scale,
        unsigned = spec.unsigned or nil,
        defaultNow = spec.defaultNow or nil,
        useTz = spec.useTz or nil,
        comment = spec.comment,
    }
    if spec.values then
        data.values = table.move(spec.values, 1, #spec.values, 1, {})
    end
    if spec.default ~= nil then
        data.default = default.plain(subject, spec)
    end
    return data
end

local function check_names(subject, op, by_name)
    local function check(columns, what)
        for _, name in ipairs(columns) do
            if type(name) == "string" and not by_name[name] then
                misuse(
                    subject,
                    '%s names the column "%s", which is not there%s',
                    what,
                    name,
                    nearest.hint(name, by_name)
                )
            end
        end
    end
    if op.primary then
        check(op.primary, "the primary key")
    end
    for _, index in ipairs(op.indexes) do
        check(index.columns, ('the index "%s"'):format(index.name))
    end
    for _, key in ipairs(op.foreignKeys) do
        local what = ('the foreign key "%s"'):format(key.name)
        check(key.columns, what)
        for _, name in ipairs(key.columns) do
            local set_null = key.onDelete == "SET NULL" or key.onUpdate == "SET NULL"
            if set_null and not by_name[name].nullable then
                misuse(
                    subject,
                    '%s sets "%s" to NULL, and the column doesn\'t take NULL; '
                        .. "make it nullable",
                    what,
                    name
                )
            end
        end
    end
end

local function check_unique_names(subject, op)
    local taken = {}
    for _, part in ipairs({ "indexes", "foreignKeys", "checks" }) do
        for _, item in ipairs(op[part]) do
            if taken[item.name] then
                misuse(subject, 'the name "%s" is used twice; choose one', item.name)
            end
            taken[item.name] = true
        end
    end
end

--- Checks a createTable as a whole. Raises an error of kind "misuse".
---@param subject string|eloquent.Subject
---@param op table
---@return table op itself
function operation.check(subject, op)
    local by_name, counter = {}, nil
    if #op.columns == 0 then
        misuse(subject, "a table needs a column at least")
    end
    for _, column in ipairs(op.columns) do
        if by_name[column.name] then
            misuse(subject, 'the column "%s" is there twice', column.name)
        end
        by_name[column.name] = column
        if types.increments[column.type] then
            if counter then
                misuse(
                    subject,
                    '"%s" and "%s" both count up; a table has one such column',
                    counter,
                    column.name
                )
            end
            counter = column.name
        end
    end
    if counter and op.primary then
        misuse(
            subject,
            '"%s" counts up, so it is the primary key alone; make the others unique',
            counter
        )
    end
    check_names(subject, op, by_name)
    check_unique_names(subject, op)
    return op
end

local function copy_of(value)
    if type(value) ~= "table" then
        return value
    end
    local copy = {}
    for key, item in pairs(value) do
        copy[key] = copy_of(item)
    end
    return copy
end

--- The operation that creates a model's table as its `schema` and `database` describe it.
---@param model table
---@return table
function operation.from_model(model)
    local op = {
        op = "createTable",
        table = model._table,
        columns = {},
        indexes = {},
        foreignKeys = copy_of(model._database.foreignKeys),
        checks = {},
    }
    local subject = { text = tostring(model), file = model._file, line = model._line }
    local function fail(message, ...)
        misuse(subject, message, ...)
    end
    local primary = {}
    for i, spec in ipairs(model._columns) do
        op.columns[i] = operation.column(subject, spec, spec.nullable)
        if spec.primary and not types.increments[spec.type] then
            primary[#primary + 1] = spec.name
        end
        for _, option in ipairs({ "unique", "index" }) do
            if spec[option] then
                local index = { columns = { spec.name }, unique = option == "unique" }
                op.indexes[#op.indexes + 1] = keys.index(fail, model._table, index)
            end
        end
    end
    for _, index in ipairs(model._database.indexes) do
        op.indexes[#op.indexes + 1] = copy_of(index)
    end
    op.primary = #primary > 0 and primary or nil
    return operation.check(subject, op)
end

return operation
