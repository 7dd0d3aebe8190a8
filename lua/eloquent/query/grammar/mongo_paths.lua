-- SPDX-License-Identifier: MIT
-- Names of fields as paths in documents.
local fields = require("eloquent.query.fields")
local text = require("eloquent.query.grammar.mongo_text")

local misuse = fields.misuse

local paths = {}

--- Raises for a name that the server would read as an operator, a variable or no path at all.
---@param name string
---@return string name
function paths.plain(name)
    if name == "" or name:find("%f[^%.\0]%$") or name:find("^%.") or name:find("%.$") or name:find("..", 1, true) then
        return misuse("'%s' is no field: names between dots are not empty and don't begin with '$'; other fields are "
            .. "reached with aggregate{ ... } and $getField", name)
    end
    return name
end

--- The path of a field in its documents.
---@return string
function paths.of(q, field)
    if type(field) ~= "string" then
        return text.no_raw()
    end
    local model, owner = q.model, q.alias or q.table
    if owner and field:sub(1, #owner + 1) == owner .. "." and not (model and model._column[owner]) then
        field = field:sub(#owner + 2)
    end
    local head = field:match("^[^.]+")
    if model and not model._open and not model._column[head] then
        fields.unknown(model, head or field)
    end
    return field:find("[$.]") and paths.plain(field) or field
end

return paths
