-- SPDX-License-Identifier: MIT
--
-- Tables that are made, asked for and dropped, seen by what they accept and refuse. MongoDB
-- has none: what stands in their place is in documents_spec.lua (collections, indexes),
-- keys_spec.lua and errors_spec.lua (what models and unique indexes refuse).

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local column, null = eloquent.column, eloquent.null
local failure = engines.failure

engines.suite("schema", function(engine)
    local it = engine.it
    local db, schema = engine:db(), engine:schema()

    -- Makes the table anew; drops it first, with what refers to it.
    local function make(name, describe)
        schema:dropIfExists(name)
        schema:create(name, describe)
        return db:table(name)
    end

    local function kind_of(name, row)
        return failure(function()
            db:table(name):insert(row)
        end).kind
    end

    -- {{{ by a function

    it("every type of column", function()
        make("schema_types", function(t)
            t:id()
            t:string("a_string")
            t:string("short_string", 5)
            t:text("a_text")
            t:smallInteger("small")
            t:integer("whole")
            t:bigInteger("big")
            t:unsignedInteger("positive")
            t:boolean("yes")
            t:decimal("price", 10, 2)
            t:float("a_float")
            t:double("a_double")
            t:date("day")
            t:time("hour")
            t:timestamp("moment")
            t:json("data")
            t:uuid("a_uuid")
            t:ulid("a_ulid")
            t:binary("bytes")
            t:enum("size", { "s", "m", "l" })
            t:timestamps()
            t:softDeletes()
        end)
        for _, name in ipairs({
            "id", "a_string", "short_string", "a_text", "small", "whole", "big", "positive", "yes", "price", "a_float",
            "a_double", "day", "hour", "moment", "data", "a_uuid", "a_ulid", "bytes", "size", "created_at",
            "updated_at", "deleted_at",
        }) do
            assert.is_true(schema:hasColumn("schema_types", name), name)
        end
        local row = {
            a_string = "x", short_string = "äöüß€", a_text = "t", small = 1, whole = 2, big = math.maxinteger,
            positive = 4294967295, yes = true, price = eloquent.decimal("1.50"), a_float = 0.5, a_double = 0.1,
            day = "2024-02-29", hour = "12:00:00", moment = eloquent.datetime("2024-02-29T12:00:00Z"), data = "[1]",
            a_uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", a_ulid = "01ARZ3NDEKTSV4RRFFQ69G5FAV", bytes = "\0\xff",
            size = "m",
        }
        assert.equal(1, db:table("schema_types"):insert(row))
        local found = db:selectOne("select * from schema_types")
        for _, name in ipairs({ "a_string", "short_string", "small", "big", "yes", "a_double", "day", "hour", "a_uuid",
            "a_ulid", "bytes", "size", "positive" }) do
            assert.equal(row[name], found[name], name)
        end
        assert.equal("1.50", tostring(found.price))
        assert.is_nil(found.created_at)
        for name in pairs(row) do
            local broken = {}
            for key, value in pairs(row) do
                broken[key] = value
            end
            broken[name] = null
            assert.equal("notNull", kind_of("schema_types", broken), name)
        end
        for name, wrong in pairs({
            short_string = "toolong", size = "xl", positive = -1, data = "{",
        }) do
            local broken = {}
            for key, value in pairs(row) do
                broken[key] = value
            end
            broken[name] = wrong
            local ok = pcall(function()
                db:table("schema_types"):insert(broken)
            end)
            assert.is_false(ok, name .. " took a wrong value")
        end
    end)

    it("text in a column of numbers is refused, by raw SQL too", function()
        make("schema_numbers", function(t)
            t:id()
            t:integer("n")
        end)
        assert.equal("value", failure(function()
            db:execute("insert into schema_numbers (n) values ('many')")
        end).kind)
    end)

    it("a number that is no boolean is refused, by raw SQL too", function()
        make("schema_booleans", function(t)
            t:id()
            t:boolean("yes")
        end)
        failure(function()
            db:execute("insert into schema_booleans (yes) values (2)")
        end)
    end)

    it("defaults of every type", function()
        local rows = make("schema_defaults", function(t)
            t:id()
            t:integer("n"):default(-5)
            t:bigInteger("big"):default(math.mininteger)
            t:string("s"):default("it's \\ \"x\" ?")
            t:string("empty"):default("")
            t:text("words"):default("long")
            t:boolean("yes"):default(true)
            t:boolean("no"):default(false)
            t:decimal("price", 10, 2):default("2.5")
            t:double("d"):default(0.1)
            t:date("day"):default("2024-02-29")
            t:timestamp("moment"):default("2024-02-29T12:00:00Z")
            t:timestamp("now"):useCurrent()
            t:enum("size", { "s", "m" }):default("m")
            t:json("data"):default({ a = { 1 } })
            t:binary("bytes"):default("\1\2\xff")
            t:integer("raw"):default(eloquent.raw("1 + 2"))
            t:integer("none"):nullable():default(null)
        end)
        rows:insert({ {} , {} })
        local row = db:selectOne("select * from schema_defaults order by id desc")
        assert.equal(-5, row.n)
        assert.equal(math.mininteger, row.big)
        assert.equal("it's \\ \"x\" ?", row.s)
        assert.equal("", row.empty)
        assert.equal("long", row.words)
        assert.is_true(row.yes)
        assert.is_false(row.no)
        assert.equal("2.50", tostring(row.price))
        assert.equal(0.1, row.d)
        assert.equal("2024-02-29", row.day)
        assert.equal(eloquent.datetime("2024-02-29T12:00:00Z"), row.moment)
        assert.is_true(math.abs(row.now - eloquent.datetime.now()) < 3600)
        assert.equal("m", row.size)
        assert.equal(1, row.data.a[1])
        assert.equal("\1\2\xff", row.bytes)
        assert.equal(3, row.raw)
        assert.is_nil(row.none)
    end)

    it("keys that count up", function()
        local rows = make("schema_keys", function(t)
            t:id()
            t:string("s"):nullable()
        end)
        assert.equal(1, rows:insertGetId({ s = "a" }))
        assert.equal(2, rows:insertGetId({ s = "b" }))
        db:execute("delete from schema_keys where id = 2")
        assert.equal(3, rows:insertGetId({ s = "c" }))
        assert.equal("unique", kind_of("schema_keys", { id = 1 }))
        rows = make("schema_keys", function(t)
            t:increments("number")
            t:string("s"):nullable()
        end)
        assert.equal(1, rows:insertGetId({ s = "a" }, "number"))
    end)

    it("other primary keys, of one and of two columns", function()
        local rows = make("schema_primary", function(t)
            t:string("code", 10):primary()
        end)
        rows:insert({ code = "a" })
        assert.equal("unique", kind_of("schema_primary", { code = "a" }))
        assert.equal("notNull", kind_of("schema_primary", { code = null }))
        rows = make("schema_primary", function(t)
            t:integer("a")
            t:integer("b")
            t:primary({ "a", "b" })
        end)
        rows:insert({ { a = 1, b = 1 }, { a = 1, b = 2 } })
        assert.equal("unique", kind_of("schema_primary", { a = 1, b = 2 }))
    end)

    it("uniques and indexes", function()
        local rows = make("schema_unique", function(t)
            t:id()
            t:string("email", 50):nullable():unique()
            t:integer("a"):index()
            t:integer("b")
            t:unique({ "a", "b" })
            t:index({ "b", "a" }, "schema_unique_own")
        end)
        rows:insert({ { email = "x", a = 1, b = 1 }, { email = null, a = 1, b = 2 }, { email = null, a = 2, b = 1 } })
        assert.equal("unique", kind_of("schema_unique", { email = "x", a = 5, b = 5 }))
        assert.equal("unique", kind_of("schema_unique", { a = 1, b = 2 }))
        schema:table("schema_unique", function(t)
            t:dropUnique({ "a", "b" })
            t:dropIndex("schema_unique_own")
        end)
        assert.equal(1, db:table("schema_unique"):insert({ a = 1, b = 2 }))
    end)

    it("foreign keys and what they do", function()
        schema:dropIfExists("schema_children")
        make("schema_parents", function(t)
            t:id()
        end)
        make("schema_children", function(t)
            t:id()
            t:foreignId("parent_id"):constrained("schema_parents"):cascadeOnDelete()
            t:foreignId("friend_id"):nullable():constrained("schema_parents"):nullOnDelete()
            t:foreignId("boss_id"):nullable()
            t:foreign("boss_id"):references("id"):on("schema_parents"):onDelete("RESTRICT")
        end)
        db:table("schema_parents"):insert({ { id = 1 }, { id = 2 }, { id = 3 } })
        local children = db:table("schema_children")
        assert.equal("foreignKey", kind_of("schema_children", { parent_id = 99 }))
        children:insert({ { id = 1, parent_id = 1, friend_id = 2 }, { id = 2, parent_id = 2, boss_id = 3 } })
        assert.equal("foreignKey", failure(function()
            db:table("schema_parents"):where("id", 3):delete()
        end).kind)
        db:table("schema_parents"):where("id", 1):delete()
        assert.equal(1, db:table("schema_children"):count())
        children:insert({ id = 3, parent_id = 3, friend_id = 2 })
        db:table("schema_children"):where("parent_id", 2):delete()
        db:table("schema_parents"):where("id", 2):delete()
        assert.is_nil(db:selectOne("select friend_id from schema_children where id = 3").friend_id)
        schema:drop("schema_children")
        schema:drop("schema_parents")
    end)

    local function drop_parents()
        schema:dropIfExists("schema_children")
        make("schema_parents", function(t)
            t:id()
        end)
        make("schema_children", function(t)
            t:id()
            t:foreignId("parent_id"):constrained("schema_parents"):cascadeOnDelete()
        end)
        db:table("schema_parents"):insert({ id = 1 })
        db:table("schema_children"):insert({ parent_id = 1 })
        local ok, err = pcall(schema.drop, schema, "schema_parents")
        assert.is_false(ok)
        assert.is_true(schema:hasTable("schema_parents"))
        assert.equal(1, db:table("schema_children"):count())
        return err
    end

    it("a table that rows of others refer to is not dropped", function()
        drop_parents()
        schema:drop("schema_children")
        schema:drop("schema_parents")
    end)

    it("a table that rows of others refer to is not dropped, by kind foreignKey", function()
        local err = drop_parents()
        assert.equal("foreignKey", err.kind)
    end)

    it("checks", function()
        make("schema_checks", function(t)
            t:id()
            t:integer("n")
            t:check("n > 5", "schema_checks_n")
        end)
        db:table("schema_checks"):insert({ n = 6 })
        assert.equal("check", kind_of("schema_checks", { n = 5 }))
    end)

    it("comments are taken", function()
        make("schema_comments", function(t)
            t:id()
            t:string("s"):comment("it's a \"comment\" \\ ?")
            t:comment("of the table's")
        end)
        assert.is_true(schema:hasTable("schema_comments"))
    end)

    -- }}}
    -- {{{ asking and dropping

    it("hasTable, hasColumn, drop, dropIfExists", function()
        schema:dropIfExists("schema_asked")
        assert.is_false(schema:hasTable("schema_asked"))
        assert.is_false(schema:hasColumn("schema_asked", "id"))
        schema:create("schema_asked", function(t)
            t:id()
        end)
        assert.is_true(schema:hasTable("schema_asked"))
        assert.is_true(schema:hasColumn("schema_asked", "id"))
        assert.is_false(schema:hasColumn("schema_asked", "ID2"))
        assert.is_false(schema:hasTable("schema_aske_"))
        schema:drop("schema_asked")
        assert.is_false(schema:hasTable("schema_asked"))
        schema:dropIfExists("schema_asked")
        assert.equal("syntax", failure(schema.drop, schema, "schema_asked").kind)
    end)

    it("a table that is there already is an error", function()
        local function describe_it(t)
            t:id()
        end
        make("schema_twice", describe_it)
        failure(schema.create, schema, "schema_twice", describe_it)
        assert.is_true(schema:hasTable("schema_twice"))
    end)

    it("a table that can't be made leaves nothing behind", function()
        schema:dropIfExists("schema_broken")
        failure(schema.create, schema, "schema_broken", function(t)
            t:id()
            t:string("s"):index()
            t:index({ "missing" })
        end)
        assert.is_false(schema:hasTable("schema_broken"))
    end)

    it("rename, add and drop columns", function()
        schema:dropIfExists("schema_after")
        make("schema_before", function(t)
            t:id()
            t:string("a")
        end)
        db:table("schema_before"):insert({ a = "kept" })
        schema:rename("schema_before", "schema_after")
        assert.is_false(schema:hasTable("schema_before"))
        schema:table("schema_after", function(t)
            t:string("b", 20):default("new")
            t:integer("c"):nullable()
        end)
        local row = db:selectOne("select * from schema_after")
        assert.same({ "kept", "new" }, { row.a, row.b })
        schema:table("schema_after", function(t)
            t:renameColumn("a", "first")
            t:dropColumn("c")
        end)
        assert.is_true(schema:hasColumn("schema_after", "first"))
        assert.is_false(schema:hasColumn("schema_after", "c"))
        assert.equal("kept", db:scalar("select first from schema_after"))
        schema:drop("schema_after")
    end)

    -- }}}
    -- {{{ odd names

    for _, name in ipairs({
        "from", "order", "User", "UPPER", "with space", "quo\"te", "back`tick", "apo'strophe", "ümläut",
        "名前", "a-b", "1st", "percent%s", "semi;colon", "question?", "colon:x",
    }) do
        it("a table and a column named " .. name, function()
            make(name, function(t)
                t:id()
                t:string(name, 20):unique()
                t:integer("n"):default(1)
            end)
            assert.is_true(schema:hasTable(name))
            assert.is_true(schema:hasColumn(name, name))
            local Odd = eloquent.SqlModel("Odd" .. #name .. name:byte(1) .. name:byte(-1)) {
                tableName = name,
                connectionName = engine.name,
                schema = { id = column("bigIncrements"), [name] = column("string", 20), n = column("integer") },
            }
            local record = Odd:create({ [name] = "x" })
            assert.equal("x", record[name])
            assert.equal("x", Odd:find(record.id)[name])
            record[name] = "y"
            record:save()
            assert.equal(1, Odd:where("id", record.id):update({ n = 2 }))
            assert.equal(1, Odd:insert({ [name] = "z" }))
            assert.equal("unique", failure(Odd.insert, Odd, { [name] = "z" }).kind)
            assert.equal(2, Odd:count())
            record:delete()
            schema:drop(name)
            assert.is_false(schema:hasTable(name))
        end)
    end

    it("names that differ in case are two columns' worth of care", function()
        make("schema_case", function(t)
            t:id()
            t:string("userName", 20)
        end)
        assert.is_true(schema:hasColumn("schema_case", "userName"))
        db:table("schema_case"):insert({ userName = "x" })
        assert.equal("x", db:table("schema_case"):first().userName)
    end)

    -- }}}
    -- {{{ by a model

    it("create(Model) makes what the model says", function()
        local Team = eloquent.SqlModel "Team" {
            tableName = "schema_teams",
            connectionName = engine.name,
            schema = { id = column("increments"), name = column("string", 30, { notNull = true, unique = true }) },
        }
        local Member = eloquent.SqlModel "Member" {
            tableName = "schema_members",
            connectionName = engine.name,
            schema = {
                id = column("uuid", nil, { primary = true, auto = true }),
                team_id = column("integer", nil, { index = true }),
                nick = column("string", 20, { default = "none" }),
                role = column("enum", nil, { values = { "owner", "guest" }, notNull = true, default = "guest" }),
                joined = column("timestamp", nil, { defaultNow = true }),
                points = column("integer", nil, { unsigned = true, default = 0 }),
                removed = column("softDeletes"),
            },
            database = {
                foreignKeys = {
                    {
                        column = "team_id",
                        references = { table = "schema_teams", column = "id" },
                        onDelete = "CASCADE",
                    },
                },
                indexes = { { type = "unique", columns = { "team_id", "nick" }, name = "schema_members_nick" } },
            },
            timestamps = true,
        }
        engine:tables(Team, Member)
        assert.is_true(schema:hasTable(Member))
        for name in ("id team_id nick role joined points removed created_at updated_at"):gmatch("%S+") do
            assert.is_true(schema:hasColumn(Member, name), name)
        end
        local team = Team:create({ name = "a" })
        local member = Member:create({ team_id = team.id })
        assert.same({ "none", "guest", 0 }, { member.nick, member.role, member.points })
        assert.equal("unique", failure(Team.create, Team, { name = "a" }).kind)
        assert.equal("notNull", failure(Team.create, Team, {}).kind)
        assert.equal("unique", failure(Member.create, Member, { team_id = team.id }).kind)
        assert.equal("foreignKey", failure(Member.create, Member, { team_id = 99 }).kind)
        team:delete()
        assert.equal(0, Member:count())
        schema:drop(Member)
        schema:drop(Team)
    end)

    -- }}}
end)
