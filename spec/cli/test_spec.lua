-- SPDX-License-Identifier: MIT

local helper = require("spec.helper")

local project

setup(function()
    project = helper.tmpdir()
    helper.write(project, "spec/unit/a_spec.lua", [[
        describe("a", function()
            it("sees the program's modules", function()
                assert.is_string(require("eloquent.core.host").version)
            end)
            it("fails", function() assert.equal(1, 2) end)
        end)
    ]])
    helper.write(project, "spec/cli/b_spec.lua", [[it("b passes", function() end)]])
    helper.write(project, "spec/cli/no.lua", [[error("not a spec")]])
    helper.write(project, "broken/c_spec.lua", [[local x = = 1]])
end)

describe("eloquent test", function()
    it("runs the folders of specs and ends with the totals", function()
        local r = helper.run({ "test" }, { dir = project })
        assert.equal(1, r.status)
        assert.matches("Expected objects to be equal", r.stdout)
        assert.matches("\n2 passed, 1 failed\n$", r.stdout)
    end)

    it("runs the paths that are named", function()
        local r = helper.run({ "test", "spec/cli" }, { dir = project })
        assert.equal(0, r.status)
        assert.matches("\n1 passed, 0 failed\n$", r.stdout)
    end)

    it("filters by name", function()
        local r = helper.run({ "test", "--filter", "program's", "spec/unit" }, { dir = project })
        assert.equal(0, r.status)
        assert.matches("\n1 passed, 0 failed\n$", r.stdout)
    end)

    it("lists names and runs none", function()
        local r = helper.run({ "test", "--list", "spec/unit" }, { dir = project })
        assert.equal(0, r.status)
        assert.matches("a_spec%.lua:%d+: a sees the program's modules\n.*: a fails\n$", r.stdout)
    end)

    it("reports through another output handler", function()
        local r = helper.run({ "test", "-o", "TAP", "spec/cli" }, { dir = project })
        assert.matches("ok 1 %- b passes", r.stdout)
        r = helper.run({ "test", "-o", "nothing", "spec/cli" }, { dir = project })
        assert.equal(2, r.status)
        assert.matches("no output handler 'nothing'\nbusted has .*junit", r.stderr)
    end)

    it("counts a file that cannot be loaded as failed", function()
        local r = helper.run({ "test", "broken" }, { dir = project })
        assert.equal(1, r.status)
        assert.matches("\n0 passed, 1 failed\n$", r.stdout)
    end)

    it("fails where nothing ran", function()
        assert.equal(1, helper.run({ "test", "nowhere" }, { dir = project }).status)
        assert.equal(2, helper.run({ "test" }).status)
    end)
end)
