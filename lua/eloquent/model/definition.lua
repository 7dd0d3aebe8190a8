-- SPDX-License-Identifier: MIT
--
-- SqlModel "Name" { ... }: reads and checks a definition and makes the model. What models
-- and records do is model/statics.lua and model/record.lua.

local later = require("eloquent.support.later")
local column_module = require("eloquent.model.column")
local database = later("eloquent.model.database")
local errors = require("eloquent.core.errors")
local inflect = later("eloquent.support.inflect")
local nearest = later("eloquent.support.nearest")
local options = later("eloquent.model.options")
local registry = require("eloquent.model.registry")
local types = require("eloquent.schema.types")

local getinfo = debug.getinfo

local definition = {}

-- Verbs of models that are everyday names of columns. Records have no such methods, so
-- `setting.value` can only be the column.
local harmless <const> = " value values count sum avg min max first last all limit offset "
    .. "latest oldest sole union table tap when name "

-- What already has this name: a method of records or a verb of models; or nil.
local function reserved(name)
    if name == "_model" or require("eloquent.model.record")[name] ~= nil then
        return "a method of records"
    end
    if require("eloquent.model.statics")._hasVerb(name) then
        return "a verb of models"
    end
    return nil
end

-- A function that raises at the place, or at the model's when there is none.
local function failure(model)
    return function(place, message, ...)
        local at = place and place.file and place or { file = model._file, line = model._line }
        errors.raise({
            kind = "misuse",
            message = ("model %s: %s"):format(model._name, message:format(...)),
            file = at.file,
            line = at.line,
        })
    end
end

