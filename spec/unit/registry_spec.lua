-- SPDX-License-Identifier: MIT

require("spec.unit.core_stub")
local column = require("eloquent.model.column").column
local errors = require("eloquent.core.errors")
local registry = require("eloquent.model.registry")
local SqlModel = require("eloquent.model.definition").SqlModel

local function says(text, fn)
    local ok, problem = pcall(fn)
    assert.is_false(ok, "nothing was raised")
    assert.is_true(errors.is(problem, "misuse"), tostring(problem))
    assert.is_truthy(problem.message:find(text, 1, true), problem.message)
    return problem
end

local function model(name)
    return SqlModel(name)({ schema = { id = column("increments") } })
end

describe("the registry", function()
    local root

    local function write(name, text)
        local file <close> = assert(io.open(root .. "/app/models/" .. name .. ".lua", "w"))
        file:write(text)
    end

    local function definition_of(name)
        return ([[
            local SqlModel = require("eloquent.model.definition").SqlModel
            local column = require("eloquent.model.column").column
            return SqlModel "%s" { schema = { id = column("increments") } }
        ]]):format(name)
    end

    before_each(function()
        root = os.tmpname()
        os.remove(root)
        assert(os.execute("mkdir -p " .. root .. "/app/models"))
        registry.root = root
    end)

    after_each(function()
        registry.root = "."
        registry.forget()
        os.execute("rm -rf " .. root)
    end)

    it("knows a model that was defined", function()
        local User = model("User")
        assert.equal(User, registry.find("User"))
        assert.equal(User, registry.get("User"))
        assert.is_true(registry.is_model(User))
    end)

    it("has nothing to say about other values", function()
        assert.is_false(registry.is_model({}))
        assert.is_false(registry.is_model("User"))
        assert.is_false(registry.is_model(nil))
        assert.is_nil(registry.find("Nobody"))
        assert.is_nil(registry.find(nil))
        assert.is_nil(registry.find("../../etc/passwd"))
    end)

    it("takes the model of the same file anew", function()
        local first = model("User")
        local second = model("User")
        assert.are_not.equal(first, second)
        assert.equal(second, registry.find("User"))
    end)

    it("refuses a second model of that name in the same file, and names both", function()
        write("Twice", "do " .. definition_of("User"):gsub("return", "_ =") .. " end\n" .. definition_of("User"))
        local problem = says("model User is defined twice: at ", function()
            dofile(root .. "/app/models/Twice.lua")
        end)
        assert.is_truthy(problem.message:find("Twice.lua:3 and at ", 1, true), problem.message)
        assert.equal(7, problem.line)
        assert.equal(3, registry.find("User")._line)
    end)

    it("takes the models of a file that was edited and loaded anew", function()
        for _, lines in ipairs({ "", "\n\n", "\n" }) do
            write("Edited", lines .. definition_of("User"))
            local loaded = dofile(root .. "/app/models/Edited.lua")
            assert.equal(loaded, registry.find("User"))
        end
    end)

    it("refuses a second model of that name from another file, and names both", function()
        write("Double", definition_of("User"))
        model("User")
        local problem = says("model User is defined twice: at ", function()
            dofile(root .. "/app/models/Double.lua")
        end)
        assert.is_truthy(problem.message:find("registry_spec.lua", 1, true))
        assert.is_truthy(problem.message:find("Double.lua:3", 1, true), problem.message)
        assert.equal(3, problem.line)
    end)

    it("loads a model from app/models when it is first mentioned, once", function()
        write("Post", definition_of("Post"))
        local Post = registry.find("Post")
        assert.equal("posts", Post._table)
        assert.equal(Post, registry.find("Post"))
        assert.equal(Post, package.loaded["app.models.Post"])
    end)

    it("shows a syntax error in such a file at its line", function()
        write("Broken", "local x =\n\nreturn return\n")
        local problem = says("unexpected symbol", function()
            registry.find("Broken")
        end)
        assert.equal(root .. "/app/models/Broken.lua", problem.file)
        assert.equal(3, problem.line)
    end)

    it("passes an error of such a file on, and forgets what it defined", function()
        write("Post", definition_of("Post"):gsub("return SqlModel", "local _ = SqlModel")
            .. " error({ code = 7 })")
        local ok, problem = pcall(registry.find, "Post")
        assert.is_false(ok)
        assert.equal(7, problem.code)
        write("Post", definition_of("Post"))
        assert.equal("Post", registry.find("Post")._name)
    end)

    it("refuses a file that returns something else", function()
        write("Number", "return 5")
        says("has to return the model Number, it returned a number", function()
            registry.find("Number")
        end)
        write("Other", definition_of("Another"))
        says("has to return the model Other, it returned Another", function()
            registry.find("Other")
        end)
    end)

    it("refuses a model that needs itself to be loaded", function()
        write("Loop", 'require("eloquent.model.registry").find("Loop")')
        says("is needed while", function()
            registry.find("Loop")
        end)
    end)

    it("names the nearest model when there is none", function()
        model("User")
        says('there is no model "Usr"; did you mean \'User\'?', function()
            registry.get("Usr")
        end)
        says("app/models/Zebra.lua", function()
            registry.get("Zebra")
        end)
    end)

    it("lists its models by name", function()
        local User, Post = model("User"), model("Post")
        assert.same({ Post, User }, registry.all())
    end)

    it("registers a list", function()
        local User, Post = model("User"), model("Post")
        registry.forget()
        registry.registerModels({ User, Post })
        assert.equal(User, registry.find("User"))
        assert.equal(Post, registry.find("Post"))
    end)

    it("refuses what is no list of models", function()
        local User = model("User")
        says("takes a list of models, found one model", function()
            registry.registerModels(User)
        end)
        says("found a nil", function()
            registry.registerModels(nil)
        end)
        says("item 2 is a string", function()
            registry.registerModels({ User, "Post" })
        end)
        says("without names or holes", function()
            registry.registerModels({ user = User })
        end)
    end)
end)
