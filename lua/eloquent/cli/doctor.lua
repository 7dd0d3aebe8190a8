-- SPDX-License-Identifier: MIT
--
-- `eloquent doctor`: what the environment says about each connection, and whether it
-- works. Opens the configured ones and the default; changes nothing.

local doctor = {
    name = "doctor",
    summary = "which databases can be reached, and why not",
    usage = "eloquent doctor [--json]",
    takes = 0,
    without_env = true, -- a malformed .env is one of its findings
    examples = {
        { "eloquent doctor", "each connection: settings, where they come from, does it work" },
        { "eloquent doctor --json", "the same for programs" },
    },
    flags = { { name = "json", summary = "one JSON object" } },
    notes = {
        "",
        "Exit status: 0 the default connection works, 1 .env is malformed, 4 it does not work.",
    },
}

local function message_of(err)
    return type(err) == "table" and err.message or tostring(err)
end

-- pcall whose second value is the message in the case of a failure
local function try(fn, ...)
    local results = table.pack(pcall(fn, ...))
    if results[1] then
        return table.unpack(results, 1, results.n)
    end
    return false, message_of(results[2]), type(results[2]) == "table" and results[2].kind or nil
end

-- What to ask a server of each driver; a column is a label of the report.
local questions = {
    pg = "SELECT current_setting('TimeZone') AS time_zone",
    mysql = "SELECT @@session.time_zone AS time_zone, @@session.sql_mode AS sql_mode",
}
local answers = { "time_zone", "sql_mode", "transactions" }

-- A variable of its own says that somebody wants it; a twin inherits the app's.
local function is_configured(resolved)
    for _, source in pairs(resolved.sources) do
        if source ~= "default" and (not resolved.test or source:find("_TEST_", 1, true)) then
            return true
        end
    end
    return false
end

