-- SPDX-License-Identifier: MIT
-- The text of queries on each engine, and the values that go with it. Nothing runs here: see spec/conformance.
-- luacheck: no max line length (each text stands on one line, as it goes to the server)
local world = dofile((debug.getinfo(1, "S").source:match("^@(.*/)") or "spec/unit/") .. "query_world.lua")
local builder = require("eloquent.query.builder")
local null = require("eloquent.core.null")

local raw = builder.raw
local ALL = {
    ['"id", "name", "age", "active", "balance", "bio", "born", "settings"'] = "<all>",
    ["`id`, `name`, `age`, `active`, `balance`, `bio`, `born`, `settings`"] = "<all>",
}

-- A list of 1001 values, which is one more than placeholders stand for.
local samples = { integer = 7, timestamp = "2024-02-29T12:30:00Z", decimal = "1.50" }
local function long(kind, last)
    local list = {}
    for i = 1, 1001 do
        list[i] = samples[kind]
    end
    list[#list + 1] = last
    return list
end

-- Values as one text; long ones from both ends.
local function shown(values)
    local list = {}
    for i, value in ipairs(values) do
        local text = tostring(value)
        list[i] = #text > 40 and text:sub(1, 30) .. "..." .. text:sub(-3) or text
    end
    return table.concat(list, ", ")
end


-- { name, build, sqlite, pg, mysql, values }; <all> stands for the columns of the model.
local cases = {
    {
        "columns of the schema, in its order",
        function(User)
            return User()
        end,
        'select "id", "name", "age", "active", "balance", "bio", "born", "settings" from "users"',
        'select "id", "name", "age", "active", "balance", "bio", "born", "settings" from "users"',
        "select `id`, `name`, `age`, `active`, `balance`, `bio`, `born`, `settings` from `users`",
        "",
    },
    {
        "plain comparisons",
        function(User)
            return User():where("active", true):where("age", ">", 18):orderBy("name"):limit(10)
        end,
        'select <all> from "users" where "active" = ? and "age" > ? order by "name" limit ?',
        'select <all> from "users" where "active" = $1 and "age" > $2 order by "name" limit 10',
        "select <all> from `users` where `active` = ? and `age` > ? order by `name` limit ?",
        { "true, 18, 10", "true, 18", "true, 18, 10" },
    },
    {
        "limit and offset come last, whenever they were said",
        function(User)
            return User():limit(10):offset(3):where("age", 5):limit(7)
        end,
        'select <all> from "users" where "age" = ? limit ? offset ?',
        'select <all> from "users" where "age" = $1 limit 7 offset $2',
        "select <all> from `users` where `age` = ? limit ? offset ?",
        { "5, 7, 3", "5, 3", "5, 7, 3" },
    },
    {
        "offset without limit",
        function(User)
            return User():offset(5)
        end,
        'select <all> from "users" limit -1 offset ?',
        'select <all> from "users" offset $1',
        "select <all> from `users` limit 18446744073709551615 offset ?",
        "5",
    },
    {
        "a page",
        function(User)
            return User():forPage(3, 20)
        end,
        'select <all> from "users" limit ? offset ?',
        'select <all> from "users" limit 20 offset $1',
        "select <all> from `users` limit ? offset ?",
        { "20, 40", "40", "20, 40" },
    },
    {
        "a table of conditions, sorted",
        function(User)
            return User():where({ name = "x", age = 3, bio = null })
        end,
        'select <all> from "users" where "age" = ? and "bio" is null and "name" = ?',
        'select <all> from "users" where "age" = $1 and "bio" is null and "name" = $2',
        "select <all> from `users` where `age` = ? and `bio` is null and `name` = ?",
        "3, x",
    },
    {
        "a list of conditions",
        function(User)
            return User():where({ { "age", ">", 1 }, { "name", "x" } })
        end,
        'select <all> from "users" where "age" > ? and "name" = ?',
        'select <all> from "users" where "age" > $1 and "name" = $2',
        "select <all> from `users` where `age` > ? and `name` = ?",
        "1, x",
    },
    {
        "orWhere with a table is one condition",
        function(User)
            return User():where("id", 1):orWhere({ name = "y", age = 4 })
        end,
        'select <all> from "users" where "id" = ? or ("age" = ? and "name" = ?)',
        'select <all> from "users" where "id" = $1 or ("age" = $2 and "name" = $3)',
        "select <all> from `users` where `id` = ? or (`age` = ? and `name` = ?)",
        "1, 4, y",
    },
    {
        "nested conditions",
        function(User)
            return User():where("age", 1):orWhere(function(q) q:where("age", 2):where("name", "x") end)
        end,
        'select <all> from "users" where "age" = ? or ("age" = ? and "name" = ?)',
        'select <all> from "users" where "age" = $1 or ("age" = $2 and "name" = $3)',
        "select <all> from `users` where `age` = ? or (`age` = ? and `name` = ?)",
        "1, 2, x",
    },
    {
        "nested twice",
        function(User)
            return User():where(function(q) q:where("age", 1):orWhere(function(r) r:where("age", 2):whereNull("bio") end) end):where("id", 3)
        end,
        'select <all> from "users" where ("age" = ? or ("age" = ? and "bio" is null)) and "id" = ?',
        'select <all> from "users" where ("age" = $1 or ("age" = $2 and "bio" is null)) and "id" = $3',
        "select <all> from `users` where (`age` = ? or (`age` = ? and `bio` is null)) and `id` = ?",
        "1, 2, 3",
    },
    {
        "an empty group adds nothing",
        function(User)
            return User():where("age", 1):where(function() end)
        end,
        'select <all> from "users" where "age" = ?',
        'select <all> from "users" where "age" = $1',
        "select <all> from `users` where `age` = ?",
        "1",
    },
    {
        "not",
        function(User)
            return User():whereNot("age", 1):whereNot(function(q) q:where("id", 2):orWhere("id", 3) end):orWhereNot("id", 4)
        end,
        'select <all> from "users" where not "age" = ? and not ("id" = ? or "id" = ?) or not "id" = ?',
        'select <all> from "users" where not "age" = $1 and not ("id" = $2 or "id" = $3) or not "id" = $4',
        "select <all> from `users` where not `age` = ? and not (`id` = ? or `id` = ?) or not `id` = ?",
        "1, 2, 3, 4",
    },
    {
        "NULL",
        function(User)
            return User():where("bio", null):where("name", "!=", null):whereNot("age", null):orWhereNull("age"):orWhereNotNull("id")
        end,
        'select <all> from "users" where "bio" is null and "name" is not null and "age" is not null or "age" is null or "id" is not null',
        'select <all> from "users" where "bio" is null and "name" is not null and "age" is not null or "age" is null or "id" is not null',
        "select <all> from `users` where `bio` is null and `name` is not null and `age` is not null or `age` is null or `id` is not null",
        "",
    },
    {
        "<> is !=",
        function(User)
            return User():where("age", "<>", 1)
        end,
        'select <all> from "users" where "age" != ?',
        'select <all> from "users" where "age" != $1',
        "select <all> from `users` where `age` != ?",
        "1",
    },
    {
        "a list",
        function(User)
            return User():whereIn("id", { 3, 1, 2 }):whereNotIn("age", { 4 })
        end,
        'select <all> from "users" where "id" in (?, ?, ?) and "age" not in (?)',
        'select <all> from "users" where "id" in ($1, $2, $3) and "age" not in ($4)',
        "select <all> from `users` where `id` in (?, ?, ?) and `age` not in (?)",
        "3, 1, 2, 4",
    },
    {
        "an empty list",
        function(User)
            return User():whereIn("id", {}):orWhereNotIn("id", {})
        end,
        'select <all> from "users" where 1 = 0 or 1 = 1',
        'select <all> from "users" where 1 = 0 or 1 = 1',
        "select <all> from `users` where 1 = 0 or 1 = 1",
        "",
    },
    {
        "a list with NULL",
        function(User)
            return User():whereIn("age", { 1, null }):whereNotIn("age", { 2, null }):whereIn("bio", { null }):whereNotIn("bio", { null })
        end,
        'select <all> from "users" where ("age" in (?) or "age" is null) and ("age" not in (?) and "age" is not null) and "bio" is null and "bio" is not null',
        'select <all> from "users" where ("age" in ($1) or "age" is null) and ("age" not in ($2) and "age" is not null) and "bio" is null and "bio" is not null',
        "select <all> from `users` where (`age` in (?) or `age` is null) and (`age` not in (?) and `age` is not null) and `bio` is null and `bio` is not null",
        "1, 2",
    },
    {
        "a list of a subquery",
        function(User, Post)
            return User():whereIn("id", Post():select("user_id"):where("title", "x")):where("age", 1)
        end,
        'select <all> from "users" where "id" in (select "user_id" from "posts" where "title" = ?) and "age" = ?',
        'select <all> from "users" where "id" in (select "user_id" from "posts" where "title" = $1) and "age" = $2',
        "select <all> from `users` where `id` in (select `user_id` from `posts` where `title` = ?) and `age` = ?",
        "x, 1",
    },
    {
        "a long list of integers",
        function(User)
            return User():where("age", 1):whereIn("id", long("integer"))
        end,
        'select <all> from "users" where "age" = ? and "id" in (select value from json_each(?))',
        'select <all> from "users" where "age" = $1 and "id" = any(cast($2 as bigint[]))',
        "select <all> from `users` where `age` = ? and `id` in (select v from json_table(?, '$[*]' columns (v bigint path '$')) as t where v is not null)",
        { "1, [7,7,7,7,7,7,7,7,7,7,7,7,7,7,7...,7]", "1, {7,7,7,7,7,7,7,7,7,7,7,7,7,7,7...,7}", "1, [7,7,7,7,7,7,7,7,7,7,7,7,7,7,7...,7]" },
    },
    {
        "a long list of moments",
        function(User)
            return User():whereNotIn("born", long("timestamp"))
        end,
        'select <all> from "users" where "born" not in (select value from json_each(?))',
        'select <all> from "users" where "born" <> all(cast($1 as timestamp[]))',
        "select <all> from `users` where `born` not in (select v from json_table(?, '$[*]' columns (v datetime(6) path '$')) as t where v is not null)",
        { '["2024-02-29 12:30:00.000000",...0"]', '{"2024-02-29 12:30:00.000000",...0"}', '["2024-02-29 12:30:00.000000",...0"]' },
    },
    {
        "a long list of decimals",
        function(User)
            return User():whereIn("balance", long("decimal"))
        end,
        'select <all> from "users" where "balance" in (select value from json_each(?))',
        'select <all> from "users" where "balance" = any(cast($1 as numeric[]))',
        "select <all> from `users` where `balance` in (select v from json_table(?, '$[*]' columns (v decimal(65,30) path '$')) as t where v is not null)",
        { '["1.50","1.50","1.50","1.50","...0"]', '{"1.50","1.50","1.50","1.50","...0"}', '["1.50","1.50","1.50","1.50","...0"]' },
    },
    {
        "a long list and NULL",
        function(User)
            return User():whereIn("id", long("integer", null))
        end,
        'select <all> from "users" where ("id" in (select value from json_each(?)) or "id" is null)',
        'select <all> from "users" where ("id" = any(cast($1 as bigint[])) or "id" is null)',
        "select <all> from `users` where (`id` in (select v from json_table(?, '$[*]' columns (v bigint path '$')) as t where v is not null) or `id` is null)",
        { "[7,7,7,7,7,7,7,7,7,7,7,7,7,7,7...,7]", "{7,7,7,7,7,7,7,7,7,7,7,7,7,7,7...,7}", "[7,7,7,7,7,7,7,7,7,7,7,7,7,7,7...,7]" },
    },
    {
        "between",
        function(User)
            return User():whereBetween("age", { 1, 2 }):orWhereNotBetween("age", { 3, 4 })
        end,
        'select <all> from "users" where "age" between ? and ? or "age" not between ? and ?',
        'select <all> from "users" where "age" between $1 and $2 or "age" not between $3 and $4',
        "select <all> from `users` where `age` between ? and ? or `age` not between ? and ?",
        "1, 2, 3, 4",
    },
    {
        "two columns",
        function(User)
            return User():whereColumn("name", "bio"):orWhereColumn("born", ">=", "born")
        end,
        'select <all> from "users" where "name" = "bio" or "born" >= "born"',
        'select <all> from "users" where "name" = "bio" or "born" >= "born"',
        "select <all> from `users` where `name` = `bio` or `born` >= `born`",
        "",
    },
    {
        "like",
        function(User)
            return User():whereLike("name", "a%"):orWhereNotLike("bio", "%b\\_"):where("name", "not like", "c")
        end,
        [[select <all> from "users" where "name" like ? escape '\' or "bio" not like ? escape '\' and "name" not like ? escape '\']],
        'select <all> from "users" where "name" ilike $1 or "bio" not ilike $2 and "name" not ilike $3',
        "select <all> from `users` where lower(convert(`name` using utf8mb4)) collate utf8mb4_bin like lower(?) or lower(convert(`bio` using utf8mb4)) collate utf8mb4_bin not like lower(?) and lower(convert(`name` using utf8mb4)) collate utf8mb4_bin not like lower(?)",
        [[a%, %b\_, c]],
    },
    {
        "like that minds case",
        function(User)
            return User():whereLike("name", "a[*]%_\\%", { caseSensitive = true })
        end,
        'select <all> from "users" where "name" glob ?',
        'select <all> from "users" where "name" like $1',
        "select <all> from `users` where convert(`name` using utf8mb4) collate utf8mb4_bin like ?",
        { "a[[][*]]*?%", [[a[*]%_\%]], [[a[*]%_\%]] },
    },
    {
        "parts of dates",
        function(User)
            return User():whereDate("born", "2024-02-29"):whereYear("born", ">", 2020):whereMonth("born", 2):orWhereDay("born", "<=", 15)
        end,
        [[select <all> from "users" where date("born") = ? and cast(strftime('%Y', "born") as integer) > ? and cast(strftime('%m', "born") as integer) = ? or cast(strftime('%d', "born") as integer) <= ?]],
        'select <all> from "users" where cast("born" as date) = cast($1 as date) and cast(extract(year from "born") as bigint) > cast($2 as bigint) and cast(extract(month from "born") as bigint) = cast($3 as bigint) or cast(extract(day from "born") as bigint) <= cast($4 as bigint)',
        "select <all> from `users` where date(`born`) = ? and year(`born`) > ? and month(`born`) = ? or day(`born`) <= ?",
        "2024-02-29, 2020, 2, 15",
    },
    {
        "exists, with a query",
        function(User, Post)
            return User():where("age", 1):whereExists(Post():select("id"):whereColumn("posts.user_id", "users.id"):where("title", "x")):where("name", "y")
        end,
        'select <all> from "users" where "age" = ? and exists (select "id" from "posts" where "posts"."user_id" = "users"."id" and "title" = ?) and "name" = ?',
        'select <all> from "users" where "age" = $1 and exists (select "id" from "posts" where "posts"."user_id" = "users"."id" and "title" = $2) and "name" = $3',
        "select <all> from `users` where `age` = ? and exists (select `id` from `posts` where `posts`.`user_id` = `users`.`id` and `title` = ?) and `name` = ?",
        "1, x, y",
    },
    {
        "exists, with a function",
        function(User)
            return User():orWhereNotExists(function(q) q:from("posts as p"):whereColumn("p.user_id", "users.id") end)
        end,
        'select <all> from "users" where not exists (select * from "posts" as "p" where "p"."user_id" = "users"."id")',
        'select <all> from "users" where not exists (select * from "posts" as "p" where "p"."user_id" = "users"."id")',
        "select <all> from `users` where not exists (select * from `posts` as `p` where `p`.`user_id` = `users`.`id`)",
        "",
    },
    {
        "raw conditions",
        function(User)
            return User():where("id", 1):whereRaw("length(name) > ?", { 3 }):orWhereRaw("age between :low and :high", { low = 1, high = 9 })
        end,
        'select <all> from "users" where "id" = ? and (length(name) > ?) or (age between ? and ?)',
        'select <all> from "users" where "id" = $1 and (length(name) > $2) or (age between $3 and $4)',
        "select <all> from `users` where `id` = ? and (length(name) > ?) or (age between ? and ?)",
        "1, 3, 1, 9",
    },
    {
        "a name that comes twice",
        function(User)
            return User():where("id", 1):whereRaw("age > :n or id > :n", { n = 7 }):where("id", 2)
        end,
        'select <all> from "users" where "id" = ? and (age > ? or id > ?) and "id" = ?',
        'select <all> from "users" where "id" = $1 and (age > $2 or id > $2) and "id" = $3',
        "select <all> from `users` where `id` = ? and (age > ? or id > ?) and `id` = ?",
        { "1, 7, 7, 2", "1, 7, 2", "1, 7, 7, 2" },
    },
    {
        "raw value",
        function(User)
            return User():where("age", ">", raw("id + ?", { 5 })):where("id", 1)
        end,
        'select <all> from "users" where "age" > id + ? and "id" = ?',
        'select <all> from "users" where "age" > id + $1 and "id" = $2',
        "select <all> from `users` where `age` > id + ? and `id` = ?",
        "5, 1",
    },
    {
        "raw field",
        function(User)
            return User():where(raw("lower(name)"), "x"):whereIn(raw("age + ?", { 1 }), { 2, 3 })
        end,
        'select <all> from "users" where (lower(name)) = ? and (age + ?) in (?, ?)',
        'select <all> from "users" where (lower(name)) = $1 and (age + $2) in ($3, $4)',
        "select <all> from `users` where (lower(name)) = ? and (age + ?) in (?, ?)",
        "x, 1, 2, 3",
    },
    {
        "subquery as a value",
        function(User, Post)
            return User():where("id", "=", Post():select("user_id"):where("title", "x"):limit(1)):where("age", 2)
        end,
        'select <all> from "users" where "id" = (select "user_id" from "posts" where "title" = ? limit ?) and "age" = ?',
        'select <all> from "users" where "id" = (select "user_id" from "posts" where "title" = $1 limit 1) and "age" = $2',
        "select <all> from `users` where `id` = (select `user_id` from `posts` where `title` = ? limit ?) and `age` = ?",
        { "x, 1, 2", "x, 2", "x, 1, 2" },
    },
    {
        "chosen columns",
        function(User)
            return User():select("id", "name as label"):addSelect("users.age")
        end,
        'select "id", "name" as "label", "users"."age" from "users"',
        'select "id", "name" as "label", "users"."age" from "users"',
        "select `id`, `name` as `label`, `users`.`age` from `users`",
        "",
    },
    {
        "select again forgets the first",
        function(User)
            return User():select("id"):select("name")
        end,
        'select "name" from "users"',
        'select "name" from "users"',
        "select `name` from `users`",
        "",
    },
    {
        "select of everything and more",
        function(User)
            return User():select("*"):selectRaw("age * ? as older", { 2 }):where("id", 1)
        end,
        'select "id", "name", "age", "active", "balance", "bio", "born", "settings", age * ? as older from "users" where "id" = ?',
        'select "id", "name", "age", "active", "balance", "bio", "born", "settings", age * $1 as older from "users" where "id" = $2',
        "select `id`, `name`, `age`, `active`, `balance`, `bio`, `born`, `settings`, age * ? as older from `users` where `id` = ?",
        "2, 1",
    },
    {
        "subquery as a column",
        function(User, Post)
            return User():select("name"):addSelect({ last = Post():select("title"):whereColumn("user_id", "users.id"):limit(1) }):where("id", 5)
        end,
        'select "name", (select "title" from "posts" where "user_id" = "users"."id" limit ?) as "last" from "users" where "id" = ?',
        'select "name", (select "title" from "posts" where "user_id" = "users"."id" limit 1) as "last" from "users" where "id" = $1',
        "select `name`, (select `title` from `posts` where `user_id` = `users`.`id` limit ?) as `last` from `users` where `id` = ?",
        { "1, 5", "5", "1, 5" },
    },
    {
        "distinct",
        function(User)
            return User():distinct():select("age")
        end,
        'select distinct "age" from "users"',
        'select distinct "age" from "users"',
        "select distinct `age` from `users`",
        "",
    },
    {
        "join",
        function(User)
            return User():join("posts", "posts.user_id", "users.id"):where("name", "x"):where("posts.title", "y"):orderBy("id")
        end,
        'select "users"."id", "users"."name", "users"."age", "users"."active", "users"."balance", "users"."bio", "users"."born", "users"."settings" from "users" inner join "posts" on "posts"."user_id" = "users"."id" where "users"."name" = ? and "posts"."title" = ? order by "users"."id"',
        'select "users"."id", "users"."name", "users"."age", "users"."active", "users"."balance", "users"."bio", "users"."born", "users"."settings" from "users" inner join "posts" on "posts"."user_id" = "users"."id" where "users"."name" = $1 and "posts"."title" = $2 order by "users"."id"',
        "select `users`.`id`, `users`.`name`, `users`.`age`, `users`.`active`, `users`.`balance`, `users`.`bio`, `users`.`born`, `users`.`settings` from `users` inner join `posts` on `posts`.`user_id` = `users`.`id` where `users`.`name` = ? and `posts`.`title` = ? order by `users`.`id`",
        "x, y",
    },
    {
        "joins with conditions",
        function(User)
            return User():select("id"):leftJoin("posts as p", function(j) j:on("p.user_id", "users.id"):where("p.title", "!=", "z"):orOn("p.id", ">", "users.age") end):where("age", 3)
        end,
        'select "users"."id" from "users" left join "posts" as "p" on "p"."user_id" = "users"."id" and "p"."title" != ? or "p"."id" > "users"."age" where "users"."age" = ?',
        'select "users"."id" from "users" left join "posts" as "p" on "p"."user_id" = "users"."id" and "p"."title" != $1 or "p"."id" > "users"."age" where "users"."age" = $2',
        "select `users`.`id` from `users` left join `posts` as `p` on `p`.`user_id` = `users`.`id` and `p`.`title` != ? or `p`.`id` > `users`.`age` where `users`.`age` = ?",
        "z, 3",
    },
    {
        "cross and right joins",
        function(User)
            return User():select("id"):crossJoin("teams"):rightJoin("posts", "posts.user_id", "=", "users.id")
        end,
        'select "users"."id" from "users" cross join "teams" right join "posts" on "posts"."user_id" = "users"."id"',
        'select "users"."id" from "users" cross join "teams" right join "posts" on "posts"."user_id" = "users"."id"',
        "select `users`.`id` from `users` cross join `teams` right join `posts` on `posts`.`user_id` = `users`.`id`",
        "",
    },
    {
        "join of a query",
        function(User, Post)
            return User():select("id"):where("age", 1):joinSub(Post():select("user_id"):where("title", "x"), "p", function(j) j:on("p.user_id", "users.id"):where("p.user_id", ">", 2) end)
        end,
        'select "users"."id" from "users" inner join (select "user_id" from "posts" where "title" = ?) as "p" on "p"."user_id" = "users"."id" and "p"."user_id" > ? where "users"."age" = ?',
        'select "users"."id" from "users" inner join (select "user_id" from "posts" where "title" = $1) as "p" on "p"."user_id" = "users"."id" and "p"."user_id" > $2 where "users"."age" = $3',
        "select `users`.`id` from `users` inner join (select `user_id` from `posts` where `title` = ?) as `p` on `p`.`user_id` = `users`.`id` and `p`.`user_id` > ? where `users`.`age` = ?",
        "x, 2, 1",
    },
    {
        "groups",
        function(User)
            return User():select("age"):selectRaw("count(*) as n"):groupBy("age"):having("n", ">", 3):having("age", "<", 9):orHavingRaw("max(id) = ?", { 7 }):orderBy("n", "desc")
        end,
        'select "age", count(*) as n from "users" group by "age" having "n" > ? and "age" < ? or (max(id) = ?) order by "n" desc',
        'select "age", count(*) as n from "users" group by "age" having count(*) > $1 and "age" < $2 or (max(id) = $3) order by "n" desc',
        "select `age`, count(*) as n from `users` group by `age` having `n` > ? and `age` < ? or (max(id) = ?) order by `n` desc",
        "3, 9, 7",
    },
    {
        "orders",
        function(User)
            return User():orderBy("name"):orderByDesc("age"):orderByRaw("length(bio) > ?", { 3 }):where("id", 1)
        end,
        'select <all> from "users" where "id" = ? order by "name", "age" desc, length(bio) > ?',
        'select <all> from "users" where "id" = $1 order by "name", "age" desc, length(bio) > $2',
        "select <all> from `users` where `id` = ? order by `name`, `age` desc, length(bio) > ?",
        "1, 3",
    },
    {
        "latest and oldest",
        function(_, Post)
            return Post():select("id"):latest():oldest("id")
        end,
        'select "id" from "posts" order by "created_at" desc, "id"',
        'select "id" from "posts" order by "created_at" desc, "id"',
        "select `id` from `posts` order by `created_at` desc, `id`",
        "",
    },
    {
        "reorder",
        function(User)
            return User():orderBy("name"):reorder("age", "desc"):orderBy("id")
        end,
        'select <all> from "users" order by "age" desc, "id"',
        'select <all> from "users" order by "age" desc, "id"',
        "select <all> from `users` order by `age` desc, `id`",
        "",
    },
    {
        "random order",
        function(User)
            return User():inRandomOrder():limit(1)
        end,
        'select <all> from "users" order by random() limit ?',
        'select <all> from "users" order by random() limit 1',
        "select <all> from `users` order by rand() limit ?",
        { "1", "", "1" },
    },
    {
        "order by a subquery",
        function(User, Post)
            return User():select("id"):orderBy(Post():selectRaw("count(*)"):whereColumn("user_id", "users.id"), "desc")
        end,
        'select "id" from "users" order by (select count(*) from "posts" where "user_id" = "users"."id") desc',
        'select "id" from "users" order by (select count(*) from "posts" where "user_id" = "users"."id") desc',
        "select `id` from `users` order by (select count(*) from `posts` where `user_id` = `users`.`id`) desc",
        "",
    },
    {
        "union",
        function(User, Post)
            return User():select("name"):where("age", 1):union(Post():select("title"):where("user_id", 2)):orderBy("name"):limit(5)
        end,
        'select "name" from "users" where "age" = ? union select "title" from "posts" where "user_id" = ? order by "name" limit ?',
        'select "name" from "users" where "age" = $1 union select "title" from "posts" where "user_id" = $2 order by "name" limit 5',
        "select `name` from `users` where `age` = ? union select `title` from `posts` where `user_id` = ? order by `name` limit ?",
        { "1, 2, 5", "1, 2", "1, 2, 5" },
    },
    {
        "union with an order inside",
        function(User, Post)
            return User():select("name"):unionAll(Post():select("title"):orderBy("id"):limit(3))
        end,
        'select "name" from "users" union all select * from (select "title" from "posts" order by "id" limit ?) as "u1"',
        'select "name" from "users" union all select * from (select "title" from "posts" order by "id" limit 3) as "u1"',
        "select `name` from `users` union all select * from (select `title` from `posts` order by `id` limit ?) as `u1`",
        { "3", "", "3" },
    },
    {
        "quotes in names",
        function(_, _, Table)
            return Table('we"ird`t'):where('a"b`c', 1):where("s.t.c", 2)
        end,
        'select * from "we""ird`t" where "a""b`c" = ? and "s"."t"."c" = ?',
        'select * from "we""ird`t" where "a""b`c" = $1 and "s"."t"."c" = $2',
        'select * from `we"ird``t` where `a"b``c` = ? and `s`.`t`.`c` = ?',
        "1, 2",
    },
    {
        "a table without a model",
        function(_, _, Table)
            return Table("users as u"):where("u.name", "x"):whereNull("u.bio"):orderBy("u.id"):limit(2)
        end,
        'select * from "users" as "u" where "u"."name" = ? and "u"."bio" is null order by "u"."id" limit ?',
        'select * from "users" as "u" where "u"."name" = $1 and "u"."bio" is null order by "u"."id" limit 2',
        "select * from `users` as `u` where `u`.`name` = ? and `u`.`bio` is null order by `u`.`id` limit ?",
        { "x, 2", "x", "x, 2" },
    },
    {
        "an alias in a query on a table",
        function(_, _, Table)
            return Table("users"):select("*", "id as key"):orderBy("key")
        end,
        'select *, "id" as "key" from "users" order by "key"',
        'select *, "id" as "key" from "users" order by "key"',
        "select *, `id` as `key` from `users` order by `key`",
        "",
    },
    {
        "when and tap",
        function(User)
            return User():when(5, function(q, n) q:where("age", n) end):when(false, function(q) q:where("id", 1) end, function(q) q:where("id", 2) end):unless(nil, function(q) q:whereNull("bio") end):tap(function(q) q:limit(1) end)
        end,
        'select <all> from "users" where "age" = ? and "id" = ? and "bio" is null limit ?',
        'select <all> from "users" where "age" = $1 and "id" = $2 and "bio" is null limit 1',
        "select <all> from `users` where `age` = ? and `id` = ? and `bio` is null limit ?",
        { "5, 2, 1", "5, 2", "5, 2, 1" },
    },
}

local drivers = { "sqlite", "pg", "mysql" }

local function text_of(build, driver)
    local connection = world.connection(driver)
    local function of(model)
        return function()
            return builder.new(model, connection)
        end
    end
    local query = build(of(world.User), of(world.Post), function(name)
        return builder.table(connection, name)
    end)
    return query:toSql()
end

describe("the grammar of", function()
    for place, driver in ipairs(drivers) do
        describe(driver, function()
            for _, case in ipairs(cases) do
                it("writes " .. case[1], function()
                    local sql, values = text_of(case[2], driver)
                    if case[3]:find("<all>", 1, true) then
                        for columns, name in pairs(ALL) do
                            local from, to = sql:find(columns, 1, true)
                            if from then
                                sql = sql:sub(1, from - 1) .. name .. sql:sub(to + 1)
                            end
                        end
                    end
                    assert.equal(case[2 + place], sql)
                    local expected = type(case[6]) == "table" and case[6][place] or case[6]
                    assert.equal(expected, shown(values))
                end)

                it("writes " .. case[1] .. " the same again", function()
                    local first = { text_of(case[2], driver) }
                    local second = { text_of(case[2], driver) }
                    assert.same(first, second)
                end)
            end
        end)
    end
end)
