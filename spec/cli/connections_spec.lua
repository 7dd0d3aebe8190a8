-- SPDX-License-Identifier: MIT
--
-- Servers that refuse or are not there, and models on several engines, by settings alone.
-- How a connection is chosen is connection_spec.lua.

local helper = require("spec.helper")

local SECRET <const> = "s3cr3t-w0rd"

local ask = [[
local eloquent = require("eloquent")
print(eloquent.connection():scalar("SELECT 40 + 2"))
]]

local prefixes <const> = { pg = "PG", mysql = "DB" }

-- Settings of a server that script/servers started, with changes.
local function server(name, changes)
    local env = helper.servers(name)
    for key, value in pairs(changes) do
        env[prefixes[name] .. "_" .. key] = value
    end
    return env
end

describe("a server that can't be used", function()
    -- what changes, the kind, what the message has to name
    local cases = {
        { "refuses the password", { PASSWORD = SECRET }, "auth", "eloquent" },
        { "has no such user", { USER = "nobody_there", PASSWORD = SECRET }, "auth", "nobody_there" },
        { "has no such database", { NAME = "no_such_database" }, "notFound", "no_such_database" },
        { "is down", { HOST = "127.0.0.1", PORT = "1", PASSWORD = SECRET }, "connect", "127%.0%.0%.1:1" },
        { "has no such host", { HOST = "nowhere.invalid", PASSWORD = SECRET }, "connect", "nowhere%.invalid" },
    }
    local products = { pg = "PostgreSQL", mysql = "MySQL" }
    for _, name in ipairs({ "pg", "mysql" }) do
        for _, case in ipairs(cases) do
            local title, changes, kind, words = table.unpack(case)
            it(("ends a script with 4: %s %s"):format(name, title), function()
                local env = server(name, changes)
                local r = helper.run_code(ask, { env = env })
                assert.equal(4, r.status)
                assert.equal("", r.stdout)
                assert.matches(products[name], r.stderr)
                assert.matches(("(%s error on %s)"):format(kind, name), r.stderr, 1, true)
                assert.matches(words, r.stderr)
                assert.matches("\nscript%.lua:2\n", r.stderr)
                assert.not_matches(SECRET, r.stderr, 1, true)
                assert.not_matches(env[prefixes[name] .. "_PASSWORD"], r.stderr, 1, true)
            end)
        end
    end

    it("says the password neither with --trace nor by an error's fields", function()
        for _, name in ipairs({ "pg", "mysql" }) do
            local r = helper.run_code([[
                local eloquent = require("eloquent")
                local db = eloquent.connection()
                local ok, err = pcall(db.scalar, db, "SELECT 1")
                for key, value in pairs(err) do
                    print(key, value)
                end
                print(err, db)
                error(err)
            ]], { env = server(name, { PASSWORD = SECRET }) })
            assert.equal(4, r.status)
            assert.matches("kind\tauth", r.stdout)
            assert.not_matches(SECRET, r.stdout .. r.stderr, 1, true)
        end
    end)

    it("may be a file: SQLite", function()
        local r = helper.run_code(ask, { env = { SQLITE_PATH = "/dev/null/app.sqlite" } })
        assert.equal(4, r.status)
        assert.matches("/dev/null/app%.sqlite", r.stderr)
        assert.matches("connect error on sqlite", r.stderr)
    end)

    it("is not asked before it is used", function()
        local r = helper.run_code([[
            local eloquent = require("eloquent")
            local db = eloquent.connection("pg")
            print(db.name, db.driver)
        ]], { env = server("pg", { PORT = "1" }) })
        assert.same({ status = 0, stdout = "pg\tpg\n", stderr = "" }, r)
    end)
end)

