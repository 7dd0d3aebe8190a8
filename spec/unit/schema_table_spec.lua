-- SPDX-License-Identifier: MIT
--
-- What schema:create and schema:table record, and what they refuse.

require("spec.unit.core_stub")
local builder = require("eloquent.schema.builder")
local column = require("eloquent.model.column").column
local errors = require("eloquent.core.errors")
local null = require("eloquent.core.null")
local registry = require("eloquent.model.registry")
local SqlModel = require("eloquent.model.definition").SqlModel

local function record(describe)
    local schema, operations = builder.recorder()
    describe(schema)
    return operations
end

local function create(build)
    return record(function(schema)
        schema:create("users", build)
    end)[1]
end

describe("a recorded operation", function()
    after_each(function()
        registry.forget()
    end)

    it("is plain data", function()
        local op = create(function(t)
            t:id()
            t:string("name", 40):default(null):nullable()
            t:decimal("price", 8, 2):default("1.5"):unique()
            t:foreignId("team_id"):constrained():cascadeOnDelete()
        end)
        assert.same({
            op = "createTable",
            table = "users",
            columns = {
                { name = "id", type = "bigIncrements", nullable = false },
                { name = "name", type = "string", length = 40, nullable = true,
                    default = { null = true } },
                { name = "price", type = "decimal", precision = 8, scale = 2,
                    nullable = false, default = "1.50" },
                { name = "team_id", type = "bigInteger", nullable = false },
            },
            indexes = {
                { name = "users_price_unique", columns = { "price" }, unique = true },
            },
            foreignKeys = {
                { name = "users_team_id_foreign", columns = { "team_id" }, table = "teams",
                    references = { "id" }, onDelete = "CASCADE" },
            },
            checks = {},
        }, op)
    end)

    it("of a model is that of the same table", function()
        local Model = SqlModel "User" {
            schema = {
                id = column("bigIncrements"),
                name = column("string", 40, { notNull = true, unique = true }),
                team_id = column("bigInteger"),
            },
            database = {
                foreignKeys = {
                    { column = "team_id", references = { table = "teams", column = "id" } },
                },
                indexes = { { columns = { "name", "team_id" } } },
            },
            timestamps = true,
        }
        local from_model = record(function(schema)
            schema:create(Model)
        end)[1]
        assert.same(create(function(t)
            t:id()
            t:string("name", 40):unique()
            t:foreignId("team_id"):nullable():constrained()
            t:index({ "name", "team_id" })
            t:timestamps()
        end), from_model)
    end)

    it("of a model takes NULL unless the column says otherwise, of a migration it doesn't", function()
        local Model = SqlModel "User" { schema = { name = column("string") } }
        local from_model = record(function(schema)
            schema:create(Model)
        end)[1]
        assert.is_true(from_model.columns[1].nullable)
        assert.is_false(create(function(t) t:string("name") end).columns[1].nullable)
    end)

    it("does not follow later changes of the model's tables", function()
        local values = { "a", "b" }
        local Model = SqlModel "User" {
            schema = { kind = column("enum", nil, { values = values }) },
        }
        local op = record(function(schema) schema:create(Model) end)[1]
        op.columns[1].values[1] = "z"
        values[2] = "y"
        assert.same({ "a", "b" }, Model._column.kind.values)
    end)

    it("of a change keeps the order in which it was written", function()
        local kinds = {}
        for i, op in ipairs(record(function(schema)
            schema:table("users", function(t)
                t:dropIndex("old")
                t:string("a"):nullable():index()
                t:renameColumn("b", "c")
                t:dropColumn("d", "e")
            end)
        end)) do
            kinds[i] = op.op
            assert.equal("users", op.table)
        end
        assert.same({ "dropIndex", "addColumn", "addIndex", "renameColumn", "dropColumn",
            "dropColumn" }, kinds)
    end)

    it("of change() holds what was mentioned", function()
        local op = record(function(schema)
            schema:table("users", function(t) t:string("a", 10):change() end)
        end)[1]
        assert.same({ op = "changeColumn", table = "users",
            column = { name = "a", type = "string", length = 10 } }, op)
    end)

    it("takes a model in the place of its table's name", function()
        local Model = SqlModel "User" { schema = { id = column("increments") } }
        assert.same({
            { op = "dropTable", table = "users", ifExists = true },
            { op = "dropTable", table = "users" },
            { op = "renameTable", from = "users", to = "people" },
        }, record(function(schema)
            schema:dropIfExists(Model)
            schema:drop(Model)
            schema:rename(Model, "people")
        end))
    end)
end)

