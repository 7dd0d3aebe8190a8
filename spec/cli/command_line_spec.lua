-- SPDX-License-Identifier: MIT

local helper = require("spec.helper")

local commands = { "run", "doctor", "list", "test", "help", "version" }

describe("eloquent --version", function()
    it("names the program, Lua and the client libraries", function()
        local r = helper.run({ "--version" })
        assert.equal(0, r.status)
        assert.equal("", r.stderr)
        assert.matches("^eloquent %d+%.%d+%.%d+\n", r.stdout)
        assert.matches("\n  lua     5%.4", r.stdout)
        assert.matches("\n  sqlite  SQLite 3%.%d+", r.stdout)
        assert.matches("\n  pg      libpq %d+%.%d+", r.stdout)
        assert.matches("\n  mysql   %S.* %d+%.%d+", r.stdout)
    end)

    it("has the same as JSON", function()
        local r = helper.run({ "--version", "--json" })
        local report = require("dkjson").decode(r.stdout)
        assert.equal(1, report.schema_version)
        assert.matches("^%d+%.%d+%.%d+$", report.version)
        assert.matches("^3%.%d+", report.drivers.sqlite.version)
        assert.matches("^%d+%.%d+$", report.drivers.pg.version)
        assert.is_string(report.drivers.mysql.version)
        assert.equal(r.stdout, helper.run({ "version", "--json" }).stdout)
    end)
end)

describe("eloquent list", function()
    it("names each command with what it does", function()
        local r = helper.run({ "list" })
        assert.equal(0, r.status)
        for _, name in ipairs(commands) do
            assert.matches("%f[^\n\0]" .. name .. " +%S+", "\n" .. r.stdout)
        end
    end)

    it("has the same as JSON", function()
        local report = require("dkjson").decode(helper.run({ "list", "--json" }).stdout)
        local names = {}
        for i, command in ipairs(report.commands) do
            names[i] = command.name
            assert.is_true(#command.summary > 0)
            assert.matches("^eloquent ", command.usage)
        end
        assert.same(commands, names)
    end)
end)

describe("a word too many", function()
    it("is an error", function()
        for _, words in ipairs({
            { "doctor", "pg" }, { "list", "pg" }, { "help", "list", "pg" }, { "version", "pg" }, { "--version", "pg" },
            { "doctor", "--json", "--", "pg" },
        }) do
            local r = helper.run(words)
            local command = words[1]:gsub("^%-%-", "")
            assert.same({ 2, "" }, { r.status, r.stdout })
            assert.equal(("error: %s takes no 'pg'\nsee: eloquent help %s\n"):format(command, command), r.stderr)
        end
    end)
end)

describe("help", function()
    it("of the program begins with examples", function()
        local r = helper.run({ "--help" })
        assert.equal(0, r.status)
        local examples, list = r.stdout:find("\nExamples\n"), r.stdout:find("\nCommands\n")
        assert.is_true(examples < list)
        for _, words in ipairs({ {}, { "-h" }, { "help" } }) do
            assert.equal(r.stdout, helper.run(words).stdout)
        end
    end)

    for _, name in ipairs(commands) do
        it("of " .. name .. " begins with examples and is the same by every way", function()
            local r = helper.run({ "help", name })
            assert.equal(0, r.status)
            assert.equal("", r.stderr)
            local examples, usage = r.stdout:find("\nExamples\n"), r.stdout:find("\nUsage\n")
            assert.is_true(examples < usage)
            assert.equal(r.stdout, helper.run({ name, "-h" }).stdout)
            assert.equal(r.stdout, helper.run({ name, "--help" }).stdout)
            assert.equal(r.stdout, helper.run({ "-h", name }).stdout)
        end)
    end
end)

describe("a wrong command line ends with status 2 and", function()
    local cases = {
        { "names the nearest command", { "doktor" }, "there is no command 'doktor'\ndid you mean 'doctor'?" },
        { "names where commands are listed", { "xyzzy" }, "there is no command 'xyzzy'\nsee: eloquent list" },
        { "names the nearest flag", { "list", "--jsn" }, "there is no flag '--jsn'\ndid you mean '--json'?" },
        { "names the nearest of all flags", { "--trase" }, "there is no flag '--trase'\ndid you mean '--trace'?" },
        { "names where flags are listed", { "list", "-z" }, "there is no flag '-z'\nsee: eloquent help list" },
        { "refuses a value", { "list", "--json=1" }, "--json takes no value\nsee: eloquent help list" },
        {
            "misses a value",
            { "test", "--filter" },
            "--filter needs a value: --filter PATTERN\nsee: eloquent help test",
        },
        { "explains no unknown command", { "help", "rnu" }, "there is no command 'rnu'\ndid you mean 'run'?" },
    }
    for _, case in ipairs(cases) do
        it(case[1], function()
            local r = helper.run(case[2])
            assert.same({ status = 2, stdout = "", stderr = "error: " .. case[3] .. "\n" }, r)
        end)
    end
end)

describe("standard output", function()
    it("may be closed early: the script stops quietly", function()
        local dir = helper.tmpdir()
        helper.write(dir, "many.lua", [[
            for i = 1, 1e6 do print("line", i) end
            io.stderr:write("not stopped\n")
        ]])
        local r = helper.shell(helper.quote(helper.binary()) .. " run many.lua | head -n 1", { dir = dir })
        assert.same({ status = 0, stdout = "line\t1\n", stderr = "" }, r)
        local line = ("{ %s run many.lua; echo $? >status; } | :"):format(helper.quote(helper.binary()))
        r = helper.shell(line, { dir = dir })
        assert.equal("", r.stderr)
        assert.equal("1\n", helper.read(dir .. "/status"))
    end)

    it("may be closed early also for io.write", function()
        local dir = helper.tmpdir()
        helper.write(dir, "many.lua", [[
            for i = 1, 1e6 do io.write("line ", i, "\n") end
            io.stderr:write("not stopped\n")
        ]])
        local r = helper.shell(helper.quote(helper.binary()) .. " run many.lua | head -n 1", { dir = dir })
        assert.same({ status = 0, stdout = "line 1\n", stderr = "" }, r)
    end)

    it("on a full disk is a failure", function()
        local dir = helper.tmpdir()
        helper.write(dir, "a.lua", [[print("x")]])
        local r = helper.shell(helper.quote(helper.binary()) .. " run a.lua >/dev/full", { dir = dir })
        assert.same({
            status = 1,
            stdout = "",
            stderr = "error: cannot write to standard output: No space left on device\n",
        }, r)
    end)
end)

describe("colour", function()
    -- A terminal, made by script(1) of util-linux.
    local function on_terminal(env)
        local dir = helper.tmpdir()
        helper.write(dir, "a.lua", "error('x')")
        local line = ("script -qec %s /dev/null"):format(helper.quote(helper.quote(helper.binary()) .. " run a.lua"))
        return helper.shell(line, { dir = dir, env = env }).stdout
    end

    it("is on a terminal", function()
        assert.matches("\27%[31merror:\27%[0m x", on_terminal({ TERM = "xterm" }))
    end)

    it("is off with NO_COLOR, on a dumb terminal, and in a file", function()
        assert.matches("^error: x", on_terminal({ TERM = "xterm", NO_COLOR = "1" }))
        assert.matches("^error: x", on_terminal({ TERM = "dumb" }))
        local r = helper.run_code("error('x')", { env = { TERM = "xterm" } })
        assert.not_matches("\27", r.stderr)
    end)
end)
