-- SPDX-License-Identifier: MIT
--
-- The indexes that a model of MongoDB asks for: unique and index of its columns, those of
-- `database`, and one on a key that is not `_id`.
local doc = require("eloquent.core.document")

local indexes = {}

local function entry(columns, unique, name)
    local keys = {}
    for i, column in ipairs(columns) do
        keys[i] = { column, 1 }
    end
    local list = { { "key", doc(keys) }, { "name", name or table.concat(columns, "_1_") .. "_1" } }
    if unique then
        list[#list + 1] = { "unique", true }
        -- Many rows may have NULL in a unique column, as in SQL.
        local present = {}
        for i, column in ipairs(columns) do
            present[i] = { column, { ["$type"] = { "number", "string", "bool", "date", "objectId", "binData", "object",
                "array" } } }
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
            list[#list + 1] = entry({ column.name }, true)
        elseif column.index then
            list[#list + 1] = entry({ column.name }, false)
        end
    end
    for _, index in ipairs(model._database.indexes or {}) do
        list[#list + 1] = entry(index.columns, index.type == "unique", index.name)
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
