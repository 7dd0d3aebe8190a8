-- SPDX-License-Identifier: MIT
--
-- Foreign keys and indexes as plain data: reads what a model's `database` or a migration
-- says, checks it by itself and fills in names. Whether the columns exist is the caller's.

local nearest = require("eloquent.support.nearest")
local names = require("eloquent.schema.names")
local raw = require("eloquent.schema.raw")

local keys = {}

---@class eloquent.IndexSpec
---@field name string
---@field columns (string|{ raw: string })[] names, or expressions
---@field unique boolean|nil
---@field where string|nil SQL condition of a partial index

---@class eloquent.ForeignKeySpec
---@field name string
---@field columns string[]
---@field table string the referenced one
---@field references string[] its columns
---@field onDelete string|nil
---@field onUpdate string|nil

--- What a foreign key may do when the referenced row goes or changes.
keys.actions = { "CASCADE", "RESTRICT", "SET NULL", "NO ACTION", "SET DEFAULT" }

local is_action = {}
for _, action in ipairs(keys.actions) do
    is_action[action] = true
end

---@param fail fun(message: string, ...: any) raises
---@param option string "onDelete" or "onUpdate"
---@param action any
function keys.check_action(fail, option, action)
    if action ~= nil and not is_action[action] then
        fail(
            "%s is one of %s, found %s%s",
            option,
            table.concat(keys.actions, ", "),
            type(action) == "string" and ('"%s"'):format(action) or "a " .. type(action),
            nearest.hint(action, keys.actions)
        )
    end
end

--- Checks a name that somebody chose.
---@param fail fun(message: string, ...: any) raises
function keys.check_name(fail, name)
    if name ~= nil and (type(name) ~= "string" or name == "" or name:find("%z")) then
        fail("a name is a string that is not empty")
    end
end

--- A list of column names from a list or one name. With `expressions`, eloquent.raw
--- stands for an expression.
---@param fail fun(message: string, ...: any) raises
---@param columns any
---@param what string for messages
---@param expressions boolean|nil
---@return (string|{ raw: string })[] columns
---@return boolean expression there is one among them
function keys.columns(fail, columns, what, expressions)
    if type(columns) == "string" or expressions and raw.text(columns, fail) then
        columns = { columns }
    end
    if type(columns) ~= "table" or #columns == 0 then
        fail('%s is a list of names, like { "team_id", "name" }', what)
    end
    local list, seen, any, count = {}, {}, false, 0
    for _ in pairs(columns) do
        count = count + 1
    end
    if count ~= #columns then
        fail("%s is a list of names without holes", what)
    end
    for i, column in ipairs(columns) do
        local sql = expressions and raw.text(column, fail)
        if sql then
            list[i], any = { raw = sql }, true
        elseif type(column) ~= "string" or column == "" then
            fail("item %d of %s is not the name of a column", i, what)
        elseif seen[column] then
            fail('%s has "%s" twice', what, column)
        else
            list[i], seen[column] = column, true
        end
    end
    return list, any
end

--- An index.
---@param fail fun(message: string, ...: any) raises
---@param table_name string
---@param index { columns: any, unique: boolean|nil, name: string|nil, where: string|nil }
---@return eloquent.IndexSpec
function keys.index(fail, table_name, index)
    local columns, expression = keys.columns(fail, index.columns, "columns", true)
    keys.check_name(fail, index.name)
    if expression and not index.name then
        fail("an index on an expression needs a name: name = ...")
    end
    if index.where ~= nil and (type(index.where) ~= "string" or index.where == "") then
        fail('where is the SQL of a condition, like "deleted_at IS NULL"')
    end
    local suffix = index.unique and "unique" or "index"
    return {
        name = index.name or names.of(table_name, columns, suffix),
        columns = columns,
        unique = index.unique or nil,
        where = index.where,
    }
end

--- A foreign key.
---@param fail fun(message: string, ...: any) raises
---@param table_name string the one that has the key
---@param key { columns: any, table: any, references: any, onDelete: any, onUpdate: any,
--- name: any }
---@return eloquent.ForeignKeySpec
function keys.foreign(fail, table_name, key)
    local columns = keys.columns(fail, key.columns, "column")
    if type(key.table) ~= "string" or key.table == "" then
        fail("it has no table to refer to")
    end
    local references = keys.columns(fail, key.references or "id", "the referenced column")
    if #columns ~= #references then
        fail(
            "it has %d columns and refers to %d; they go in pairs",
            #columns,
            #references
        )
    end
    keys.check_action(fail, "onDelete", key.onDelete)
    keys.check_action(fail, "onUpdate", key.onUpdate)
    keys.check_name(fail, key.name)
    return {
        name = key.name or names.of(table_name, columns, "foreign"),
        columns = columns,
        table = key.table,
        references = references,
        onDelete = key.onDelete,
        onUpdate = key.onUpdate,
    }
end

return keys
