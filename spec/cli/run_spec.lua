-- SPDX-License-Identifier: MIT

local helper = require("spec.helper")

describe("eloquent run", function()
    it("runs a file and hands on its arguments", function()
        local dir = helper.tmpdir()
        helper.write(dir, "a.lua", [[print(arg[0], #arg, arg[1], arg[2], ...)]])
        local r = helper.run({ "run", "a.lua", "--trace", "x y" }, { dir = dir })
        assert.same({ status = 0, stdout = "a.lua\t2\t--trace\tx y\t--trace\tx y\n", stderr = "" }, r)
    end)

    it("has the program at arg[-1]", function()
        local r = helper.run_code([[print(arg[-1])]])
        assert.equal(helper.binary() .. "\n", r.stdout)
    end)

    it("runs standard input for -", function()
        local r = helper.run({ "run", "-", "one" }, { input = "#!shebang\nprint(arg[0], ...)" })
        assert.same({ status = 0, stdout = "-\tone\n", stderr = "" }, r)
    end)

    it("skips a #! line and a byte order mark, and keeps line numbers", function()
        local r = helper.run_code("\239\187\191#!/usr/bin/env eloquent\nprint(debug.getinfo(1, 'l').currentline)")
        assert.equal("2\n", r.stdout)
    end)

    it("works as the interpreter of a #! line", function()
        local dir = helper.tmpdir()
        helper.write(dir, "tool", "#!" .. helper.binary() .. "\nprint('tool', ...)")
        local r = helper.shell("chmod +x tool && ./tool a b", { dir = dir })
        assert.same({ status = 0, stdout = "tool\ta\tb\n", stderr = "" }, r)
    end)

    it("may be left out before a file", function()
        local dir = helper.tmpdir()
        helper.write(dir, "a.lua", [[print("ran", ...)]])
        assert.equal("ran\t1\n", helper.run({ "a.lua", "1" }, { dir = dir }).stdout)
    end)

    it("finds modules beside the script first, then in the working folder", function()
        local dir = helper.tmpdir()
        helper.write(dir, "tools/main.lua", [[
            local both, here, pack = require("both"), require("here"), require("pack")
            print(both, here, pack)
        ]])
        helper.write(dir, "tools/both.lua", [[return "beside"]])
        helper.write(dir, "both.lua", [[return "root"]])
        helper.write(dir, "here.lua", [[return "root here"]])
        helper.write(dir, "pack/init.lua", [[return "root pack"]])
        local r = helper.run({ "run", "tools/main.lua" }, { dir = dir })
        assert.equal("beside\troot here\troot pack\n", r.stdout)
        assert.equal(0, r.status)
    end)

    it("finds no Lua of the system, and no C modules", function()
        local r = helper.run_code([[
            print(package.path, "[" .. package.cpath .. "]")
            print(pcall(require, "lfs") == false)
        ]], { env = { LUA_PATH = "/nowhere/?.lua", LUA_CPATH = "/nowhere/?.so" } })
        assert.equal("./?.lua;./?/init.lua\t[]\ntrue\n", r.stdout)
    end)

    it("lets no file of the project replace a module of the program", function()
        local r = helper.run_code([[
            local f = assert(io.open("eloquent.lua", "w"))
            f:write("return 'file'")
            f:close()
            print(type(require("eloquent.core.host")), require("eloquent.cli.options").trace)
        ]])
        assert.equal("table\tfalse\n", r.stdout)
    end)

    it("closes the state at os.exit, and takes its status", function()
        local r = helper.run_code([[
            setmetatable({}, { __gc = function() print("closed") end })
            io.write("text ")
            os.exit(7)
        ]])
        assert.same({ status = 7, stdout = "text closed\n", stderr = "" }, r)
        assert.equal(0, helper.run_code("os.exit(true)").status)
        assert.equal(1, helper.run_code("os.exit(false)").status)
        assert.equal(3, helper.run_code("coroutine.wrap(function() os.exit(3) end)()").status)
    end)

    it("gives os.getenv what .env says, before the script runs", function()
        local dir = helper.tmpdir()
        helper.write(dir, ".env", "EL_A=one\nexport EL_B='two words'\nEL_C=file\n")
        local r = helper.run_code([[print(os.getenv("EL_A"), os.getenv("EL_B"), os.getenv("EL_C"))]], {
            dir = dir,
            env = { EL_C = "process" },
        })
        assert.equal("one\ttwo words\tprocess\n", r.stdout)
    end)

    it("refuses a malformed .env and names file and line", function()
        local dir = helper.tmpdir()
        helper.write(dir, ".env", "A=1\nnot a line secret\n")
        local r = helper.run_code([[print("never")]], { dir = dir })
        assert.equal(1, r.status)
        assert.equal("", r.stdout)
        assert.matches("%.env", r.stderr)
        assert.matches("2", r.stderr)
        assert.not_matches("secret", r.stderr)
        assert.equal(0, helper.run({ "--version" }, { dir = dir }).status)
        assert.equal(0, helper.run({ "help" }, { dir = dir }).status)
    end)

    it("needs a file", function()
        local r = helper.run({ "run" })
        assert.equal(2, r.status)
        assert.equal("", r.stdout)
        assert.matches("run needs the file of a script", r.stderr)
    end)
end)

describe("globals of a script", function()
    it("may be assigned at the top level and read anywhere", function()
        local r = helper.run_code([[
            answer = 42
            function double() return answer * 2 end
            print(double())
        ]])
        assert.same({ status = 0, stdout = "84\n", stderr = "" }, r)
    end)

    it("raise when they were never assigned, with the nearest name", function()
        local r = helper.run_code("local a = 1\nprnt(a)")
        assert.equal(1, r.status)
        assert.equal(table.concat({
            "error: undefined global 'prnt'; did you mean 'print'?",
            "script.lua:2",
            "    2 | prnt(a)",
            "      | ^^^^",
            "",
        }, "\n"), r.stderr)
    end)

    it("raise when a function assigns one by accident", function()
        local r = helper.run_code("local function f()\n  count = 1\nend\nf()")
        assert.equal(1, r.status)
        assert.matches("undeclared global 'count'.*\nscript%.lua:2\n", r.stderr)
    end)

    it("leave alone what libraries test for", function()
        local r = helper.run_code([[print(jit, unpack, rawget(_G, "nothing"))]])
        assert.equal("nil\tnil\tnil\n", r.stdout)
    end)
end)
