-- SPDX-License-Identifier: MIT
--
-- Records of MongoDB: how they are written. What is the same on every store is
-- model/record.lua. A save writes the fields that changed, also those inside documents.
local changes = require("eloquent.support.later")("eloquent.mongo.changes")
local commands = require("eloquent.mongo.commands")
local connections = require("eloquent.connections")
local core = require("eloquent.core.record")
local counters = require("eloquent.support.later")("eloquent.mongo.counters")
local doc = require("eloquent.core.document")
local errors = require("eloquent.core.errors")
local journal = require("eloquent.support.later")("eloquent.model.journal")
local null = require("eloquent.core.null")
local objectid = require("eloquent.core.objectid")
local rows = require("eloquent.support.later")("eloquent.mongo.rows")
local sql = require("eloquent.support.later")("eloquent.model.sql")
local text = require("eloquent.query.grammar.mongo_text")
local trees = require("eloquent.support.later")("eloquent.mongo.trees")
local uid = require("eloquent.support.later")("eloquent.core.uid")

local for_model = connections.for_model
local model_of = core.model
local mongo_kind = require("eloquent.mongo.kind")
local WHOLE <const> = mongo_kind.document

local Base = require("eloquent.model.record")

---@class eloquent.MongoRecord : eloquent.Record
local Record = setmetatable({}, { __index = Base })
Record._place = "collection"
function Record._now()
    return rows.now()
end

local function fail(kind, model, message, ...)
    errors.raise({ kind = kind, table = model._table, message = message:format(...) })
end

local function plans_of(model, connection)
    local plans = model._plans
    if not plans or plans.connection ~= connection then
        plans = sql.plans(model, connection)
    end
    plans.needed = plans.needed or {}
    return plans
end

