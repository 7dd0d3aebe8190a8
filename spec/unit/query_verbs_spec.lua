-- SPDX-License-Identifier: MIT
-- What verbs send to a connection and make of its answers: reads, aggregates, loops, writes.
local world = dofile((debug.getinfo(1, "S").source:match("^@(.*/)") or "spec/unit/") .. "query_world.lua")
local builder = require("eloquent.query.builder")
local null = require("eloquent.core.null")

local User, Post = world.User, world.Post

-- The last statement of a connection and its values.
local function last(connection)
    local entry = connection.log[#connection.log]
    return entry.sql, entry.args
end

local function rows(from, to)
    local list = {}
    for id = from, to do
        list[#list + 1] = { id = id }
    end
    return list
end

describe("reading", function()
    it("asks for one row and gives it", function()
        local q, connection = world.query(User, "sqlite", { { id = 7 } })
        assert.equal(7, q:select("id"):where("age", 1):first().id)
        local sql, args = last(connection)
        assert.equal('select "id" from "users" where "age" = ? limit 1', sql)
        assert.same({ 1 }, args)
    end)

    it("keeps a limit that is there for first", function()
        local q, connection = world.query(User, "pg")
        assert.is_nil(q:select("id"):limit(0):first())
        assert.equal('select "id" from "users" limit 0', (last(connection)))
    end)

    it("finds by key inside what was asked for", function()
        local q, connection = world.query(User, "sqlite")
        q:select("id"):where("age", 1):orWhere("age", 2):find(5)
        local sql, args = last(connection)
        assert.equal('select "id" from "users" where ("age" = ? or "age" = ?) and "id" = ? limit 1', sql)
        assert.same({ 1, 2, 5 }, args)
    end)

    it("does not change the query by reading", function()
        local q, connection = world.query(User, "sqlite")
        connection.core().select = function()
            return rows(1, 1)
        end
        q:where("age", 1)
        local before = q:toSql()
        q:find(5)
        q:first()
        q:exists()
        q:count()
        q:pluck("name")
        q:simplePaginate(10)
        q:lazy():first()
        q:sole()
        assert.equal(before, (q:toSql()))
    end)

    it("finds many, in one statement", function()
        local q, connection = world.query(User, "mysql")
        q:select("id"):findMany({ 1, 2 })
        assert.equal("select `id` from `users` where `id` in (?, ?)", (last(connection)))
    end)

    it("raises notFound where a row must be", function()
        local err = world.failure(function()
            world.query(User, "sqlite"):findOrFail(5)
        end)
        assert.equal("notFound", err.kind)
        assert.is_nil(err.message:find("5", 1, true))
        assert.equal("notFound", world.failure(function()
            world.query(User, "sqlite"):firstOrFail()
        end).kind)
    end)

    it("takes sole at its word", function()
        assert.equal(1, world.query(User, "sqlite", { rows(1, 1) }):sole().id)
        assert.equal("notFound", world.failure(function()
            world.query(User, "sqlite", { {} }):sole()
        end).kind)
        assert.equal("misuse", world.failure(function()
            world.query(User, "sqlite", { rows(1, 2) }):sole()
        end).kind)
    end)

    it("plucks columns without holes", function()
        local q, connection = world.query(User, "sqlite", { { { name = "a" }, {}, { name = "c" } } })
        local list = q:pluck("name")
        assert.equal('select "name" from "users"', (last(connection)))
        assert.equal(3, #list)
        assert.equal(null, list[2])
        assert.equal("c", list:last())
    end)

    it("plucks by another column", function()
        local q, connection = world.query(User, "sqlite", { { { name = "a", id = 5 }, { name = "b", id = 9 } } })
        assert.same({ [5] = "a", [9] = "b" }, q:pluck("name", "id"))
        assert.equal('select "name", "id" from "users"', (last(connection)))
    end)

    it("plucks what the query computes", function()
        local q, connection = world.query(User, "sqlite", { { { n = 3 } } })
        assert.same({ 3 }, setmetatable(q:selectRaw("count(*) as n"):groupBy("age"):pluck("n"), nil))
        assert.equal('select count(*) as n from "users" group by "age"', (last(connection)))
    end)

    it("asks whether rows exist", function()
        local q, connection = world.query(User, "sqlite", { 1 })
        assert.is_true(q:where("age", 1):orderBy("name"):exists())
        assert.equal('select 1 as "found" from "users" where "age" = ? limit 1', (last(connection)))
        assert.is_true(world.query(User, "pg"):doesntExist())
    end)

    it("asks for groups as a table of their own", function()
        local q, connection = world.query(User, "pg")
        q:select("age"):groupBy("age"):havingRaw("count(*) > ?", { 1 }):exists()
        assert.equal('select 1 as "found" from (select "age" from "users" group by "age" having (count(*) > $1)) '
            .. 'as "t" limit 1', (last(connection)))
    end)
end)

describe("an aggregate", function()
    local cases = {
        { "count", { "*" }, 'select count(*) as "total" from "users" where "age" > ?' },
        { "count", { "bio" }, 'select count("bio") as "total" from "users" where "age" > ?' },
        { "sum", { "age" }, 'select sum("age") as "age" from "users" where "age" > ?' },
        { "sum", { "balance" }, 'select decimal_sum("balance") as "balance" from "users" where "age" > ?' },
        { "min", { "born" }, 'select min("born") as "born" from "users" where "age" > ?' },
        { "max", { "users.name" }, 'select max("users"."name") as "name" from "users" where "age" > ?' },
        { "avg", { "age" }, 'select avg("age") as "avg" from "users" where "age" > ?' },
    }
    for _, case in ipairs(cases) do
        it(case[1] .. " of " .. case[2][1], function()
            local q, connection = world.query(User, "sqlite")
            q:where("age", ">", 3):orderBy("name")
            q[case[1]](q, table.unpack(case[2]))
            local sql, args = last(connection)
            assert.equal(case[3], sql)
            assert.same({ 3 }, args)
        end)
    end

    it("of a limited query reckons with its rows", function()
        local q, connection = world.query(User, "pg")
        q:select("age"):orderBy("id"):limit(5):sum("age")
        assert.equal('select sum("age") as "age" from (select "age" from "users" order by "id" limit 5) as "t"',
            (last(connection)))
    end)

    it("of distinct rows and groups counts them", function()
        local q, connection = world.query(User, "mysql")
        q:distinct():select("age"):orderBy("age"):count()
        assert.equal("select count(*) as `total` from (select distinct `age` from `users`) as `t`", (last(connection)))
        q, connection = world.query(User, "mysql")
        q:groupBy("age"):count()
        assert.equal("select count(*) as `total` from (select 1 from `users` group by `age`) as `t`",
            (last(connection)))
    end)

    it("goes round what an engine lacks", function()
        local q, connection = world.query(Post, "pg")
        q:min("token")
        assert.equal('select cast(min(cast("token" as text) collate "C") as uuid) as "token" from "posts"',
            (last(connection)))
        q, connection = world.query(User, "pg")
        q:max("active")
        assert.equal('select bool_or("active") as "active" from "users"', (last(connection)))
        q, connection = world.query(User, "mysql")
        q:avg("age")
        assert.equal("select avg(`age` + 0e0) as `avg` from `users`", (last(connection)))
    end)

    it("is 0 for the sum of nothing and nil for the rest", function()
        assert.equal(0, world.query(User, "sqlite"):sum("age"))
        assert.is_nil(world.query(User, "sqlite"):max("age"))
        assert.is_nil(world.query(User, "sqlite"):avg("age"))
    end)
end)

describe("each", function()
    it("pages by key and wraps what was asked for", function()
        local q, connection = world.query(User, "sqlite", { rows(1, 2), rows(3, 4), rows(5, 5) })
        local ids = {}
        for user in q:select("id"):where("age", 1):orWhere("age", 2):each(2) do
            ids[#ids + 1] = user.id
        end
        assert.same({ 1, 2, 3, 4, 5 }, ids)
        assert.equal(3, #connection.log)
        assert.equal('select "id" from "users" where "age" = ? or "age" = ? order by "id" limit ?',
            connection.log[1].sql)
        assert.equal('select "id" from "users" where ("age" = ? or "age" = ?) and "id" > ? order by "id" limit ?',
            connection.log[2].sql)
        assert.same({ 1, 2, 4, 2 }, connection.log[3].args)
    end)

    it("follows the key downwards, a limit and an offset", function()
        local q, connection = world.query(User, "pg", { rows(9, 10), rows(8, 8) })
        local n = 0
        for _ in q:select("id"):orderByDesc("id"):limit(3):offset(4):each(2) do
            n = n + 1
        end
        assert.equal(3, n)
        assert.equal('select "id" from "users" order by "id" desc limit 2 offset $1', connection.log[1].sql)
        assert.same({ 4 }, connection.log[1].args)
        assert.equal('select "id" from "users" where "id" < $1 order by "id" desc limit 1 offset $2',
            connection.log[2].sql)
        assert.same({ 10, 0 }, connection.log[2].args)
    end)

    local refused = {
        { "another order", function(q) q:orderBy("name") end },
        { "a join", function(q) q:join("posts", "posts.user_id", "users.id") end },
        { "groups", function(q) q:groupBy("age") end },
        { "a union", function(q) q:union(builder.new(User, q._via)) end },
        { "a selection without the key", function(q) q:select("name") end },
    }
    for _, case in ipairs(refused) do
        it("refuses " .. case[1], function()
            local q = world.query(User, "sqlite")
            case[2](q)
            assert.equal("misuse", world.failure(function()
                q:each(10)
            end).kind)
        end)
    end

    it("needs a key", function()
        assert.equal("misuse", world.failure(function()
            builder.table(world.connection("sqlite"), "users"):each()
        end).kind)
    end)
end)

describe("going through pieces", function()
    it("chunks by position, in an order", function()
        local q, connection = world.query(User, "sqlite", { rows(1, 2), rows(3, 3) })
        local seen = {}
        assert.is_true(q:select("id"):chunk(2, function(list, number)
            seen[number] = #list
        end))
        assert.same({ 2, 1 }, seen)
        assert.equal('select "id" from "users" order by "id" limit ? offset ?', connection.log[2].sql)
        assert.same({ 2, 2 }, connection.log[2].args)
    end)

    it("ends when the function says false", function()
        local q, connection = world.query(User, "sqlite", { rows(1, 2), rows(3, 4) })
        assert.is_false(q:chunkById(2, function()
            return false
        end))
        assert.equal(1, #connection.log)
    end)

    it("reads a lazy list no further than it is used", function()
        local q, connection = world.query(User, "sqlite", { rows(1, 2), rows(3, 4), rows(5, 6) })
        local list = q:lazy(2):filter(function(user)
            return user.id > 1
        end):map("id"):take(2)
        local ids = {}
        for id in list do
            ids[#ids + 1] = id
        end
        assert.same({ 2, 3 }, ids)
        assert.equal(2, #connection.log)
    end)

    it("makes a page", function()
        local q, connection = world.query(User, "sqlite", { 45, rows(41, 45) })
        local page = q:paginate(20, 3)
        assert.same({ 45, 3, 3, 41, 45, false },
            { page.total, page.lastPage, page.currentPage, page.from, page.to, page.hasMore })
        assert.same({ 20, 40 }, connection.log[2].args)
        assert.truthy(connection.log[2].sql:find('order by "id"', 1, true))
    end)

    it("makes a page without counting", function()
        local page = world.query(User, "sqlite", { rows(1, 3) }):simplePaginate(2)
        assert.equal(2, #page.data)
        assert.is_true(page.hasMore)
    end)
end)

describe("inserting", function()
    it("writes rows in the order of the schema", function()
        local q, connection = world.query(User, "sqlite")
        assert.equal(1, q:insert({ bio = null, name = "a", age = 3 }))
        local sql, args = last(connection)
        assert.equal('insert into "users" ("name", "age", "bio") values (?, ?, ?)', sql)
        assert.same({ "a", 3, null }, args)
        assert.equal(0, connection.transactions)
    end)

    it("writes nothing for no rows", function()
        local q, connection = world.query(User, "sqlite")
        assert.equal(0, q:insert({}))
        assert.equal(0, #connection.log)
    end)

    it("says DEFAULT where a row leaves a column out", function()
        local q, connection = world.query(User, "pg", { 2 })
        assert.equal(2, q:insert({ { name = "a", age = 1 }, { name = "b" } }))
        local sql, args = last(connection)
        assert.equal('insert into "users" ("name", "age") values ($1, $2), ($3, default)', sql)
        assert.same({ "a", 1, "b" }, args)
        assert.equal(1, connection.transactions)
    end)

    it("keeps the order of rows on SQLite, which has no such word", function()
        local q, connection = world.query(User, "sqlite")
        assert.equal(3, q:insert({ { name = "a" }, { age = 2 }, { name = "c" } }))
        assert.same({ "a" }, connection.log[1].args)
        assert.same({ 2 }, connection.log[2].args)
        assert.equal('insert into "users" ("name") values (?)', connection.log[3].sql)
        assert.equal(1, connection.transactions)
    end)

    local function numbered(n)
        local list = {}
        for i = 1, n do
            list[i] = { name = "n" .. i, age = i }
        end
        return list
    end

    it("hands many rows over in one transaction", function()
        local into = {
            sqlite = '"users" ("name", "age")',
            pg = '"users" ("name", "age")',
            mysql = "`users` (`name`, `age`)",
        }
        for driver, text in pairs(into) do
            local q, connection = world.query(User, driver)
            assert.equal(2345, q:insert(numbered(2345)))
            assert.equal(1, #connection.log)
            assert.equal("bulk", connection.log[1].verb)
            assert.equal(text, connection.log[1].sql)
            assert.same({ "name", "age" }, connection.log[1].columns)
            assert.equal(2345, connection.log[1].count)
            assert.equal(1, connection.transactions)
        end
    end)

    it("writes any number of rows by statements in one transaction", function()
        for _, driver in ipairs({ "sqlite", "pg", "mysql" }) do
            local q, connection = world.query(User, driver)
            q:upsert(numbered(2345), "name")
            local n = 0
            for _, entry in ipairs(connection.log) do
                assert.is_true(#entry.args <= 65535)
                n = n + #entry.args / 2
            end
            assert.equal(2345, n)
            assert.equal(1, connection.transactions)
        end
    end)

    it("writes a row of defaults", function()
        local expected = {
            sqlite = 'insert into "users" default values', pg = 'insert into "users" default values',
            mysql = "insert into `users` () values ()",
        }
        for driver, text in pairs(expected) do
            local q, connection = world.query(User, driver)
            q:insert({ {} })
            assert.equal(text, (last(connection)))
        end
    end)

    it("fills in timestamps, unless they are given", function()
        local q, connection = world.query(Post, "sqlite")
        q:insert({ title = "a", created_at = "2024-01-01T00:00:00Z" })
        local sql, args = last(connection)
        assert.equal('insert into "posts" ("title", "created_at", "updated_at") values (?, ?, ?)', sql)
        assert.equal("2024-01-01T00:00:00Z", args[2])
        assert.equal("userdata", type(args[3]))
    end)

    it("returns the key", function()
        local q, connection = world.query(User, "pg", { { id = 12 } })
        assert.equal(12, q:insertGetId({ name = "a" }))
        assert.equal('insert into "users" ("name") values ($1) returning "id"', (last(connection)))
        assert.equal(41, world.query(User, "sqlite"):insertGetId({ name = "a" }))
        assert.equal(7, world.query(User, "mysql"):insertGetId({ name = "a", id = 7 }))
    end)

    it("leaves out rows that are there", function()
        local q, connection = world.query(User, "sqlite", { 1 })
        assert.equal(1, q:insertOrIgnore({ name = "a" }))
        assert.equal('insert into "users" ("name") values (?) on conflict do nothing', (last(connection)))
        q, connection = world.query(User, "mysql", { 2, 1 })
        assert.equal(1, q:insertOrIgnore({ { name = "a" }, { name = "b" } }))
        assert.equal("insert into `users` (`name`) values (?), (?) on duplicate key update "
            .. "`name` = if(@eloquent_same := @eloquent_same + 1, `name`, `name`)", (last(connection)))
    end)

    it("updates rows that are there", function()
        local q, connection = world.query(User, "sqlite")
        assert.equal(1, q:upsert({ name = "a", age = 1 }, "name"))
        assert.equal('insert into "users" ("name", "age") values (?, ?) '
            .. 'on conflict ("name") do update set "age" = excluded."age"', (last(connection)))
        q, connection = world.query(User, "mysql")
        q:upsert({ name = "a", age = 1 }, { "name" }, { "age", bio = builder.raw("concat(bio, ?)", { "!" }) })
        local sql, args = last(connection)
        assert.equal("insert into `users` (`name`, `age`) values (?, ?) "
            .. "on duplicate key update `bio` = concat(bio, ?), `age` = values(`age`)", sql)
        assert.same({ "a", 1, "!" }, args)
        q, connection = world.query(Post, "pg")
        q:upsert({ title = "a", user_id = 1 }, { "title" })
        assert.equal('insert into "posts" ("user_id", "title", "created_at", "updated_at") values ($1, $2, $3, $4) '
            .. 'on conflict ("title") do update set "user_id" = excluded."user_id", '
            .. '"updated_at" = excluded."updated_at"', (last(connection)))
    end)
end)

describe("changing rows", function()
    it("updates in the order of the schema, SQL first, values before conditions", function()
        local q, connection = world.query(User, "pg", { 3 })
        assert.equal(3, q:where("id", 5):update({ bio = null, age = builder.raw("age + ?", { 2 }), name = "x" }))
        local sql, args = last(connection)
        assert.equal('update "users" set "age" = age + $1, "name" = $2, "bio" = $3 where "id" = $4', sql)
        assert.same({ 2, "x", null, 5 }, args)
    end)

    it("sets updated_at", function()
        local q, connection = world.query(Post, "sqlite")
        q:update({ title = "x" })
        assert.equal('update "posts" set "title" = ?, "updated_at" = ?', (last(connection)))
    end)

    it("takes a subquery as a value", function()
        local q, connection = world.query(User, "sqlite")
        q:where("id", 9):update({ name = builder.new(Post, connection):select("title"):where("id", 4) })
        local sql, args = last(connection)
        assert.equal('update "users" set "name" = (select "title" from "posts" where "id" = ?) where "id" = ?', sql)
        assert.same({ 4, 9 }, args)
    end)

    it("finds rows of a limited or joined update by key", function()
        local q, connection = world.query(User, "mysql")
        q:where("age", 1):orderBy("id"):limit(3):update({ age = 2 })
        local sql, args = last(connection)
        assert.equal("update `users` set `age` = ? where `id` in (select `id` from "
            .. "(select `users`.`id` from `users` where `age` = ? order by `id` limit ?) as `t`)", sql)
        assert.same({ 2, 1, 3 }, args)
        q, connection = world.query(User, "pg")
        q:join("posts", "posts.user_id", "users.id"):where("posts.title", "x"):delete()
        assert.equal('delete from "users" where "id" in (select "id" from (select "users"."id" from "users" '
            .. 'inner join "posts" on "posts"."user_id" = "users"."id" where "posts"."title" = $1) as "t")',
            (last(connection)))
    end)

    it("adds on the server, exactly", function()
        local q, connection = world.query(User, "pg")
        q:where("id", 1):increment("age", 2, { name = "x" })
        local sql, args = last(connection)
        assert.equal('update "users" set "age" = "age" + $1, "name" = $2 where "id" = $3', sql)
        assert.same({ 2, "x", 1 }, args)
        q, connection = world.query(User, "sqlite")
        q:where("id", 1):decrement("balance")
        assert.equal('update "users" set "balance" = decimal_sub("balance", ?) where "id" = ?', (last(connection)))
    end)

    it("deletes", function()
        local q, connection = world.query(User, "mysql", { 4 })
        assert.equal(4, q:where("age", 1):delete())
        assert.equal("delete from `users` where `age` = ?", (last(connection)))
    end)

    it("empties a table", function()
        local expected = {
            sqlite = 'delete from "users"', pg = 'truncate table "users" restart identity',
            mysql = "truncate table `users`",
        }
        for driver, text in pairs(expected) do
            local q, connection = world.query(User, driver)
            q:truncate()
            assert.equal(text, (last(connection)))
        end
    end)

    it("locks rows in each engine's words", function()
        local q = world.query(User, "pg")
        assert.equal('select "id" from "users" for update skip locked',
            (q:select("id"):lockForUpdate():skipLocked():toSql()))
        q = world.query(User, "pg")
        assert.equal('select "id" from "users" for share nowait', (q:select("id"):sharedLock():noWait():toSql()))
        q = world.query(User, "mysql")
        assert.equal("select `id` from `users` /*!80001 for share *//*M! lock in share mode */",
            (q:select("id"):sharedLock():toSql()))
        assert.equal("unsupported", world.failure(function()
            world.query(User, "sqlite"):lockForUpdate():get()
        end).kind)
    end)
end)

describe("a query", function()
    it("has clones of its own", function()
        local q = world.query(User, "sqlite")
        q:select("id"):where("age", 1)
        local copy = q:clone():where("name", "x"):limit(1)
        q:where("name", "y")
        local _, values = q:toSql()
        assert.same({ 1, "y" }, values)
        _, values = copy:toSql()
        assert.same({ 1, "x", 1 }, values)
    end)

    it("is made once for each shape", function()
        local first = world.query(User, "sqlite"):where("age", 1):orderBy("name")
        local second = world.query(User, "sqlite"):where("age", 2):orderBy("name")
        assert.equal(first._node, second._node)
        assert.not_equal(first._node, world.query(User, "sqlite"):where("age", ">", 2):orderBy("name")._node)
    end)

    it("works on when its model has had more shapes than are kept", function()
        local Many = world.model("Many", "many", User._columns)
        for i = 1, 3000 do
            local q = world.query(Many, "sqlite"):select("id"):whereRaw("age > " .. i)
            assert.equal('select "id" from "many" where (age > ' .. i .. ")", (q:toSql()))
        end
        local again = world.query(Many, "sqlite"):select("id"):where("age", 1)
        assert.equal('select "id" from "many" where "age" = ?', (again:toSql()))
    end)

    it("replaces what the hook of scopes says", function()
        local q, connection = world.query(User, "sqlite")
        q:select("id"):where("age", 1):orWhere("age", 2)
        q._scopes = function(self)
            local copy = self:clone()
            copy._scopes = nil
            return copy:_fence():whereNull("bio")
        end
        q:get()
        assert.equal('select "id" from "users" where ("age" = ? or "age" = ?) and "bio" is null', (last(connection)))
        q:delete()
        assert.equal('delete from "users" where ("age" = ? or "age" = ?) and "bio" is null', (last(connection)))
    end)
end)
