-- SPDX-License-Identifier: MIT
--
-- Raw access: placeholders of both kinds, rows without a model, listeners, scripts, and
-- the query builder on a table.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local null, decimal, datetime = eloquent.null, eloquent.decimal, eloquent.datetime
local failure = engines.failure

engines.suite("raw", function(engine)
    local it = engine.it
    local db = engine:db()
    local name = engine.name

    before_each(function()
        engine:schema():dropIfExists("raw_rows")
        engine:schema():create("raw_rows", function(t)
            t:id()
            t:string("name", 50):nullable()
            t:integer("n"):nullable()
            t:decimal("price", 10, 2):nullable()
            t:boolean("yes"):nullable()
            t:timestamp("at"):nullable()
            t:json("data"):nullable()
            t:binary("bytes"):nullable()
        end)
        db:execute("insert into raw_rows (name, n) values (?, ?), (?, ?)", { "ada", 1, "bob", 2 })
    end)

    -- {{{ verbs

    it("select, selectOne, scalar, cursor", function()
        local rows = db:select("select id, name, n from raw_rows order by id")
        assert.equal(2, #rows)
        assert.equal("ada", rows[1].name)
        assert.equal(2, rows[2].n)
        assert.equal("bob", db:selectOne("select name from raw_rows order by id desc").name)
        assert.equal(2, db:scalar("select count(*) from raw_rows"))
        local seen = {}
        for row in db:cursor("select name from raw_rows order by id") do
            seen[#seen + 1] = row.name
        end
        assert.same({ "ada", "bob" }, seen)
    end)

    it("no rows", function()
        assert.equal(0, #db:select("select * from raw_rows where n = ?", { 99 }))
        assert.is_nil(db:selectOne("select * from raw_rows where n = ?", { 99 }))
        assert.is_nil(db:scalar("select n from raw_rows where n = ?", { 99 }))
        assert.is_nil(db:scalar("select max(n) from raw_rows where n = ?", { 99 }))
        assert.equal(1, select("#", db:scalar("select n from raw_rows where n = ?", { 99 })))
        assert.equal(1, select("#", db:selectOne("select n from raw_rows where n = ?", { 99 })))
    end)

    it("execute tells how many rows it wrote", function()
        assert.equal(2, (db:execute("update raw_rows set n = n + ?", { 1 })))
        assert.equal(2, (db:execute("update raw_rows set n = n")))
        assert.equal(0, (db:execute("update raw_rows set n = 0 where n > ?", { 99 })))
        assert.equal(1, (db:execute("delete from raw_rows where name = ?", { "ada" })))
        assert.equal(3, (db:execute("insert into raw_rows (n) values (1), (2), (3)")))
    end)

    it("execute of a query reads it to its end", function()
        db:execute("select * from raw_rows")
        assert.equal(2, db:scalar("select count(*) from raw_rows"))
    end)

    it("facts", function()
        assert.equal(name, db.name)
        assert.equal(name, db.driver)
        assert.matches("^%d+%.%d+", db.version)
        assert.is_string(db.product)
        db:ping()
        assert.matches(name, tostring(db))
        if engine.has_server then
            assert.not_matches(engine.options.password, tostring(db), 1, true)
        end
        assert.equal("misuse", failure(function()
            return db.nothing
        end).kind)
    end)

    -- }}}
    -- {{{ placeholders

    it("? and :name", function()
        local sql = "select name from raw_rows where n = %s or name = %s order by id"
        assert.equal("bob", db:scalar(sql:format("?", "?"), { 2, "nobody" }))
        assert.equal("bob", db:scalar(sql:format(":n", ":name"), { n = 2, name = "nobody" }))
        assert.equal("ada", db:scalar("select name from raw_rows where n = :n and n = :n", { n = 1 }))
        assert.equal(1, (db:execute("update raw_rows set name = :to where name = :from", { from = "ada", to = "cy" })))
        assert.equal("cy", db:scalar("select name from raw_rows where n = 1"))
    end)

    it("are not found in strings, names and comments", function()
        assert.equal("? :n ''", db:scalar("select '? :n '''''"))
        assert.equal(1, db:scalar("select n -- ? :x\n from raw_rows /* ? :y */ where n = ? /* ? */", { 1 }))
        local quote = name == "mysql" and "`" or '"'
        local row = db:selectOne(("select n as %s? :z%s from raw_rows where n = ?"):format(quote, quote), { 2 })
        assert.equal(2, row["? :z"])
        assert.equal("a:b", db:scalar("select 'a:b' from raw_rows where name = :b", { b = "ada" }))
        assert.equal("10:20", db:scalar("select '10:20'"))
    end)

    if name == "pg" then
        it("are not found in casts, dollar quotes, arrays and operators", function()
            assert.equal("1", db:scalar("select 1::text"))
            assert.equal("5x", db:scalar("select ?::text || 'x'", { "5" }))
            assert.equal("7x", db:scalar("select :n::text || 'x'", { n = "7" }))
            assert.equal("? :n $1", db:scalar("select $$? :n $1$$"))
            assert.equal("it's ?", db:scalar("select $tag$it's ?$tag$"))
            assert.equal("a\nb?", db:scalar("select E'a\\nb?'"))
            assert.equal("it's", db:scalar("select E'it\\'s' where 1 = ?", { 1 }))
            assert.equal(2, db:scalar("select (array[1,2,3])[:i]", { i = 2 }))
            assert.is_true(db:scalar([[select '{"a":1}'::jsonb ?? 'a']]))
            assert.is_true(db:scalar([[select '{"a":1}'::jsonb ??| array['a', ?] ]], { "b" }))
            assert.is_false(db:scalar([[select '{"a":1}'::jsonb ??& array['a', ?] ]], { "b" }))
            assert.equal(1, db:scalar([[select ('{"a":1}'::jsonb -> 'a')::int]]))
            assert.is_true(db:scalar([[select '{"a":1}'::jsonb @> ?::jsonb]], { '{"a": 1}' }))
        end)
    elseif name == "mysql" then
        it("are not found in strings of its own kinds", function()
            assert.equal("it's ?", db:scalar("select 'it\\'s ?'"))
            assert.equal(1, db:scalar("select n # ? :x\n from raw_rows where n = ?", { 1 }))
        end)
    end

    it("wrong counts and names are told before anything is sent", function()
        local seen = 0
        db:listen(function()
            seen = seen + 1
        end)
        for _, case in ipairs({
            { "select ?", {} },
            { "select ?", nil },
            { "select ?", { 1, 2 } },
            { "select 1", { 1 } },
            { "select ?, ?", { 1, nil } },
            { "select ?, ?, ?", { 1, nil, 3 } },
            { "select :a", {} },
            { "select :a", { b = 1 } },
            { "select :a", { a = 1, b = 2 } },
            { "select ?", "text" },
            { "select ?", { {} } },
            { "select ?", { print } },
            { 5, {} },
        }) do
            for _, verb in ipairs({ "select", "selectOne", "scalar", "execute", "cursor" }) do
                local err = failure(db[verb], db, case[1], case[2])
                assert.is_true(err.kind == "misuse" or err.kind == "value", tostring(err))
            end
        end
        db:listen(nil)
        assert.equal(0, seen)
    end)

    it("? and :name don't mix", function()
        assert.equal("misuse", failure(db.select, db, "select ?, :a", { 1, a = 2 }).kind)
    end)

    -- }}}
    -- {{{ values

    local function keep(column, value)
        db:execute(("update raw_rows set %s = ? where n = 1"):format(column), { value })
        return db:scalar(("select %s from raw_rows where n = 1"):format(column))
    end

    it("values are bound by their Lua types and read by the column's", function()
        assert.equal("x'y", keep("name", "x'y"))
        assert.equal("123", keep("name", "123"))
        assert.is_nil(keep("name", null))
        assert.equal(decimal("12.30"), keep("price", decimal("12.3")))
        assert.is_true(keep("yes", true))
        assert.is_false(keep("yes", false))
        assert.equal(datetime("2024-02-29T12:00:00.000001Z"), keep("at", datetime("2024-02-29T12:00:00.000001Z")))
        assert.equal("a\0\xff", keep("bytes", "a\0\xff"))
        assert.equal("plain", keep("bytes", "plain"))
        assert.equal(1, keep("data", '{"a": [1, null]}').a[1])
        db:execute("update raw_rows set n = ? where n = 2", { 2147483647 })
        assert.equal(2147483647, db:scalar("select max(n) from raw_rows"))
    end)

    it("results of expressions are typed", function()
        local half = name == "pg" and "0.5::float8" or "0.5e0"
        local row = db:selectOne(
            ("select 1 + 1 as i, 'x' as s, null as none, %s as f, count(*) as c from raw_rows"):format(half)
        )
        assert.equal("integer", math.type(row.i))
        assert.equal("x", row.s)
        assert.is_nil(row.none)
        assert.equal(0.5, row.f)
        assert.equal(2, row.c)
    end)

    it("unknown names of a row raise", function()
        local row = db:selectOne("select name, n from raw_rows")
        assert.equal("misuse", failure(function()
            return row.nmae
        end).kind)
    end)

    it("duplicate column names, odd names, expressions without a name", function()
        local row = db:selectOne("select 1 as a, 2 as a, 3 as b")
        assert.equal(3, row.b)
        assert.is_true(row.a == 1 or row.a == 2)
        local quote = name == "mysql" and "`" or '"'
        row = db:selectOne(("select 1 as %sA b-c%s, 2 as %sä%s"):format(quote, quote, quote, quote))
        assert.equal(1, row["A b-c"])
        assert.equal(2, row["ä"])
    end)

    it("rows as tables and JSON", function()
        local row = db:selectOne("select name, n, price from raw_rows order by id")
        assert.same({ name = "ada", n = 1 }, row:toTable())
        assert.equal('{"n":1,"name":"ada","price":null}', (row:toJson()))
        local seen = {}
        for key, value in pairs(row) do
            seen[key] = value
        end
        assert.equal("ada", seen.name)
        assert.same({ "ada", "bob" },
            { table.unpack(db:select("select name from raw_rows order by id"):pluck("name")) })
    end)

    it("a wide row and a long text", function()
        local columns = {}
        for i = 1, 300 do
            columns[i] = ("%d as c%d"):format(i, i)
        end
        local row = db:selectOne("select " .. table.concat(columns, ", "))
        assert.equal(1, row.c1)
        assert.equal(300, row.c300)
        assert.equal(300000, #db:scalar("select '" .. ("x"):rep(300000) .. "'"))
    end)

    it("many values in one statement", function()
        local places, values = {}, {}
        for i = 1, 5000 do
            places[i], values[i] = "?", i
        end
        local sql = ("select count(*) from raw_rows where n in (%s)"):format(table.concat(places, ","))
        assert.equal(2, db:scalar(sql, values))
    end)

    -- }}}
    -- {{{ scripts, listeners, the builder

    it("script runs several statements", function()
        db:script([[
            insert into raw_rows (name) values ('a;b'); -- a comment; with a semicolon
            insert into raw_rows (name) values ('c');
            update raw_rows set n = 7 where name = 'c'
        ]])
        assert.equal(4, db:scalar("select count(*) from raw_rows"))
        assert.equal(7, db:scalar("select n from raw_rows where name = 'c'"))
        db:script("")
    end)

    it("several statements are for script only", function()
        failure(db.execute, db, "delete from raw_rows where n = 1; delete from raw_rows where n = 2")
        assert.is_true(db:scalar("select count(*) from raw_rows where n = 2") == 1)
    end)

    it("listen tells of each statement, without values", function()
        local seen = {}
        db:listen(function(statement)
            seen[#seen + 1] = statement
        end)
        db:select("select * from raw_rows where name <> ?", { "secret" })
        db:execute("update raw_rows set n = ?", { 5 })
        pcall(db.select, db, "selec")
        db:listen(nil)
        db:select("select 1")
        assert.equal(3, #seen)
        assert.equal(2, seen[1].rows)
        assert.equal(2, seen[2].rows)
        assert.is_true(seen[1].seconds >= 0)
        assert.is_false(seen[1].failed)
        assert.is_true(seen[3].failed)
        assert.equal(name, seen[1].connection)
        for _, statement in ipairs(seen) do
            for _, value in pairs(statement) do
                assert.not_matches("secret", tostring(value))
            end
        end
    end)

    it("an error in a listener is the statement's, and the connection works on", function()
        db:listen(function()
            error("listener", 0)
        end)
        local ok, err = pcall(db.select, db, "select 1")
        db:listen(nil)
        assert.is_false(ok)
        assert.equal("listener", err)
        assert.equal(2, db:scalar("select count(*) from raw_rows"))
    end)

    it("table is the builder without a model", function()
        local function rows()
            return db:table("raw_rows")
        end
        assert.equal(2, rows():count())
        assert.equal("bob", rows():where("n", ">", 1):first().name)
        assert.equal(1, rows():where("name", "ada"):update({ n = 10 }))
        assert.equal(1, rows():insert({ name = "cy", price = decimal("1.25"), yes = true }))
        assert.equal(decimal("1.25"), rows():where("name", "cy"):value("price"))
        assert.is_true(rows():where("name", "cy"):value("yes"))
        assert.equal(1, rows():where("name", "cy"):delete())
        assert.equal("syntax", failure(function()
            db:table("raw_nothing"):get()
        end).kind)
    end)

    it("the connection closes and opens again", function()
        local other = engine:connect()
        assert.equal(2, other:scalar("select count(*) from raw_rows"))
        other:close()
        other:close()
        assert.equal(2, other:scalar("select count(*) from raw_rows"))
        other:close()
    end)

    it("a table that changes under a statement that was prepared", function()
        local sql = "select * from raw_rows order by id"
        assert.equal("ada", db:selectOne(sql).name)
        assert.equal("ada", db:selectOne(sql).name)
        db:script("alter table raw_rows add column extra integer")
        assert.is_nil(db:selectOne(sql).extra)
        db:execute("update raw_rows set extra = 5")
        assert.equal(5, db:selectOne(sql).extra)
        db:script("alter table raw_rows drop column n")
        assert.equal(5, db:selectOne(sql).extra)
        assert.equal("ada", db:selectOne(sql).name)
    end)

    -- }}}
end)
