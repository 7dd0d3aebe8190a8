-- SPDX-License-Identifier: MIT

local helper = require("spec.helper")

local ask = [[
local eloquent = require("eloquent")
print(eloquent.connection():scalar("SELECT 40 + 2"))
]]

describe("the connection that a script gets", function()
    it("is SQLite in ./storage where nothing is said", function()
        local r, dir = helper.run_code(ask)
        assert.same({ status = 0, stdout = "42\n", stderr = "" }, r)
        assert.is_string(helper.read(dir .. "/storage/app.sqlite"))
    end)

    it("is one: a list is refused, and says how to pin a model", function()
        local r = helper.run_code(ask, { env = { DB_CONNECTION = "mysql,pg" } })
        assert.equal(1, r.status)
        assert.matches("^error: DB_CONNECTION", r.stderr)
        assert.matches("connectionName", r.stderr)
        assert.matches("\nscript%.lua:2\n", r.stderr)
    end)

    it("is never another than the named one: an unknown name lists the known", function()
        local r, dir = helper.run_code(ask, { env = { DB_CONNECTION = "postgres" } })
        assert.equal(1, r.status)
        assert.matches("postgres", r.stderr)
        assert.matches("mysql", r.stderr)
        assert.matches("did you mean 'pg'", r.stderr)
        assert.is_nil(helper.read(dir .. "/storage/app.sqlite"))
    end)

    it("is not chosen by DB_MYSQL_CONNECTION", function()
        local r = helper.run_code(ask, { env = { DB_MYSQL_CONNECTION = "mysql" } })
        assert.same({ status = 0, stdout = "42\n", stderr = "" }, r)
    end)

    it("comes from .env, which the process environment overrules", function()
        local dir = helper.tmpdir()
        helper.write(dir, ".env", "SQLITE_PATH=./data/from-file.sqlite\n")
        helper.run_code(ask, { dir = dir })
        assert.is_string(helper.read(dir .. "/data/from-file.sqlite"))
        helper.run_code(ask, { dir = dir, env = { SQLITE_PATH = "./from-process.sqlite" } })
        assert.is_string(helper.read(dir .. "/from-process.sqlite"))
    end)
end)

describe("a database that is down", function()
    local cases = {
        pg = { DB_CONNECTION = "pg", PG_HOST = "127.0.0.1", PG_PORT = "1", PG_PASSWORD = "s3cr3t" },
        mysql = { DB_CONNECTION = "mysql", DB_HOST = "127.0.0.1", DB_PORT = "1", DB_PASSWORD = "s3cr3t" },
    }
    for name, env in pairs(cases) do
        it("ends a script with 4 and names host and port: " .. name, function()
            local r = helper.run_code(ask, { env = env })
            assert.equal(4, r.status)
            assert.equal("", r.stdout)
            assert.matches("127%.0%.0%.1:1", r.stderr)
            assert.matches("connect", r.stderr)
            assert.matches("\nscript%.lua:2\n", r.stderr)
            assert.not_matches("s3cr3t", r.stderr)
        end)
    end
end)

describe("several databases in one script", function()
    it("are open together, each on first use", function()
        local env = helper.servers("pg", "mysql")
        env.DB_CONNECTION = nil
        local r = helper.run_code([[
            local eloquent = require("eloquent")
            for _, name in ipairs({ "pg", "mysql", "sqlite" }) do
                local db = eloquent.connection(name)
                db:execute("CREATE TEMPORARY TABLE house_spec (n integer)")
                db:execute("INSERT INTO house_spec VALUES (?)", { #name })
            end
            for _, name in ipairs({ "sqlite", "mysql", "pg" }) do
                print(name, eloquent.connection(name):scalar("SELECT n FROM house_spec"))
            end
        ]], { env = env })
        assert.same({ status = 0, stdout = "sqlite\t6\nmysql\t5\npg\t2\n", stderr = "" }, r)
    end)
end)

describe("Ctrl-C", function()
    local statements = {
        sqlite = [[WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c]],
        pg = "SELECT pg_sleep(60)",
        mysql = "SELECT BENCHMARK(100000000000, md5('x'))",
    }
    for name, sql in pairs(statements) do
        it("cancels the statement that runs on " .. name, function()
            local env = name == "sqlite" and { DB_CONNECTION = name } or helper.servers(name)
            local r = helper.interrupt(([[
                local db = require("eloquent").connection()
                db:scalar("SELECT 1")
                print("ready")
                io.stdout:flush()
                db:scalar(%q)
            ]]):format(sql), { env = env, pause = 0.3 })
            assert.equal("interrupted at script.lua:5\n", r.stderr)
            assert.equal(130, r.status)
        end)

        it("undoes the transaction, and the server works on nothing more: " .. name, function()
            local env = name == "sqlite" and { DB_CONNECTION = name } or helper.servers(name)
            local busy = {
                pg = "select count(*) from pg_stat_activity where state = 'active' and query like '%pg_sleep(6%'"
                    .. " and pid <> pg_backend_pid()",
                mysql = "select count(*) from information_schema.processlist where info like '%BENCHMARK(%'"
                    .. " and id <> connection_id()",
                sqlite = "select 0",
            }
            local before = [[
                local db = require("eloquent").connection()
                db:script("drop table if exists interrupted_spec")
                db:script("create table interrupted_spec (n integer)")
                db:execute("insert into interrupted_spec values (1)")
            ]]
            local code = ([[
                local db = require("eloquent").connection()
                db:transaction(function()
                    db:execute("insert into interrupted_spec values (2)")
                    print("ready")
                    io.stdout:flush()
                    db:scalar(%q)
                end)
            ]]):format(sql)
            local after = ([[
                local db = require("eloquent").connection()
                local clock = require("eloquent").clock
                local started = clock()
                repeat until db:scalar(%q) == 0 or clock() - started > 5
                db:execute("insert into interrupted_spec values (3)") -- no lock is left
                print(db:scalar("select sum(n) from interrupted_spec"), clock() - started < 5)
                db:script("drop table interrupted_spec")
            ]]):format(busy[name])
            local r = helper.interrupt(code, { before = before, after = after, env = env, pause = 0.3 })
            assert.matches("^interrupted at script%.lua:[26]\n$", r.stderr) -- the statement, or its transaction
            assert.equal("ready\n4\ttrue\n", r.stdout)
            assert.equal(130, r.status)
        end)
    end
end)
