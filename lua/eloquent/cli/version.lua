-- SPDX-License-Identifier: MIT
--
-- `eloquent --version`: the program and the libraries it runs with.

local version = {
    name = "version",
    summary = "versions of the program and its libraries",
    usage = "eloquent --version [--json]",
    takes = 0,
    without_env = true,
    examples = {
        { "eloquent --version", "versions of the program and its libraries" },
        { "eloquent --version --json", "the same for programs" },
    },
    flags = { { name = "json", summary = "one JSON object" } },
}

local function print_plain(host, libraries)
    print("eloquent " .. host.version)
    print("  lua     " .. _VERSION:match("%d.*"))
    for _, entry in ipairs(libraries) do
        if entry.missing then
            print(("  %-7s missing: %s"):format(entry.driver, entry.missing))
        else
            local number = entry.version or "of unknown version"
            print(("  %-7s %s %s"):format(entry.driver, entry.library, number))
        end
    end
end

function version.run(call)
    local host = require("eloquent.core.host")
    local libraries = host.libraries()
    if call.options.json then
        local drivers = {}
        for _, entry in ipairs(libraries) do
            drivers[entry.driver] = {
                library = entry.library,
                version = entry.version,
                missing = entry.missing,
            }
        end
        require("eloquent.cli.output").json({
            schema_version = 1,
            version = host.version,
            lua = _VERSION:match("%d.*"),
            drivers = drivers,
        })
    else
        print_plain(host, libraries)
    end
    return 0
end

return version
