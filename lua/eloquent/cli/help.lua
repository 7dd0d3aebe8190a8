-- SPDX-License-Identifier: MIT
--
-- `eloquent help [command]`, which is also `-h` and `--help`.  Examples come first.

local help = {
    name = "help",
    summary = "examples and flags of a command",
    usage = "eloquent help [COMMAND]",
    takes = 1,
    without_env = true,
    examples = {
        { "eloquent help run", "how to run a script" },
        { "eloquent run -h", "the same" },
    },
}

local function add_pairs(lines, title, rows)
    if #rows == 0 then
        return
    end
    local width = 0
    for _, row in ipairs(rows) do
        width = math.max(width, #row[1])
    end
    lines[#lines + 1] = ""
    lines[#lines + 1] = title
    for _, row in ipairs(rows) do
        lines[#lines + 1] = ("  %-" .. width .. "s   %s"):format(row[1], row[2])
    end
end

local function flag_rows(flags)
    local rows = {}
    for _, flag in ipairs(flags) do
        local spelled = "--" .. flag.name .. (flag.value and " " .. flag.value or "")
        spelled = (flag.short and "-" .. flag.short .. ", " or "    ") .. spelled
        rows[#rows + 1] = { spelled, flag.summary }
    end
    return rows
end

--- Prints what a command does.
---@param command table
---@return integer status
function help.show(command)
    local lines = { ("eloquent %s: %s"):format(command.name, command.summary) }
    add_pairs(lines, "Examples", command.examples or {})
    lines[#lines + 1] = ""
    lines[#lines + 1] = "Usage"
    lines[#lines + 1] = "  " .. command.usage
    add_pairs(lines, "Flags", flag_rows(command.flags or {}))
    add_pairs(lines, "Flags of every command", flag_rows(require("eloquent.cli").flags))
    for _, line in ipairs(command.notes or {}) do
        lines[#lines + 1] = line
    end
    print(table.concat(lines, "\n"))
    return 0
end

local function show_program()
    local cli = require("eloquent.cli")
    local commands = {}
    for _, name in ipairs(cli.names()) do
        commands[#commands + 1] = { name, cli.find(name).summary }
    end
    local lines = { "eloquent: Lua models on SQLite, PostgreSQL, MySQL/MariaDB and MongoDB" }
    add_pairs(lines, "Examples", {
        { "eloquent run seed.lua", "run a script" },
        { "echo 'print(1 + 1)' | eloquent run -", "run what comes on standard input" },
        { "eloquent doctor", "which databases can be reached, and why not" },
        { "eloquent help run", "more about one command" },
    })
    add_pairs(lines, "Commands", commands)
    add_pairs(lines, "Flags", flag_rows(cli.flags))
    add_pairs(lines, "Exit status", {
        { "0", "done" },
        { "1", "failed" },
        { "2", "the command line is wrong" },
        { "4", "a database cannot be reached" },
        { "130", "interrupted" },
    })
    print(table.concat(lines, "\n"))
    return 0
end

function help.run(call)
    local cli, name = require("eloquent.cli"), call.args[1]
    if not name then
        return show_program()
    end
    local command = cli.find(name)
    if not command then
        require("eloquent.cli.usage").unknown("command", name, cli.names(), "eloquent list")
    end
    return help.show(command)
end

return help
