-- SPDX-License-Identifier: MIT
--
-- The error object: the same kinds and fields on every engine, the script's file and
-- line, and nothing in it that was bound.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local column = eloquent.column

local SECRET <const> = "s3cr3t-v4lue"

-- Here rather than in engines.lua, so that errors are of this file.
local function failure(fn, ...)
    local ok, err = pcall(fn, ...)
    assert(not ok, "it did not raise")
    assert(eloquent.is(err), "no error object was raised, but: " .. tostring(err))
    return err
end

-- Every text in the error object, and what it prints.
local function texts(err)
    local list = { tostring(err) }
    for _, value in pairs(err) do
        list[#list + 1] = tostring(value)
    end
    return table.concat(list, "\n")
end

engines.suite("errors", function(engine)
    local it = engine.it
    local Team = engine.model "Team" {
        tableName = "error_teams",
        connectionName = engine.name,
        schema = { id = column("increments"), name = column("string", 40) },
    }
    local User = engine.model "User" {
        tableName = "error_users",
        connectionName = engine.name,
        schema = {
            id = column("increments"),
            email = column("string", 100, { unique = true }),
            name = column("string", 40, { notNull = true, default = "x" }),
            first = column("string", 40),
            last = column("string", 40),
            age = column("integer", nil, { unsigned = true }),
            team_id = column("integer"),
        },
        database = {
            foreignKeys = engine.name ~= "mongo" and {
                {
                    column = "team_id",
                    references = { table = "error_teams", column = "id" },
                    name = "error_users_team",
                },
            } or nil,
            indexes = { { type = "unique", columns = { "first", "last" }, name = "error_users_names" } },
        },
    }
    local db = engine:db()
    local find = '{"find":"error_users","filter":{"email":?}'
    local insert = '{"insert":"error_users","documents":[{"email":?}]}'
    local wrong = engine:text("selec ? from error_users", '{"selec":"error_users","x":?}')

    before_each(function()
        engine:tables(Team, User)
        User:create({ email = SECRET, first = SECRET, last = SECRET })
    end)

    -- What every failed statement has to tell.
    local function check(kind, err, sql)
        assert.equal(kind, err.kind)
        assert.equal(engine.name, err.connection)
        assert.equal(engine.name, err.driver)
        assert.is_string(err.message)
        assert.not_matches("\n", err.message)
        assert.not_matches("\n", tostring(err))
        assert.matches("errors_spec%.lua$", err.file)
        assert.is_number(err.line)
        assert.not_matches(SECRET, texts(err), 1, true)
        if sql ~= false then
            assert.is_string(err.sql)
            assert.matches(type(sql) == "string" and sql or "%?", (err.sql:gsub("%$%d+", "?")))
        end
    end

    local function line_here()
        return debug.getinfo(2, "l").currentline
    end

    -- {{{ constraints

    local function violate_unique()
        return failure(User.create, User, { email = SECRET })
    end

    it("unique", function()
        check("unique", violate_unique())
    end)

    it("unique tells table and column", function()
        local err = violate_unique()
        assert.equal("error_users", err.table)
        assert.equal("email", err.column)
    end)

    it("unique tells the constraint", function()
        assert.equal(engine:text("error_users_email_unique", "email_1"), violate_unique().constraint)
    end)

    it("unique tells code and SQLSTATE", function()
        local err = violate_unique()
        assert.is_true(err.code ~= nil or err.sqlstate ~= nil)
        assert.equal("23", err.sqlstate:sub(1, 2))
    end)

    it("unique of several columns", function()
        local err = failure(User.create, User, { first = SECRET, last = SECRET })
        check("unique", err)
        assert.equal("error_users", err.table)
        assert.equal("first, last", err.column)
    end)

    it("unique of the primary key", function()
        local err = failure(User.create, User, { id = 1 })
        check("unique", err)
        assert.is_true(err.column == "id" or engine.name == "mongo" and err.column == "_id")
    end)

    it("unique by every way of writing", function()
        local other = User:create({ email = "other" })
        for _, write in ipairs({
            function()
                User:insert({ { email = "a" }, { email = SECRET } })
            end,
            function()
                User:where("id", other.id):update({ email = SECRET })
            end,
            function()
                other.email = SECRET
                other:save()
            end,
            function()
                db:execute(engine:text("insert into error_users (email) values (?)", insert), { SECRET })
            end,
            engine.name ~= "mongo" and function()
                db:execute("insert into error_users (email) values (:mail)", { mail = SECRET })
            end or function()
                db:collection("error_users"):insertOne({ email = SECRET })
            end,
            function()
                User:insertGetId({ email = SECRET })
            end,
        }) do
            check("unique", failure(write), "")
        end
    end)

    it("foreignKey of a row without a parent", function()
        check("foreignKey", failure(User.create, User, { team_id = 987654321, email = SECRET .. "2" }))
    end)

    it("foreignKey of a parent with rows", function()
        local team = Team:create({ name = "a" })
        User:create({ team_id = team.id })
        local err = failure(team.delete, team)
        check("foreignKey", err)
        assert.is_true(team:exists())
        assert.equal(1, Team:count())
    end)

    it("foreignKey tells the constraint", function()
        assert.equal("error_users_team", failure(User.create, User, { team_id = 5 }).constraint)
    end)

    it("foreignKey tells the table", function()
        assert.equal("error_users", failure(User.create, User, { team_id = 5 }).table)
    end)

    it("foreignKey tells the column", function()
        assert.equal("team_id", failure(User.create, User, { team_id = 5 }).column)
    end)

    it("notNull", function()
        local err = failure(User.create, User, { name = eloquent.null, email = SECRET .. "3" })
        check("notNull", err, engine.name ~= "mongo")
        assert.equal("name", err.column)
    end)

    it("notNull tells the table", function()
        assert.equal("error_users", failure(User.create, User, { name = eloquent.null }).table)
    end)

    it("notNull of an update", function()
        local err = failure(function()
            User:query():update({ name = eloquent.null })
        end)
        check("notNull", err, engine.name ~= "mongo")
        assert.equal("name", err.column)
    end)

    it("check", function()
        engine:drop("error_checked")
        if engine.name == "mongo" then
            db:command(eloquent.doc({
                { "create", "error_checked" }, { "validator", { n = { ["$gt"] = 5 } } },
            }))
        else
            engine:schema():create("error_checked", function(t)
                t:id()
                t:integer("n")
                t:string("note", 40):nullable()
                t:check("n > 5", "error_checked_n")
            end)
        end
        local err = failure(function()
            db:table("error_checked"):insert({ n = 3, note = SECRET })
        end)
        check("check", err)
        assert.equal(engine.name ~= "mongo" and "error_checked_n" or nil, err.constraint)
    end)

    -- }}}
    -- {{{ SQL

    it("syntax", function()
        check("syntax", failure(db.select, db, wrong, { SECRET }))
    end)

    it("syntax near a literal", function()
        local err = failure(db.select, db, engine:text("select * fro error_users where email = ?", find .. ',,}'),
            { SECRET })
        check("syntax", err)
    end)

    it("an unknown column", function()
        local err = failure(db.select, db, "select nowhere from error_users where email = ?", { SECRET })
        check("syntax", err)
        assert.matches("nowhere", err.message)
    end)

    it("an unknown column is named", function()
        assert.equal("nowhere", failure(db.select, db, "select nowhere from error_users").column)
    end)

    it("an unknown table", function()
        local err = failure(db.select, db, "select * from error_nothing where x = ?", { SECRET })
        check("syntax", err)
        assert.matches("error_nothing", err.message)
    end)

    it("an unknown table is named", function()
        assert.equal("error_nothing", failure(db.select, db, "select * from error_nothing").table)
    end)

    it("an unknown table of a model", function()
        engine:drop(User)
        check("syntax", failure(User.create, User, { email = SECRET }))
        check("syntax", failure(User.count, User), "select")
        check("syntax", failure(User.find, User, 1))
    end)

    it("a script of several statements", function()
        check("syntax", failure(db.script, db, "select 1; selec 2"), "selec")
    end)

    -- }}}
    -- {{{ values

    it("value: what a column can't hold, by raw SQL", function()
        local err = failure(function()
            db:execute(engine:text("insert into error_users (email) values (?)", insert), { SECRET:rep(20) })
        end)
        assert.not_matches(SECRET, texts(err), 1, true)
        assert.is_true(err.kind == "value" or err.kind == "check", err.kind)
    end)

    it("value: the engine says so with that kind", function()
        local err = failure(function()
            db:execute(engine:text("insert into error_users (email) values (?)", insert), { ("x"):rep(200) })
        end)
        assert.equal("value", err.kind)
    end)

    it("misuse says where it is, and has no SQL", function()
        local err = failure(function()
            User:where("nothing", 1)
        end)
        assert.equal("misuse", err.kind)
        assert.matches("errors_spec%.lua$", err.file)
        assert.is_nil(err.sql)
    end)

    -- }}}
    -- {{{ the object

    it("file and line are the script's", function()
        local expected
        local ok, err = pcall(function()
            expected = line_here() + 1
            User:create({ email = SECRET })
        end)
        assert.is_false(ok)
        assert.equal(expected, err.line)
        ok, err = pcall(function()
            expected = line_here() + 1
            db:transaction(function()
                expected = line_here() + 1
                db:select(engine:text("selec", "{}"))
            end)
        end)
        assert.is_false(ok)
        assert.equal(expected, err.line)
    end)

    it("eloquent.is tells the kind", function()
        local err = violate_unique()
        assert.is_true(eloquent.is(err, "unique"))
        assert.is_true(eloquent.is(err))
        assert.is_false(eloquent.is(err, "check"))
        assert.is_false(eloquent.is("unique", "unique"))
        assert.is_false(eloquent.is(nil))
        assert.matches(": .*%(unique error on " .. engine.name .. "%)$", tostring(err))
    end)

    it("the connection works after each error", function()
        violate_unique()
        assert.equal(1, User:count())
        failure(db.select, db, wrong, { 1 })
        assert.equal(1, db:scalar(engine:text("select count(*) from error_users",
            '{"count":"error_users","$fields":["n"]}')))
    end)

    -- }}}
    -- {{{ connecting

    local one = engine:text("select 1", '{"ping":1}')

    it("connect: nothing there", function()
        local other = engine:connect("lonely", ({
            sqlite = { path = "/dev/null/no/app.sqlite" },
            mongo = { uri = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300" },
        })[engine.name] or { host = "127.0.0.1", port = "1" })
        local err = failure(other.ping, other)
        assert.equal("connect", err.kind)
        assert.equal("lonely", err.connection)
        assert.equal(engine.name, err.driver)
        assert.matches("errors_spec%.lua$", err.file)
        assert.matches(engine.has_server and "127%.0%.0%.1:1" or "/dev/null/no", err.message)
        if engine.options.password then
            assert.not_matches(engine.options.password, texts(err), 1, true)
        end
        assert.equal("connect", failure(other.scalar, other, one).kind)
        assert.equal("connect", failure(other.transaction, other, function() end).kind)
    end)

    it("auth: a wrong password", function()
        local secured = os.getenv("EL_SPEC_MONGO_SECURE_URI")
        local other = engine:connect("stranger", engine.name == "mongo"
            and { uri = (assert(secured):gsub("^(mongodb://[^:]+:)[^@]+", "%1" .. SECRET)) } or { password = SECRET })
        local err = failure(other.scalar, other, one)
        assert.equal("auth", err.kind)
        assert.equal("stranger", err.connection)
        assert.not_matches(SECRET, texts(err), 1, true)
        assert.not_matches(SECRET, tostring(other), 1, true)
    end)

    it("notFound: an unknown database", function()
        local other = engine:connect("stranger", { name = "error_no_such_database" })
        local err = failure(other.scalar, other, "select 1")
        assert.equal("notFound", err.kind)
        assert.equal("stranger", err.connection)
        assert.matches("error_no_such_database", err.message)
    end)

    it("misuse: an unknown setting", function()
        local other = engine:connect("typo", { hots = "x" })
        local err = failure(other.ping, other)
        assert.equal("misuse", err.kind)
        assert.matches("hots", err.message)
    end)

    -- }}}
end, "documents")
