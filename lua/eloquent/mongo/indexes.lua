-- SPDX-License-Identifier: MIT
--
-- The indexes that a model of MongoDB asks for: unique and index of its columns, those of
-- `database`, and one on a key that is not `_id`.
local doc = require("eloquent.core.document")

local indexes = {}

local numbers = "increments bigIncrements smallInteger integer bigInteger float double decimal"
local texts = "string text ulid enum date time"

-- A condition that all values of a column meet, and NULL doesn't.
local function least(column)
    local function is_one_of(words)
        return (" " .. words .. " "):find(" " .. column.type .. " ", 1, true)
    end
    if is_one_of(numbers) then
        return { ["$gte"] = -math.huge }
    elseif is_one_of(texts) then
        return { ["$gte"] = "" }
    elseif column.type == "timestamp" then
        return { ["$gte"] = require("eloquent.core.datetime")("0001-01-01T00:00:00Z") }
    elseif column.type == "objectId" then
        return { ["$gte"] = require("eloquent.core.objectid")(("0"):rep(24)) }
    end
    return { ["$exists"] = true }
end

local function entry(model, columns, unique, name)
    local keys = {}
    for i, column in ipairs(columns) do
        keys[i] = { column, 1 }
    end
    local list = { { "key", doc(keys) }, { "name", name or table.concat(columns, "_1_") .. "_1" } }
    if unique then
        list[#list + 1] = { "unique", true }
        -- Many documents may have NULL in a unique column, as in SQL; a comparison that every value of the type meets
        -- lets the server use the index for conditions, too.
        local present = {}
        for i, column in ipairs(columns) do
            present[i] = { column, least(model._column[column]) }
        end
        list[#list + 1] = { "partialFilterExpression", doc(present) }
    end
    return doc(list)
end

--- The indexes of a model, as createIndexes takes them.
---@param model table
---@return table[]
function indexes.of(model)
    local list = {}
    for _, column in ipairs(model._columns) do
        if column.name ~= "_id" and (column.unique or column.primary or column.name == model._key) then
            list[#list + 1] = entry(model, { column.name }, true)
        elseif column.index then
            list[#list + 1] = entry(model, { column.name }, false)
        end
    end
    for _, index in ipairs(model._database.indexes or {}) do
        list[#list + 1] = entry(model, index.columns, index.unique, index.name)
    end
    return list
end

--- Makes them; returns their names.
---@param model table
---@return string[]
function indexes.create(model)
    local list, names = indexes.of(model), {}
    for i, index in ipairs(list) do
        names[i] = index.name
    end
    if #list > 0 then
        model:connection():command(doc({
            { "createIndexes", model._table }, { "indexes", list },
        }))
    end
    return names
end

return indexes
