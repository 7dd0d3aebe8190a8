-- SPDX-License-Identifier: MIT
--
-- What records were before a level of a transaction. A rollback makes them that again:
-- they keep the fields that the script has set, and the next save writes these anew. The
-- entries of a journal go with their records, so a transaction of many rows holds none.
local core = require("eloquent.core.record")
local null = require("eloquent.core.null")

local journal = {}

--- An entry is the mask of what the script had set, for a record that was new. It is a
--- boolean for a record that had not been saved since its row was read: the row tells what
--- it was; true says that the model has set its timestamp. For others it is a table: the
--- values of the columns written since, as the row had them, by name, and at these places:
local NEW <const> = 1 -- that mask, of a new record that was written again
local STAMP <const> = 2 -- the timestamp column that the model has set

---@alias eloquent.Journal table<eloquent.Record, integer|string|boolean|table>

---@return eloquent.Journal
function journal.new()
    return setmetatable({}, { __mode = "k" })
end

local function entry_of(self, record)
    local entry = self[record]
    if type(entry) ~= "table" then
        entry = { [NEW] = entry }
        self[record] = entry
    end
    return entry
end

--- Before a new record is inserted; `written` is the mask of what the script has set.
function journal.inserting(self, record, written)
    if self[record] == nil then
        self[record] = written
    end
end

--- Before a record is updated; `stamp` is the timestamp column that the model has set.
function journal.updating(self, record, stamp)
    local entry = self[record]
    if type(entry) == "boolean" then
        self[record] = entry or stamp ~= nil
        return
    elseif entry == nil then
        entry = core.baseline(record)
        self[record] = entry
    else
        entry = core.baseline(record, entry_of(self, record))
    end
    if stamp then
        entry[STAMP] = stamp
    end
end

--- Before a record's row is deleted.
function journal.deleting(self, record, key)
    if type(self[record]) == "boolean" then
        return
    end
    local entry = entry_of(self, record)
    if entry[key] == nil then
        local value = core.original(record, key)
        entry[key] = value == nil and null or value
    end
end

--- Before a deleted record becomes a new one, which forgets its row.
function journal.detaching(self, record)
    if type(self[record]) == "boolean" then
        self[record] = core.rowValues(record, true)
    end
end

-- The columns of a mask, as keys of a table.
local function add_names(names, mask, model)
    for i, column in ipairs(model._columns) do
        local set
        if type(mask) == "string" then
            set = mask:byte(i) == 49
        else
            set = mask >> i - 1 & 1 == 1
        end
        names[column.name] = set or names[column.name]
    end
end

-- The columns of an entry, with their values.
local function columns_of(entry)
    local values = {}
    for name, value in pairs(entry) do
        if type(name) == "string" then
            values[name] = value
        end
    end
    return values
end

local function undo_insert(record, entry)
    local names, mask = {}, entry
    if type(entry) == "table" then
        mask = entry[NEW]
        for name in pairs(columns_of(entry)) do
            names[name] = name ~= entry[STAMP] or nil
        end
    end
    add_names(names, mask, core.model(record))
    core.detach(record, names)
end

local function undo_update(record, entry)
    local originals, stamped, now
    if type(entry) == "table" then
        originals, stamped = columns_of(entry), entry[STAMP]
    else
        originals, stamped = core.rowValues(record), entry and core.model(record)._timestamps.updated
    end
    now = {}
    local function note(name)
        local value = core.get(record, name)
        now[name] = value == nil and null or value
    end
    for _, name in ipairs(core.dirty(record)) do
        note(name)
    end
    for name in pairs(originals) do
        note(name)
    end
    if stamped then
        now[stamped] = nil
    end
    local deleted_at = core.model(record)._soft_deletes
    if deleted_at then
        now[deleted_at] = nil -- the next save would delete the row
    end
    core.setExists(record, true)
    core.discard(record)
    core.fill(record, originals)
    core.sync(record)
    core.fill(record, now)
end

--- Makes the records what they were; the rows are so already.
---@param self eloquent.Journal
function journal.undo(self)
    for record, entry in pairs(self) do
        if type(entry) == "boolean" or type(entry) == "table" and not entry[NEW] then
            undo_update(record, entry)
        else
            undo_insert(record, entry)
        end
    end
end

--- Takes over the entries of a level inside, whose work is part of this one's now.
---@param self eloquent.Journal
---@param inner eloquent.Journal
function journal.merge(self, inner)
    for record, later in pairs(inner) do
        if self[record] == nil then
            self[record] = later
        elseif type(self[record]) == "boolean" then
            self[record] = self[record] or type(later) == "table" and later[STAMP] ~= nil
        elseif type(later) == "table" then
            local entry = entry_of(self, record)
            for name, value in pairs(later) do
                if entry[name] == nil and name ~= NEW then
                    entry[name] = value
                end
            end
        end
    end
end

return journal