-- Entries of the schema in source order; the names decide where one entry has two.
local function in_source_order(fail, schema)
    local entries = {}
    for name, entry in pairs(schema) do
        if type(name) ~= "string" or name == "" or name:find("%z") then
            local at = type(entry) == "table" and rawget(entry, "file") and entry or nil
            fail(at, "schema is written { name = column(...) }, found one without a name")
        end
        if not column_module.is_column(entry) and not column_module.is_relation(entry) then
            fail(
                nil,
                "schema.%s is made by column() or relation(), found a %s",
                name,
                type(entry)
            )
        end
        entries[#entries + 1] = { name = name, entry = entry, turn = entry.turn }
    end
    table.sort(entries, function(a, b)
        if a.turn ~= b.turn then
            return a.turn < b.turn
        end
        return a.name < b.name
    end)
    return entries
end

local function check_entry_name(fail, name, entry)
    local owner = reserved(name)
    if owner and not (owner == "a verb of models" and harmless:find(" " .. name .. " ", 1, true)) then
        local what = column_module.is_column(entry) and "column" or "relation"
        fail(entry, 'the %s "%s" is named like %s; choose another name', what, name, owner)
    end
end

local function add_column(fail, model, place, name, spec, changes)
    if model._column[name] then
        fail(place, 'the column "%s" is there twice', name)
    end
    local copy = {}
    for key, value in pairs(spec) do
        copy[key] = value
    end
    for key, value in pairs(changes or {}) do
        copy[key] = value
    end
    if copy.type == "objectId" and not model._documents then
        fail(place, 'the column "%s" is of type objectId, which only a MongoModel has; take column("string", 24)', name)
    end
    copy.name = name
    copy.nullable = types.nullable(copy)
    model._columns[#model._columns + 1] = copy
    model._column[name] = copy
end

local function add_timestamp(fail, model, place, name, spec)
    add_column(fail, model, place, name, spec, { type = "timestamp", nullable = true })
end

local function read_schema(fail, model, schema)
    for _, item in ipairs(in_source_order(fail, schema)) do
        local name, entry = item.name, item.entry
        if column_module.is_relation(entry) then
            check_entry_name(fail, name, entry)
            model._relations[name] = entry
            model._relation_names[#model._relation_names + 1] = name
        elseif entry.spec.type == "timestamps" then
            add_timestamp(fail, model, entry, "created_at", entry.spec)
            add_timestamp(fail, model, entry, "updated_at", entry.spec)
            model._timestamps = { created = "created_at", updated = "updated_at" }
        elseif entry.spec.type == "softDeletes" then
            check_entry_name(fail, name, entry)
            if model._soft_deletes then
                fail(
                    entry,
                    'softDeletes is in "%s" already; a model has one',
                    model._soft_deletes
                )
            end
            model._soft_deletes = name
            add_timestamp(fail, model, entry, name, entry.spec)
        else
            check_entry_name(fail, name, entry)
            add_column(fail, model, entry, name, entry.spec)
        end
    end
    for _, name in ipairs(model._relation_names) do
        if model._column[name] then
            fail(model._relations[name], 'the column "%s" has that name already', name)
        end
    end
end

-- The column that the model keeps up itself, made when the schema doesn't have it.
local function own_timestamp(fail, model, schema, name, option)
    local found = model._column[name]
    if model._relations[name] then
        fail(model._relations[name], '%s needs the name "%s" for its column', option, name)
    elseif not found then
        add_timestamp(fail, model, nil, name, {})
    elseif found.type ~= "timestamp" then
        fail(
            schema[name],
            '%s needs "%s" to be of type timestamp, and it is of type %s',
            option,
            name,
            found.type
        )
    end
end

local function read_timestamps(fail, model, given)
    local wanted = given.timestamps
    if wanted == nil then
        return
    end
    if wanted == false then
        model._timestamps = nil
        return
    end
    local names = { created = "created_at", updated = "updated_at" }
    if type(wanted) == "table" then
        for key, value in pairs(wanted) do
            local fits = value == false or type(value) == "string" and value ~= ""
            if not names[key] or not fits then
                fail(nil, 'timestamps is true, or { created = "name", updated = "name" }')
            end
            names[key] = value or nil
        end
        if next(names) == nil then
            fail(nil, "timestamps has neither created nor updated; write timestamps = false")
        end
    end
    for _, key in ipairs({ "created", "updated" }) do
        if names[key] then
            own_timestamp(fail, model, given.schema, names[key], "timestamps")
        end
    end
    model._timestamps = names
end

local function read_soft_deletes(fail, model, given)
    if given.softDeletes and not model._soft_deletes then
        own_timestamp(fail, model, given.schema, "deleted_at", "softDeletes")
        model._soft_deletes = "deleted_at"
    elseif given.softDeletes == false and model._soft_deletes then
        fail(
            given.schema[model._soft_deletes],
            'softDeletes = false, and the column "%s" is of type softDeletes',
            model._soft_deletes
        )
    end
end

-- Sets _key: the one primary column, or "id". A table with a key of several columns has
-- none, because a row is not found by one of them.
local function find_key(fail, model, schema)
    local primary, counter = {}, nil
    for _, column in ipairs(model._columns) do
        if column.primary then
            primary[#primary + 1] = column.name
        end
        if types.increments[column.type] then
            if counter then
                fail(
                    schema[column.name],
                    '"%s" counts up already; a table has one column of increments',
                    counter
                )
            end
            counter = column.name
        end
    end
    if counter and #primary > 1 then
        local other = primary[1] == counter and primary[2] or primary[1]
        fail(
            schema[other],
            '"%s" is of type increments, so it is the key alone; make "%s" unique instead',
            counter,
            other
        )
    end
    model._keys = primary
    if #primary == 0 then
        model._key = model._column.id and "id" or nil
    elseif #primary == 1 then
        model._key = primary[1]
    end
end

-- Keys of relations that must be columns of this model.
local function check_relations(fail, model)
    local own = { belongsTo = { "foreignKey" } }
    for _, name in ipairs(model._relation_names) do
        local entry = model._relations[name]
        for _, option in ipairs(own[entry.kind] or { "localKey" }) do
            local column = entry.options[option]
            if column and not model._column[column] then
                fail(
                    entry,
                    'the relation "%s" has %s = "%s", and there is no such column%s',
                    name,
                    option,
                    column,
                    nearest.hint(column, model._column)
                )
            end
        end
    end
end

local document_stores = { mongo = true, mongo_test = true }

local function check_connection(fail, name)
    if name ~= nil and document_stores[name] then
        fail(
            nil,
            'an SqlModel can\'t live on "%s", which keeps documents; '
                .. "pin it to mysql, pg or sqlite",
            name
        )
    end
end

-- Functions of the script go to models and records alike: __newindex sees each of them,
-- because the model itself never has them.
local function behaviour(model, statics)
    local own = setmetatable({}, { __index = require(statics) })
    local function assign(_, key, value)
        local problem
        if type(value) ~= "function" or type(key) ~= "string" then
            problem = "only functions can be added to a model, found a " .. type(value)
        elseif reserved(key) then
            problem = ("it is %s; choose another name"):format(reserved(key))
        elseif model._column[key] then
            problem = "a column has that name"
        elseif model._relations[key] then
            problem = "a relation has that name"
        end
        if problem then
            errors.raise({
                kind = "misuse",
                message = ("%s.%s: %s"):format(model._name, tostring(key), problem),
            })
        end
        own[key] = value
        model._methods[key] = value
    end
    return {
        __name = "eloquent.Model",
        __index = own,
        __newindex = assign,
        __tostring = function()
            return ("model %s (%s)"):format(model._name, model._table)
        end,
    }
end

-- What nearly every definition has, and nothing else: then options.lua need not be read.
local plain = { tableName = "string", connectionName = "string", schema = "table", timestamps = "boolean" }

local function is_plain(given)
    for key, value in pairs(given) do
        if plain[key] ~= type(value) or value == "" then
            return false
        end
    end
    return true
end

-- `documents` is mongo/kind.lua for a MongoModel, nil for an SqlModel.
local function build(model, given, documents)
    local fail_at = failure(model)
    local function fail(message, ...)
        fail_at(nil, message, ...)
    end
    if type(given) ~= "table" then
        fail("its definition is a table: %s \"%s\" { ... }", documents and documents.name or "SqlModel", model._name)
    end
    if documents then
        given = documents.prepare(model, given)
    end
    local simple = is_plain(given)
    if not simple then
        options.check_keys(fail, given)
    end
    (documents and documents.check_connection or check_connection)(fail_at, given.connectionName)
    if not given.schema then
        fail("it has no schema: schema = { id = column(...), ... }")
    end
    model._table = given.tableName or inflect.table_name(model._name)
    model._connection_name = given.connectionName
    model._columns, model._column = {}, {}
    model._relations, model._relation_names = {}, {}
    read_schema(fail_at, model, given.schema)
    read_timestamps(fail_at, model, given)
    read_soft_deletes(fail_at, model, given)
    if #model._columns == 0 and not model._open then
        fail("its schema has no columns")
    end
    find_key(fail_at, model, given.schema)
    check_relations(fail_at, model)
    model._database = given.database and database.read(fail, model, given.database)
        or { foreignKeys = {}, indexes = {} }
    if documents then
        documents.finish(fail_at, model)
    end
    model._options = {}
    if not simple then
        model._options, model._fillable = options.read(fail, model, given, reserved)
        options.check_built(fail, given)
    end
    model._records = require(documents and documents.record or "eloquent.model.record")
    model._methods = setmetatable({}, { __index = model._records })
    setmetatable(model, behaviour(model, documents and documents.statics or "eloquent.model.statics"))
    return model
end

-- The chunk that is running: a file that is loaded anew is another one. nil in what a
-- chunk has left behind, such as the cases of a spec.
local function running_chunk()
    local level, info = 3
    repeat
        info = getinfo(level, "Sf")
        level = level + 1
    until not info or info.what == "main"
    return info and info.func
end

local function begin(what, name, beside, documents)
    if type(name) ~= "string" then
        errors.raise({
            kind = "misuse",
            message = ('a model begins with its name: %s "User" { ... }, found a %s'):format(what, type(name)),
        })
    end
    if not name:find("^[%a_][%w_]*$") then
        errors.raise({
            kind = "misuse",
            message = ('"%s" is no name for a model; take letters and digits, like "User"'):format(
                name
            ),
        })
    end
    if beside ~= nil then
        errors.raise({
            kind = "misuse",
            message = ('%s takes the name alone, and what it returns the definition: %s "%s" { ... }, or %s("%s")(%s)')
                :format(what, what, name, what, name, type(beside) == "table" and "{ ... }" or "definition"),
        })
    end
    -- Taken here: `return SqlModel "User" { ... }` is a tail call, whose line is lost.
    local file, line = errors.position()
    local chunk = running_chunk()
    return function(given)
        local model = build({ _name = name, _file = file, _line = line }, given, documents)
        registry.define(model, chunk)
        return model
    end
end

--- Begins the definition of a model on an SQL connection.
---
---     local User = SqlModel "User" { schema = { id = column("increments") } }
---
--- The model is known by its name from then on. Raises an error of kind "misuse" with the
--- line of the column or of the model when something in it is wrong.
---@param name string
---@param given? nil  the definition is not given here, which is an error
---@return fun(given: table): table
function definition.SqlModel(name, given)
    return (begin("SqlModel", name, given))
end

--- Begins the definition of a model on a MongoDB connection. `schema = "open"` takes any
--- document.
---
---     local Place = MongoModel "Place" { connectionName = "mongo", schema = { name = column("string") } }
---@param name string
---@param given? nil  the definition is not given here, which is an error
---@return fun(given: table): table
function definition.MongoModel(name, given)
    return (begin("MongoModel", name, given, require("eloquent.mongo.kind")))
end

return definition
