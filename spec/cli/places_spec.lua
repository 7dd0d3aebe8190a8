-- SPDX-License-Identifier: MIT
--
-- examples/places as its user runs it: SQL and MongoDB in one process.

local helper = require("spec.helper")
local host = require("eloquent.core.host")

local MAIN <const> = host.realpath("examples/places/main.lua")

describe("examples/places", function()
    local dir, env

    setup(function()
        dir = helper.tmpdir()
        env = helper.servers("mongo")
        env.DB_CONNECTION, env.SQLITE_PATH = "sqlite", dir .. "/places.sqlite"
        env.MONGO_DB = "eloquent_places"
        local result = helper.run_code(
            "require('eloquent').connection('mongo'):command{ dropDatabase = 1 }", { env = env })
        assert.equal(0, result.status, result.stderr)
    end)

    it("writes to both stores and brings them together", function()
        local result = helper.run({ "run", MAIN }, { dir = dir, env = env })
        assert.equal("", result.stderr)
        assert.equal("Aare was marked by Ada (2 visits)\nGurten was marked by Ada (1 visits)\n"
            .. "2 users on sqlite, 3 places on mongo\n", result.stdout)
    end)

    it("goes on from what is there", function()
        local result = helper.run({ "run", MAIN }, { dir = dir, env = env })
        assert.equal(0, result.status, result.stderr)
        assert.matches("Aare was marked by Ada (3 visits)", result.stdout, 1, true)
        assert.matches("2 users on sqlite, 3 places on mongo", result.stdout, 1, true)
    end)

    it("says which server is missing, with status 4", function()
        local result = helper.run({ "run", MAIN }, {
            dir = dir,
            env = { DB_CONNECTION = "sqlite", SQLITE_PATH = dir .. "/places.sqlite",
                MONGO_URI = "mongodb://127.0.0.1:9", MONGO_DB = "x" },
        })
        assert.equal(4, result.status)
        assert.matches("mongo", result.stderr)
    end)
end)
