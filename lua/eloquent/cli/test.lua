-- SPDX-License-Identifier: MIT
--
-- `eloquent test`: busted inside the program, so that specs see the modules it carries.
-- busted itself is the system's; it is a tool of those who write specs.

local test = {
    name = "test",
    summary = "run specs (busted inside the program)",
    usage = "eloquent test [flags] [PATH ...]",
    examples = {
        { "eloquent test", "all of spec/unit, spec/conformance, spec/cli" },
        { "eloquent test spec/unit/query_spec.lua", "one file" },
        { "eloquent test --filter 'whereIn'", "the specs whose name matches a Lua pattern" },
        { "eloquent test -o TAP spec/unit", "with another of busted's output handlers" },
    },
    flags = {
        { name = "filter", value = "PATTERN", many = true, summary = "only specs that match" },
        { name = "output", short = "o", value = "NAME", summary = "TAP, junit, json ..." },
        { name = "list", summary = "print the names of the specs and run none" },
    },
}

local default_paths = { "spec/unit", "spec/conformance", "spec/cli" }

local function paths_of(call)
    if #call.args > 0 then
        return call.args
    end
    local host, found = require("eloquent.core.host"), {}
    for _, path in ipairs(default_paths) do
        found[#found + 1] = host.isdir(path) and path or nil
    end
    if #found == 0 then
        local message = "there are no specs here: none of " .. table.concat(default_paths, ", ")
        require("eloquent.cli.usage").fail(message, "eloquent test PATH")
    end
    return found
end

local function load_busted()
    local ok, core = pcall(require, "busted.core")
    if not ok then
        local Failure = require("eloquent.cli.failure")
        error(setmetatable({
            message = "busted cannot be loaded: " .. tostring(core),
            hint = "on Debian and Ubuntu: apt-get install lua-busted",
        }, Failure))
    end
    return core()
end

-- Counts as the last line reports: a failure outside a test, for example in a file that
-- cannot be loaded, is a failed one, too.
local function count_results(busted)
    local counts = { passed = 0, failed = 0, pending = 0 }
    busted.subscribe({ "test", "end" }, function(_, _, status)
        local what = status == "success" and "passed"
            or status == "pending" and "pending"
            or "failed"
        counts[what] = counts[what] + 1
        return nil, true
    end)
    busted.subscribe({ "error" }, function(element)
        if element.descriptor ~= "it" then
            counts.failed = counts.failed + 1
        end
        return nil, true
    end)
    return counts
end

-- Names of busted's own output handlers; nothing when it lies elsewhere.
local function output_handlers()
    local core, names = package.searchpath("busted.core", package.path), {}
    local folder = core and core:gsub("core%.lua$", "outputHandlers") or ""
    local ok, files = pcall(require("eloquent.core.host").list, folder)
    for _, file in ipairs(ok and files or {}) do
        names[#names + 1] = file ~= "base.lua" and file:match("^(.*)%.lua$") or nil
    end
    return names
end

local function load_output(busted, handler)
    local module = "busted.outputHandlers." .. handler
    if not handler:find("%.lua$") and not package.searchpath(module, package.path) then
        local message = ("there is no output handler '%s'"):format(handler)
        local hint = "busted has " .. table.concat(output_handlers(), ", ")
        require("eloquent.cli.usage").fail(message, hint)
    end
    require("busted.modules.output_handler_loader")()(busted, handler, {
        defaultOutput = handler,
        language = "en",
        arguments = {},
    })
end

function test.run(call)
    local host = require("eloquent.core.host")
    local paths = paths_of(call)
    rawset(_G, "arg", { [0] = "eloquent test" })
    local busted = load_busted()
    require("busted")(busted)
    local counts = count_results(busted)
    local handler = host.isatty(1) and "utfTerminal" or "plainTerminal"
    load_output(busted, call.options.output or handler)
    require("busted.modules.filter_loader")()(busted, {
        tags = {},
        excludeTags = {},
        filter = call.options.filter or {},
        filterOut = {},
        list = call.options.list,
    })
    require("busted.modules.test_file_loader")(busted, { "lua" })(paths, { "_spec" }, {
        excludes = {},
        recursive = true,
    })
    require("busted.execute")(busted)(1, {})
    busted.publish({ "exit" })
    if call.options.list then
        return 0
    end
    if counts.pending > 0 then
        print(("%d pending"):format(counts.pending))
    end
    print(("%d passed, %d failed"):format(counts.passed, counts.failed))
    return (counts.failed > 0 or counts.passed == 0) and 1 or 0
end

return test
