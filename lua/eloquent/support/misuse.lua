-- SPDX-License-Identifier: MIT
--
-- Raises an error of kind "misuse" about something that a script declared.

local errors = require("eloquent.core.errors")

---@class eloquent.Subject what a message is about, and where it was written
---@field text string
---@field file string|nil the script's running line when nil
---@field line integer|nil

--- Raises `<subject>: <message>`.
---@param subject string|eloquent.Subject
---@param message string a format
---@param ... any
return function(subject, message, ...)
    local at = type(subject) == "table" and subject or { text = subject }
    errors.raise({
        kind = "misuse",
        message = at.text .. ": " .. message:format(...),
        file = at.file,
        line = at.line,
    })
end
