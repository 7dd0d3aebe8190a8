-- SPDX-License-Identifier: MIT

require("spec.unit.core_stub")
local column_module = require("eloquent.model.column")
local decimal = require("eloquent.core.decimal")
local definition = require("eloquent.model.definition")
local errors = require("eloquent.core.errors")
local null = require("eloquent.core.null")
local raw = require("eloquent.query.expression").raw
local registry = require("eloquent.model.registry")

local SqlModel, column, relation =
    definition.SqlModel, column_module.column, column_module.relation

-- The error that the function raises, which must be of kind "misuse" and blame this file.
local function failure(fn)
    local ok, problem = pcall(fn)
    assert.is_false(ok, "nothing was raised")
    assert.is_true(errors.is(problem, "misuse"), tostring(problem))
    assert.matches("definition_spec%.lua$", problem.file)
    return problem
end

local function says(text, fn)
    local problem = failure(fn)
    assert.is_truthy(problem.message:find(text, 1, true), problem.message)
end

local function line()
    return debug.getinfo(2, "l").currentline
end

local function model(given, name)
    return SqlModel(name or "Thing")(given)
end

local function id()
    return column("increments")
end

describe("a model", function()
    after_each(function()
        registry.forget()
    end)

    it("has what its definition says", function()
        local at = line() + 1
        local User = SqlModel "User" {
            connectionName = "pg",
            schema = {
                id = column("increments", nil, { primary = true }),
                name = column("string", 100, { notNull = true }),
                email = column("string", nil, { unique = true }),
                price = column("decimal", nil, { precision = 12, scale = 3 }),
                cost = column("decimal"),
                posts = relation("hasMany", "Post", { foreignKey = "user_id" }),
            },
        }
        assert.equal("User", User._name)
        assert.equal("users", User._table)
        assert.equal("pg", User._connection_name)
        assert.equal(at, User._line)
        assert.matches("definition_spec%.lua$", User._file)
        assert.equal("id", User._key)
        assert.equal("model User (users)", tostring(User))
        assert.equal(100, User._column.name.length)
        assert.equal(255, User._column.email.length)
        assert.is_false(User._column.name.nullable)
        assert.is_false(User._column.id.nullable)
        assert.is_true(User._column.email.nullable)
        assert.same({ 12, 3 }, { User._column.price.precision, User._column.price.scale })
        assert.same({ 10, 2 }, { User._column.cost.precision, User._column.cost.scale })
        assert.equal("hasMany", User._relations.posts.kind)
        assert.equal("user_id", User._relations.posts.options.foreignKey)
        assert.is_nil(User._timestamps)
    end)

    it("keeps its columns in source order", function()
        local schema = {}
        local expected = {}
        for i = 1, 40 do
            local name = ("c%02d"):format((i * 17) % 41)
            schema[name] = column("integer")
            expected[i] = name
        end
        local names = {}
        for i, item in ipairs(model({ schema = schema })._columns) do
            names[i] = item.name
        end
        assert.same(expected, names)
    end)

    it("takes its methods, which records find too", function()
        local User = model({ schema = { id = id() } }, "User")
        function User:greeting()
            return "Hi"
        end
        assert.equal("Hi", User:greeting())
        assert.equal("Hi", User._methods.greeting())
        function User:greeting()
            return "Hello"
        end
        assert.equal("Hello", User:greeting())
        assert.equal("Hello", User._methods.greeting())
        function User:_private() end
        assert.equal(User._private, User._methods._private)
    end)

    it("finds verbs of models, and its records those of records", function()
        local User = model({ schema = { id = id() } }, "User")
        assert.equal(require("eloquent.model.statics").find, User.find)
        assert.equal(require("eloquent.model.record").save, User._methods.save)
    end)

    it("refuses other values and names that are taken", function()
        local User = model({
            schema = { id = id(), name = column("string"),
                posts = relation("hasMany", "Post", { foreignKey = "user_id" }) },
        }, "User")
        says("only functions", function() User.limit_of_things = 3 end)
        says("only functions", function() User._hidden = 3 end)
        says("a method of records", function() function User:_model() end end)
        says("a method of records", function() function User:save() end end)
        says("a verb of models", function() function User:find() end end)
        says("a column has that name", function() function User:name() end end)
        says("a relation has that name", function() function User:posts() end end)
    end)

    it("has created_at and updated_at with timestamps = true", function()
        local User = model({ schema = { id = id() }, timestamps = true })
        assert.same({ "id", "created_at", "updated_at" },
            { User._columns[1].name, User._columns[2].name, User._columns[3].name })
        assert.equal("timestamp", User._column.created_at.type)
        assert.is_true(User._column.updated_at.nullable)
        assert.same({ created = "created_at", updated = "updated_at" }, User._timestamps)
    end)

    it("has them where column(\"timestamps\") stands", function()
        local User = model({ schema = {
            id = id(), stamps = column("timestamps"), name = column("string") } })
        assert.equal("created_at", User._columns[2].name)
        assert.equal("name", User._columns[4].name)
        assert.same({ created = "created_at", updated = "updated_at" }, User._timestamps)
    end)

    it("may call them otherwise, or have one", function()
        local User = model({ schema = { id = id() },
            timestamps = { created = "born", updated = false } })
        assert.same({ created = "born" }, User._timestamps)
        assert.is_nil(User._column.updated_at)
        assert.equal("timestamp", User._column.born.type)
    end)

    it("has no timestamps with columns alone", function()
        local User = model({ schema = { id = id(), created_at = column("timestamp") } })
        assert.is_nil(User._timestamps)
    end)

    it("has a column for soft deletes", function()
        assert.equal("deleted_at",
            model({ schema = { id = id() }, softDeletes = true })._soft_deletes)
        local Thing = model({ schema = { id = id(), gone = column("softDeletes") } })
        assert.equal("gone", Thing._soft_deletes)
        assert.equal("timestamp", Thing._column.gone.type)
    end)

    it("has a key: the primary column, else id, else none", function()
        assert.equal("code", model({ schema = {
            id = column("integer"), code = column("string", 10, { primary = true }) } })._key)
        assert.equal("id", model({ schema = { id = column("integer") } })._key)
        assert.is_nil(model({ schema = { name = column("string") } })._key)
        local Pair = model({ schema = {
            a = column("integer", nil, { primary = true }),
            b = column("integer", nil, { primary = true }) } })
        assert.is_nil(Pair._key)
        assert.same({ "a", "b" }, Pair._keys)
    end)

    it("normalises its database part", function()
        local User = model({
            schema = { id = id(), team_id = column("integer"), name = column("string") },
            database = {
                foreignKeys = {
                    { column = "team_id", references = { table = "teams" }, onDelete = "SET NULL" },
                },
                indexes = {
                    { type = "unique", columns = { "team_id", "name" }, name = "pair" },
                    { columns = { "name" }, where = "name <> ''" },
                },
            },
        }, "User")
        assert.same({
            { name = "users_team_id_foreign", columns = { "team_id" }, table = "teams",
                references = { "id" }, onDelete = "SET NULL" },
        }, User._database.foreignKeys)
        assert.same({
            { name = "pair", columns = { "team_id", "name" }, unique = true },
            { name = "users_name_index", columns = { "name" }, where = "name <> ''" },
        }, User._database.indexes)
    end)

    it("checks and keeps its other parts", function()
        local User = model({
            schema = { id = id(), name = column("string"), password = column("string"),
                posts = relation("hasMany", "Post", { foreignKey = "user_id" }) },
            fillable = { "name" },
            hidden = { "password", "posts" },
            morphAlias = "users",
        }, "User")
        assert.same({ name = true }, User._fillable)
        assert.same({ "password", "posts" }, User._options.hidden)
        assert.equal("users", User._options.morphAlias)
    end)
end)

