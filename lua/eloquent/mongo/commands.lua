-- SPDX-License-Identifier: MIT
--
-- The commands that records of MongoDB are read and written with one by one, as plans, and
-- texts of commands that scripts write. Queries are the query builder's.
local errors = require("eloquent.core.errors")
local new_plan = require("eloquent.core.plan").new
local text = require("eloquent.query.grammar.mongo_text")

local commands = {}

local object, one, string, array = text.object, text.one, text.string, text.array

local function plan(model, command, params, once)
    return new_plan(command, model:_getShape(), params, once and { once = true } or nil)
end

local function names_of(model)
    local names = {}
    for i, column in ipairs(model._columns) do
        names[i] = column.name
    end
    return not model._open and text.fields(model, names) or nil
end

--- The column that a key which was read is bound by; an object id goes back as it came, be it digits.
function commands.key_param(model)
    local column = model._column._id
    return column and column.type ~= "objectId" and "_id" or false
end

--- A read of one document by a field.
---@param param string|false  the column that the value is checked by
function commands.find(model, field, param)
    return plan(model, object({
        { "find", string(model._table) },
        { "filter", one(field, "?") },
        { "limit", "1" },
        { "singleBatch", "true" },
        { "$fields", names_of(model) },
    }), { param })
end

--- An insert of these columns; of one whole document in a free-form model.
function commands.insert(model, names)
    local list, params = {}, {}
    for i, name in ipairs(names or {}) do
        list[i], params[i] = { name, "?" }, name
    end
    local document = names and object(list) or "?"
    return plan(model, object({
        { "insert", string(model._table) },
        { "documents", array({ document }) },
    }), names and params or { text.part_of(model) })
end

local function update_of(model, body)
    return object({
        { "update", string(model._table) },
        { "updates", array({ object({ { "q", one("_id", "?") }, { "u", body } }) }) },
    })
end

--- An update of these columns, as the record has them.
function commands.update(model, names)
    local list, params = {}, { "=_id" }
    for i, name in ipairs(names) do
        list[i], params[i + 1] = { name, "?" }, name
    end
    return plan(model, update_of(model, one("$set", object(list))), params)
end

--- An update of the fields that changed, and its values.
---@param model table
---@param id any
---@param found eloquent.Changes
function commands.change(model, id, found)
    local set, unset, params, values = {}, {}, { commands.key_param(model) }, { id }
    for i, item in ipairs(found.set) do
        set[i] = { item[1], "?" }
        params[i + 1], values[i + 1] = text.part_of(model, item[1]), item[2]
    end
    for i, path in ipairs(found.unset) do
        unset[i] = { path, "1" }
    end
    local body = object({
        { "$set", #set > 0 and object(set) or nil },
        { "$unset", #unset > 0 and object(unset) or nil },
    })
    return plan(model, update_of(model, body), params, true), values
end

--- An update that writes the whole document.
function commands.replace(model)
    return plan(model, update_of(model, "?"), { false, text.part_of(model) })
end

--- A removal of the record's document.
function commands.delete(model)
    return plan(model, object({
        { "delete", string(model._table) },
        { "deletes", array({ object({ { "q", one("_id", "?") }, { "limit", "1" } }) }) },
    }), { not model._open and "=_id" })
end

--- A command that a script has written, as JSON with `?` for values: its text, and the
--- order of its values.
---@param command string
---@return string, integer[]
function commands.scan(command)
    local trimmed = command:match("^%s*({.*)$")
    if not trimmed then
        errors.raise({
            kind = "unsupported",
            message = "MongoDB takes no SQL; write queries with table(name) or a model, and commands as JSON, such as "
                .. '{"find":"users","filter":{"age":?}}, or with collection(name) and command{ ... }',
        })
    end
    local order = {}
    for _ in trimmed:gsub("\\.", ""):gsub('"[^"]*"', ""):gmatch("%?") do
        order[#order + 1] = #order + 1
    end
    return trimmed, order
end

return commands
