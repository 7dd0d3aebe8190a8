-- SPDX-License-Identifier: MIT
--
-- Default names of indexes and constraints, the same on every engine: users_email_unique.
-- Names longer than the shortest limit (PostgreSQL's 63 bytes) end in a hash.

local names = {}

local limit = 63

-- FNV-1a, 32 bits: stable, and enough to tell apart two names that begin alike.
local function hash(text)
    local value = 2166136261
    for i = 1, #text do
        value = ((value ~ text:byte(i)) * 16777619) & 0xffffffff
    end
    return ("%08x"):format(value)
end

-- The first bytes of a name, never half a character.
local function cut(text, length)
    while length > 0 and (text:byte(length + 1) or 0) & 0xc0 == 0x80 do
        length = length - 1
    end
    return text:sub(1, length)
end

--- `<table>_<columns>_<suffix>`, shortened when it is too long.
---@param table_name string the part before a dot (a PostgreSQL schema) is left out
---@param columns string[]
---@param suffix string
---@return string
function names.of(table_name, columns, suffix)
    local base = table_name:match("([^.]+)$") or table_name
    local parts = { base }
    for _, name in ipairs(columns) do
        parts[#parts + 1] = name
    end
    parts[#parts + 1] = suffix
    local name = table.concat(parts, "_")
    if #name <= limit then
        return name
    end
    return cut(name, limit - 9) .. "_" .. hash(name)
end

return names
