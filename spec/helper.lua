-- SPDX-License-Identifier: MIT
--
-- What Lua specs share: temporary folders, the servers' variables, and running programs to
-- see their status and what they print. Connections are spec/conformance's own business.

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

local SQL_KEYS <const> = { "HOST", "PORT", "USER", "PASSWORD", "NAME" }

-- Prefix of the variables that script/servers gives, and of the program's own.
local SERVERS <const> = {
    pg = { "EL_SPEC_PG_", "PG_", SQL_KEYS },
    mysql = { "EL_SPEC_MYSQL_", "DB_", SQL_KEYS },
    mongo = { "EL_SPEC_MONGO_", "MONGO_", { "URI", "DB" } },
}

--- Variables of an app that has these servers of script/servers; the first is its default connection.
---@param ... "pg"|"mysql"|"mongo"
---@return table<string, string> env  a new one
function helper.servers(...)
    local env = { DB_CONNECTION = (...) }
    for _, name in ipairs({ ... }) do
        local from, to, keys = table.unpack(SERVERS[name])
        for _, key in ipairs(keys) do
            env[to .. key] = assert(
                os.getenv(from .. key),
                'no server: script/servers start, then eval "$(script/servers env)"'
            )
        end
    end
    return env
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

-- The shell ignores SIGINT for what it starts in the background, so env(1) brings the default back.
local INTERRUPT <const> = [[
    BEFORE
    env --default-signal=INT PROGRAM run script.lua >out &
    pid=$!
    tries=0
    while ! grep -q ready out 2>/dev/null && kill -0 $pid 2>/dev/null && [ $tries -lt 600 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
    sleep PAUSE
    begun=$(date +%s%N)
    kill -INT $pid
    AGAIN
    (sleep 20 && kill -KILL $pid) 2>/dev/null &
    wait $pid
    status=$?
    kill $! 2>/dev/null
    echo $(( ($(date +%s%N) - begun) / 1000000 )) >took
    cat out
    AFTER
    exit $status
]]

--- Runs `code` as script.lua in a new folder, interrupts it (SIGINT, as Ctrl-C does) once it has written "ready",
--- and waits for its end; 20 seconds later it is killed.
---@param code string  has to flush what it writes
---@param options { env: table<string, string>?, before: string?, after: string?, pause: number?, signals: integer? }?
--- before, after: code of scripts that run before it and after it; pause: seconds from "ready" to the signal, else
--- none; signals: how many, 0.3 seconds apart, else one
---@return helper.Result  the script's status, 99 when `before` failed; what all of them wrote
---@return integer? took  milliseconds from the signal to the script's end; nil when `before` failed
function helper.interrupt(code, options)
    options = options or {}
    local dir = helper.tmpdir()
    local program = helper.quote(helper.binary())
    helper.write(dir, "script.lua", code)
    helper.write(dir, "before.lua", options.before or "")
    helper.write(dir, "after.lua", options.after or "")
    local parts = {
        BEFORE = options.before and program .. " run before.lua || exit 99" or "",
        PROGRAM = program,
        PAUSE = tostring(options.pause or 0),
        AGAIN = ("sleep 0.3; kill -INT $pid; "):rep((options.signals or 1) - 1),
        AFTER = options.after and program .. " run after.lua" or "",
    }
    local r = helper.shell((INTERRUPT:gsub("%f[%w]%u+%f[%W]", parts)), { dir = dir, env = options.env })
    return r, math.tointeger(tonumber(helper.read(dir .. "/took")))
end

return helper
