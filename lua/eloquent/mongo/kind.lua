-- SPDX-License-Identifier: MIT
--
-- What is different in the definition of a MongoModel: its key, the `_id` that every
-- document has, free-form documents. The rest is model/definition.lua.
local kind = {
    name = "MongoModel",
    statics = "eloquent.mongo.statics",
    record = "eloquent.mongo.record",
}

--- Column of a free-form model: its whole document. No field has that name.
kind.document = "$document"

local sql_stores = { mysql = true, pg = true, sqlite = true }

--- Raises when the model is pinned to a connection of tables.
function kind.check_connection(fail, name)
    if name ~= nil and sql_stores[name:gsub("_test$", "")] then
        fail(
            nil,
            'a MongoModel can\'t live on "%s", which keeps tables; '
                .. 'pin it to "mongo", or make it an SqlModel',
            name
        )
    end
end

-- Paths into columns, and anything in a free-form document.
local function documents(model, name)
    return model._open or model._column[name:match("^[^.]*")] ~= nil
end

--- The definition to read: `schema = "open"` has no columns.
function kind.prepare(model, given)
    model._documents = documents
    if given.schema ~= "open" then
        return given
    end
    local copy = {}
    for key, value in pairs(given) do
        copy[key] = value
    end
    copy.schema = {}
    model._open = true
    return copy
end

local function add_id(model, place)
    local column = { name = "_id", type = "document", nullable = false, made = true }
    table.insert(model._columns, place, column)
    model._column._id = column
end

-- `_id` is the key, or mirrors it: the key of a document is unique by itself then.
local function find_key(fail, model)
    if #model._keys > 1 then
        fail(nil, "a document has one key; make the other columns unique with an index")
    elseif not model._key or model._key == "_id" or not model._column[model._key] then
        model._key = "_id"
        if not model._column._id then
            add_id(model, 1)
        end
        model._column._id.is_key = true -- other programs may have put anything there
        return
    end
    model._id_mode = true
    model._column[model._key].is_key = true -- its documents may have any `_id`
    if not model._column._id then
        add_id(model, #model._columns + 1)
    end
end

local counted = { increments = true, bigIncrements = true }

-- Columns that have to have a value, which the server doesn't check. Keys are made where they can be.
local function find_required(model)
    model._required = {}
    for _, column in ipairs(model._columns) do
        local is_made = column.name == "_id" or column.auto or counted[column.type]
            or column.name == model._key and column.type == "objectId"
        if not column.nullable and not is_made then
            column.required = true
            table.insert(model._required, column.name)
        end
    end
end

-- A default that the script can't change later.
local function own_default(value)
    if type(value) == "table" and not require("eloquent.query.expression").is(value) then
        return require("eloquent.mongo.trees").copy(value)
    end
    return value
end

-- A name with a dot would be a path, one that begins with a dollar an operator.
local function is_plain(name)
    return not name:find(".", 1, true) and name:byte() ~= 36
end

local function check_names(fail, model)
    for _, column in ipairs(model._columns) do
        if not is_plain(column.name) then
            fail(nil, "no field of a document can be called '%s': names have no dot and don't begin with '$'",
                column.name)
        end
    end
end

local function refuse(model, reason, message, ...)
    require("eloquent.core.errors").raise({
        kind = reason,
        table = model._table,
        message = ("%s: " .. message):format(model._name, ...),
    })
end

--- Raises for a key that no field of a free-form document has: those of lists, paths and operators.
function kind.check_field(model, name)
    if type(name) ~= "string" then
        refuse(model, "value", "the fields of a document are named by strings, found the key %s", tostring(name))
    elseif not is_plain(name) then
        refuse(model, "misuse", "'%s' is no name of a field, which has no dot and doesn't begin with '$'; what is "
            .. "inside a document is set in there, record.address.city = \"Basel\", or by update{ [\"address.city\"] = "
            .. "\"Basel\" }", name)
    end
end

--- Raises for such a key among those of a table.
function kind.check_fields(model, data)
    for name in next, data or {} do
        kind.check_field(model, name)
    end
end

--- Completes a model whose schema was read.
function kind.finish(fail, model)
    model._kind = "mongo"
    check_names(fail, model)
    if model._database.foreignKeys[1] then
        fail(nil, "MongoDB has no foreign keys; leave them out, and keep what belongs together in one document")
    end
    for _, index in ipairs(model._database.indexes) do
        if index.where then
            fail(nil, "the index '%s' has a condition in SQL; make it with collection():createIndex", index.name)
        end
    end
    if model._open then
        model._key = "_id"
        model._columns = { { name = kind.document, type = "document", nullable = true } }
        model._column = {}
        return
    end
    find_key(fail, model)
    find_required(model)
    model._object_ids = model._column[model._key].type == "objectId" -- no other keys are asked for
    for _, column in ipairs(model._columns) do
        if column.type == "json" then
            column.type = "document"
            column.default = own_default(column.default)
        elseif counted[column.type] then
            model._counter = column.name
        end
    end
end

return kind
