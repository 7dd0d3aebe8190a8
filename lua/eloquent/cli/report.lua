-- SPDX-License-Identifier: MIT
--
-- Shows what ended a command: message, file and line, the line itself, with --trace the
-- stack.  Called by the program for an error that nobody caught.

local options = require("eloquent.cli.options")
local output = require("eloquent.cli.output")

local report = {}

-- Exit statuses by kind of error; all others are 1.
local statuses = { connect = 4, auth = 4 }

-- A server that says at the login that there is no such database counts as out of reach,
-- too; a row that is not found is told by the program, and names no driver.
local function status_of(err)
    local missing_database = err.kind == "notFound" and err.driver ~= nil
    return missing_database and 4 or statuses[err.kind]
end

local LONGEST_LINE <const> = 160
local LONGEST_SQL <const> = 500
local SHOWN_FIELDS <const> = 8

local sources = {}

--- Keeps the text of a chunk that has no file.
---@param chunk string  "=stdin"
---@param text string
function report.keep_source(chunk, text)
    sources[chunk:sub(2)] = text
end

local function is_own(source)
    return source:find("^@lua/eloquent/") ~= nil
end

-- The line itself, or nil.
local function source_line(file, wanted)
    local text = sources[file]
    if not text then
        local handle = io.open(file, "rb")
        text = handle and handle:read("a")
        if handle then
            handle:close()
        end
    end
    local number = 0
    for line in (text or ""):gmatch("([^\n]*)\n?") do
        number = number + 1
        if number == wanted then
            return (line:gsub("\r$", ""):gsub("\t", "    "))
        end
    end
end

-- Where a script was when the error came: the innermost frame that is not the program's.
local function script_frame(frames)
    for _, frame in ipairs(frames) do
        if frame.line > 0 and not is_own(frame.source) then
            return frame.source:gsub("^[@=]", ""), frame.line
        end
    end
end

-- Lua shortens long paths in messages; the frames know the whole one.
local function whole_path(short, frames)
    for _, frame in ipairs(frames) do
        if frame.short == short then
            return frame.source:gsub("^[@=]", "")
        end
    end
    return short
end

local function exists(file)
    return sources[file] ~= nil or require("eloquent.core.host").exists(file)
end

-- Splits "file:line: message"; without a position the message is all of the text.
local function split_position(text, frames)
    local short, line, message = text:match("^([^\n]-):(%d+): (.*)$")
    local file = short and whole_path(short, frames)
    if file and not file:find("^lua/eloquent/") and (exists(file) or file == "stdin") then
        -- An error that crossed coroutine.wrap has a second position, the real one.
        local inner, inner_file, inner_line = split_position(message, frames)
        if inner_file then
            return inner, inner_file, inner_line
        end
        return message, file, tonumber(line)
    end
    -- A module that could not be loaded: the position is in its second line.
    local module, inner = text:match("error loading module '([^']+)' from file '[^']+':\n\t(.*)$")
    if module then
        message, file, line = split_position(inner, frames)
        if file then
            return ("module '%s': %s"):format(module, message), file, line
        end
    end
    return text
end

local function show_value(value)
    return type(value) == "string" and ("%q"):format(value):gsub("\\\n", "\\n") or tostring(value)
end

