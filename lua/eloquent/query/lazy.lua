-- SPDX-License-Identifier: MIT
-- Lists that are read as they are used. A lazy list is a function for the generic for, with verbs that make
-- further ones. Lists that are in memory are in eloquent.collection.
local fields = require("eloquent.query.fields")

local misuse = fields.misuse

---@class eloquent.Lazy
local Lazy = {}
Lazy.__index = Lazy
Lazy.__name = "eloquent.Lazy"

local lazy = {}

--- @param open fun(): fun(): any  begins to read and returns the iterator
---@return eloquent.Lazy
function lazy.new(open)
    return setmetatable({ _open = open }, Lazy)
end

-- A field's name stands for the function that reads it.
local function reader(fn, verb)
    if type(fn) == "string" then
        return function(item)
            return item[fn]
        end
    elseif type(fn) ~= "function" then
        return misuse("%s expects a function or the name of a field, got a %s", verb, type(fn))
    end
    return fn
end

-- The generic for calls with the last item, and begins with nil: each loop reads anew.
function Lazy:__call(_, last)
    if last == nil then
        self._next = self._open()
    end
    return self._next()
end

--- Only the items for which `fn(item)` is true.
---@return eloquent.Lazy
function Lazy:filter(fn)
    fn = reader(fn, "filter")
    return lazy.new(function()
        local iterator = self._open()
        return function()
            local item = iterator()
            while item ~= nil and not fn(item) do
                item = iterator()
            end
            return item
        end
    end)
end

--- `fn(item)` of each item; what is nil is left out.
---@return eloquent.Lazy
function Lazy:map(fn)
    fn = reader(fn, "map")
    return lazy.new(function()
        local iterator = self._open()
        return function()
            local item = iterator()
            while item ~= nil do
                local mapped = fn(item)
                if mapped ~= nil then
                    return mapped
                end
                item = iterator()
            end
        end
    end)
end

--- The first n items; no more are read.
---@return eloquent.Lazy
function Lazy:take(n)
    return lazy.new(function()
        local iterator, left = self._open(), n
        return function()
            if left > 0 then
                left = left - 1
                return iterator()
            end
        end
    end)
end

--- All but the first n items.
---@return eloquent.Lazy
function Lazy:skip(n)
    return lazy.new(function()
        local iterator, left = self._open(), n
        return function()
            while left > 0 do
                left = left - 1
                if iterator() == nil then
                    return nil
                end
            end
            return iterator()
        end
    end)
end

--- Calls `fn(item)` for each; returning false ends it.
function Lazy:each(fn)
    for item in self._open() do
        if fn(item) == false then
            return
        end
    end
end

--- The first item, or nil.
function Lazy:first()
    return self._open()()
end

--- All items as a list in memory.
---@return eloquent.List
function Lazy:collect()
    local items, n = {}, 0
    for item in self._open() do
        n = n + 1
        items[n] = item
    end
    return require("eloquent.collection").from(items)
end

return lazy
