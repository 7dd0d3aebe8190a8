-- SPDX-License-Identifier: MIT
--
-- Reads flags by tables.  Own code, because help has to begin with examples, `run` has
-- to hand on everything after its file untouched, and each start pays for loading it.

local parser = {}

local function find_long(groups, name)
    for _, flags in ipairs(groups) do
        for _, flag in ipairs(flags) do
            if flag.name == name then
                return flag
            end
        end
    end
end

local function find_short(groups, letter)
    for _, flags in ipairs(groups) do
        for _, flag in ipairs(flags) do
            if flag.short == letter then
                return flag
            end
        end
    end
end

local function unknown(groups, word, config)
    local names = {}
    for _, flags in ipairs(groups) do
        for _, flag in ipairs(flags) do
            if not flag.hidden then
                names[#names + 1] = "--" .. flag.name
            end
        end
    end
    require("eloquent.cli.usage").unknown("flag", word, names, config.help)
end

-- Stores the value of `flag`; returns the index of the last word that it took.
local function store(result, flag, spelled, value, words, i, config)
    local usage = require("eloquent.cli.usage")
    if not flag.value then
        if value then
            usage.fail(("%s takes no value"):format(spelled), "see: " .. config.help)
        end
        result[flag.name] = true
        return i
    end
    if not value then
        i = i + 1
        value = words[i]
        if not value then
            local message = ("%s needs a value: %s %s"):format(spelled, spelled, flag.value)
            usage.fail(message, "see: " .. config.help)
        end
    end
    if flag.many then
        result[flag.name] = result[flag.name] or {}
        table.insert(result[flag.name], value)
    else
        result[flag.name] = value
    end
    return i
end

--- Splits a command line into flags and the rest.
---@param words string[]
---@param groups table[]  lists of flags { name=, short=, value=, many=, summary= }; a flag
--- with `value` (its name in help) takes one, with `many` several times
---@param config { stop: boolean?, help: string }  stop: the first word that is no flag ends
--- them; help: the command that explains
---@return table flags, string[] rest
function parser.parse(words, groups, config)
    local result, rest = {}, {}
    local i = 1
    while i <= #words do
        local word = words[i]
        local long, value = word:match("^%-%-([^=]+)=?(.*)$")
        if word == "--" then
            table.move(words, i + 1, #words, #rest + 1, rest)
            break
        elseif long then
            local flag = find_long(groups, long) or unknown(groups, "--" .. long, config)
            value = word:find("=", 1, true) and value or nil
            i = store(result, flag, "--" .. long, value, words, i, config)
        elseif word:find("^%-.") then
            local flag = #word == 2 and find_short(groups, word:sub(2))
            flag = flag or unknown(groups, word, config)
            i = store(result, flag, word, nil, words, i, config)
        elseif config.stop then
            table.move(words, i, #words, #rest + 1, rest)
            break
        else
            rest[#rest + 1] = word
        end
        i = i + 1
    end
    return result, rest
end

return parser
