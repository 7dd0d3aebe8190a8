-- SPDX-License-Identifier: MIT
--
-- What a model says beside its columns: names, lists, scopes, events. Checks each part's
-- form and that the names in it exist; what a part does is its own module's.

local later = require("eloquent.support.later")
local nearest = later("eloquent.support.nearest")
local types = later("eloquent.schema.types")

local options = {}

--- Keys that a definition may have.
options.known = {
    tableName = "string",
    connectionName = "string",
    schema = "table",
    database = "table",
    timestamps = "boolean or table",
    softDeletes = "boolean",
    morphAlias = "string",
    fillable = "table",
    hidden = "table",
    visible = "table",
    appends = "table",
    casts = "table",
    attributes = "table",
    scopes = "table",
    globalScopes = "table",
    on = "table",
    with = "table",
}

-- Parts that a definition may spell, and that nothing acts on yet. Keeping quiet about
-- them would be worse than refusing them.
local unbuilt = { "appends", "attributes", "casts", "globalScopes", "on", "scopes", "with" }

local meant = {
    table = "tableName",
    connection = "connectionName",
    columns = "schema",
    fields = "schema",
    relations = "schema",
    indexes = "database",
    foreignkeys = "database",
    guarded = "fillable",
    modelevents = "on",
    events = "on",
}

--- Events that `on` may name.
options.events = {
    "retrieved",
    "creating",
    "created",
    "updating",
    "updated",
    "saving",
    "saved",
    "deleting",
    "deleted",
    "restoring",
    "restored",
    "forceDeleting",
    "forceDeleted",
}

--- Raises for a key that a definition doesn't have, or a value of the wrong type.
---@param fail fun(message: string, ...: any)
---@param given table
function options.check_keys(fail, given)
    for _, key in ipairs(types.sorted_keys(given)) do
        local expected = options.known[key]
        if not expected then
            fail(
                'unknown key "%s"%s',
                tostring(key),
                nearest.hint(key, options.known, meant)
            )
        end
        local found = type(given[key])
        local fits = false
        for name in expected:gmatch("%a+") do
            fits = fits or name == found
        end
        if not fits or given[key] == "" then
            fail(
                "%s takes a %s, found %s",
                key,
                expected,
                given[key] == "" and "an empty string" or "a " .. found
            )
        end
    end
end

-- A copy of a list of names, each of which `known` has; nil: fields of free-form documents.
local function names_of(fail, part, list, known, what)
    local count, copy = 0, {}
    for _ in pairs(list) do
        count = count + 1
    end
    if count ~= #list then
        fail('%s is a list of names, like { "name", "email" }', part)
    end
    for i, name in ipairs(list) do
        if type(name) ~= "string" then
            fail("item %d of %s is not a name but a %s", i, part, type(name))
        end
        if not known and (name == "" or name:find("[.$]")) then
            fail('%s: "%s" is no field of the document; paths into it are not taken here', part, name)
        elseif known and not known[name] then
            fail('%s: there is no %s "%s"%s', part, what, name, nearest.hint(name, known))
        end
        copy[i] = name
    end
    return copy
end

-- A copy of a table name -> function; `check` may refuse a name.
local function functions_of(fail, part, map, check)
    local copy = {}
    for _, name in ipairs(types.sorted_keys(map)) do
        if type(name) ~= "string" then
            fail("%s are written { name = function }, found one without a name", part)
        end
        if type(map[name]) ~= "function" then
            fail("%s.%s is a function, found a %s", part, name, type(map[name]))
        end
        if check then
            check(name)
        end
        copy[name] = map[name]
    end
    return copy
end

local function read_attributes(fail, map, reserved)
    local copy = {}
    for _, name in ipairs(types.sorted_keys(map)) do
        local value = map[name]
        if type(name) ~= "string" or type(value) ~= "table" then
            fail("attributes are written { label = { get = function, set = function } }")
        end
        if reserved(name) then
            fail('the attribute "%s" is named like a method of records', name)
        end
        for _, key in ipairs(types.sorted_keys(value)) do
            if key ~= "get" and key ~= "set" then
                fail(
                    'attributes.%s: unknown key "%s"%s',
                    name,
                    tostring(key),
                    nearest.hint(key, { "get", "set" })
                )
            end
            if type(value[key]) ~= "function" then
                fail(
                    "attributes.%s.%s is a function, found a %s",
                    name,
                    key,
                    type(value[key])
                )
            end
        end
        if next(value) == nil then
            fail("attributes.%s has neither get nor set", name)
        end
        copy[name] = { get = value.get, set = value.set }
    end
    return copy
end

local function read_casts(fail, map, columns)
    local copy = {}
    for _, name in ipairs(types.sorted_keys(map)) do
        if not columns[name] then
            fail(
                'casts: there is no column "%s"%s',
                tostring(name),
                nearest.hint(name, columns)
            )
        end
        local kind = type(map[name])
        if kind ~= "string" and kind ~= "table" then
            fail("casts.%s is a cast's name or { get = fn, set = fn }", name)
        end
        copy[name] = map[name]
    end
    return copy
end

local function set_of(list)
    local set = {}
    for _, name in ipairs(list) do
        set[name] = true
    end
    return set
end

local function merged(...)
    local all = {}
    for _, map in ipairs({ ... }) do
        for name in pairs(map) do
            all[name] = true
        end
    end
    return all
end

--- Reads the parts of a definition that aren't columns, table, connection or database.
---@param fail fun(message: string, ...: any) raises at the model's line
---@param model table with _columns, _column and _relations
---@param given table the definition
---@param reserved fun(name: string): string|nil what already has that name
---@return table options
---@return table<string, boolean>|nil fillable
function options.read(fail, model, given, reserved)
    local columns, relations = model._column, model._relations
    local result = { morphAlias = given.morphAlias }
    result.attributes = read_attributes(fail, given.attributes or {}, reserved)
    local visible = not model._open and merged(columns, relations, result.attributes) or nil
    for _, part in ipairs({ "hidden", "visible" }) do
        if given[part] then
            result[part] = names_of(fail, part, given[part], visible, "column or relation")
        end
    end
    if given.appends then
        result.appends =
            names_of(fail, "appends", given.appends, result.attributes, "attribute")
    end
    if given.with then
        result.with = {}
        for i, path in ipairs(given.with) do
            local name = type(path) == "string" and path:match("^[^.:]+") or path
            names_of(fail, "with", { name }, relations, "relation")
            result.with[i] = path
        end
    end
    result.casts = read_casts(fail, given.casts or {}, columns)
    result.scopes = functions_of(fail, "scopes", given.scopes or {}, function(name)
        local owner = reserved(name)
        if owner then
            fail('the scope "%s" is named like %s', name, owner)
        end
    end)
    result.globalScopes =
        functions_of(fail, "globalScopes", given.globalScopes or {}, nil)
    local is_event = set_of(options.events)
    result.on = functions_of(fail, "on", given.on or {}, function(name)
        if not is_event[name] then
            local hint = nearest.hint(name, options.events)
            fail('on: there is no event "%s"%s', name, hint)
        end
    end)
    local fillable = given.fillable
        and set_of(names_of(fail, "fillable", given.fillable, not model._open and columns or nil, "column"))
    return result, fillable
end

--- Raises for a part that has no effect in this version.
---@param fail fun(message: string, ...: any)
---@param given table the definition
function options.check_built(fail, given)
    for _, part in ipairs(unbuilt) do
        if given[part] and next(given[part]) ~= nil then
            fail("%s are not supported by this version; leave the key out", part)
        end
    end
end

return options
