-- SPDX-License-Identifier: MIT
--
-- Lets unit specs of Lua code run under a plain Lua too: stands in for the C modules of
-- the program where they are missing. Inside the program it does nothing.

-- The error objects of eloquent.core.errors.
local Error = { __name = "eloquent.Error" }
Error.__tostring = function(e)
    local at = e.file and ("%s:%s: "):format(e.file, e.line) or ""
    return ("%s%s (%s error)"):format(at, e.message, e.kind)
end

local function errors()
    local module = {}
    function module.position()
        for level = 2, 100 do
            local info = debug.getinfo(level, "Sl")
            local own = info.source:find("lua/eloquent/", 1, true)
                or info.source:find("core_stub.lua", 1, true)
            if info.currentline > 0 and not own then
                return info.source:sub(2), info.currentline
            end
        end
    end
    function module.new(fields)
        if not fields.file then
            fields.file, fields.line = module.position()
        end
        return setmetatable(fields, Error)
    end
    function module.raise(fields)
        error(module.new(fields), 0)
    end
    function module.is(value, kind)
        return getmetatable(value) == Error and (kind == nil or value.kind == kind)
    end
    return module
end

local function text_value(name)
    local class = { __name = name }
    function class:__tostring()
        return self.text
    end
    return setmetatable({
        is = function(value)
            return getmetatable(value) == class
        end,
    }, {
        __call = function(_, text)
            return setmetatable({ text = text }, class)
        end,
    })
end

local function host()
    local module = {}
    function module.exists(path)
        local file = io.open(path)
        if file then
            file:close()
        end
        return file ~= nil
    end
    function module.isdir()
        return false
    end
    function module.realpath(path)
        return module.exists(path) and (path:gsub("^%./", "")) or nil
    end
    return module
end

local stand_ins = {
    errors = errors,
    host = host,
    null = function()
        return setmetatable({}, { __name = "eloquent.null" })
    end,
    decimal = function()
        return text_value("eloquent.Decimal")
    end,
    datetime = function()
        return text_value("eloquent.DateTime")
    end,
    json = function()
        return {
            encode = function(value)
                return type(value) == "table" and "[1]" or tostring(value)
            end,
        }
    end,
    plan = function()
        return {
            new = function(sql)
                return { sql = sql }
            end,
        }
    end,
}

for _, name in ipairs({
    "errors", "host", "null", "decimal", "datetime", "json", "plan", "shape", "record",
    "connection", "env", "placeholder", "uid", "objectid", "collection",
}) do
    local full = "eloquent.core." .. name
    local found = pcall(require, full)
    if not found then
        package.loaded[full] = stand_ins[name] and stand_ins[name]() or {}
    end
end
