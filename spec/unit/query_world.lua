-- SPDX-License-Identifier: MIT
-- What the specs of the query builder stand on: a model, a connection that records statements and replays rows,
-- and, outside the built program, simple stand-ins for the modules of the core.
local world = {}

local function provide(name, make)
    if not pcall(require, name) then
        package.loaded[name] = make()
    end
end

provide("eloquent.core.null", function()
    return io.stdout -- any unique userdata
end)

provide("eloquent.core.errors", function()
    local errors = {}
    local metatable = {
        __tostring = function(e)
            return e.message
        end,
    }
    function errors.new(e)
        return setmetatable(e, metatable)
    end
    function errors.raise(e)
        error(errors.new(e), 0)
    end
    function errors.is(e, kind)
        return getmetatable(e) == metatable and (kind == nil or e.kind == kind)
    end
    return errors
end)

provide("eloquent.core.datetime", function()
    return {
        now = function()
            return io.stderr
        end,
    }
end)

provide("eloquent.core.plan", function()
    local Plan = {}
    Plan.__index = Plan
    function Plan:sql()
        return self.text
    end
    return {
        new = function(sql, shape, params, options)
            return setmetatable({ text = sql, shape = shape, params = params, options = options }, Plan)
        end,
    }
end)

provide("eloquent.core.shape", function()
    return {
        new = function()
            return {
                normal = function(_, _, value)
                    return value
                end,
            }
        end,
    }
end)

provide("eloquent.core.placeholder", function()
    return {
        scan = function(sql, dialect)
            local order, place = {}, {}
            local n = 0
            local text = sql:gsub("%?", function()
                n = n + 1
                order[#order + 1] = n
                return dialect == "pg" and "$" .. #order or "?"
            end):gsub(":([%a_][%w_]*)", function(name)
                if dialect == "pg" and place[name] then
                    return "$" .. place[name]
                end
                order[#order + 1] = name
                place[name] = #order
                return dialect == "pg" and "$" .. #order or "?"
            end)
            return text, order, next(place) ~= nil
        end,
    }
end)

provide("eloquent.core.collection", function()
    return { methods = {} }
end)

provide("eloquent.core.record", function()
    return {
        is = function()
            return false
        end,
    }
end)

--- A model as SqlModel makes it, as far as the builder looks.
function world.model(name, tbl, columns, more)
    local model = {
        _name = name, _table = tbl, _columns = columns, _column = {}, _relations = {}, _key = "id",
        _database = { indexes = {} },
    }
    for _, column in ipairs(columns) do
        model._column[column.name] = column
    end
    local shape
    function model._getShape()
        shape = shape or require("eloquent.core.shape").new({ model = name, columns = columns })
        return shape
    end
    for key, value in pairs(more or {}) do
        model[key] = value
    end
    return model
end

world.User = world.model("User", "users", {
    { name = "id", type = "increments" },
    { name = "name", type = "string", length = 255 },
    { name = "age", type = "integer" },
    { name = "active", type = "boolean" },
    { name = "balance", type = "decimal", precision = 10, scale = 2 },
    { name = "bio", type = "text" },
    { name = "born", type = "timestamp" },
    { name = "settings", type = "json" },
}, { _relations = { posts = {} } })

world.Post = world.model("Post", "posts", {
    { name = "id", type = "increments" },
    { name = "user_id", type = "integer" },
    { name = "title", type = "string", length = 100 },
    { name = "token", type = "uuid" },
    { name = "created_at", type = "timestamp" },
    { name = "updated_at", type = "timestamp" },
}, { _timestamps = { created = "created_at", updated = "updated_at" } })

--- A connection that writes down { verb, sql, args } and answers with what `replies` holds, in turn.
---@param driver string
---@param replies any[]|nil
function world.connection(driver, replies)
    local connection = { name = driver, driver = driver, log = {}, transactions = 0 }
    local core = {}
    local function reply(otherwise)
        local value = replies and table.remove(replies, 1)
        if value == nil then
            return otherwise
        end
        return value
    end
    local function record(verb, plan, args)
        local copy = {}
        for i = 1, #(args or {}) do
            copy[i] = args[i]
        end
        connection.log[#connection.log + 1] = { verb = verb, sql = plan:sql(), args = copy }
    end
    function core.select(_, plan, args)
        record("select", plan, args)
        return reply({})
    end
    function core.first(_, plan, ...)
        record("first", plan, { ... })
        return reply(nil)
    end
    function core.scalar(_, plan, args)
        record("scalar", plan, args)
        return reply(nil)
    end
    function core.execute(_, plan, args)
        record("execute", plan, args)
        return reply(1), 41
    end
    function core.bulk(_, _, into, columns, fills, _, rows, from)
        connection.log[#connection.log + 1] = {
            verb = "bulk", sql = into, columns = columns, fills = fills, args = {}, count = #rows - from + 1,
        }
        return #rows - from + 1
    end
    function core.cursor(_, plan, args)
        record("cursor", plan, args)
        local rows, i = reply({}), 0
        return function()
            i = i + 1
            return rows[i]
        end
    end
    function connection.core()
        return core
    end
    function connection.transaction(_, fn)
        connection.transactions = connection.transactions + 1
        return fn()
    end
    function connection.query_grammar()
        return require("eloquent.query.grammar." .. driver)
    end
    function connection.scalar()
        return reply(nil)
    end
    function connection.execute() end
    return connection
end

--- A query of a model on a recording connection.
function world.query(model, driver, replies)
    local connection = world.connection(driver, replies)
    return require("eloquent.query.builder").new(model, connection), connection
end

--- The error object that `fn` raises.
function world.failure(fn, ...)
    local ok, err = pcall(fn, ...)
    assert(not ok, "an error was expected")
    assert(require("eloquent.core.errors").is(err), tostring(err))
    return err
end

return world