-- { code = 42, reason = "full" }
local function show_table(value)
    local keys, parts = {}, {}
    for key in next, value do
        keys[#keys + 1] = key
    end
    table.sort(keys, function(a, b)
        return tostring(a) < tostring(b)
    end)
    for i, key in ipairs(keys) do
        if i > SHOWN_FIELDS then
            parts[i] = "..."
            break
        end
        local name = type(key) == "string" and key or ("[%s]"):format(tostring(key))
        parts[i] = name .. " = " .. show_value(value[key])
    end
    return "{ " .. table.concat(parts, ", ") .. " }"
end

local function describe_object(err)
    local text = tostring(err)
    local prefix = err.file and ("%s:%s: "):format(err.file, err.line or "?") or ""
    if text:sub(1, #prefix) == prefix then
        text = text:sub(#prefix + 1)
    end
    return {
        message = text,
        file = err.file,
        line = err.line,
        sql = err.sql,
        status = status_of(err),
    }
end

local function describe_value(err)
    local kind = type(err)
    local meta = (kind == "table" or kind == "userdata") and debug.getmetatable(err)
    if meta and meta.__tostring then
        return { message = tostring(err) }
    elseif err == nil then
        return { message = "the script raised nil: error() was called without a message" }
    elseif kind == "table" then
        return { message = "the script raised a table: " .. show_table(err) }
    end
    return { message = ("the script raised a %s: %s"):format(kind, tostring(err)) }
end

-- { message=, file=, line=, sql=, hint=, status= }
local function describe(err, frames)
    local meta = type(err) == "table" and debug.getmetatable(err)
    if meta and meta == require("eloquent.cli.failure") then
        return { message = err.message, hint = err.hint, status = err.status }
    elseif meta and meta.__name == "eloquent.Error" then
        return describe_object(err)
    end
    local found
    if type(err) == "string" then
        found = {}
        found.message, found.file, found.line = split_position(err, frames)
    else
        found = describe_value(err)
    end
    if not found.file then
        found.file, found.line = script_frame(frames)
    end
    return found
end

-- Column and length of what the message names, where the line has it exactly once.
local function find_named(message, line)
    local name = message:match("%(%a+ '([%a_][%w_]*)'%)")
        or message:match("undefined global '([%a_][%w_]*)'")
        or message:match("near '([^']+)'$")
    if not name then
        return
    end
    local is_word = name:find("^[%a_]") ~= nil
    local pattern = name:gsub("%p", "%%%0")
    pattern = is_word and "%f[%w_]" .. pattern .. "%f[^%w_]" or pattern
    local from, to = line:find(pattern)
    if from and not line:find(pattern, to + 1) then
        return from, to - from + 1
    end
end

local function add_source(lines, found, colors)
    local line = found.file and found.line and source_line(found.file, found.line)
    if not line then
        return
    end
    local margin = ("%5d | "):format(found.line)
    local from, length = find_named(found.message, line)
    if #line > LONGEST_LINE then
        line = line:sub(1, LONGEST_LINE) .. " ..."
    end
    lines[#lines + 1] = colors.faint(margin) .. line
    if from and from <= LONGEST_LINE then
        local gap = (" "):rep(#margin - 2) .. "| " .. (" "):rep(from - 1)
        lines[#lines + 1] = colors.faint(gap) .. colors.red(("^"):rep(length))
    end
end

local function add_stack(lines, frames)
    local first = #lines + 1
    for _, frame in ipairs(frames) do
        if frame.line > 0 and (options.verbose or not is_own(frame.source)) then
            local what = frame.what == "main" and "in main chunk"
                or frame.name and ("in function '%s'"):format(frame.name)
                or "in a function"
            local file = frame.source:gsub("^[@=]", "")
            lines[#lines + 1] = ("  %s:%d: %s"):format(file, frame.line, what)
        end
    end
    if #lines >= first then
        table.insert(lines, first, "stack:")
    end
end

local function one_line(sql)
    local text = sql:gsub("%s+", " ")
    return #text > LONGEST_SQL and text:sub(1, LONGEST_SQL) .. " ..." or text
end

--- Writes the error to standard error.
---@param err any           what was raised
---@param frames table[]?   the stack, innermost first
---@return integer status   of the process
function report.show(err, frames)
    frames = frames or {}
    local colors = output.colors(2)
    local found = describe(err, frames)
    local position = found.file and found.line and ("%s:%d"):format(found.file, found.line)
    if require("eloquent.core.host").interrupted() then
        io.stderr:write("interrupted", position and " at " .. position or "", "\n")
        return 130
    end
    local lines = { colors.red("error:") .. " " .. found.message }
    lines[#lines + 1] = found.hint
    lines[#lines + 1] = position
    add_source(lines, found, colors)
    if found.sql then
        lines[#lines + 1] = "sql: " .. one_line(found.sql)
    end
    if options.trace then
        add_stack(lines, frames)
    end
    io.stderr:write(table.concat(lines, "\n"), "\n")
    return found.status or 1
end

return report
