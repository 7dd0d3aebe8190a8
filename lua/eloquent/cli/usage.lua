-- SPDX-License-Identifier: MIT
--
-- Errors of a command line that cannot be understood: exit status 2.

local Failure = require("eloquent.cli.failure")
local nearest = require("eloquent.support.nearest")

local usage = {}

---@param message string
---@param hint string?  what to do
function usage.fail(message, hint)
    error(setmetatable({ message = message, hint = hint, status = 2 }, Failure))
end

--- Fails because `word` is no such thing, and names the nearest one.
---@param what string      "command", "flag"
---@param word string
---@param known string[]
---@param help string      the command that shows what there is
function usage.unknown(what, word, known, help)
    local near = nearest.find(word, known)
    local hint = near and ("did you mean '%s'?"):format(near) or ("see: %s"):format(help)
    usage.fail(("there is no %s '%s'"):format(what, word), hint)
end

return usage
