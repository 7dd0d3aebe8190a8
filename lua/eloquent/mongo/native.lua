-- SPDX-License-Identifier: MIT
--
-- MongoDB as it is: collections, their commands with filters and pipelines as tables, and
-- commands of any kind. Values are bound, so nothing in them is a command.
local doc = require("eloquent.core.document")
local errors = require("eloquent.core.errors")
local json = require("eloquent.core.json")
local new_plan = require("eloquent.core.plan").new
local text = require("eloquent.query.grammar.mongo_text")

local native = {}

local function misuse(message, ...)
    errors.raise({ kind = "misuse", message = message:format(...) })
end

local function check_connection(connection)
    if connection.kind ~= "mongo" then
        errors.raise({
            kind = "unsupported",
            connection = connection.name,
            driver = connection.driver,
            message = ("the connection '%s' keeps tables: use table(name), select and execute"):format(connection.name),
        })
    end
end

-- {{{ commands

-- The words of `list` that have a value, as a plan and its values.
local function plan_of(connection, list)
    local parts, values = {}, {}
    for i, item in ipairs(list) do
        if i == 1 and type(item[2]) == "string" then -- the collection, for logs and messages
            parts[1] = text.string(item[1]) .. ":" .. text.string(item[2])
        elseif item[2] ~= nil then
            parts[#parts + 1] = text.string(item[1]) .. ":?"
            values[#values + 1] = item[2]
        end
    end
    local command = "{" .. table.concat(parts, ",") .. "}"
    local commands = rawget(connection, "_commands")
    if not commands then
        commands = {}
        rawset(connection, "_commands", commands)
    end
    local known = commands[command]
    if not known then
        known = new_plan(command)
        commands[command] = known
    end
    return known, values
end

local function documents(rows)
    local list = {}
    for i = 1, #rows do
        list[i] = rows[i].document
    end
    return require("eloquent.collection").from(list)
end

-- Commands whose answer is a cursor.
local cursors = { find = true, aggregate = true, listCollections = true, listIndexes = true, getMore = true }

-- Calls a method of the open connection; the collection is named in errors of values.
local function call(connection, list, method, plan, ...)
    local core = connection:core()
    local results = table.pack(pcall(core[method], core, plan, ...))
    if results[1] then
        return table.unpack(results, 2, results.n)
    end
    local why, name = results[2], list[1][2]
    if errors.is(why, "value") and not why.table and type(name) == "string" then
        why.table, why.message = name, ("%s, %s: %s"):format(name, list[1][1], why.message)
    end
    error(why, 0)
end

local function run(connection, list)
    local plan, values = plan_of(connection, list)
    if cursors[list[1][1]] then
        return documents(call(connection, list, "select", plan, values))
    end
    local row = call(connection, list, "first", plan, table.unpack(values))
    return row and row.document
end

-- Runs a command that writes; returns the number of documents.
local function write(connection, list)
    local plan, values = plan_of(connection, list)
    return (call(connection, list, "execute", plan, values))
end

--- What connection:command does.
function native.command(connection, command)
    check_connection(connection)
    if type(command) ~= "table" or next(command) == nil then
        return misuse("command expects a table such as { ping = 1 }, got %s",
            type(command) == "table" and "an empty one" or "a " .. type(command))
    end
    local keys = doc.keys(command)
    if #keys > 1 and not doc.is(command) then
        return misuse("the first key of a command is its name, and a table has no order; write "
            .. "command(eloquent.doc{ { \"%s\", ... }, ... })", keys[1])
    end
    local list = {}
    for i, key in ipairs(keys) do
        list[i] = { key, command[key] }
    end
    return run(connection, list)
end

--- What connection:collections does.
function native.collections(connection)
    check_connection(connection)
    local names = {}
    for _, each in ipairs(run(connection, { { "listCollections", 1 }, { "nameOnly", true } })) do
        names[#names + 1] = each.name
    end
    table.sort(names)
    return names
end

-- }}}

---@class eloquent.MongoCollection
---@field name string
local Collection = {}
Collection.__index = Collection
Collection.__name = "eloquent.MongoCollection"

function Collection:__tostring()
    return ("collection %s of %s"):format(self.name, tostring(self._connection))
end

setmetatable(Collection, {
    __index = function(_, key)
        misuse("a collection has no '%s'", tostring(key))
    end,
})

--- A collection by its name; it need not be there.
function native.collection(connection, name)
    check_connection(connection)
    if type(name) ~= "string" or name == "" then
        return misuse("collection expects a name, got a %s", type(name))
    end
    return setmetatable({ name = name, _connection = connection }, Collection)
end

-- {{{ what verbs take

local function table_or(value, verb, what, otherwise)
    if value == nil then
        return otherwise
    elseif type(value) ~= "table" then
        return misuse("%s expects %s as a table, got a %s", verb, what, type(value))
    end
    return value
end

local function filter_of(value, verb)
    return table_or(value, verb, "a filter", doc())
end

-- { "name", -1 } pairs, { name = 1 } or a document, as a document.
local function keys_of(value, verb)
    if value == nil or doc.is(value) then
        return value
    end
    table_or(value, verb, "keys")
    if value[1] == nil and #doc.keys(value) > 1 then
        return misuse("%s: a table of several keys has no order; write { { \"name\", 1 }, { \"age\", -1 } }", verb)
    end
    return doc(value)
end

-- A list of tables, also where it is empty.
local function list_of(value, verb, what)
    table_or(value, verb, what, nil)
    if value == nil or doc.kind(value) ~= "list" and next(value) ~= nil then
        return misuse("%s expects %s as a list of tables", verb, what)
    end
    return doc.kind(value) == "list" and value or json.array({})
end

-- The options that a command knows, in its order; others raise.
local function add_options(list, options, known, verb)
    options = table_or(options, verb, "options", {})
    local names = {}
    for _, name in ipairs(known) do
        names[name] = true
        list[#list + 1] = { name, options[name] }
    end
    for name in pairs(options) do
        if not names[name] then
            misuse("%s has no option '%s'; there are %s", verb, tostring(name), table.concat(known, ", "))
        end
    end
    return list
end

local FIND <const> = {
    "projection", "sort", "skip", "limit", "hint", "batchSize", "comment", "maxTimeMS", "collation",
    "allowDiskUse", "let",
}
local AGGREGATE <const> = { "allowDiskUse", "maxTimeMS", "hint", "comment", "collation", "let" }
local UPDATE <const> = { "upsert", "arrayFilters", "hint", "collation" }

-- }}}
-- {{{ reads

local function find_command(self, filter, options, verb)
    local copy = {}
    for name, value in pairs(table_or(options, verb, "options", {})) do
        copy[name] = value
    end
    copy.sort = keys_of(copy.sort, verb)
    return add_options({ { "find", self.name }, { "filter", filter_of(filter, verb) } }, copy, FIND, verb)
end

--- The documents that match, as tables.
---
---     places:find({ country = "CH" }, { sort = { name = 1 }, limit = 10 })
---@param filter? table
---@param options? table
---@return eloquent.List
function Collection:find(filter, options)
    return run(self._connection, find_command(self, filter, options, "find"))
end

--- The first document that matches, or nil.
---@param filter? table
---@param options? table
---@return table|nil
function Collection:findOne(filter, options)
    local command = find_command(self, filter, options, "findOne")
    for i, item in ipairs(command) do
        if item[1] == "limit" then
            command[i] = { "limit", 1 }
        end
    end
    return run(self._connection, command)[1]
end

--- The documents that match one by one, in constant memory.
---
---     for place in places:cursor({ country = "CH" }) do print(place.name) end
function Collection:cursor(filter, options)
    local command = find_command(self, filter, options, "cursor")
    local plan, values = plan_of(self._connection, command)
    local next_row, _, _, closing = call(self._connection, command, "cursor", plan, values)
    return function()
        local row = next_row()
        return row and row.document
    end, nil, nil, closing
end

--- What a pipeline makes of the documents.
---
---     places:aggregate{ { ["$match"] = { country = "CH" } }, { ["$count"] = "n" } }
---@param pipeline table[]
---@param options? table
---@return eloquent.List
function Collection:aggregate(pipeline, options)
    return run(self._connection, add_options({
        { "aggregate", self.name },
        { "pipeline", list_of(pipeline, "aggregate", "a pipeline") },
        { "cursor", doc() },
    }, options, AGGREGATE, "aggregate"))
end

--- Number of documents that match.
---@param filter? table
---@return integer
function Collection:count(filter)
    local rows = self:aggregate({
        { ["$match"] = filter_of(filter, "count") },
        { ["$group"] = { _id = require("eloquent.core.null"), n = { ["$sum"] = 1 } } },
    })
    return rows[1] and rows[1].n or 0
end

--- The different values of a field.
---@param field string
---@param filter? table
---@return table
function Collection:distinct(field, filter)
    return run(self._connection, {
        { "distinct", self.name }, { "key", field }, { "query", filter_of(filter, "distinct") },
    }).values
end

-- }}}
-- {{{ writes

--- Inserts a document; returns its `_id`.
---@param document table
function Collection:insertOne(document)
    return self:insertMany({ table_or(document, "insertOne", "a document") })[1]
end

-- A document of `insertMany` with its key, and that; raises for what is no document.
local function with_key(self, each, i)
    local kind, why = nil, "it is a " .. type(each)
    if type(each) == "table" then
        kind, why = doc.kind(each)
        if next(each) == nil then
            kind = "document"
        elseif kind == "list" then
            why = "it is a list"
        end
    end
    if kind ~= "document" then
        errors.raise({
            kind = "value", table = self.name, row = i,
            message = ("%s: the value %d to insert is no document: %s"):format(self.name, i,
                (why:gsub("^has ", "it has "))),
        })
    end
    local id = each._id
    if id ~= nil then
        return each, id
    end
    id = require("eloquent.core.objectid").new()
    local copy = doc({ { "_id", id } })
    for _, key in ipairs(doc.keys(each)) do
        copy[key] = each[key]
    end
    return copy, id
end

local MAX_DOCUMENTS <const> = 100000 -- of one command
local TOO_LARGE <const> = 10334 -- a command that is, or a document

-- Inserts the documents from `first` to `last` by as many commands as they take.
local function insert_part(self, whole, first, last)
    local ok, why
    if last - first < MAX_DOCUMENTS then
        local part = first == 1 and last == #whole and whole or table.move(whole, first, last, 1, {})
        ok, why = pcall(write, self._connection, { { "insert", self.name }, { "documents", part } })
    end
    if ok then
        return
    elseif why and (first == last or not (errors.is(why, "value") and why.code == TOO_LARGE)) then
        error(why, 0)
    end
    local middle = (first + last) // 2
    insert_part(self, whole, first, middle)
    insert_part(self, whole, middle + 1, last)
end

--- Inserts documents, in order; returns their `_id`s. Those before one that fails are kept,
--- but for a transaction.
---@param list table[]
---@return any[]
function Collection:insertMany(list)
    list = list_of(list, "insertMany", "documents")
    local whole, ids = {}, {}
    for i, each in ipairs(list) do
        whole[i], ids[i] = with_key(self, each, i)
    end
    if #whole > 0 then
        insert_part(self, whole, 1, #whole)
    end
    return ids
end

local function update(self, filter, change, options, multi, verb)
    table_or(change, verb, "a change")
    if change == nil then
        return misuse("%s expects a filter and a change, such as { [\"$set\"] = { name = \"x\" } }", verb)
    end
    local each = add_options({ { "q", filter_of(filter, verb) }, { "u", change } }, options, UPDATE, verb)
    if multi then
        each[#each + 1] = { "multi", true }
    end
    local given = {}
    for _, item in ipairs(each) do
        given[#given + 1] = item[2] ~= nil and item or nil
    end
    return write(self._connection, { { "update", self.name }, { "updates", { doc(given) } } })
end

--- Changes the first document that matches; returns 0 or 1.
---
---     places:updateOne({ _id = id }, { ["$push"] = { tags = "new" } })
---@return integer
function Collection:updateOne(filter, change, options)
    return update(self, filter, change, options, false, "updateOne")
end

--- Changes all documents that match; returns their number.
---@return integer
function Collection:updateMany(filter, change, options)
    return update(self, filter, change, options, true, "updateMany")
end

--- Puts a document in the place of the first that matches.
---@return integer
function Collection:replaceOne(filter, document, options)
    return update(self, filter, document, options, false, "replaceOne")
end

local function delete(self, filter, limit, verb)
    local each = doc({ { "q", filter_of(filter, verb) }, { "limit", limit } })
    return write(self._connection, { { "delete", self.name }, { "deletes", { each } } })
end

--- Deletes the first document that matches; returns 0 or 1.
---@return integer
function Collection:deleteOne(filter)
    return delete(self, filter, 1, "deleteOne")
end

--- Deletes all documents that match; returns their number.
---@return integer
function Collection:deleteMany(filter)
    return delete(self, filter, 0, "deleteMany")
end

--- Changes one document and returns it as it was (`returnNew = true`: as it is then), or nil.
---@param filter table
---@param change table
---@param options? table  sort, upsert, projection, returnNew
---@return table|nil
function Collection:findOneAndUpdate(filter, change, options)
    local verb = "findOneAndUpdate"
    local given = table_or(options, verb, "options", {})
    return run(self._connection, add_options({
        { "findAndModify", self.name },
        { "query", filter_of(filter, verb) },
        { "update", table_or(change, verb, "a change") },
    }, {
        sort = keys_of(given.sort, verb), upsert = given.upsert, fields = given.projection, new = given.returnNew,
    }, { "sort", "upsert", "fields", "new" }, verb))
end

--- Deletes one document and returns it, or nil.
---@param filter table
---@return table|nil
function Collection:findOneAndDelete(filter)
    return run(self._connection, {
        { "findAndModify", self.name }, { "query", filter_of(filter, "findOneAndDelete") }, { "remove", true },
    })
end

-- }}}
-- {{{ indexes, the collection itself

--- Makes an index; returns its name.
---
---     places:createIndex({ { "country", 1 }, { "name", 1 } }, { unique = true })
---@param keys table    { name = 1 } or { { "a", 1 }, { "b", -1 } }
---@param options? table  unique, name, sparse, expireAfterSeconds, partialFilterExpression, ...
---@return string
function Collection:createIndex(keys, options)
    keys = keys_of(keys, "createIndex")
    if not keys then
        return misuse("createIndex expects the keys of the index, such as { name = 1 }")
    end
    local parts = {}
    for _, key in ipairs(doc.keys(keys)) do
        parts[#parts + 1] = key .. "_" .. tostring(keys[key])
    end
    local index = doc({ { "key", keys }, { "name", table.concat(parts, "_") } })
    for _, name in ipairs(doc.keys(table_or(options, "createIndex", "options", {}))) do
        index[name] = options[name]
    end
    run(self._connection, { { "createIndexes", self.name }, { "indexes", { index } } })
    return index.name
end

--- The indexes, as the server tells them.
---@return eloquent.List
function Collection:indexes()
    return run(self._connection, { { "listIndexes", self.name } })
end

---@param name string
function Collection:dropIndex(name)
    run(self._connection, { { "dropIndexes", self.name }, { "index", name } })
end

--- Drops the collection; false when there was none.
---@return boolean
function Collection:drop()
    local names = native.collections(self._connection)
    for _, name in ipairs(names) do
        if name == self.name then
            run(self._connection, { { "drop", self.name } })
            return true
        end
    end
    return false
end

-- }}}

return native