describe("an error in a definition", function()
    after_each(function()
        registry.forget()
    end)

    it("blames the line of the column", function()
        local at
        local problem = failure(function()
            SqlModel "User" {
                schema = {
                    id = column("increments"),
                    save = column(
                        "string"
                    ),
                },
            }
        end)
        at = debug.getinfo(1, "l").currentline - 6
        assert.equal(at, problem.line, problem.message)
        problem = failure(function()
            SqlModel "User" {
                schema = {
                    name = column("strng"),
                },
            }
        end)
        at = debug.getinfo(1, "l").currentline - 4
        assert.equal(at, problem.line)
    end)

    it("blames the line of the model, also of one that is returned", function()
        local at = line() + 2
        local function file()
            return SqlModel "User" {
                tableName = 3,
                schema = {},
            }
        end
        assert.equal(at, failure(file).line)
    end)

    local function column_error(text, ...)
        local arguments = table.pack(...)
        it(text, function()
            says(text, function()
                column(table.unpack(arguments, 1, arguments.n))
            end)
        end)
    end

    column_error('unknown column type "strng"; did you mean \'string\'?', "strng")
    column_error('unknown column type "int"; did you mean \'integer\'?', "int")
    column_error('unknown column type "zebra"; the types are bigIncrements', "zebra")
    column_error("the first argument is the type's name", nil)
    column_error('unknown option "uniqe"; did you mean \'unique\'?', "string", 9, { uniqe = true })
    column_error('option "unique" takes a boolean, found a string', "string", 9, { unique = "yes" })
    column_error('option "precision" takes an integer, found a float', "decimal", nil, { precision = 1.5 })
    column_error('a column of type json has no option "unique"', "json", nil, { unique = true })
    column_error("a column of type integer has no length", "integer", 11)
    column_error("a decimal has no length", "decimal", 12)
    column_error("the second argument is the length", "string", { unique = true })
    column_error("the length is a whole number from 1", "string", 0)
    column_error("the length is a whole number from 1", "string", "20")
    column_error("an enum needs its values", "enum")
    column_error("an enum needs its values", "enum", nil, { values = {} })
    column_error('the enum has the value "a" twice', "enum", nil, { values = { "a", "a" } })
    column_error("value 2 of the enum", "enum", nil, { values = { "a", 2 } })
    column_error("scale 5 is larger than precision 3", "decimal", nil, { precision = 3, scale = 5 })
    column_error("precision (all digits) is a whole number from 1 to 65", "decimal", nil, { precision = 0 })
    column_error("contradict each other", "string", 5, { notNull = true, nullable = true })
    column_error("a primary key can't be NULL", "string", 5, { primary = true, nullable = true })
    column_error("is the primary key always", "increments", nil, { primary = false })
    column_error("options are a table", "string", 5, "unique")
    column_error("one default", "timestamp", nil, { default = "2024-01-01 00:00:00", defaultNow = true })

    local function default_error(text, kind, length, options)
        column_error("the default " .. text, kind, length, options)
    end

    default_error("of a boolean is true or false, found a integer", "boolean", nil, { default = 1 })
    default_error("of a string is a string", "string", 5, { default = 5 })
    default_error("has 6 characters, more than the column's 5", "string", 5, { default = "äöüäöü" })
    default_error("of a string is UTF-8 text", "string", 5, { default = "\255" })
    default_error("of a column of type integer is a whole number", "integer", nil, { default = 1.5 })
    default_error("of a column of type integer is a whole number", "integer", nil, { default = "1" })
    default_error("40000 is out of the range of a smallInteger", "smallInteger", nil, { default = 40000 })
    default_error("-1 is out of the range of an unsigned integer", "integer", nil, { default = -1, unsigned = true })
    default_error("of a decimal is a decimal", "decimal", nil, { default = 0.5 })
    default_error("0.125 doesn't fit precision 10 and scale 2", "decimal", nil, { default = "0.125" })
    default_error("of a float is a finite number", "float", nil, { default = 1 / 0 })
    default_error("of an enum is one of its values (a, b)", "enum", nil, { values = { "a", "b" }, default = "c" })
    default_error("of a date is a string", "date", nil, { default = "2023-02-29" })
    default_error("of a time is a string", "time", nil, { default = "25:00:00" })
    default_error("of a timestamp is a datetime or UTC text", "timestamp", nil, { default = "now" })
    default_error("of a uuid is a string", "uuid", nil, { default = "x" })
    default_error("of a column that can't be NULL is not null", "string", 5, { notNull = true, default = null })
    column_error("an expression in a definition takes no values", "integer", nil, { default = raw("?", { 1 }) })

    it("is not raised for defaults that fit", function()
        for _, case in ipairs({
            { "string", 6, "äöüäöü" }, { "integer", nil, 3.0 }, { "boolean", nil, false },
            { "decimal", nil, decimal("12.5") }, { "decimal", nil, 3 }, { "decimal", nil, "0.50" },
            { "float", nil, 1 }, { "date", nil, "2024-02-29" }, { "string", 6, null },
            { "timestamp", nil, "2024-02-29T10:00:00Z" }, { "uuid", nil, raw("gen()") },
        }) do
            column(case[1], case[2], { default = case[3] })
        end
    end)

    local function relation_error(text, ...)
        local arguments = table.pack(...)
        it("of a relation: " .. text, function()
            says(text, function()
                relation(table.unpack(arguments, 1, arguments.n))
            end)
        end)
    end

    relation_error('unknown kind "hasmany"; did you mean \'hasMany\'?', "hasmany", "Post")
    relation_error("needs foreignKey", "hasMany", "Post")
    relation_error("needs foreignKey", "belongsTo", "Post", {})
    relation_error("needs pivotTable", "belongsToMany", "Role", {})
    relation_error("needs morphName", "morphTo")
    relation_error("needs through", "hasManyThrough", "Post", {})
    relation_error("write nil in the place", "morphTo", "Post", { morphName = "x" })
    relation_error("the name of a model", "hasMany", {}, { foreignKey = "x" })
    relation_error('has no option "foreingKey"; did you mean \'foreignKey\'?', "hasMany", "P", { foreingKey = "x" })
    relation_error('option "foreignKey" takes a string', "hasMany", "P", { foreignKey = 5 })
    relation_error("embedded on MongoDB only", "embedsMany", "P")

    local function model_error(text, given)
        it("of a model: " .. text, function()
            says(text, function()
                model(given())
            end)
        end)
    end

    model_error('unknown key "tablename"; did you mean \'tableName\'?', function()
        return { tablename = "x", schema = { id = id() } }
    end)
    model_error("tableName takes a string, found a number", function()
        return { tableName = 3, schema = { id = id() } }
    end)
    model_error("it has no schema", function() return {} end)
    model_error("its schema has no columns", function() return { schema = {} } end)
    model_error("found one without a name", function() return { schema = { id() } } end)
    model_error("is made by column() or relation(), found a string", function()
        return { schema = { name = "string" } }
    end)
    model_error('the column "save" is named like a method of records', function()
        return { schema = { save = column("string") } }
    end)
    model_error('the column "where" is named like a verb of models', function()
        return { schema = { where = column("string") } }
    end)
    model_error('the relation "delete" is named like a method of records', function()
        return { schema = { id = id(), delete = relation("hasMany", "P", { foreignKey = "x" }) } }
    end)
    model_error("a table has one column of increments", function()
        return { schema = { id = id(), other = column("bigIncrements") } }
    end)
    model_error("so it is the key alone", function()
        return { schema = { id = id(), b = column("string", 5, { primary = true }) } }
    end)
    model_error('timestamps needs "created_at" to be of type timestamp', function()
        return { schema = { id = id(), created_at = column("date") }, timestamps = true }
    end)
    model_error("timestamps is true, or", function()
        return { schema = { id = id() }, timestamps = { made = "x" } }
    end)
    model_error('the column "created_at" is there twice', function()
        return { schema = { created_at = column("timestamp"), stamps = column("timestamps") } }
    end)
    model_error("a model has one", function()
        return { schema = { a = column("softDeletes"), b = column("softDeletes") } }
    end)
    model_error('has foreignKey = "team", and there is no such column; did you mean \'team_id\'?', function()
        return { schema = { team_id = column("integer"),
            team = relation("belongsTo", "Team", { foreignKey = "team" }) } }
    end)
    model_error("can't live on \"mongo\"", function()
        return { connectionName = "mongo", schema = { id = id() } }
    end)
    model_error('fillable: there is no column "nam"; did you mean \'name\'?', function()
        return { schema = { name = column("string") }, fillable = { "nam" } }
    end)
    model_error('on: there is no event "create"', function()
        return { schema = { id = id() }, on = { create = print } }
    end)
    model_error("scopes are not supported by this version", function()
        return { schema = { id = id() }, scopes = { popular = function() end } }
    end)
    model_error("scopes.x is a function", function()
        return { schema = { id = id() }, scopes = { x = 1 } }
    end)
    model_error('the scope "where" is named like a verb of models', function()
        return { schema = { id = id() }, scopes = { where = print } }
    end)
    model_error('database: unknown key "index"; did you mean \'indexes\'?', function()
        return { schema = { id = id() }, database = { index = {} } }
    end)
    model_error('database.indexes[1]: there is no column "nam"', function()
        return { schema = { name = column("string") }, database = { indexes = { { columns = { "nam" } } } } }
    end)
    model_error('database.indexes[1]: type is "unique" or "index"', function()
        return { schema = { id = id() }, database = { indexes = { { type = "uniq", columns = { "id" } } } } }
    end)
    model_error('the name "things_name_unique" belongs to the column "name" already', function()
        return { schema = { name = column("string", 5, { unique = true }) },
            database = { indexes = { { type = "unique", columns = { "name" } } } } }
    end)

    local function foreign(key)
        return function()
            return { schema = { id = id(), team_id = column("integer", nil, { notNull = true }) },
                database = { foreignKeys = { key } } }
        end
    end
    model_error("it needs references", foreign({ column = "team_id" }))
    model_error('there is no column "team"; did you mean \'team_id\'?',
        foreign({ column = "team", references = { table = "teams" } }))
    model_error('onDelete is one of CASCADE', foreign(
        { column = "team_id", references = { table = "teams" }, onDelete = "cascade" }))
    model_error("SET NULL needs a column that takes NULL", foreign(
        { column = "team_id", references = { table = "teams" }, onDelete = "SET NULL" }))
    model_error('references: unknown key "tabel"; did you mean \'table\'?', foreign(
        { column = "team_id", references = { tabel = "teams" } }))

    it("is raised for a name that is none", function()
        says("a model begins with its name", function() SqlModel {} end)
        says("is no name for a model", function() SqlModel "my model" end)
    end)
end)
