-- SPDX-License-Identifier: MIT
--
-- The line of the script that runs now. Errors find theirs themselves; this is for what is
-- found wrong only later (a column, when its model is checked).

local position = {}

-- Sources of the program itself, as embedded and as read from disk.
local own_source = "^@%.?/?lua/eloquent/"

--- File and line of the innermost running function that is not the program's own.
---@return string|nil file
---@return integer|nil line
function position.caller()
    local level = 2
    while true do
        local info = debug.getinfo(level, "Sl")
        if not info then
            return nil, nil
        end
        if info.currentline > 0 and not info.source:find(own_source) then
            local named = info.source:find("^[@=]")
            return named and info.source:sub(2) or info.short_src, info.currentline
        end
        level = level + 1
    end
end

return position
