-- SPDX-License-Identifier: MIT
--
-- `eloquent list`: the commands.

local list = {
    name = "list",
    summary = "the commands",
    usage = "eloquent list [--json]",
    takes = 0,
    without_env = true,
    examples = {
        { "eloquent list", "the commands and what they do" },
        { "eloquent list --json", "the same for programs" },
    },
    flags = { { name = "json", summary = "one JSON object" } },
}

local function rows()
    local cli, result = require("eloquent.cli"), {}
    for i, name in ipairs(cli.names()) do
        local command = cli.find(name)
        result[i] = { name = name, summary = command.summary, usage = command.usage }
    end
    return result
end

function list.run(call)
    local output = require("eloquent.cli.output")
    local commands = rows()
    if call.options.json then
        output.json({ schema_version = 1, commands = commands })
        return 0
    end
    for _, command in ipairs(commands) do
        print(("%-9s %s"):format(command.name, command.summary))
    end
    return 0
end

return list
