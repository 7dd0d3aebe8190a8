-- SPDX-License-Identifier: MIT
--
-- The nearest known name to one that somebody mistyped. What a message says about it is
-- the caller's.

local nearest = {}

-- Edits between two strings (insert, delete, replace, swap of neighbours), or nil when
-- there are more than `limit`.
local function distance(a, b, limit)
    if math.abs(#a - #b) > limit then
        return nil
    end
    local before, previous, current = {}, {}, {}
    for j = 0, #b do
        previous[j] = j
    end
    for i = 1, #a do
        current[0] = i
        for j = 1, #b do
            local cost = a:byte(i) == b:byte(j) and 0 or 1
            local best =
                math.min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + cost)
            if
                i > 1
                and j > 1
                and a:byte(i) == b:byte(j - 1)
                and a:byte(i - 1) == b:byte(j)
            then
                best = math.min(best, before[j - 2] + 1)
            end
            current[j] = best
        end
        before, previous, current = previous, current, before
    end
    local edits = previous[#b]
    return edits <= limit and edits or nil
end

-- The strings of a list, or the keys of a set, in an order that never changes.
local function candidates_of(known)
    if known[1] ~= nil then
        return known
    end
    local names = {}
    for key in pairs(known) do
        if type(key) == "string" then
            names[#names + 1] = key
        end
    end
    table.sort(names)
    return names
end

--- The candidate that `name` was most likely meant to be, or nil when none is near.
--- Case is ignored; a third of the name may differ.
---@param name string
---@param known string[]|table<string, any> a list of names, or a table with names as keys
---@return string|nil
function nearest.find(name, known)
    local wanted = name:lower():gsub("[_%-]", "")
    local best, best_edits
    for _, candidate in ipairs(candidates_of(known)) do
        local text = candidate:lower():gsub("[_%-]", "")
        local limit = math.max(1, math.max(#wanted, #text) // 3)
        local edits = distance(wanted, text, limit)
        local begins = edits and candidate:sub(1, #wanted):lower() == wanted -- `wher`: where, not when
        if edits and edits < #wanted
            and (not best_edits or edits < best_edits or edits == best_edits and begins)
        then
            best, best_edits = candidate, edits
        end
    end
    return best
end

--- The end of a message: `; did you mean 'name'?`, or "" when no candidate is near.
---@param name any what was written; only strings can be near to something
---@param known string[]|table<string, any>
---@param meant table<string, string>|nil what some names of other worlds are called here
---@return string
function nearest.hint(name, known, meant)
    if type(name) ~= "string" then
        return ""
    end
    local near = meant and meant[name:lower()] or nearest.find(name, known)
    return near and ("; did you mean '%s'?"):format(near) or ""
end

return nearest
