-- SPDX-License-Identifier: MIT
--
-- A mistake of whoever runs the example (no such file, a malformed index) as opposed to one
-- of its code: main.lua shows it as one line, without the place in the Lua source.
local Failure = {}
Failure.__index = Failure

function Failure:__tostring()
    return self.message
end

--- Raises a failure.
---@param message string  a format, see string.format
function Failure.raise(message, ...)
    error(setmetatable({ message = message:format(...) }, Failure))
end

--- The message of a failure; nil for any other error.
---@param problem any
---@return string|nil
function Failure.message_of(problem)
    return getmetatable(problem) == Failure and problem.message or nil
end

return Failure
