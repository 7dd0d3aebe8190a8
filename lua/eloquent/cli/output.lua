-- SPDX-License-Identifier: MIT
--
-- How commands print: data on standard output, notes on standard error, colour where
-- the terminal wants it.

local host = require("eloquent.core.host")
local options = require("eloquent.cli.options")

local output = {}

local escapes = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function quote(text)
    local escaped = text:gsub('[%c"\\\127]', function(c)
        return escapes[c] or ("\\u%04x"):format(c:byte())
    end)
    return '"' .. escaped .. '"'
end

-- Own code for what commands report (strings, numbers, booleans, lists and objects with
-- sorted keys), so that `--version` and `list` load nothing else.
local function encode(value)
    if type(value) ~= "table" then
        return type(value) == "string" and quote(value) or tostring(value)
    end
    local parts = {}
    if #value > 0 or value.__list then
        for i, item in ipairs(value) do
            parts[i] = encode(item)
        end
        return "[" .. table.concat(parts, ",") .. "]"
    end
    local keys = {}
    for key in pairs(value) do
        keys[#keys + 1] = key
    end
    table.sort(keys)
    for i, key in ipairs(keys) do
        parts[i] = quote(key) .. ":" .. encode(value[key])
    end
    return "{" .. table.concat(parts, ",") .. "}"
end

--- Prints a report as one line of JSON.
---@param value table  strings, numbers, booleans, objects, lists (an empty one is `output.list{}`)
function output.json(value)
    print(encode(value))
end

--- Marks a table as a list, so that an empty one prints as `[]`.
---@param items table
---@return table
function output.list(items)
    items.__list = true
    return items
end

--- Writes a note to standard error, unless --quiet.
---@param format string
function output.note(format, ...)
    if not options.quiet then
        io.stderr:write(format:format(...), "\n")
    end
end

local codes = { red = "31", green = "32", yellow = "33", cyan = "36", bold = "1", faint = "2" }

--- Functions that colour text for that stream, or leave it alone where there is no colour.
---@param fd integer  1 standard output, 2 standard error
---@return table<string, fun(text: string): string>
function output.colors(fd)
    local colored = host.color(fd)
    return setmetatable({}, {
        __index = function(_, name)
            return function(text)
                return colored and ("\27[%sm%s\27[0m"):format(codes[name], text) or text
            end
        end,
    })
end

return output
