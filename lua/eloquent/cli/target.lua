-- SPDX-License-Identifier: MIT
--
-- The flags that choose a command's connection: an engine's name, --connection, --test.
local target = {}

local ENGINES <const> = { "mysql", "pg", "sqlite", "mongo" }

target.flags = {
    { name = "connection", value = "NAME", summary = "the default connection, in place of DB_CONNECTION" },
    { name = "mysql", summary = "the same as --connection mysql" },
    { name = "pg", summary = "the same as --connection pg" },
    { name = "sqlite", summary = "the same as --connection sqlite" },
    { name = "mongo", summary = "the same as --connection mongo" },
    { name = "test", summary = "test mode: every connection is its _test twin" },
}

--- Sets the default connection and test mode as the flags say; two engines are a mistake.
---@param options table  parsed flags
function target.apply(options)
    local named = { options.connection and "--connection" or nil }
    local name = options.connection
    for _, engine in ipairs(ENGINES) do
        if options[engine] then
            named[#named + 1] = "--" .. engine
            name = engine
        end
    end
    if #named > 1 then
        local usage = require("eloquent.cli.usage")
        usage.fail(("%s and %s name two connections; give one"):format(named[1], named[2]),
            "a model is pinned to another one by connectionName")
    end
    if not name and not options.test then
        return
    end
    local connections = require("eloquent.connections")
    if options.test then
        connections.set_test_mode(true)
    end
    if name then
        connections.set_default(name)
    end
end

return target
