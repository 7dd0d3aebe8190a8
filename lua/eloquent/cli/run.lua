-- SPDX-License-Identifier: MIT
--
-- `eloquent run`: a script from a file or from standard input.

local Failure = require("eloquent.cli.failure")

local run = {
    name = "run",
    summary = "run a script",
    usage = "eloquent run [flags] FILE [arguments]      FILE may be - for standard input",
    examples = {
        { "eloquent run seed.lua", "run seed.lua" },
        { "eloquent run import.lua users.csv", "with arguments: arg[1] is 'users.csv'" },
        { "echo 'print(1 + 1)' | eloquent run -", "run standard input" },
        { "eloquent run --pg seed.lua", "with PostgreSQL as the default connection" },
        { "eloquent run --trace seed.lua", "show the Lua stack when it fails" },
        { "eloquent seed.lua", "the word run may be left out" },
    },
    flags = require("eloquent.cli.target").flags,
    passes_arguments = true,
    notes = {
        "",
        "require finds modules beside the script, then in the working folder.  A global must be",
        "assigned at the top of a script before it is read; reading another one is an error.",
        "A file that begins with #!/usr/bin/env eloquent can be made executable.",
    },
}

local function fail(message, hint)
    error(setmetatable({ message = message, hint = hint }, Failure))
end

local function set_path(folder)
    local parts = { folder .. "/?.lua", folder .. "/?/init.lua" }
    if folder ~= "." then
        parts[3], parts[4] = "./?.lua", "./?/init.lua"
    end
    package.path = table.concat(parts, ";")
    -- C modules come with the program only: an old one of the system must not be found
    -- by chance.
    package.cpath = ""
    for i = #package.searchers, 4, -1 do
        package.searchers[i] = nil
    end
end

local function missing(path, reason)
    local folder, name = path:match("^(.*/)([^/]*)$")
    local host = require("eloquent.core.host")
    local ok, names = pcall(host.list, folder or ".")
    local near = ok and require("eloquent.support.nearest").find(name or path, names)
    local hint = near and ("did you mean '%s%s'?"):format(folder or "", near)
    fail(("cannot open the script '%s': %s"):format(path, reason), hint)
end

local function read_script(path)
    local host = require("eloquent.core.host")
    if path == "-" then
        return io.read("a") or "", "=stdin"
    end
    if host.isdir(path) then
        fail(("cannot run '%s': it is a folder"):format(path))
    end
    local file, message = io.open(path, "rb")
    if not file then
        missing(path, (message:gsub("^.*: ", "")))
    end
    local text <const> = file:read("a")
    file:close()
    return text or fail(("cannot read the script '%s'"):format(path)), "@" .. path
end

--- Loads a script; the `#!` line stays a line, so that numbers match.
local function load_script(path)
    local text, chunk = read_script(path)
    text = text:gsub("^\239\187\191", ""):gsub("^#[^\n]*", "")
    if chunk == "=stdin" then
        require("eloquent.cli.report").keep_source(chunk, text)
    end
    local main, message = load(text, chunk, "t")
    if not main then
        error(message, 0)
    end
    return main
end

function run.run(call)
    local path = call.args[1]
    if not path then
        local usage = require("eloquent.cli.usage")
        usage.fail("run needs the file of a script", "eloquent run seed.lua")
    end
    require("eloquent.cli.target").apply(call.options)
    local host = require("eloquent.core.host")
    local arguments = table.move(call.args, 2, #call.args, 1, {})
    arguments[0], arguments[-1] = path, host.executable
    set_path(path ~= "-" and path:match("^(.*)/[^/]*$") or ".")
    local main = load_script(path)
    rawset(_G, "arg", arguments)
    require("eloquent.cli.strict").install()
    main(table.unpack(arguments))
    return 0
end

return run