-- What it says and the table that it says it of.
local refused = {
    { "a table needs a column", function() end },
    { 't:strng: tables have no such method; did you mean \'string\'?', function(t) t:strng("a") end },
    { 't:int: tables have no such method; did you mean \'integer\'?', function(t) t:int("a") end },
    { 'there is no modifier "nulable"; did you mean \'nullable\'?', function(t) t:string("a"):nulable() end },
    { "write it with a colon", function(t) t.string("a") end },
    { "the first argument is the column's name", function(t) t:string() end },
    { 't:string("a"): the length is a whole number', function(t) t:string("a", "40") end },
    { 't:integer("a"): the default of a column of type integer', function(t) t:integer("a"):default("x") end },
    { 'a column of type json has no option "unique"', function(t) t:json("a"):unique() end },
    { 'a column of type string has no option "defaultNow"', function(t) t:string("a"):useCurrent() end },
    { "the default of a column that can't be NULL", function(t) t:string("a"):default(null) end },
    { "default takes a value; NULL is eloquent.null", function(t) t:string("a"):default(nil) end },
    { "an enum needs its values", function(t) t:enum("a", {}) end },
    { "a primary key can't be NULL", function(t) t:string("a"):primary():nullable() end },
    { '"a" is in the primary key and can\'t be nullable', function(t)
        t:string("a"):nullable() t:primary("a")
    end },
    { 'the column "a" is there twice', function(t) t:string("a") t:text("a") end },
    { 'both count up', function(t) t:id() t:increments("b") end },
    { 'is the primary key alone', function(t) t:id() t:string("b"):primary() end },
    { "two primary keys", function(t) t:string("a"):primary() t:primary("a") end },
    { 'the primary key names the column "b"', function(t) t:string("a") t:primary("b") end },
    { 'the index "users_nam_index" names the column "nam", which is not there; did you mean \'name\'?',
        function(t) t:string("name") t:index("nam") end },
    { 'the name "x" is used twice', function(t) t:string("a"):index("x") t:index("a", "x") end },
    { "an index on an expression needs a name", function(t)
        t:string("a") t:index(require("eloquent.query.expression").raw("lower(a)"))
    end },
    { 'unknown option "wher"; did you mean \'where\'?', function(t) t:string("a") t:index("a", { wher = "x" }) end },
    { 'columns is a list of names', function(t) t:string("a") t:index({}) end },
    { 'constrained() finds the table by a name like "team_id"', function(t) t:bigInteger("team"):constrained() end },
    { "say first which table it refers to", function(t) t:foreignId("team_id"):cascadeOnDelete() end },
    { 'onDelete is one of CASCADE, RESTRICT', function(t)
        t:foreignId("team_id"):constrained():onDelete("cascade")
    end },
    { "sets \"team_id\" to NULL", function(t) t:foreignId("team_id"):constrained():nullOnDelete() end },
    { "it refers to nothing", function(t) t:integer("a") t:foreign("a") end },
    { "it has no table to refer to", function(t) t:integer("a") t:foreign("a"):references("id") end },
    { "it has 1 columns and refers to 2", function(t)
        t:integer("a") t:foreign("a"):references({ "x", "y" }):on("b")
    end },
    { "change() is for schema:table", function(t) t:string("a"):change() end },
    { "dropColumn is for schema:table", function(t) t:string("a") t:dropColumn("b") end },
    { "the first argument is an SQL condition", function(t) t:check() end },
}

local refused_changes = {
    { "a primary key can't be added with a column", function(t) t:string("a"):primary() end },
    { "a check that is added to a table needs a name", function(t) t:check("a > 0") end },
    { "takes a name or a list of columns", function(t) t:dropIndex() end },
    { "takes a name", function(t) t:dropCheck({ "a" }) end },
    { "renameColumn", function(t) t:renameColumn("a") end },
}

describe("an error in a table", function()
    local function check(case, method)
        it("says: " .. case[1], function()
            local schema = builder.recorder()
            local ok, problem = pcall(schema[method], schema, "users", case[2])
            assert.is_false(ok, "nothing was raised")
            assert.is_true(errors.is(problem, "misuse"), tostring(problem))
            assert.is_truthy(problem.message:find(case[1], 1, true), problem.message)
            assert.matches("schema_table_spec%.lua$", problem.file)
        end)
    end
    for _, case in ipairs(refused) do
        check(case, "create")
    end
    for _, case in ipairs(refused_changes) do
        check(case, "table")
    end

    it("blames the line of the column", function()
        local at
        local ok, problem = pcall(create, function(t)
            t:id()
            at = debug.getinfo(1, "l").currentline + 1
            t:integer("a"):default("x")
            t:string("b")
        end)
        assert.is_false(ok)
        assert.equal(at, problem.line)
    end)
end)

describe("a schema", function()
    local function says(text, fn)
        local ok, problem = pcall(fn)
        assert.is_false(ok, "nothing was raised")
        assert.is_truthy(problem.message:find(text, 1, true), problem.message)
    end

    it("refuses calls that can't be meant", function()
        local schema = builder.recorder()
        says('a schema has no "dropTable"', function() schema:dropTable("a") end)
        says("takes a function that describes the table", function() schema:create("a") end)
        says("takes the name of a table or a model, found a nil", function() schema:drop() end)
        says("is called with a colon", function() schema.drop("a") end)
        says("takes the new name", function() schema:rename("a") end)
        says("takes SQL text", function() schema:raw() end)
        says("what is recorded can't depend", function() schema:hasTable("a") end)
    end)
end)
