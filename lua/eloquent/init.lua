-- SPDX-License-Identifier: MIT
--
-- The public table: what `require("eloquent")` returns. A part is loaded when a script
-- first names it, so a script pays only for what it uses.

---@class eloquent
local eloquent = {}

--- A part of the public table: the module it comes from, and the field there (nil: the
--- module itself).
local parts <const> = {
    null = { "eloquent.core.null" },
    decimal = { "eloquent.core.decimal" },
    datetime = { "eloquent.core.datetime" },
    json = { "eloquent.core.json" },
    objectid = { "eloquent.core.objectid" },
    doc = { "eloquent.core.document" },
    SqlModel = { "eloquent.model.definition", "SqlModel" },
    MongoModel = { "eloquent.model.definition", "MongoModel" },
    column = { "eloquent.model.column", "column" },
    relation = { "eloquent.model.column", "relation" },
    registerModels = { "eloquent.model.registry", "registerModels" },
    model = { "eloquent.model.registry", "get" },
    connection = { "eloquent.connections", "get" },
    schema = { "eloquent.schema.builder", "schema" },
    raw = { "eloquent.query.expression", "raw" },
    transaction = { "eloquent.transaction", "transaction" },
    afterCommit = { "eloquent.transaction", "afterCommit" },
    is = { "eloquent.core.errors", "is" },
    clock = { "eloquent.core.host", "clock" },
    version = { "eloquent.core.host", "version" },
}

return setmetatable(eloquent, {
    __index = function(self, name)
        local part = parts[name]
        if not part then
            local message = ("eloquent has no part '%s'"):format(tostring(name))
            local nearest = require("eloquent.support.nearest").find(tostring(name), parts)
            if nearest then
                message = message .. ("; did you mean '%s'?"):format(nearest)
            end
            require("eloquent.core.errors").raise({ kind = "misuse", message = message })
        end
        local value = require(part[1])
        if part[2] then
            value = value[part[2]]
        end
        rawset(self, name, value)
        return value
    end,
    __newindex = function(_, name)
        require("eloquent.core.errors").raise({
            kind = "misuse",
            message = ("eloquent.%s cannot be set; keep your own values in your own tables"):format(
                tostring(name)
            ),
        })
    end,
})
