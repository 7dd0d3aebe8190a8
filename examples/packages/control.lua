-- SPDX-License-Identifier: MIT
--
-- Reads the control format of Debian: stanzas of "Field: value" lines, with a blank line
-- between them. A line that begins with a space continues the field above it. What the
-- fields say is package_fields.lua's.
local Failure = require("failure")

local control = {}

---@class Stanza  its fields by name, each a text whose lines are joined by "\n"
---@field line integer            where it begins
---@field at table<string, integer>  where each of its fields begins

--- Raises a failure that names a line of the index.
---@param source Source
---@param line integer
---@param message string  a format
function control.fail(source, line, message, ...)
    Failure.raise("%s:%d: %s", source.name, line, message:format(...))
end

-- The beginning of a line as a message can show it.
local function shown(text)
    text = text:sub(1, 60)
    return utf8.len(text) and not text:find("%c") and "'" .. text .. "'" or "bytes that are no text"
end

local function check_text(source, line, text)
    if not utf8.len(text) or text:find("\0", 1, true) then
        control.fail(source, line, "the text is not UTF-8")
    end
end

-- Adds one line to a stanza. `open` is the field that a continuation belongs to: its name,
-- or false when nobody wants it. Returns that of the next line.
local function add_line(source, stanza, open, wanted, line, number)
    if line:find("^[ \t]") then
        if open == nil then
            control.fail(source, number, "a continued line, and there is no field that it continues")
        elseif open then
            check_text(source, number, line)
            stanza[open] = stanza[open] .. "\n" .. line
        end
        return open
    end
    local name, value = line:match("^([^%s:]+):[ \t]*(.*)$")
    if not name then
        control.fail(source, number, "expected a line like 'Field: value', found %s", shown(line))
    end
    if not wanted[name] then
        return false
    elseif stanza[name] then
        control.fail(source, number, "the field %s is here twice", name)
    end
    check_text(source, number, value)
    stanza[name], stanza.at[name] = value, number
    return name
end

--- Goes through the stanzas of an index, one by one; only one is kept in memory.
---@param source Source
---@param fields string[]  names of the fields to keep
---@return fun(): Stanza|nil
function control.stanzas(source, fields)
    local wanted = {}
    for _, name in ipairs(fields) do
        wanted[name] = true
    end
    local next_line, number = source.handle:lines("l"), 0
    return function()
        local stanza, open
        for line in next_line do
            number = number + 1
            if line:byte(-1) == 13 then -- a line of Windows ends with CR LF
                line = line:sub(1, -2)
            end
            if line:find("%S") then
                stanza = stanza or { line = number, at = {} }
                open = add_line(source, stanza, open, wanted, line, number)
            elseif stanza then
                return stanza
            end
        end
        return stanza
    end
end

return control
