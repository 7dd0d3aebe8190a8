-- SPDX-License-Identifier: MIT
--
-- The plugins of Cyrus SASL, which only Kerberos needs: a process has them from the first
-- connection on that logs in so, and no sooner.

local helper = require("spec.helper")

local SCRIPT <const> = [[
local eloquent = require("eloquent")
local function plugins()
    for line in io.lines("/proc/self/maps") do
        if line:find("/sasl2/", 1, true) then
            return true
        end
    end
    return false
end
eloquent.connection():ping()
print(plugins(), os.getenv("SASL_PATH"))
local ok, err = pcall(function()
    eloquent.connection("mongo_test"):ping()
end)
print(ok, err.kind, plugins(), os.getenv("SASL_PATH"))
print(eloquent.connection():collection("kerberos_spec"):count())
]]

local function with_kerberos()
    local env = helper.servers("mongo")
    env.MONGO_TEST_URI = env.MONGO_URI:gsub("^mongodb://", "mongodb://user%%40EXAMPLE.ORG@")
        .. (env.MONGO_URI:find("?", 1, true) and "&" or "/?") .. "authMechanism=GSSAPI&authSource=$external"
    return env
end

describe("Kerberos", function()
    it("is made ready when a connection logs in by it", function()
        local r = helper.run_code(SCRIPT, { env = with_kerberos() })
        assert.equal("", r.stderr)
        assert.equal("false\tnil\nfalse\tauth\ttrue\tnil\n0\n", r.stdout)
        assert.equal(0, r.status)
    end)

    it("uses the plugins that SASL_PATH names", function()
        local env = with_kerberos()
        env.SASL_PATH = "/nonexistent"
        local r = helper.run_code(SCRIPT, { env = env })
        assert.equal("false\t/nonexistent\nfalse\tauth\tfalse\t/nonexistent\n0\n", r.stdout)
    end)
end)
