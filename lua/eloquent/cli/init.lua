-- SPDX-License-Identifier: MIT
--
-- The command line: finds the command, reads its flags, runs it.  Each command is one
-- file beside this one: { name, summary, usage, examples, flags, run }, and `takes`, the
-- number of words beside flags, where it is limited.

local options = require("eloquent.cli.options")

local cli = {}

--- The commands, in the order of `list`; the module is loaded when it is needed.
cli.commands = {
    { name = "run", module = "eloquent.cli.run" },
    { name = "doctor", module = "eloquent.cli.doctor" },
    { name = "list", module = "eloquent.cli.list" },
    { name = "test", module = "eloquent.cli.test" },
    { name = "help", module = "eloquent.cli.help" },
    { name = "version", module = "eloquent.cli.version" },
}

--- Flags that stand before a command, or among its own.
cli.flags = {
    { name = "help", short = "h", summary = "examples and flags of a command" },
    { name = "version", summary = "versions of the program and its libraries" },
    { name = "trace", summary = "show the Lua stack of an error" },
    { name = "quiet", short = "q", summary = "no notes on standard error" },
    { name = "verbose", short = "v", summary = "more notes on standard error" },
}

---@param name string
---@return table? command  nil when there is none of that name
function cli.find(name)
    for _, entry in ipairs(cli.commands) do
        if entry.name == name then
            return require(entry.module)
        end
    end
end

---@return string[] names of all commands
function cli.names()
    local names = {}
    for i, entry in ipairs(cli.commands) do
        names[i] = entry.name
    end
    return names
end

-- `eloquent x.lua`, which is also what a `#!/usr/bin/env eloquent` line makes of a file.
local function is_script(word)
    return word == "-" or word:find("/", 1, true) ~= nil or word:find("%.lua$") ~= nil
end

local function merge(parsed)
    options.trace = options.trace or parsed.trace or false
    options.quiet = options.quiet or parsed.quiet or false
    options.verbose = options.verbose or parsed.verbose or false
end

local function note_source()
    local root = require("eloquent.core.host").lua_root
    if options.verbose and root then
        io.stderr:write("note: Lua modules are read from ", root, "\n")
    end
end

local function check_dotenv(command)
    local host = require("eloquent.core.host")
    if host.env_error and not command.without_env then
        local Failure = require("eloquent.cli.failure")
        error(setmetatable({ message = host.env_error }, Failure))
    end
end

local function resolve(word, rest)
    local command = cli.find(word)
    if command then
        return command, rest
    end
    if is_script(word) then
        table.insert(rest, 1, word)
        return cli.find("run"), rest
    end
    require("eloquent.cli.usage").unknown("command", word, cli.names(), "eloquent list")
end

local function dispatch(command, words)
    local parser = require("eloquent.cli.parser")
    local parsed, positionals = parser.parse(words, { command.flags or {}, cli.flags }, {
        stop = command.passes_arguments,
        help = "eloquent help " .. command.name,
    })
    merge(parsed)
    note_source()
    if parsed.help then
        return require("eloquent.cli.help").show(command)
    end
    if command.takes and #positionals > command.takes then
        local message = ("%s takes no '%s'"):format(command.name, positionals[command.takes + 1])
        require("eloquent.cli.usage").fail(message, "see: eloquent help " .. command.name)
    end
    check_dotenv(command)
    return command.run({ options = parsed, args = positionals }) or 0
end

---@param args string[]  the command line, the program's name at 0
---@return integer status  of the process
function cli.main(args)
    local parser = require("eloquent.cli.parser")
    local groups = { cli.flags, { { name = "json", hidden = true } } }
    local parsed, words = parser.parse(args, groups, { stop = true, help = "eloquent help" })
    merge(parsed)
    local word = table.remove(words, 1)
    if parsed.version then
        table.insert(words, 1, word)
        word = "version"
        if parsed.json then
            table.insert(words, 1, "--json")
        end
    elseif parsed.help or not word then
        word, words = "help", { word }
    elseif parsed.json then
        table.insert(words, 1, "--json")
    end
    local command, rest = resolve(word, words)
    return dispatch(command, rest)
end

return cli