-- {{{ fields, of columns or of a free-form document

--- Raises for a free-form record of which a query has selected some fields.
local function need_whole(record)
    if not core.has(record, WHOLE) then
        local model = model_of(record)
        fail("misuse", model, "only some fields of this %s were selected, so it can't be written; "
            .. "read it without select(...), or write by its key with update", model._name)
    end
end

--- The free-form document of a record, made when there is none.
---@return table
function Record._whole(record)
    need_whole(record)
    local whole = core.get(record, WHOLE)
    if whole == nil then
        core.set(record, WHOLE, doc())
        whole = core.get(record, WHOLE)
    end
    return whole
end

local function not_selected(model, name)
    fail("misuse", model, "%s.%s was not selected by this query; add it to select(...)", model._name, name)
end

local function get(record, model, name)
    if not model._open then
        return core.get(record, name)
    elseif core.has(record, WHOLE) then
        return trees.field(core.get(record, WHOLE), name)
    elseif not core.shape(record):has(name) then
        not_selected(model, name)
    end
    return core.get(record, name)
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
    elseif core.has(record, WHOLE) then
        return trees.field(core.original(record, WHOLE), name)
    elseif core.shape(record):has(name) then
        return core.original(record, name)
    end
    return nil
end

local function is_changed(record, model, name)
    if not model._open then
        return core.isDirty(record, name)
    end
    local value = get(record, model, name)
    return value ~= original(record, model, name)
end

Record._get, Record._set, Record._original = get, set, original

--- Undoes in `kept`, the values that a rolled back record keeps, what the model has set.
function Record._take_back(record, kept, name)
    local model = model_of(record)
    if not model._open then
        Base._take_back(record, kept, name)
    elseif type(kept[WHOLE]) == "table" then
        local old = core.original(record, WHOLE)
        kept[WHOLE][name] = old and old[name]
    end
end

-- The fields that a free-form record gets from its model, by its insert or later, and that the script has not set.
local function unmade(record, model)
    local names, deleted = {}, model._soft_deletes
    for _, name in pairs(model._timestamps or {}) do
        names[#names + 1] = name and get(record, model, name) == nil and name or nil
    end
    names[#names + 1] = deleted and get(record, model, deleted) == nil and deleted or nil
    names[#names + 1] = get(record, model, "_id") == nil and "_id" or nil
    return names
end

--- Takes the fields out of a new record that its model has made.
function Record._unmake(record, names)
    local model, saved = model_of(record), core.hasSaved(record)
    for _, name in ipairs(names) do
        if not saved or name == "_id" or not is_changed(record, model, name) then
            set(record, model, name, nil)
        end
    end
end

-- }}}
-- {{{ insert

local function stamp(record, model)
    local time = model._timestamps and rows.now()
    for _, name in pairs(model._timestamps or {}) do
        if name and not is_changed(record, model, name) then
            set(record, model, name, time)
        end
    end
end

-- The columns that get a value when they have none.
local function filled_of(model)
    local filled = rawget(model, "_filled")
    if not filled then
        filled = {}
        for _, column in ipairs(model._columns) do
            if column.default ~= nil or column.defaultNow or column.auto then
                filled[#filled + 1] = column
            end
        end
        rawset(model, "_filled", filled)
    end
    return filled
end

-- Columns that the script has not set get their defaults, also where it is to be NULL by none.
local function fill_columns(record, model)
    local filled, written = filled_of(model), {}
    if not filled[1] then
        return
    end
    for _, name in ipairs(core.dirty(record)) do
        written[name] = true
    end
    for _, column in ipairs(filled) do
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

-- Raises for a column of these that has no value and has to have one.
local function check_required(record, model, names)
    for _, name in ipairs(names) do
        if model._column[name].required and core.get(record, name) == nil then
            rows.missing(model, name)
        end
    end
end

local function make_number(record, model, connection)
    local given = core.get(record, model._counter)
    if given == nil then
        core.set(record, model._counter, counters.take(connection, model, 1))
    else
        if math.type(given) == "integer" then
            counters.raise(connection, model, given)
        end
    end
end

-- A key that came as `_id` becomes the model's own, which makes the `_id`; two that differ are refused.
local function take_given_id(record, model)
    local given = core.get(record, "_id")
    local own = given ~= nil and core.get(record, model._key)
    if given == nil then
        return
    elseif own == nil then
        core.set(record, model._key, given)
        core.set(record, "_id", nil)
    elseif given ~= own and not (type(given) == "userdata" and tostring(given) == tostring(own)) then
        fail("value", model, "%s: '%s' is the key and '_id' has the same value, here they differ; leave '_id' out",
            model._name, model._key)
    end
end

local function make_keys(record, model, connection, again)
    if model._id_mode and not again then
        take_given_id(record, model)
    end
    if model._counter then
        make_number(record, model, connection)
    end
    if get(record, model, "_id") ~= nil then
        return
    end
    local id
    if model._id_mode then
        id = get(record, model, model._key)
        if id == nil and model._column[model._key].type == "objectId" then
            id = objectid.new()
            set(record, model, model._key, id)
        elseif id ~= nil and model._column[model._key].type == "uuid" then
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

--- Inserts a new record, `key` being the mask of what was written. `again`: its document is gone, and had both keys.
function Record._insert(record, model, key, again)
    local connection = model._via or for_model(model)
    if connection._journal then
        journal.inserting(connection._journal, record, key, model._open and unmade(record, model))
    end
    if not model._open then
        fill_columns(record, model)
    end
    stamp(record, model)
    check_required(record, model, model._required or {})
    make_keys(record, model, connection, again)
    local plans = plans_of(model, connection)
    local conn = connection:core()
    if model._open then
        plans.whole = plans.whole or commands.insert(model)
        conn:execute(plans.whole, { Record._whole(record) })
        core.sync(record)
        core.setExists(record, true)
        Record._wrote(record, nil)
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

-- Whether `id` says what `_id` does, maybe as the text of an object id or a UUID.
local function mirrors(record, name)
    local own, id = core.original(record, "_id"), core.original(record, name)
    return own == id or type(own) == "userdata" and tostring(own) == id
end

local function check_key(record, model, dirty)
    for _, name in ipairs(dirty) do
        if name == "_id" or name == model._key and mirrors(record, name) then
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

-- The same of what changed. A value that no document can hold is named by its path in the column, of which a part
-- is sent.
local function run_changes(connection, model, id, found, record)
    local plan, values = commands.change(model, id, found)
    local ok, result = pcall(run, connection, plan, values, record)
    for _, item in ipairs(not ok and errors.is(result, "value") and not result.driver and found.set or {}) do
        local column = text.part_of(model, item[1])
        if column then
            model:_getShape():check(column, core.get(record, column))
        end
    end
    return ok and result or error(result, 0)
end

-- Sends what changed inside a document, if anything did.
local function write_changes(record, model, connection, id, found)
    local count = 1
    if #found.set == 0 and #found.unset == 0 then
        core.sync(record)
    else
        count = run_changes(connection, model, id, found, record)
    end
    if count > 0 then
        Record._wrote(record, found)
    end
    return count
end

-- The document with its key first: the server takes one that begins with a dollar for operators.
local function key_first(whole)
    local copy = doc({ { "_id", whole._id } })
    for name, value in pairs(whole) do
        copy[name] = value
    end
    return copy
end

local function update_whole(record, model, connection)
    local old, new = core.original(record, WHOLE) or {}, Record._whole(record)
    local id = old._id
    if id ~= new._id then
        fail("misuse", model, "the key '_id' of a document can't change; create a new %s and delete this one",
            model._name)
    end
    local found = changes.whole(old, new)
    if not found then
        local plans = plans_of(model, connection)
        plans.replace = plans.replace or commands.replace(model)
        local names = trees.differing(old, new)
        local count = run(connection, plans.replace, { id, key_first(new) }, record)
        if count > 0 then
            Record._wrote(record, { names = names })
        end
        return count
    end
    return write_changes(record, model, connection, id, found)
end

-- Those of the columns that have to have a value; nil where a save has more to look at.
local function find_needed(model, names)
    local needed = {}
    for _, name in ipairs(names) do
        local column = model._column[name]
        if name == "_id" or name == model._key or column.type == "document" then
            return nil
        elseif column.required then
            needed[#needed + 1] = name
        end
    end
    return needed
end

local function update_columns(record, model, connection)
    local plans, mask = plans_of(model, connection), core.mask(record)
    local plan, needed = plans.update[mask], plans.needed[mask]
    if needed then
        check_required(record, model, needed)
        return connection:core():update(plan, record)
    end
    local dirty = core.dirty(record)
    check_key(record, model, dirty)
    if model._required[1] then
        check_required(record, model, dirty)
    end
    local found = nested_changes(record, model, dirty)
    if found then
        return write_changes(record, model, connection, core.get(record, "_id"), found)
    end
    if not plan then
        plan = commands.update(model, dirty)
        plans.update[mask], plans.needed[mask] = plan, find_needed(model, dirty)
    end
    Record._wrote(record, nil)
    return connection:core():update(plan, record)
end

-- With `lenient`, nil says that the document is gone.
local function update(record, model, _, lenient)
    if not core.isDirty(record) then
        if model._open then
            need_whole(record) -- what a script has changed inside of it would be lost
        end
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
        journal.updating(connection._journal, record, stamped)
    end
    local count = (model._open and update_whole or update_columns)(record, model, connection)
    if count > 0 then
        return record
    elseif not lenient then
        Base._gone(model, ", so nothing was saved")
    end
end

Record._update = update

--- Writes the record: an insert when it is new, else an update of the fields that changed.
---@return eloquent.Record self
function Record:save()
    local model, saved, key, had_row = core.status(self)
    if saved then
        return update(self, model)
    elseif had_row then
        if model._open then
            need_whole(self)
        end
        local connection = model._via or for_model(model)
        if connection._journal then
            journal.detaching(connection._journal, self)
        end
        core.detach(self)
        key = core.mask(self)
    end
    return Record._insert(self, model, key, had_row)
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
    mongo_kind.check_fields(model, data)
    for _, name in ipairs(doc.keys(data)) do
        whole[name] = data[name]
    end
    return self
end

-- }}}
-- {{{ delete, read again

--- Removes the document from the collection, softly deleted or not.
---@return boolean deleted  false when there was no such document any more
function Record:forceDelete()
    local model = model_of(self)
    Base._need_row(self, model, "deleted")
    local connection = model._via or for_model(model)
    local plans = plans_of(model, connection)
    plans.delete = plans.delete or commands.delete(model)
    local id
    if model._open then
        id = original(self, model, "_id") or not_selected(model, "_id")
    end
    if connection._journal then
        journal.deleting(connection._journal, self)
    end
    local conn = connection:core()
    local count = model._open and conn:execute(plans.delete, { id }) or conn:write(plans.delete, self)
    core.setExists(self, false)
    return count > 0
end

function Record._again(record, model)
    local connection = model._via or for_model(model)
    local plans = plans_of(model, connection)
    plans.again = plans.again or commands.find(model, "_id", commands.key_param(model))
    local id = original(record, model, "_id")
    if id == nil then
        fail("misuse", model, "%s has no key yet; save it first", model._name)
    end
    return connection:core():first(plans.again, id)
end

-- }}}
-- {{{ what a record says of itself

require("eloquent.mongo.changed")(Record)

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
    return model:_visible(core.has(self, WHOLE) and trees.copy(Record._whole(self)) or core.toTable(self))
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