-- { key, value, source } in order of keys; passwords are only "set".
local function settings_of(resolved)
    local keys, settings = {}, {}
    for key in pairs(resolved.options) do
        keys[#keys + 1] = key
    end
    table.sort(keys)
    for i, key in ipairs(keys) do
        local shown = resolved.secret[key] and "set" or resolved.options[key]
        settings[i] = { key = key, value = shown, source = resolved.sources[key] }
    end
    return settings
end

-- A SQLite file that is not there yet would be made by opening it.
local function is_absent_file(resolved)
    local path = resolved.driver == "sqlite" and resolved.options.path
    if not path or path == ":memory:" or path:find("^file:") then
        return false
    end
    return not require("eloquent.core.host").exists(path)
end

-- A single MongoDB server works, and has no transactions.
local function transactions_of(connection)
    local hello = connection:command({ hello = 1 })
    if hello.setName then
        return "yes, replica set " .. hello.setName
    end
    return hello.msg == "isdbgrid" and "yes, sharded" or "no: start the server with --replSet"
end

local function probe(finding)
    local connection = require("eloquent.connections").get(finding.name)
    connection:core():ping()
    finding.product, finding.version = connection.product, connection.version
    local question = questions[connection.driver]
    local row = question and connection:selectOne(question)
    for _, name in ipairs(row and answers or {}) do
        local ok, value = pcall(function()
            return row[name]
        end)
        finding[name] = ok and value or nil
    end
    if connection.driver == "mongo" then
        finding.transactions = transactions_of(connection)
    end
    connection:core():close()
end

---@class eloquent.cli.Finding  what doctor says of one connection
---@field state "works"|"fails"|"new"|"unused"  new: its file is made on first use

local function examine(name, default, missing)
    local env = require("eloquent.core.env")
    local finding = { name = name, default = name == default }
    local ok, resolved, kind = try(env.connection, name)
    if not ok then
        finding.state, finding.error, finding.kind = "fails", resolved, kind
        return finding
    end
    finding.driver, finding.target, finding.test = resolved.driver, resolved.target, resolved.test
    finding.configured = is_configured(resolved)
    finding.missing = missing[resolved.driver]
    if not finding.configured and not finding.default then
        finding.state = "unused"
        return finding
    end
    finding.settings = settings_of(resolved)
    if is_absent_file(resolved) then
        finding.state = "new"
        return finding
    end
    ok, finding.error, finding.kind = try(probe, finding)
    finding.state = ok and "works" or "fails"
    return finding
end

-- driver -> why it cannot be used
local function missing_drivers()
    local missing = {}
    for _, library in ipairs(require("eloquent.core.host").libraries()) do
        missing[library.driver] = library.missing
    end
    return missing
end

local PREFIXES <const> = " DB PG SQLITE MONGO MYSQL "

-- { name, near } of the variables in .env that look like ours and mean nothing. Those of the environment may be
-- another program's.
local function unknown_variables(env)
    local known, list, found, seen = {}, env.variables(), {}, {}
    for _, names in ipairs({ list, env.ignored() }) do
        for _, name in ipairs(names) do
            known[name] = true
        end
    end
    for _, name in ipairs(env.written(".env")) do
        local prefix = name:match("^(%u+)_")
        if prefix and PREFIXES:find(" " .. prefix .. " ", 1, true) and not known[name] and not seen[name] then
            seen[name] = true
            local ours = name:gsub("^MYSQL_", "DB_")
            local near = known[ours] and ours or require("eloquent.support.nearest").find(ours, list)
            found[#found + 1] = { name = name, near = near }
        end
    end
    return found
end

local function gather()
    local env, host = require("eloquent.core.env"), require("eloquent.core.host")
    local report = {
        schema_version = 1,
        env_file = { found = host.env_found, error = host.env_error },
        connections = {},
        ignored = env.ignored(),
    }
    report.unknown = not host.env_error and unknown_variables(env) or {}
    local ok, name = try(env.default)
    report.default = ok and { name = name } or { error = name }
    report.default.variable = os.getenv("DB_CONNECTION") and "DB_CONNECTION" or nil
    local _, role = try(env.role)
    local _, app = try(env.app)
    report.role, report.environment = role, app
    local missing = missing_drivers()
    for i, known in ipairs(env.names()) do
        report.connections[i] = examine(known, report.default.name, missing)
    end
    return report
end

local function status_of(report)
    if report.env_file.error then
        return 1
    end
    for _, finding in ipairs(report.connections) do
        if finding.default and finding.state ~= "fails" then
            return 0
        end
    end
    return 4
end

local function describe(finding)
    if finding.state == "unused" then
        return "not configured" .. (finding.missing and "; " .. finding.missing or "")
    elseif finding.state == "fails" then
        return finding.error
    elseif finding.state == "new" then
        return finding.target .. ", made on first use"
    end
    return ("%s %s at %s"):format(finding.product, finding.version, finding.target)
end

local colors_of = { works = "green", new = "green", fails = "red", unused = "faint" }

local function print_connection(finding, colors)
    local state = colors[colors_of[finding.state]](("%-7s"):format(finding.state))
    local mark = finding.default and "*" or " "
    print(("%s %s%-12s %s"):format(state, mark, finding.name, describe(finding)))
    for _, setting in ipairs(finding.settings or {}) do
        print(("           %-18s %-28s %s"):format(setting.key, setting.value, setting.source))
    end
    for _, name in ipairs(answers) do
        if finding[name] then
            print(("           %-18s %s"):format(name, finding[name]))
        end
    end
end

local advice = ": DB_CONNECTION names the default connection, connectionName pins a model"

local function print_report(report)
    local colors = require("eloquent.cli.output").colors(1)
    local file, default = report.env_file, report.default
    print("env file     " .. (file.error or file.found and ".env" or "none"))
    local why = default.variable or "DB_CONNECTION is not set"
    print("default      " .. (default.error or ("%s (%s)"):format(default.name, why)))
    print("role         " .. report.role)
    print("environment  " .. report.environment)
    print()
    for _, finding in ipairs(report.connections) do
        if finding.state ~= "unused" or not finding.test then
            print_connection(finding, colors)
        end
    end
    for _, name in ipairs(report.ignored) do
        print(colors.yellow("ignored") .. "  " .. name .. advice)
    end
    for _, variable in ipairs(report.unknown) do
        local near = variable.near and ("; did you mean '%s'?"):format(variable.near) or ""
        print(("%s  %s in .env means nothing here%s"):format(colors.yellow("ignored"), variable.name, near))
    end
end

function doctor.run(call)
    local output = require("eloquent.cli.output")
    local report = gather()
    if call.options.json then
        output.list(report.ignored)
        output.list(report.unknown)
        output.json(report)
    else
        print_report(report)
    end
    return status_of(report)
end

return doctor
