-- SPDX-License-Identifier: MIT

local helper = require("spec.helper")

-- name, script, standard error
local cases = {
    {
        "a syntax error",
        "local a = 1\nlocal b = = 2\n",
        [[
error: unexpected symbol near '='
script.lua:2
    2 | local b = = 2
]],
    },
    {
        "an error of Lua, with the name marked",
        "local t = {}\nprint(t.nothing.more)\n",
        [[
error: attempt to index a nil value (field 'nothing')
script.lua:2
    2 | print(t.nothing.more)
      |         ^^^^^^^
]],
    },
    {
        "a string",
        "local x = 1\nerror('boom: 7')\n",
        [[
error: boom: 7
script.lua:2
    2 | error('boom: 7')
]],
    },
    {
        "a string without a position",
        "\n\nerror('boom', 0)",
        [[
error: boom
script.lua:3
    3 | error('boom', 0)
]],
    },
    {
        "a table",
        "error({ code = 42, why = 'full', 'x' })",
        [[
error: the script raised a table: { [1] = "x", code = 42, why = "full" }
script.lua:1
    1 | error({ code = 42, why = 'full', 'x' })
]],
    },
    {
        "a table that has a text",
        "error(setmetatable({}, { __tostring = function() return 'as text' end }))",
        [[
error: as text
script.lua:1
    1 | error(setmetatable({}, { __tostring = function() return 'as text' end }))
]],
    },
    {
        "nil",
        "\nerror()",
        [[
error: the script raised nil: error() was called without a message
script.lua:2
    2 | error()
]],
    },
    {
        "a boolean",
        "error(false)",
        [[
error: the script raised a boolean: false
script.lua:1
    1 | error(false)
]],
    },
    {
        "an error inside a coroutine",
        "local co = coroutine.wrap(function()\n  error('deep')\nend)\nco()",
        [[
error: deep
script.lua:2
    2 |   error('deep')
]],
    },
    {
        "endless recursion",
        "local function f()\n  return 1 + f()\nend\nf()",
        [[
error: stack overflow
script.lua:2
    2 |   return 1 + f()
]],
    },
    {
        "tabs in the line",
        "do\n\tlocal x = nil + 1\nend",
        [[
error: attempt to perform arithmetic on a nil value
script.lua:2
    2 |     local x = nil + 1
]],
    },
}

describe("a script that fails shows where: ", function()
    for _, case in ipairs(cases) do
        it(case[1], function()
            local r = helper.run_code(case[2])
            assert.equal(case[3], r.stderr)
            assert.equal("", r.stdout)
            assert.equal(1, r.status)
        end)
    end

    it("on standard input", function()
        local r = helper.run({ "run", "-" }, { input = "local a\nprint(a.b)" })
        assert.equal(1, r.status)
        assert.equal(
            "error: attempt to index a nil value (local 'a')\nstdin:2\n    2 | print(a.b)\n      |       ^\n",
            r.stderr
        )
    end)

    it("in a module it requires", function()
        local dir = helper.tmpdir()
        helper.write(dir, "broken.lua", "local x\nlocal y = (\n")
        local r = helper.run_code("require('broken')", { dir = dir })
        assert.equal(1, r.status)
        assert.matches("^error: module 'broken': unexpected symbol near <eof>\n%./broken.lua:3\n", r.stderr)
    end)

    it("in a path too long for Lua's messages", function()
        local dir = helper.tmpdir()
        local name = ("long"):rep(20) .. "/" .. ("name"):rep(20) .. ".lua"
        helper.write(dir, name, "error('far')")
        local r = helper.run({ "run", name }, { dir = dir })
        assert.equal(("error: far\n%s:1\n    1 | error('far')\n"):format(name), r.stderr)
    end)

    it("and what it printed before comes first", function()
        local r = helper.run_code("io.write('before')\nerror('x')")
        assert.equal("before", r.stdout)
        assert.equal(1, r.status)
    end)
end)

describe("a script that is not there", function()
    it("is named, with the nearest file", function()
        local dir = helper.tmpdir()
        helper.write(dir, "seeds/users.lua", "")
        local r = helper.run({ "run", "seeds/user.lua" }, { dir = dir })
        assert.same({
            status = 1,
            stdout = "",
            stderr = "error: cannot open the script 'seeds/user.lua': No such file or directory\n"
                .. "did you mean 'seeds/users.lua'?\n",
        }, r)
    end)

    it("may be a folder", function()
        local r = helper.run({ "run", "/tmp" })
        assert.equal(1, r.status)
        assert.equal("error: cannot run '/tmp': it is a folder\n", r.stderr)
    end)
end)

describe("error objects", function()
    local raise = [[
local errors = require("eloquent.core.errors")
local function deep()
    errors.raise({ kind = %q, message = "cannot do it", sql = "SELECT\n  1 WHERE x = ?" })
end
deep()
]]

    it("show message, position and SQL", function()
        local r = helper.run_code(raise:format("unique"))
        assert.equal(1, r.status)
        assert.matches("^error: cannot do it.*\nscript%.lua:3\n    3 |     errors%.raise", r.stderr)
        assert.matches("\nsql: SELECT 1 WHERE x = %?\n$", r.stderr)
    end)

    it("end with status 4 when a database cannot be reached", function()
        assert.equal(4, helper.run_code(raise:format("connect")).status)
        assert.equal(4, helper.run_code(raise:format("auth")).status)
        assert.equal(1, helper.run_code(raise:format("lost")).status)
    end)
end)

describe("--trace", function()
    it("shows the stack of the script and none of the program", function()
        local dir = helper.tmpdir()
        helper.write(dir, "a.lua", "local function f() error('x') end\nlocal function g() f() end\ng()")
        local r = helper.run({ "run", "--trace", "a.lua" }, { dir = dir })
        assert.matches("\nstack:\n  a%.lua:1: in function 'f'\n  a%.lua:2: in function 'g'\n"
            .. "  a%.lua:3: in main chunk\n$", r.stderr)
        assert.not_matches("lua/eloquent", r.stderr)
        assert.equal(r.stderr, helper.run({ "--trace", "run", "a.lua" }, { dir = dir }).stderr)
    end)
end)
