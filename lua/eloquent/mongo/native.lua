-- SPDX-License-Identifier: MIT
--
-- MongoDB as it is: collections, their commands with filters and pipelines as tables, and
-- commands of any kind. Values are bound, so nothing in them is a command.
local arguments = require("eloquent.mongo.arguments")
local doc = require("eloquent.core.document")
local errors = require("eloquent.core.errors")
local new_plan = require("eloquent.core.plan").new
local text = require("eloquent.query.grammar.mongo_text")

local native = {}

local misuse, add_options, table_or = arguments.misuse, arguments.add_options, arguments.table_or
local filter_of, keys_of, list_of, name_of = arguments.filter, arguments.keys, arguments.list, arguments.name
local needed_filter, needed_document = arguments.needed_filter, arguments.needed_document
local change_of, replacement_of = arguments.change, arguments.replacement

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

-- How deep the text of a pipeline goes, and how many plans are kept.
local MAX_OUTLINE <const>, MAX_PLANS <const> = 20, 200

local function is_name(name)
    return utf8.len(name) and not name:find("\0", 1, true)
end

-- Names and operators of a pipeline, for logs and messages; its values are bound, and lists of plain values, which may
-- have any length. nil: something is in it that no document holds, or it is too deep, so bind it whole.
local function outline(value, values, depth)
    local kind, parts = type(value), {}
    if kind == "table" then
        kind = depth < MAX_OUTLINE and doc.kind(value)
    end
    if kind == "document" then
        for i, name in ipairs(doc.keys(value)) do
            local part = is_name(name) and outline(value[name], values, depth + 1)
            if not part then
                return nil
            end
            parts[i] = text.string(name) .. ":" .. part
        end
        return "{" .. table.concat(parts, ",") .. "}"
    elseif kind == "list" and type(value[1]) == "table" then
        for i = 1, #value do
            parts[i] = outline(value[i], values, depth + 1)
            if not parts[i] then
                return nil
            end
        end
        return "[" .. table.concat(parts, ",") .. "]"
    elseif not kind or kind == "function" or kind == "thread" or io.type(value) then
        return nil
    end
    values[#values + 1] = value
    return "?"
end

-- The words of `list` that have a value, as a plan and its values.
local function plan_of(connection, list)
    local parts, values = {}, {}
    for i, item in ipairs(list) do
        if i == 1 and type(item[2]) == "string" then -- the collection, for logs and messages
            parts[1] = text.string(item[1]) .. ":" .. text.string(item[2])
        elseif item[2] ~= nil then
            local inner = {}
            local shown = item[1] == "pipeline" and outline(item[2], inner, 0)
            parts[#parts + 1] = text.string(item[1]) .. ":" .. (shown or "?")
            table.move(shown and inner or { item[2] }, 1, shown and #inner or 1, #values + 1, values)
        end
    end
    local command = "{" .. table.concat(parts, ",") .. "}"
    local commands = rawget(connection, "_commands")
    if not commands or commands.n > MAX_PLANS then
        commands = { n = 0 }
        rawset(connection, "_commands", commands)
    end
    local known = commands[command]
    if not known then
        known = new_plan(command)
        commands[command], commands.n = known, commands.n + 1
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
    elseif errors.is(why, "unique") and list[1][1] == "createIndexes" then
        why.message = ("%s: the unique index '%s' can't be made, for documents that are there have the same '%s'; "
            .. "change or delete them first"):format(name, why.constraint or "?", why.column or "?")
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

-- {{{ options

local FIND <const> = {
    "projection", "sort", "skip", "limit", "hint", "batchSize", "comment", "maxTimeMS", "collation",
    "allowDiskUse", "let",
}
local AGGREGATE <const> = { "allowDiskUse", "maxTimeMS", "hint", "comment", "collation", "let" }
local UPDATE <const> = { "upsert", "arrayFilters", "hint", "collation" }
local FIND_AND_UPDATE <const> = { "sort", "upsert", "projection", "returnNew" }

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
        { "distinct", self.name },
        { "key", name_of(field, "distinct", "a field") },
        { "query", filter_of(filter, "distinct") },
    }).values
end

-- }}}
-- {{{ writes

-- A document to insert with its key, and that; raises for what is no document. `i` is its number of several.
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
            message = ("%s: the value %sto insert is no document: %s"):format(self.name, i and i .. " " or "",
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

-- Which document of the command it was that starts with that number `first`; nil where nobody tells.
local function failed_one(self, why, list, first)
    if why.number then
        return first + why.number - 1
    elseif not errors.is(why, "value") then
        return nil
    elseif why.driver then
        local place, path = (why.column or ""):match("^documents%.(%d+)%.?(.*)$")
        if place then
            why.column = path ~= "" and path or nil
            why.message = why.message:gsub("^([^:]-)%.documents%.%d+", "%1", 1)
            return first + math.tointeger(tonumber(place))
        end
        return nil
    end
    local bindable = require("eloquent.core.shape").bindable
    for i = first, #list do
        local ok, wrong = pcall(bindable, list[i], true)
        if not ok and errors.is(wrong, "value") then
            why.message = ("%s: %s"):format(self.name, wrong.message)
            return i
        end
    end
end

-- Raises it with the number of the document in the list.
local function fail_at(self, why, list, first, last)
    local row = errors.is(why) and why.kind ~= "canceled"
        and (failed_one(self, why, list, first) or first == last and first)
    if row and #list > 1 then
        why.row = row
        why.message = ("row %d: %s"):format(row, why.message:gsub(" %(number %d+ of its command%)$", ""))
    end
    error(why, 0)
end

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
        fail_at(self, why, whole, first, last)
    end
    local middle = (first + last) // 2
    insert_part(self, whole, first, middle)
    insert_part(self, whole, middle + 1, last)
end

--- Inserts a document; returns its `_id`.
---@param document table
function Collection:insertOne(document)
    local whole, id = with_key(self, needed_document(document, "insertOne", "a document"))
    insert_part(self, { whole }, 1, 1)
    return id
end

--- Inserts documents, in order; returns their `_id`s. Those before one that fails are kept,
--- but for a transaction. The error says by `row` which one that is.
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
    local each = add_options({ { "q", needed_filter(filter, verb) }, { "u", change } }, options, UPDATE, verb)
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
    return update(self, filter, change_of(change, "updateOne"), options, false, "updateOne")
end

--- Changes all documents that match; returns their number.
---@return integer
function Collection:updateMany(filter, change, options)
    return update(self, filter, change_of(change, "updateMany"), options, true, "updateMany")
end

--- Puts a document in the place of the first that matches.
---@return integer
function Collection:replaceOne(filter, document, options)
    return update(self, filter, replacement_of(document, "replaceOne"), options, false, "replaceOne")
end

local function delete(self, filter, limit, verb)
    local each = doc({ { "q", needed_filter(filter, verb) }, { "limit", limit } })
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
    local given = {}
    for _, item in ipairs(add_options({}, options, FIND_AND_UPDATE, verb)) do
        given[item[1]] = item[2]
    end
    return run(self._connection, {
        { "findAndModify", self.name },
        { "query", needed_filter(filter, verb) },
        { "update", change_of(change, verb) },
        { "sort", keys_of(given.sort, verb) },
        { "upsert", given.upsert },
        { "fields", given.projection },
        { "new", given.returnNew },
    })
end

--- Deletes one document and returns it, or nil.
---@param filter table
---@return table|nil
function Collection:findOneAndDelete(filter)
    return run(self._connection, {
        { "findAndModify", self.name }, { "query", needed_filter(filter, "findOneAndDelete") }, { "remove", true },
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
    if not keys or next(keys) == nil then
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
    run(self._connection, { { "dropIndexes", self.name }, { "index", name_of(name, "dropIndex", "an index") } })
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
