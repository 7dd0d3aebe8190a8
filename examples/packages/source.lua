-- SPDX-License-Identifier: MIT
--
-- Opens a package index: a plain file, a compressed one, or standard input. What its lines
-- mean is control.lua's.
local Failure = require("failure")

---@class Source
---@field name string       for messages
---@field handle file*      lines are read from here
---@field bytes integer|nil size of a plain file
local Source = {}
Source.__index = Source

-- How each compressed form is unpacked from standard input to standard output.
local tools = {
    gz = "gzip -dc",
    xz = "xz -dc",
    lz4 = "lz4 -dc",
    zst = "zstd -dc",
    bz2 = "bzip2 -dc",
}

local function quote(word)
    return "'" .. word:gsub("'", [['\'']]) .. "'"
end

-- Opening is not enough: a folder can be opened, and says at the first read what it is.
local function open_plain(path)
    local handle, problem = io.open(path, "rb")
    if handle then
        local _, why = handle:read(0)
        problem = why and path .. ": " .. why
    end
    if problem then
        Failure.raise("cannot read %s", problem)
    end
    return handle
end

local function open_compressed(path, command)
    open_plain(path):close()
    local program = command:match("^%S+")
    if not os.execute("command -v " .. program .. " >/dev/null") then
        Failure.raise("%s needs the program %s to unpack it, which is not installed", path, program)
    end
    return assert(io.popen(command .. " <" .. quote(path)))
end

--- Opens an index. Close it with `source:finish()`, which checks that all of it was read.
---@param path string  "-" is standard input; .gz .xz .lz4 .zst .bz2 are unpacked on the way
---@return Source
function Source.open(path)
    local source = { name = path }
    local command = tools[path:match("%.(%w+)$")]
    if path == "-" then
        source.name, source.handle = "standard input", io.stdin
    elseif command then
        source.handle, source.command = open_compressed(path, command), command
    else
        source.handle = open_plain(path)
        source.bytes = source.handle:seek("end")
        source.handle:seek("set")
    end
    return setmetatable(source, Source)
end

--- Which part of the index has been read, from 0 to 1; nil when its size isn't known.
---@return number|nil
function Source:progress()
    if not self.bytes or self.bytes == 0 then
        return nil
    end
    return self.handle:seek() / self.bytes
end

--- Closes the index. A compressed one that is cut short is seen here.
function Source:finish()
    if self.handle ~= io.stdin and not self.handle:close() then
        Failure.raise("%s could not be unpacked by '%s'", self.name, self.command)
    end
end

return Source
