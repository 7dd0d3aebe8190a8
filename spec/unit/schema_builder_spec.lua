-- SPDX-License-Identifier: MIT
--
-- How a schema runs its statements, against a connection that records them.

require("spec.unit.core_stub")
local builder = require("eloquent.schema.builder")
local errors = require("eloquent.core.errors")

-- A connection that keeps what it is told; `broken` is the statement that fails.
local function recording(driver, fields)
    fields = fields or {}
    local log = {}
    local state = fields.state or "none"
    local core = {}
    function core.product() return fields.product or driver end
    function core.version() return fields.version or 0 end
    function core.can() return driver ~= "mysql" end
    function core.txstate() return state end
    function core.script(_, sql)
        log[#log + 1] = sql
        if fields.broken and sql:find(fields.broken, 1, true) then
            errors.raise({ kind = "syntax", message = "broken" })
        end
    end
    function core.scalar(_, _, args)
        log[#log + 1] = args
        return fields.count
    end
    local connection = { name = driver, driver = driver, kind = fields.kind or "sql" }
    function connection.core() return core end
    function connection.transaction(_, fn)
        log[#log + 1] = "BEGIN"
        local ok, problem = pcall(fn)
        log[#log + 1] = ok and "COMMIT" or "ROLLBACK"
        if not ok then
            error(problem, 0)
        end
    end
    return builder.on(connection), log
end

describe("a schema on a connection", function()
    it("runs one statement as it is", function()
        local schema, log = recording("pg")
        schema:drop("users")
        assert.same({ 'DROP TABLE "users"' }, log)
    end)

    it("asks SQLite who refers to a table before it is dropped", function()
        local schema, log = recording("sqlite")
        schema:drop("users")
        assert.same({ { "users", "users" }, 'DROP TABLE "users"' }, log)
        schema, log = recording("sqlite", { count = "posts" })
        local ok, problem = pcall(schema.drop, schema, "users")
        assert.is_false(ok)
        assert.equal("foreignKey", problem.kind)
        assert.matches("posts", problem.message)
        assert.equal(1, #log)
    end)

    it("runs several in a transaction where the engine can undo them", function()
        local schema, log = recording("pg")
        schema:create("t", function(t) t:integer("a"):index() end)
        assert.equal("BEGIN", log[1])
        assert.matches("^CREATE TABLE", log[2])
        assert.matches("^CREATE INDEX", log[3])
        assert.equal("COMMIT", log[4])
    end)

    it("undoes all of them when one fails, and passes the error on", function()
        local schema, log = recording("sqlite", { broken = "CREATE INDEX" })
        local ok, problem = pcall(schema.create, schema, "t", function(t)
            t:integer("a"):index()
        end)
        assert.is_false(ok)
        assert.equal("broken", problem.message)
        assert.equal("ROLLBACK", log[#log])
    end)

    it("has no transaction on MySQL", function()
        local schema, log = recording("mysql", { product = "mariadb", version = 101100 })
        schema:table("t", function(t) t:integer("a"):nullable():index() end)
        assert.same({
            "ALTER TABLE `t` ADD COLUMN `a` INT NULL",
            "CREATE INDEX `t_a_index` ON `t` (`a`)",
        }, log)
    end)

    it("refuses to commit a running transaction of MySQL on the way", function()
        local schema, log = recording("mysql", { state = "active" })
        local ok, problem = pcall(schema.drop, schema, "users")
        assert.is_false(ok)
        assert.is_true(errors.is(problem, "unsupported"))
        assert.matches("commits the running transaction", problem.message)
        assert.same({}, log)
    end)

    it("runs nothing when a later part of the table can't be", function()
        local schema, log = recording("sqlite")
        local ok = pcall(schema.table, schema, "t", function(t)
            t:integer("a"):nullable()
            t:check("a > 0", "positive")
        end)
        assert.is_false(ok)
        assert.same({}, log)
    end)

    it("does nothing for a change that changes nothing", function()
        local schema, log = recording("sqlite")
        schema:table("t", function() end)
        assert.same({}, log)
    end)

    it("asks the catalog with bound names", function()
        for driver, expected in pairs({
            sqlite = { { "users" }, { "it's", "aux" }, { "users", "a" }, { "t", "aux", "a" } },
            pg = { { "users" }, { "it's", "aux" }, { "users", "a" }, { "t", "aux", "a" } },
            mysql = { { "users" }, { "aux", "it's" }, { "users", "a" }, { "aux", "t", "a" } },
        }) do
            local schema, log = recording(driver, { count = 1 })
            assert.is_true(schema:hasTable("users"))
            schema:hasTable("aux.it's")
            assert.is_true(schema:hasColumn("users", "a"))
            schema:hasColumn("aux.t", "a")
            if driver == "sqlite" then
                expected[2] = { "it's" }
            end
            assert.same(expected, log)
        end
        assert.is_false(recording("pg", { count = 0 }):hasTable("users"))
    end)

    it("refuses a connection that keeps documents", function()
        local schema = recording("mongo", { kind = "mongo" })
        local ok, problem = pcall(schema.drop, schema, "users")
        assert.is_false(ok)
        assert.is_true(errors.is(problem, "unsupported"))
    end)
end)
