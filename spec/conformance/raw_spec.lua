-- SPDX-License-Identifier: MIT
--
-- Raw access: placeholders of both kinds, rows without a model, listeners, scripts, and
-- the query builder on a table. On MongoDB it is commands as JSON, with `?` only; native
-- collections are in documents_spec.lua.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")

local null, decimal, datetime = eloquent.null, eloquent.decimal, eloquent.datetime
local failure = engines.failure

engines.suite("raw", function(engine)
    local it = engine.it
    local db = engine:db()
    local name = engine.name

    local function make_table()
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
    end

    before_each(function()
        engine:drop("raw_rows")
        if name ~= "mongo" then
            make_table()
        end
        db:execute(engine:text("insert into raw_rows (name, n) values (?, ?), (?, ?)",
            '{"insert":"raw_rows","documents":[{"_id":1,"id":1,"name":?,"n":?},{"_id":2,"id":2,"name":?,"n":?}]}'),
            { "ada", 1, "bob", 2 })
    end)

    -- A command of MongoDB that reads rows, or changes all that have a field.
    local function find(more, fields)
        return ('{"find":"raw_rows"%s,"$fields":%s}'):format(more, fields or '["name"]')
    end

    local function update(filter, change)
        return ('{"update":"raw_rows","updates":[{"q":%s,"u":%s,"multi":true}]}'):format(filter, change)
    end

    local count = engine:text("select count(*) from raw_rows", '{"count":"raw_rows","$fields":["n"]}')
    local all = engine:text("select id, name, n from raw_rows order by id",
        find(',"sort":{"_id":1}', '["id","name","n"]'))
    local wrong = engine:text("selec", '{"selec":1}')
    local one = engine:text("select 1", '{"ping":1}')

    -- {{{ verbs

    it("select, selectOne, scalar, cursor", function()
        local rows = db:select(all)
        assert.equal(2, #rows)
        assert.equal("ada", rows[1].name)
        assert.equal(2, rows[2].n)
        assert.equal("bob", db:selectOne(engine:text("select name from raw_rows order by id desc",
            find(',"sort":{"_id":-1}'))).name)
        assert.equal(2, db:scalar(count))
        local seen = {}
        for row in db:cursor(all) do
            seen[#seen + 1] = row.name
        end
        assert.same({ "ada", "bob" }, seen)
    end)

    it("no rows", function()
        local none = engine:text("select n from raw_rows where n = ?", find(',"filter":{"n":?}', '["n"]'))
        local nothing = engine:text("select max(n) from raw_rows where n = ?", none)
        assert.equal(0, #db:select(none, { 99 }))
        assert.is_nil(db:selectOne(none, { 99 }))
        assert.is_nil(db:scalar(none, { 99 }))
        assert.is_nil(db:scalar(nothing, { 99 }))
        assert.equal(1, select("#", db:scalar(none, { 99 })))
        assert.equal(1, select("#", db:selectOne(none, { 99 })))
    end)

    it("execute tells how many rows it wrote", function()
        for _, case in ipairs({
            { 2, "update raw_rows set n = n + ?", update("{}", '{"$inc":{"n":?}}'), { 1 } },
            { 2, "update raw_rows set n = n", update("{}", '{"$inc":{"n":0}}') },
            { 0, "update raw_rows set n = 0 where n > ?", update('{"n":{"$gt":?}}', '{"$set":{"n":0}}'), { 99 } },
            { 1, "delete from raw_rows where name = ?",
                '{"delete":"raw_rows","deletes":[{"q":{"name":?},"limit":0}]}', { "ada" } },
            { 3, "insert into raw_rows (n) values (1), (2), (3)",
                '{"insert":"raw_rows","documents":[{"n":1},{"n":2},{"n":3}]}' },
        }) do
            assert.equal(case[1], (db:execute(engine:text(case[2], case[3]), case[4])))
        end
    end)

    it("execute of a query reads it to its end", function()
        db:execute(all)
        assert.equal(2, db:scalar(count))
    end)

    it("facts", function()
        assert.equal(name, db.name)
        assert.equal(name, db.driver)
        assert.matches("^%d+%.%d+", db.version)
        assert.is_string(db.product)
        db:ping()
        assert.matches(name, tostring(db))
        if engine.options.password then
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
    elseif name == "mongo" then
        it("are not found in strings and names of a command", function()
            db:execute('{"insert":"raw_rows","documents":[{"_id":"\\"?","name":"?","a?":?}]}', { 5 })
            local text = ' \n{"find":"raw_rows","filter":{"_id":"\\"?","name":"?","a?":?},"$fields":["a?"]}'
            assert.equal(5, db:scalar(text, { 5 }))
            assert.equal(1, #db:select(find(',"filter":{"a?":?}'), { 5 }))
            assert.equal("syntax", failure(db.select, db, '{"find":"raw_rows","filter":{?:1}}', { "n" }).kind)
        end)
    end

    it("wrong counts and names are told before anything is sent", function()
        local seen = 0
        db:listen(function()
            seen = seen + 1
        end)
        local named = {
            { "select :a", {} },
            { "select :a", { b = 1 } },
            { "select :a", { a = 1, b = 2 } },
            { "select ?", { {} } },
        }
        local ask = engine:text("select ?", '{"a":?}')
        for _, case in ipairs({
            { ask, {} },
            { ask, nil },
            { ask, { 1, 2 } },
            { engine:text("select 1", '{"a":1,"?":"a\\"?"}'), { 1 } },
            { engine:text("select ?, ?", '{"a":[?,?]}'), { 1, nil } },
            { engine:text("select ?, ?, ?", '{"a":[?,?,?]}'), { 1, nil, 3 } },
            { ask, "text" },
            { ask, { a = 1 } },
            { ask, { print } },
            { 5, {} },
            table.unpack(name ~= "mongo" and named or {}),
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
        db:execute(engine:text("update raw_rows set %s = ? where n = 1", update('{"n":1}', '{"$set":{"%s":?}}'))
            :format(column), { value })
        return db:scalar(engine:text("select %s from raw_rows where n = 1", find(',"filter":{"n":1}', '["%s"]'))
            :format(column))
    end

    it("values are bound by their Lua types and read by the column's", function()
        assert.equal("x'y", keep("name", "x'y"))
        assert.equal("123", keep("name", "123"))
        assert.is_nil(keep("name", null))
        assert.is_true(decimal("12.30") == keep("price", decimal("12.3")))
        assert.is_true(keep("yes", true))
        assert.is_false(keep("yes", false))
        local moment = datetime("2024-02-29T12:00:00" .. engine.fraction(1) .. "Z")
        assert.equal(moment, keep("at", moment))
        assert.equal("a\0\xff", keep("bytes", "a\0\xff"))
        assert.equal("plain", keep("bytes", "plain"))
        assert.equal(1, keep("data", name == "mongo" and { a = { 1, null } } or '{"a": [1, null]}').a[1])
        db:execute(engine:text("update raw_rows set n = ? where n = 2", update('{"n":2}', '{"$set":{"n":?}}')),
            { 2147483647 })
        assert.equal(2147483647, db:scalar(engine:text("select max(n) from raw_rows",
            find(',"sort":{"n":-1},"limit":1', '["n"]'))))
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
        local row = db:selectOne(all)
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
        local row = db:selectOne(engine:text("select name, n, price from raw_rows order by id",
            find(',"sort":{"_id":1}', '["name","n","price"]')))
        assert.same({ name = "ada", n = 1 }, row:toTable())
        assert.equal('{"n":1,"name":"ada","price":null}', (row:toJson()))
        local seen = {}
        for key, value in pairs(row) do
            seen[key] = value
        end
        assert.equal("ada", seen.name)
        assert.same({ "ada", "bob" },
            { table.unpack(db:select(all):pluck("name")) })
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
        local sql = engine:text("select count(*) from raw_rows where n in (%s)",
            '{"count":"raw_rows","query":{"n":{"$in":[%s]}},"$fields":["n"]}'):format(table.concat(places, ","))
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
        failure(db.execute, db, engine:text("delete from raw_rows where n = 1; delete from raw_rows where n = 2",
            '{"delete":"raw_rows","deletes":[{"q":{"n":1},"limit":0}]}; {"drop":"raw_rows"}'))
        assert.is_true(db:scalar(engine:text("select count(*) from raw_rows where n = 2",
            '{"count":"raw_rows","query":{"n":2},"$fields":["n"]}')) == 1)
    end)

    it("listen tells of each statement, without values", function()
        local seen = {}
        db:listen(function(statement)
            seen[#seen + 1] = statement
        end)
        db:select(engine:text("select * from raw_rows where name <> ?", find(',"filter":{"name":{"$ne":?}}')),
            { "secret" })
        db:execute(engine:text("update raw_rows set n = ?", update("{}", '{"$set":{"n":?}}')), { 5 })
        pcall(db.select, db, wrong)
        db:listen(nil)
        db:select(one)
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
        local ok, err = pcall(db.select, db, one)
        db:listen(nil)
        assert.is_false(ok)
        assert.equal("listener", err)
        assert.equal(2, db:scalar(count))
    end)

    it("table is the builder without a model", function()
        local function rows()
            return db:table("raw_rows")
        end
        assert.equal(2, rows():count())
        local bob = rows():where("n", ">", 1):first()
        assert.equal("bob", name == "mongo" and bob.document.name or bob.name)
        assert.equal(1, rows():where("name", "ada"):update({ n = 10 }))
        assert.equal(1, rows():insert({ name = "cy", price = decimal("1.25"), yes = true }))
        assert.equal(decimal("1.25"), rows():where("name", "cy"):value("price"))
        assert.is_true(rows():where("name", "cy"):value("yes"))
        assert.equal(1, rows():where("name", "cy"):delete())
    end)

    it("table of a table that is not there is an error", function()
        assert.equal("syntax", failure(function()
            db:table("raw_nothing"):get()
        end).kind)
    end)

    it("the connection closes and opens again", function()
        local other = engine:connect()
        assert.equal(2, other:scalar(count))
        other:close()
        other:close()
        assert.equal(2, other:scalar(count))
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
end, "documents")