describe("the options of a MongoDB URI", function()
    local function ping(options, user)
        local env = helper.servers("mongo")
        env.MONGO_URI = env.MONGO_URI:gsub("^mongodb://", "%0" .. (user or "")) .. "/" .. options
        return helper.run_code('require("eloquent").connection("mongo"):ping()\nprint("good")', { env = env })
    end

    -- options, status, what the message says
    for _, case in ipairs({
        { "?tlz=true", 1, "MONGO_URI is not taken as it is: .* has no option 'tlz'; did you mean 'tls'%?" },
        { "x?replicaSett=x&w=1", 1, "no option 'replicaSett'; did you mean 'replicaSet'%?" },
        { "?w=1&frobnicate=" .. SECRET, 1, "no option 'frobnicate' %(misuse" },
        { "?tls=" .. SECRET, 1, "MONGO_URI is no URI of MongoDB: its option 'tls' has a value" },
        { "?connectTimeoutMS=" .. SECRET, 1, "its option 'connectTimeoutMS' has a value" },
        { "?replicaSet=other", 4, "no member of the replica set 'other'" },
    }) do
        it("are refused where they can't be: " .. case[1]:gsub(SECRET, "..."), function()
            for _, user in ipairs({ "", "app:" .. SECRET .. "@" }) do
                local r = ping(case[1], user)
                assert.equal(case[2], r.status)
                assert.matches(case[3], r.stderr)
                assert.not_matches(SECRET, r.stderr, 1, true)
                assert.matches("\nscript%.lua:1\n", r.stderr)
            end
        end)
    end

    it("may be any that the client library has", function()
        for _, options in ipairs({
            "?retryWrites=true&w=majority&APPNAME=tlz&ssl=false", "?directConnection=true&journal=true",
            "?readPreference=secondaryPreferred&readPreferenceTags=dc:ny&maxStalenessSeconds=100",
            "?readConcernLevel=majority&socketTimeoutMS=9000&serverSelectionTryOnce=false&slaveok=true",
            "?waitQueueTimeoutMS=1&maxPoolSize=2&localThresholdMS=3&heartbeatFrequencyMS=9000&retryReads=false",
        }) do
            assert.same({ status = 0, stdout = "good\n", stderr = "" }, ping(options))
        end
    end)
end)

describe("variables that look like a choice", function()
    it("change nothing", function()
        for _, word in ipairs({ "MYSQL", "PG", "SQLITE", "MONGO" }) do
            local name = ("DB_%s_CONNECTION"):format(word)
            local r = helper.run_code(
                [[print(require("eloquent").connection().name)]],
                { env = { [name] = "mysql,pg" } }
            )
            assert.same({ status = 0, stdout = "sqlite\n", stderr = "" }, r)
            assert.matches(name, helper.run({ "doctor" }, { env = { [name] = "mysql" } }).stdout)
        end
    end)
end)

describe("models on two engines", function()
    it("are read and written in one script, whatever the default is", function()
        for _, default in ipairs({ "sqlite", "pg", "mysql" }) do
            local env = helper.servers("pg", "mysql")
            env.DB_CONNECTION = default
            local r = helper.run_code([[
                local eloquent = require("eloquent")
                local function model(name, connection)
                    local Model = eloquent.SqlModel(name) {
                        tableName = "cli_items",
                        connectionName = connection,
                        schema = {
                            id = eloquent.column("increments"),
                            name = eloquent.column("string", 40),
                        },
                    }
                    eloquent.schema():dropIfExists(Model)
                    eloquent.schema():create(Model)
                    return Model
                end
                local A, B, C = model("A", "pg"), model("B", "mysql"), model("C")
                A:create{ name = "from pg" }
                B:create{ name = A:first().name .. ", by mysql" }
                C:create{ name = B:first().name .. ", by default" }
                print(C:connection().driver, C:first().name)
                for _, Model in ipairs({ A, B, C }) do
                    eloquent.schema():dropIfExists(Model)
                end
            ]], { env = env })
            if default == "sqlite" then
                assert.same({ status = 0, stdout = "sqlite\tfrom pg, by mysql, by default\n", stderr = "" }, r)
            else
                -- the third table is one of the first two
                assert.equal("", r.stderr)
                assert.equal(0, r.status)
                assert.matches("^" .. default, r.stdout)
            end
        end
    end)
end)
