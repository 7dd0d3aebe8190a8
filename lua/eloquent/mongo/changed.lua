-- SPDX-License-Identifier: MIT
--
-- What records of MongoDB say of their changes: by columns, by the fields of free-form
-- documents, and by paths into both.
local core = require("eloquent.core.record")
local doc = require("eloquent.core.document")
local trees = require("eloquent.support.later")("eloquent.mongo.trees")

local model_of = core.model
local WHOLE <const> = require("eloquent.mongo.kind").document

-- What the last save wrote, where that is less than the columns that changed. A record that
-- is new since then has no such entry.
local written = setmetatable({}, { __mode = "k" })

-- The documents that a record's fields are in: as it was read or last saved, and now; nil for
-- one of which some fields were selected, which nobody can change.
local function wholes(record)
    if core.has(record, WHOLE) then
        return core.original(record, WHOLE), core.get(record, WHOLE)
    end
end

-- Whether two paths are one, or one is inside the other.
local function covers(path, name)
    return path == name or path:sub(1, #name + 1) == name .. "." or name:sub(1, #path + 1) == path .. "."
end

-- Whether a save that wrote the paths of `found` wrote what `name` names.
local function wrote(found, name)
    for _, item in ipairs(found.set) do
        if covers(item[1], name) then
            return true
        end
    end
    for _, path in ipairs(found.unset) do
        if covers(path, name) then
            return true
        end
    end
    return false
end

local function contains(list, name)
    for _, item in ipairs(list) do
        if item == name then
            return true
        end
    end
    return false
end

-- The fields of a free-form record that the last save wrote.
local function written_fields(record)
    local found = written[record]
    if not core.changes(record)[1] then
        return {}
    elseif not found then -- an insert
        return doc.keys(core.original(record, WHOLE))
    elseif found.names then
        return found.names
    end
    local names, seen = {}, {}
    local function add(path)
        local name = path:match("^[^.]*")
        if not seen[name] then
            seen[name], names[#names + 1] = true, name
        end
    end
    for _, item in ipairs(found.set) do
        add(item[1])
    end
    for _, path in ipairs(found.unset) do
        add(path)
    end
    return names
end

--- Adds the methods to those of records.
---@param Record table
return function(Record)
    local Base = getmetatable(Record).__index

    --- Keeps what a save wrote; nil: the columns that changed, or all of a document.
    function Record._wrote(record, found)
        written[record] = found
    end

    --- Whether a field (any, when none is named) was written and not saved; a path names a
    --- field inside documents: `place:isDirty("address.city")`.
    ---@param name? string
    ---@return boolean
    function Record:isDirty(name)
        local model = model_of(self)
        if name == nil or model._column[name] then
            return core.isDirty(self, name)
        end
        local path, old, new = name
        if model._open then
            old, new = wholes(self)
        else
            local head, rest = name:match("^([^.]+)%.(.+)$")
            if not model._column[head] then
                return core.isDirty(self, name)
            end
            path, old = rest, core.original(self, head)
            new = core.has(self, head) and core.get(self, head) or nil
        end
        for part in path:gmatch("[^.]+") do
            old, new = trees.at(old, part), trees.at(new, part)
        end
        return not trees.same(old, new)
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
        if not model._open or name == nil and not core.has(self, WHOLE) then
            return Base.getOriginal(self, name)
        elseif name == nil then
            return core.original(self, WHOLE)
        end
        return Record._original(self, model, name)
    end

    --- The fields that were written and not saved, with their values.
    ---@return table<string, any>
    function Record:getDirty()
        if not model_of(self)._open then
            return Base.getDirty(self)
        end
        local old, new = wholes(self)
        local values = {}
        for _, name in ipairs(trees.differing(old, new)) do
            values[name] = trees.field(new, name)
        end
        return values
    end

    --- The fields that the last save wrote, with their values.
    ---@return table<string, any>
    function Record:getChanges()
        if not model_of(self)._open then
            return Base.getChanges(self)
        end
        local _, now = wholes(self)
        local values = {}
        for _, name in ipairs(written_fields(self)) do
            values[name] = trees.field(now, name)
        end
        return values
    end

    --- Whether the last save wrote a field (any, when none is named), or what a path names.
    ---@param name? string
    ---@return boolean
    function Record:wasChanged(name)
        local names = model_of(self)._open and written_fields(self) or core.changes(self)
        if name == nil or contains(names, name) then
            return names[1] ~= nil
        end
        local head, rest = name:match("^([^.]+)%.(.+)$")
        if not rest or not contains(names, head) then
            return false
        end
        local found = written[self]
        return not found or found.names ~= nil or wrote(found, name)
    end
end
