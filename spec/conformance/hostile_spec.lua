-- SPDX-License-Identifier: MIT
--
-- Hostile names and values: a generator makes the same 10,000 queries in every run, with
-- SQL, and operators and scripts of MongoDB, in whatever a script may have from its users.
-- A value comes back as it was written or is refused with an error of kind "value"; a name
-- is refused or is just that name; nothing of it is run.

local eloquent = require("eloquent")
local engines = require("spec.conformance.engines")
local errors = require("eloquent.core.errors")

local column = eloquent.column

local QUERIES <const> = 10000
local SECRET <const> = "zqxSECRETxqz" -- in every value; in no message

-- {{{ The generator

-- Numbers of its own, so that nothing else changes what is made.
local Random = {}
Random.__index = Random

local function random(seed)
    return setmetatable({ state = seed }, Random)
end

--- A whole number from 1 to n.
function Random:below(n)
    self.state = (self.state * 6364136223846793005 + 1442695040888963407) & math.maxinteger
    return (self.state >> 24) % n + 1
end

function Random:pick(list)
    return list[self:below(#list)]
end

local PIECES <const> = {
    "'", "''", '"', '""', "`", "``", "[", "]", "\\", "\\'", '\\"', "\\\\", "(", ")", ";", ",", "%", "%%", "_", "%s",
    "--", "-- ", "#", "/*", "*/", "/*!50000 ", "/*M! ", "$$", "$tag$", "$1", "?", "??", "?1", ":name", "@x", "{", "}",
    " ", "\t", "\r\n", "\n", "\x1a", "\x7f", "\x08", "=", "||", "!", "&", "\\0", "\\u0000", "%27", "&#39;", "+", "*",
    "\u{e9}", "\u{df}", "\u{2019}", "\u{ff07}", "\u{2bc}", "\u{1f418}", "\u{202e}", "\u{feff}", "\u{5c}\u{a5}",
    "e\u{301}", "\u{130}",
    "NULL", "null", "true", "0x41", "12E10", "007", "-0", "1e400", "NaN", "x'41'", "E'\\x41'", "N'a'", "_utf8'a'",
    "select", "table", "order", "from", "group", "user", "primary", "rowid", "ctid", "id", "body", "hostile",
    "'; drop table hostile_canary; --", "' or '1'='1", '" or ""="', "` or 1=1 -- ",
    "\\'; delete from hostile_canary; --", "1; update hostile_canary set word = 'x'",
    "' union select word from hostile_canary --", "*/ drop table hostile_canary /*",
    "); delete from hostile_canary; --", "$$; drop table hostile_canary; $$",
    "$where", "$gt", "$ne", "$expr", "$function", "$$ROOT", "$[]", "$or", "^", "$", "|", "(?i)", "[^", "{1,",
    '{"$gt":""}', '"}},{"delete":"hostile_canary"', "'; return true; var x='", '{"$where":"sleep(9)"}', '"]}', "\\Q",
}
local BYTES <const> = { "\0", "\xff", "\xbf'", "\xbf\x27", "\xc0\xa7", "\xed\xa0\x80", "\xe5\x5c", "\x81\x5c'" }

local function pieces(rng, most, bytes)
    local list = {}
    for i = 1, rng:below(most) do
        list[i] = bytes and rng:below(8) == 1 and rng:pick(BYTES) or rng:pick(PIECES)
    end
    return table.concat(list)
end

-- Text in UTF-8 without NUL, which every engine keeps.
local function text(rng)
    local value = pieces(rng, 5)
    local kind = rng:below(40)
    if kind == 1 then
        value = value:rep(rng:below(400))
    elseif kind == 2 then
        value = ("x"):rep(rng:below(3000)) .. value
    end
    return rng:below(2) == 1 and value .. SECRET or SECRET .. value
end

-- Any bytes.
local function bytes(rng)
    return SECRET .. pieces(rng, 5, true)
end

-- What stands where a name is expected. A dot parts names, so exact ones have none.
local function name(rng)
    local value = pieces(rng, 4, true)
    local kind = rng:below(30)
    if kind == 1 then
        value = value:rep(40)
    elseif kind == 2 then
        value = value .. "." .. pieces(rng, 2, true)
    elseif kind == 3 then
        value = rng:pick({ "", " ", ".", "..", "a.", ".a", "a..b", "*", "a.b.c.d.e", "hostile.*" })
    elseif kind == 4 then
        value = rng:pick({ "body as ", "body AS", " as x", "body as a as b", "body as 'x", "body as x;" }) .. value
    end
    return value
end

-- }}}

-- {{{ What has to hold

-- Errors that say: there is no such column or table, or it cannot have that name. Everything
-- else of kind "syntax" would mean that the name was read as SQL.
local UNKNOWN_STATES <const> = {
    ["42703"] = true, ["42P01"] = true, ["3F000"] = true, ["42S22"] = true, ["42S02"] = true, ["42602"] = true,
    ["3D000"] = true, ["42701"] = true, ["42883"] = true,
}
local UNKNOWN_CODES <const> = { [1059] = true, [1102] = true, [1103] = true, [1166] = true, [1280] = true }

local function is_unknown(engine, err)
    if engine.name == "sqlite" then
        return err.message:find("^no such column") or err.message:find("^no such table")
            or err.message:find("^unknown database")
    end
    return UNKNOWN_STATES[err.sqlstate] or engine.name == "mysql" and UNKNOWN_CODES[err.code] or false
end

local function describe_case(label, subject, err)
    return ("%s with %q: %s"):format(label, subject, errors.is(err) and ("[%s %s %s] %s | %s"):format(
        err.kind, err.sqlstate or "-", err.code or "-", err.message, err.sql or "") or tostring(err))
end

-- The error of a refused value.
local function check_refused_value(label, subject, err)
    assert(errors.is(err, "value"), describe_case(label, subject, err))
    assert(not tostring(err):find(SECRET, 1, true), describe_case(label .. " shows the value", subject, err))
end

-- The error of a refused name.
local function check_refused_name(engine, label, subject, err)
    local fine = errors.is(err, "misuse") or errors.is(err, "unsupported") or errors.is(err, "value")
        or errors.is(err, "notFound") or errors.is(err, "auth")
        or errors.is(err, "syntax") and is_unknown(engine, err)
    assert(fine, describe_case(label, subject, err))
end

-- }}}

engines.suite("hostile", function(engine)
    local it = engine.it
    local Hostile = engine.model "Hostile" {
        tableName = "hostile",
        connectionName = engine.name,
        schema = {
            id = column("bigIncrements"),
            body = column("text"),
            word = column("string", 200),
            blob = column("binary"),
            data = column("json"),
        },
    }
    local Canary = engine.model "HostileCanary" {
        tableName = "hostile_canary",
        connectionName = engine.name,
        schema = { id = column("increments"), word = column("string", 40) },
    }
    local db = engine:db()
    local rng, queries, row
    local own_key = engine.name == "mongo" and "_id" or "id" -- of a table without a model
    local open = engine.name == "mongo" -- any field may be there, and any collection

    local function same(label, expected, got)
        if got ~= expected then
            error(("%s: %q came back as %q"):format(label, expected, got), 0)
        end
    end

    -- {{{ Values: each function does one query or two, and says how many

    local values = {}

    function values.create(value, raw)
        local record = Hostile:create({ body = value, blob = raw, data = { [value] = { value, { raw = value } } } })
        local again = Hostile:find(record.id)
        same("create, text", value, again.body)
        same("create, binary", raw, again.blob)
        same("create, JSON", value, again.data[value][1])
        same("create, JSON", value, again.data[value][2].raw)
        return 2
    end

    function values.update(value, raw)
        assert.equal(1, Hostile:where("id", row):update({ body = value, blob = raw }))
        local again = Hostile:find(row)
        same("update, text", value, again.body)
        same("update, binary", raw, again.blob)
        return 2
    end

    function values.table_insert(value)
        local id = db:table("hostile"):insertGetId({ body = value })
        same("insertGetId", value, db:table("hostile"):where(own_key, id):value("body"))
        return 2
    end

    function values.bulk(value)
        local rows = {}
        for i = 1, 5 do
            rows[i] = { body = value .. i, blob = value }
        end
        Hostile:insert(rows)
        local got = Hostile:orderByDesc("id"):limit(5):pluck("body")
        for i = 1, 5 do
            same("insert of many", value .. i, got[6 - i])
        end
        return 2
    end

    function values.conditions(value)
        Hostile:where("id", row):update({ body = value })
        local function found(label, query)
            assert(query:where("id", row):exists(), describe_case(label, value, "not found"))
        end
        found("where", Hostile:where("body", value))
        found("whereIn", Hostile:whereIn("body", { value, "x", "'" }))
        found("whereBetween", Hostile:whereBetween("body", { value, value }))
        found("orWhere", Hostile:where(function(q)
            q:where("body", "x"):orWhere("body", value)
        end))
        if #value <= 300 then -- a server may refuse longer expressions
            found("like", Hostile:where("body", "like", (value:gsub("[%%_\\]", "\\%0"))))
        end
        found("like", Hostile:where("body", "like", "%" .. SECRET .. "%"))
        if engine.name == "mongo" then
            return 7
        end
        found("whereRaw", Hostile:whereRaw("body = ?", { value }))
        found("whereRaw", Hostile:whereRaw("body = :v or body = :v", { v = value }))
        return 9
    end

    -- Tables in the place of values: never an operator.
    function values.tables(value)
        for _, given in ipairs({ { [value] = value }, { ["$gt"] = "" }, { ["$where"] = value }, { { value } } }) do
            for label, fn in pairs({
                where = function() return Hostile:where("body", given):count() end,
                ["where of a key"] = function() return Hostile:where("id", given):count() end,
                find = function() return Hostile:find(given) end,
                whereIn = function() return Hostile:whereIn("body", { given, value }):count() end,
                like = function() return Hostile:where("body", "like", given):count() end,
                create = function() return Hostile:create({ word = given }) end,
                update = function() return Hostile:where("id", row):update({ word = given }) end,
            }) do
                local ok, err = pcall(fn)
                if label == "find" and ok then -- a list of keys
                    assert.equal(0, #err)
                else
                    assert(not ok, label .. " took a table")
                    assert(errors.is(err, "misuse") or errors.is(err, "value"), describe_case(label, value, err))
                end
            end
            assert(not Hostile:where("id", row):where("data", given):exists())
        end
        return 32
    end

    function values.not_found(value)
        value = #value <= 200 and value or SECRET
        assert(not Hostile:where("id", row):where("word", value):exists())
        assert(not Hostile:where("id", row):where("word", "like", value .. "_"):exists())
        assert(not Hostile:where("id", row):where("body", "like", value .. "%nothing"):exists())
        return 3
    end

    function values.raw(value)
        if engine.name == "mongo" then
            db:execute('{"update":"hostile","updates":[{"u":{"$set":{"body":?}},"q":{"id":?,"body":{"$ne":"?"}}}]}',
                { value, row })
            same("raw", value, db:scalar('{"find":"hostile","filter":{"id":?,"body":?},"$fields":["body"]}',
                { row, value }))
            return 2
        end
        db:execute("update hostile set body = ? where id = ? and body <> '?' /* ? */", { value, row })
        local got = db:selectOne("select body as \z
            b from hostile where id = :id and body = :v -- :x", { v = value, id = row })
        same("raw", value, got.b)
        return 2
    end

    function values.as_number(value)
        local ok, err = pcall(Hostile.where, Hostile, "id", value)
        if ok then
            ok, err = pcall(err.count, err)
        end
        assert(not ok, "a key that is no number was taken")
        check_refused_value("where on a key", value, err)
        ok, err = pcall(Hostile.create, Hostile, { word = value:rep(30) })
        assert(not ok, "a value that is too long was taken")
        check_refused_value("create, too long", value, err)
        ok, err = pcall(Hostile.find, Hostile, value)
        assert(not ok, "find took a key that is no number")
        check_refused_value("find", value, err)
        return 3
    end

    function values.records(value)
        local record = Hostile:find(row)
        record.body = value
        record:save()
        record:refresh()
        same("save", value, record.body)
        return 3
    end

    -- }}}

    -- {{{ Names

    local names = {}

    -- Runs something with a name in it: it works, or the name is refused.
    local function try(label, subject, fn, ...)
        local ok, result = pcall(fn, ...)
        if not ok then
            check_refused_name(engine, label, subject, result)
        end
        return ok, result
    end

    function names.fields(given)
        for _, verb in ipairs({ "where", "orderBy", "groupBy", "select", "whereNull", "value", "sum" }) do
            local ok = try(verb, given, function()
                local query = db:table("hostile"):limit(1)
                local made = query[verb](query, given, 1)
                return verb ~= "value" and verb ~= "sum" and made:get()
            end)
            local bare = given:match("^hostile%.(.*)$") or given:match("^(.-)%s+[aA][sS]%s+%S+$") or given
            local known = ({ id = 1, body = 1, word = 1, blob = 1, data = 1, ["*"] = 1 })[bare:lower()]
                or ({ rowid = "sqlite", ctid = "pg", hostile = "pg" })[bare:lower()] == engine.name
            local harmless = open and not given:find("%f[^%.\0]%$") -- nothing that the server would run
            assert(not ok or known or harmless, describe_case(verb .. " took an unknown name", given, "no error"))
        end
        return 7
    end

    function names.of_a_model(given)
        for _, verb in ipairs({ "where", "orderBy", "select", "pluck", "whereNull", "increment" }) do
            local ok, err = pcall(function()
                local query = Hostile:where("id", -1)
                local made = query[verb](query, given, 1)
                return verb ~= "pluck" and verb ~= "increment" and made:get()
            end)
            if not ok then
                check_refused_name(engine, verb, given, err)
            end
        end
        local ok, err = pcall(Hostile.create, Hostile, { [given] = "x" })
        assert(not ok or Hostile._column[given], "create took the column " .. given)
        if not ok then
            check_refused_name(engine, "create", given, err)
        end
        return 7
    end

    function names.tables(given)
        local ok, list = try("table", given, function()
            return db:table(given):limit(1):get()
        end)
        assert(not ok or open and #list == 0 or given:lower():find("^hostile"),
            describe_case("table took an unknown name", given, "no error"))
        return 1
    end

    function names.aliases(given)
        local ok, list = try("alias", given, function()
            return db:table("hostile"):select("id as " .. given):where("id", row):get()
        end)
        if ok and not given:find("[%s.]") then
            -- the server itself takes such bytes off the front of an alias
            local expected = engine.name == "mysql" and given:gsub("^%c+", "") or given
            same("alias", expected, list[1]:toTable()[given] and given or next(list[1]:toTable()))
        end
        return 1
    end

    function names.words(given)
        given = given == "=" and "==" or given -- that is an operator
        for label, fn in pairs({
            operator = function() return Hostile:where("body", given, "x"):get() end,
            direction = function() return Hostile:orderBy("id", given):get() end,
            limit = function() return Hostile:limit(given):get() end,
            offset = function() return Hostile:limit(1):offset(given):get() end,
            isolation = function() return db:transaction(function() end, { isolation = given }) end,
            connection = function() return eloquent.connection(given) end,
        }) do
            local ok, err = pcall(fn)
            assert(not ok, describe_case(label .. " was taken", given, "no error"))
            assert(errors.is(err, "misuse"), describe_case(label, given, err))
        end
        return 6
    end

    -- }}}

    local function sorted(set)
        local list = {}
        for key in pairs(set) do
            list[#list + 1] = key
        end
        table.sort(list)
        return list
    end

    local function canary_lives()
        assert.same({ "one", "two", "three" }, Canary:orderBy("id"):pluck("word"):toTable())
    end

    -- Makes a table with a column of that name, holding a row; what it has in that column.
    local function make_named(table_name, field)
        if engine.name == "mongo" then
            local collection = db:collection(table_name)
            local id = collection:insertOne({ [field] = SECRET, ["x" .. field] = "it's" })
            assert.equal(SECRET, collection:findOne({ _id = id })[field])
            if field:find("[$.]") or field:find("%s[aA][sS]%s") then
                return SECRET -- a builder has no path to it
            end
            return db:table(table_name):where(field, SECRET):value(field)
        end
        local schema = engine:schema()
        schema:create(table_name, function(t)
            t:increments("id")
            t:string(field, 100):nullable():unique():default("it's")
            t:text("x" .. field:gsub("%.", ""):sub(1, 40)):nullable():comment(field)
        end)
        assert(schema:hasTable(table_name), describe_case("hasTable", table_name, "false"))
        assert(schema:hasColumn(table_name, field), describe_case("hasColumn", field, "false"))
        if field:find("[.]") or table_name:find("%s[aA][sS]%s") then
            return SECRET -- a builder has no name for it
        end
        local got = db:table(table_name):insertGetId({ [field] = SECRET })
        return db:table(table_name):where("id", got):first()[field]
    end

    local function has_table(table_name)
        if engine.name == "mongo" then
            return #db:command(eloquent.doc({
                { "listCollections", 1 }, { "filter", { name = { ["$eq"] = table_name } } },
            })) > 0
        end
        return engine:schema():hasTable(table_name)
    end

    setup(function()
        engine:tables(Hostile, Canary)
        Canary:insert({ { word = "one" }, { word = "two" }, { word = "three" } })
        row = Hostile:create({ body = "the row", word = "word" }).id
    end)

    teardown(function()
        db:close()
    end)

    it("values are kept or refused, never read", function()
        rng, queries = random(20240229), 0
        local kinds = sorted(values)
        while queries < QUERIES * 6 // 10 do
            local kind, value, raw = rng:pick(kinds), text(rng), bytes(rng)
            local ok, result = pcall(values[kind], value, raw)
            if not ok then
                error(describe_case(kind, value, result), 0)
            end
            queries = queries + result
            if queries % 50 == 0 then
                Hostile:where("id", ">", row):delete()
            end
        end
        canary_lives()
    end)

    it("text that an engine does not take is refused", function()
        rng = random(19991231)
        for _ = 1, 300 do
            local raw = bytes(rng)
            local ok, result = pcall(function()
                local id = Hostile:create({ body = raw }).id
                same("create", raw, Hostile:find(id).body)
            end)
            if not ok then
                check_refused_value("text", raw, result)
            end
        end
        canary_lives()
    end)

    it("names are refused or used as they are", function()
        rng, queries = random(19700101), 0
        local kinds = sorted(names)
        while queries < QUERIES * 4 // 10 do
            queries = queries + names[rng:pick(kinds)](name(rng))
        end
        canary_lives()
        assert.equal("word", Hostile:find(row).word)
    end)

    it("tables and columns may have any name", function()
        rng = random(10000101)
        local made = 0
        for _ = 1, 40 do
            local table_name, field = name(rng), name(rng)
            if not (try("hasTable", table_name, has_table, table_name) and has_table(table_name)) then
                local ok, got = try("create", table_name .. " / " .. field, make_named, table_name, field)
                if ok then
                    made = made + 1
                    same("a column", SECRET, got)
                    assert(has_table(table_name), describe_case("hasTable", table_name, "false"))
                    engine:drop(table_name)
                end
            end
        end
        assert(made >= 10, ("only %d tables were made"):format(made))
        canary_lives()
    end)
end, "documents")
