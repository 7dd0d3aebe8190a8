-- SPDX-License-Identifier: MIT
--
-- Records of MongoDB: how they are written. What is the same on every store is
-- model/record.lua. A save writes the fields that changed, also those inside documents.
local changes = require("eloquent.mongo.changes")
local commands = require("eloquent.mongo.commands")
local connections = require("eloquent.connections")
local core = require("eloquent.core.record")
local counters = require("eloquent.support.later")("eloquent.mongo.counters")
local doc = require("eloquent.core.document")
local errors = require("eloquent.core.errors")
local journal = require("eloquent.support.later")("eloquent.model.journal")
local null = require("eloquent.core.null")
local objectid = require("eloquent.core.objectid")
local rows = require("eloquent.mongo.rows")
local uid = require("eloquent.support.later")("eloquent.core.uid")

local for_model = connections.for_model
local model_of = core.model

---@class eloquent.MongoRecord : eloquent.Record
local Record = setmetatable({}, { __index = require("eloquent.model.record") })

local function fail(kind, model, message, ...)
    errors.raise({ kind = kind, table = model._table, message = message:format(...) })
end

local function plans_of(model, connection)
    return require("eloquent.model.sql").plans(model, connection)
end

-- {{{ fields, of columns or of a free-form document

--- The free-form document of a record, made when there is none.
---@return table
function Record._whole(record)
    local whole = core.get(record, "document")
    if whole == nil then
        core.set(record, "document", doc())
        whole = core.get(record, "document")
    end
    return whole
end

local function get(record, model, name)
    if not model._open then
        return core.get(record, name)
    end
    local value = Record._whole(record)[name]
    return value ~= null and value or nil
end

local function set(record, model, name, value)
    if model._open then
        Record._whole(record)[name] = value
    else
        core.set(record, name, value)
    end
end

-- The value that the document had when it was read or last saved.
local function original(record, model, name)
    if not model._open then
        return core.original(record, name)
    end
    local whole = core.original(record, "document")
    local value = whole and whole[name]
    return value ~= null and value or nil
end

local function is_changed(record, model, name)
    if not model._open then
        return core.isDirty(record, name)
    end
    local value = get(record, model, name)
    return value ~= original(record, model, name)
end

-- }}}
-- {{{ insert

local function stamp(record, model, time)
    local stamps = model._timestamps
    for _, name in ipairs(stamps and { stamps.created or nil, stamps.updated or nil } or {}) do
        if not is_changed(record, model, name) then
            set(record, model, name, time)
        end
    end
end

-- Columns that the script has not set get their defaults, also where it is to be NULL by none.
local function fill_columns(record, model)
    local written = {}
    for _, name in ipairs(core.dirty(record)) do
        written[name] = true
    end
    for _, column in ipairs(model._columns) do
        if not written[column.name] then
            local value = rows.default(column)
            if column.auto then
                value = column.type == "ulid" and uid.ulid() or uid.uuid7()
            end
            if value ~= nil then
                core.set(record, column.name, value)
            end
        end
    end
end

local function make_number(record, model, connection)
    local given = core.get(record, model._counter)
    if given == nil then
        core.set(record, model._counter, counters.take(connection, model, 1))
    else
        counters.raise(connection, model, given)
    end
end

local function make_keys(record, model, connection)
    if model._counter then
        make_number(record, model, connection)
    end
    if get(record, model, "_id") ~= nil then
        return
    end
    local id
    if model._id_mode then
        id = get(record, model, model._key)
        if id ~= nil and model._column[model._key].type == "uuid" then
            id = doc.uuid(id)
        end
    end
    set(record, model, "_id", id == nil and objectid.new() or id)
end

-- Names of the columns to insert, the document's key first.
local function insert_names(record)
    local names = { "_id" }
    for _, name in ipairs(core.dirty(record)) do
        if name ~= "_id" then
            names[#names + 1] = name
        end
    end
    return names
end

--- Inserts a new record, `key` being the mask of what was written.
function Record._insert(record, model, key)
    local connection = model._via or for_model(model)
    if connection._journal then
        journal.inserting(connection._journal, record, key)
    end
    if not model._open then
        fill_columns(record, model)
    end
    stamp(record, model, rows.now())
    make_keys(record, model, connection)
    local plans = plans_of(model, connection)
    local conn = connection:core()
    if model._open then
        plans.whole = plans.whole or commands.insert(model)
        conn:execute(plans.whole, { Record._whole(record) })
        core.sync(record)
        core.setExists(record, true)
        return record
    end
    local mask = core.mask(record)
    local plan = plans.insert[mask]
    if not plan then
        plan = commands.insert(model, insert_names(record))
        plans.insert[mask] = plan
    end
    conn:insert(plan, record)
    return record
end

-- }}}
-- {{{ update

local function check_key(record, model, dirty)
    for _, name in ipairs(dirty) do
        if name == "_id" or name == model._key and core.original(record, "_id") == core.original(record, name) then
            fail("misuse", model, "the key '%s' of a document can't change; create a new %s and delete this one", name,
                model._name)
        end
    end
end

-- What a save has to write of these columns; nil when the columns as they are will do.
local function nested_changes(record, model, dirty)
    local found, nested = { set = {}, unset = {} }, false
    for _, name in ipairs(dirty) do
        local new = core.get(record, name)
        if model._column[name].type ~= "document" or type(new) ~= "table" then
            found.set[#found.set + 1] = { name, new == nil and null or new }
        else
            nested = true
            changes.field(found, name, core.original(record, name), new)
        end
    end
    return nested and found or nil
end

-- Runs an update that is made for this one save; returns the number of documents.
local function run(connection, plan, values, record)
    local count = connection:core():execute(plan, values)
    if count > 0 then
        core.sync(record)
    end
    return count
end

local function update_whole(record, model, connection)
    local old, new = core.original(record, "document") or {}, Record._whole(record)
    local id = old._id
    if id ~= new._id then
        fail("misuse", model, "the key '_id' of a document can't change; create a new %s and delete this one",
            model._name)
    end
    local found = changes.whole(old, new)
    if not found then
        local plans = plans_of(model, connection)
        plans.replace = plans.replace or commands.replace(model)
        return run(connection, plans.replace, { id, new }, record)
    elseif #found.set == 0 and #found.unset == 0 then
        core.sync(record)
        return 1
    end
    local plan, values = commands.change(model, id, found)
    return run(connection, plan, values, record)
end

local function update_columns(record, model, connection)
    local dirty = core.dirty(record)
    check_key(record, model, dirty)
    local found = nested_changes(record, model, dirty)
    if found then
        local id = core.get(record, "_id")
        if #found.set == 0 and #found.unset == 0 then
            core.sync(record)
            return 1
        end
        local plan, values = commands.change(model, id, found)
        return run(connection, plan, values, record)
    end
    local plans, mask = plans_of(model, connection), core.mask(record)
    local plan = plans.update[mask]
    if not plan then
        plan = commands.update(model, dirty)
        plans.update[mask] = plan
    end
    return connection:core():update(plan, record)
end

-- With `lenient`, nil says that the document is gone.
local function update(record, model, lenient)
    if not core.isDirty(record) then
        return record
    end
    local connection = model._via or for_model(model)
    local stamped = model._timestamps and model._timestamps.updated
    if stamped and not is_changed(record, model, stamped) then
        set(record, model, stamped, rows.now())
    else
        stamped = nil
    end
    if connection._journal then
        journal.updating(connection._journal, record, not model._open and stamped or nil)
    end
    local count = (model._open and update_whole or update_columns)(record, model, connection)
    if count > 0 then
        return record
    elseif not lenient then
        fail("notFound", model, "%s with this key is no longer in the collection '%s', so nothing was saved",
            model._name, model._table)
    end
end

--- Writes the record: an insert when it is new, else an update of the fields that changed.
---@return eloquent.Record self
function Record:save()
    local model, saved, key, had_row = core.status(self)
    if saved then
        return update(self, model)
    elseif had_row then
        local connection = model._via or for_model(model)
        if connection._journal then
            journal.detaching(connection._journal, self)
        end
        core.detach(self)
        key = core.mask(self)
    end
    return Record._insert(self, model, key)
end

--- Sets several attributes; nothing is written yet.
---@param data table<string, any>
---@return eloquent.Record self
function Record:fill(data)
    local model = model_of(self)
    model:_checkFillable(data)
    if not model._open then
        return core.fill(self, data)
    end
    local whole = Record._whole(self)
    for _, name in ipairs(doc.keys(data)) do
        whole[name] = data[name]
    end
    return self
end

--- `fill` and `save`.
---@param data table<string, any>
---@return eloquent.Record self
function Record:update(data)
    if not core.exists(self) then
        fail("misuse", model_of(self), "%s is not in the database yet; save it, or use create", model_of(self)._name)
    end
    return Record.save(Record.fill(self, data))
end

-- }}}
-- {{{ delete, read again

local function need_row(record, model, verb)
    if not core.exists(record) then
        fail("misuse", model, "%s is not in the database, so it cannot be %s", model._name, verb)
    end
end

--- Removes the document from the collection, softly deleted or not.
---@return boolean deleted  false when there was no such document any more
function Record:forceDelete()
    local model = model_of(self)
    need_row(self, model, "deleted")
    local connection = model._via or for_model(model)
    local plans = plans_of(model, connection)
    plans.delete = plans.delete or commands.delete(model)
    if connection._journal then
        journal.deleting(connection._journal, self)
    end
    local conn = connection:core()
    local count = model._open and conn:execute(plans.delete, { original(self, model, "_id") })
        or conn:write(plans.delete, self)
    core.setExists(self, false)
    return count > 0
end

--- Deletes the document; a model with soft deletes keeps it, marked with the time.
---@return boolean deleted
function Record:delete()
    local model = model_of(self)
    local column = model._soft_deletes
    if not column then
        return Record.forceDelete(self)
    end
    need_row(self, model, "deleted")
    if original(self, model, column) ~= nil then
        return false
    end
    set(self, model, column, rows.now())
    if not update(self, model, true) then
        set(self, model, column, nil)
        core.setExists(self, false)
        return false
    end
    return true
end

--- True when the document was deleted softly.
---@return boolean
function Record:trashed()
    local model = model_of(self)
    if not model._soft_deletes then
        fail("misuse", model, "trashed is for models with soft deletes (softDeletes = true)")
    end
    return get(self, model, model._soft_deletes) ~= nil
end

--- Brings a softly deleted document back.
---@return eloquent.Record self
function Record:restore()
    local model = model_of(self)
    if not model._soft_deletes then
        fail("misuse", model, "restore is for models with soft deletes (softDeletes = true)")
    end
    need_row(self, model, "restored")
    set(self, model, model._soft_deletes, nil)
    return Record.save(self)
end

local function read_again(record, model)
    local connection = model._via or for_model(model)
    local plans = plans_of(model, connection)
    plans.again = plans.again or commands.find(model, "_id", model._column._id and "_id" or false)
    local id = original(record, model, "_id")
    if id == nil then
        fail("misuse", model, "%s has no key yet; save it first", model._name)
    end
    return connection:core():first(plans.again, id)
end

--- Reads the document again; what was not saved is forgotten.
---@return eloquent.Record self
function Record:refresh()
    local model = model_of(self)
    local row = read_again(self, model)
    if not row then
        fail("notFound", model, "%s with this key is no longer in the collection '%s'", model._name, model._table)
    end
    local notes = (model._via or for_model(model))._journal
    if notes then
        journal.refreshing(notes, self)
    end
    core.absorb(self, row)
    core.setExists(self, true)
    return self
end

--- The document as it is now, as another record; nil when it is gone.
---@return eloquent.Record|nil
function Record:fresh()
    return read_again(self, model_of(self))
end

-- }}}
-- {{{ what changed

--- Whether a field (any, when none is named) was written and not saved; a path names a
--- field inside documents: `place:isDirty("address.city")`.
---@param name? string
---@return boolean
function Record:isDirty(name)
    local model = model_of(self)
    if name == nil or model._column[name] then
        return core.isDirty(self, name)
    end
    local head, rest = name:match("^([^.]+)%.?(.*)$")
    if not model._open and not model._column[head] then
        return core.isDirty(self, name)
    end
    local old, new = original(self, model, head), get(self, model, head)
    for part in rest:gmatch("[^.]+") do
        local key = math.tointeger(tonumber(part))
        old = type(old) == "table" and (old[part] or key and old[key + 1]) or nil
        new = type(new) == "table" and (new[part] or key and new[key + 1]) or nil
    end
    local found = { set = {}, unset = {} }
    changes.field(found, "x", old, new)
    return #found.set > 0 or #found.unset > 0
end

---@param name? string
---@return boolean
function Record:isClean(name)
    return not Record.isDirty(self, name)
end

--- The value that a field was read or last saved with; all of them without a name.
---@param name? string
function Record:getOriginal(name)
    local model = model_of(self)
    if not model._open then
        return require("eloquent.model.record").getOriginal(self, name)
    elseif name == nil then
        return core.original(self, "document")
    end
    return original(self, model, name)
end

--- The value of the key.
function Record:getKey()
    local model = model_of(self)
    return get(self, model, model._key)
end

--- Whether a field is null or missing.
---@param name string
---@return boolean
function Record:isNull(name)
    return get(self, model_of(self), name) == nil
end

local function copy(value)
    if type(value) ~= "table" then
        return value
    end
    if doc.kind(value) == "list" then
        local list = require("eloquent.core.json").array({})
        for i = 1, #value do
            list[i] = copy(value[i])
        end
        return list
    end
    local result = doc()
    for _, name in ipairs(doc.keys(value)) do
        result[name] = copy(value[name])
    end
    return result
end

-- The columns, but for a key that the model doesn't name and that says what another one does.
local function shown(record, model, keep_null)
    local values = core.toTable(record, keep_null)
    if model._id_mode and model._column._id.made then
        values._id = nil
    end
    return values
end

--- A table of the fields, without those the model hides; of a free-form document a copy.
---@return table<string, any>
function Record:toTable()
    local model = model_of(self)
    if not model._open then
        return model:_visible(shown(self, model, false))
    end
    return model:_visible(core.has(self, "document") and copy(Record._whole(self)) or core.toTable(self))
end

--- JSON text of the fields, without those the model hides.
---@return string
function Record:toJson()
    local model = model_of(self)
    if not model._open then
        return require("eloquent.core.json").encode(model:_visible(shown(self, model, true)))
    end
    return require("eloquent.core.json").encode(Record.toTable(self))
end

-- }}}

return Record
