-- SPDX-License-Identifier: MIT
--
-- The connections of this process by name, each one object for as long as it lives. What
-- a name stands for is decided by eloquent.core.env; a server is reached on first use.
local Connection = require("eloquent.connection")
local env = require("eloquent.core.env")
local errors = require("eloquent.core.errors")
local record = require("eloquent.core.record")

local connections = {}

---@type table<string, eloquent.Connection>
local by_name = {}
--- Models that keep their connection in `_via`, so that their verbs find it at once.
---@type table<table, boolean>
local settled = setmetatable({}, { __mode = "k" })
local test_mode = false
local chosen

--- The default connection of this process, in place of DB_CONNECTION.
---@param name string
function connections.set_default(name)
    chosen = name
end

--- Test mode: every connection means its `_test` twin.
---@param on boolean
function connections.set_test_mode(on)
    test_mode = on
    for model in pairs(settled) do
        rawset(model, "_via", false)
        if model._shape then
            record.forget(model._shape)
        end
    end
end

---@return boolean
function connections.is_test_mode()
    return test_mode
end

--- The connection of that name; the default one when none is given.
---
---     local db = eloquent.connection("pg")
---@param name? string  "mysql", "pg", "sqlite" or a `_test` twin
---@return eloquent.Connection
---Raises kind "misuse" for an unknown name and for settings that cannot be.
function connections.get(name)
    if name == nil then
        name = chosen and (test_mode and env.twin(chosen) or chosen) or env.default(test_mode)
    elseif type(name) ~= "string" then
        errors.raise({
            kind = "misuse",
            message = ("a connection is named by a string, got a %s"):format(type(name)),
        })
    elseif test_mode then
        name = env.twin(name)
    end
    local connection = by_name[name]
    if not connection then
        connection = Connection.new(env.connection(name))
        by_name[name] = connection
    end
    return connection
end

--- The connection that a model's verbs use.
---@param model table
---@return eloquent.Connection
function connections.for_model(model)
    local known = model._via
    if known then
        return known
    end
    local connection = connections.get(model._connection_name)
    local wanted = model._kind or "sql"
    if connection.kind ~= wanted then
        errors.raise({
            kind = "misuse",
            message = (wanted == "sql" and "%s is a SqlModel, and the connection '%s' is no SQL database; "
                .. "give the model another connectionName" or "%s is a MongoModel, and the connection '%s' is an SQL "
                .. "database; give the model connectionName = \"mongo\""):format(model._name, connection.name),
        })
    end
    if wanted == "sql" then
        model:_getShape():limit(connection.driver == "sqlite")
    end
    rawset(model, "_via", connection)
    settled[model] = true
    return connection
end

--- Every connection that has been named so far, in order of name.
---@return eloquent.Connection[]
function connections.all()
    local list = {}
    for _, connection in pairs(by_name) do
        list[#list + 1] = connection
    end
    table.sort(list, function(a, b)
        return a.name < b.name
    end)
    return list
end

return connections
