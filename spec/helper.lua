-- SPDX-License-Identifier: MIT
--
-- What Lua specs share: temporary folders, and running programs to see their status and
-- what they print. Databases are spec/conformance's own business.

local helper = {}

local host = require("eloquent.core.host")

--- Quotes a word for the shell.
---@param word string
---@return string
function helper.quote(word)
    return "'" .. word:gsub("'", [['\'']]) .. "'"
end

-- Folders live as long as this module: until the spec file that required it has run.
local folders = setmetatable({}, {
    __gc = function(paths)
        for _, path in ipairs(paths) do
            os.execute("rm -rf " .. helper.quote(path))
        end
    end,
})

--- A new empty folder; it is removed later.
---@return string path absolute
function helper.tmpdir()
    local pipe <close> = assert(io.popen("mktemp -d"))
    local path = assert(pipe:read("l"), "mktemp made no folder")
    folders[#folders + 1] = path
    return path
end

--- Writes a file, and the folders that it needs.
---@param dir string
---@param name string path inside `dir`
---@param text string
---@return string path
function helper.write(dir, name, text)
    local path = dir .. "/" .. name
    host.mkdirs((path:gsub("/[^/]*$", "")))
    local file <close> = assert(io.open(path, "wb"))
    assert(file:write(text))
    return path
end

--- The whole of a file, or nil when there is none.
---@param path string
---@return string?
function helper.read(path)
    local file <close> = io.open(path, "rb")
    return file and file:read("a")
end

--- The program under test: EL_BIN, else the one that runs the specs.
---@return string path
function helper.binary()
    return os.getenv("EL_BIN") or host.executable
end

-- Variables that would change what the program does; specs set what they need.
local function inherited()
    local names = {}
    local pipe <close> = assert(io.popen("env"))
    for line in pipe:lines() do
        local name = line:match("^([%a_][%w_]*)=")
        local prefix = name and name:match("^(%a+)_")
        if prefix and (" DB PG SQLITE MONGO ELOQUENT "):find(" " .. prefix .. " ", 1, true) then
            names[#names + 1] = name
        end
    end
    table.move({ "APP_ENV", "NO_COLOR", "LUA_PATH", "LUA_CPATH", "LUA_INIT" }, 1, 5, #names + 1, names)
    return names
end

local function environment(options)
    local words = { "env" }
    if not options.keep_env then
        for _, name in ipairs(inherited()) do
            words[#words + 1] = "-u " .. name
        end
    end
    local names = {}
    for name in pairs(options.env or {}) do
        names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
        words[#words + 1] = helper.quote(name .. "=" .. options.env[name])
    end
    return table.concat(words, " ")
end

---@class helper.Result
---@field status integer  128 + n when signal n ended it
---@field stdout string
---@field stderr string

--- Runs a line of shell.
---@param line string
---@param options { dir: string?, env: table<string, string>?, keep_env: boolean?, input: string? }?
--- dir: working folder; keep_env: database variables of this process stay; input: standard
--- input, empty when absent
---@return helper.Result
function helper.shell(line, options)
    options = options or {}
    local scratch = helper.tmpdir()
    helper.write(scratch, "in", options.input or "")
    local script = ("cd %s && exec %s sh -c %s <%s/in >%s/out 2>%s/err"):format(
        helper.quote(options.dir or scratch),
        environment(options),
        helper.quote(line),
        scratch,
        scratch,
        scratch
    )
    local _, how, code = os.execute(script)
    return {
        status = how == "signal" and 128 + code or code,
        stdout = helper.read(scratch .. "/out"),
        stderr = helper.read(scratch .. "/err"),
    }
end

--- Runs the program with these arguments.
---@param args string[]
---@param options table?  as helper.shell's
---@return helper.Result
function helper.run(args, options)
    local words = { "exec", helper.quote(helper.binary()) }
    for _, word in ipairs(args) do
        words[#words + 1] = helper.quote(word)
    end
    return helper.shell(table.concat(words, " "), options)
end

--- Writes `code` to script.lua in a new folder and runs it there.
---@param code string
---@param options table?  as helper.shell's
---@return helper.Result, string dir
function helper.run_code(code, options)
    options = options or {}
    options.dir = options.dir or helper.tmpdir()
    helper.write(options.dir, "script.lua", code)
    return helper.run({ "run", "script.lua" }, options), options.dir
end

return helper
